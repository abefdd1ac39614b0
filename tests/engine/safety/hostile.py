"""Hostile requests, as bytes: seeded, so that a failure can be had again."""

import json
import random

REFERENCES = [
    "..", "../containers/victim", "..%2Fcontainers%2Fvictim", "%2e%2e", "%2e%2e%2f%2e%2e", "..%252f", "victim%00",
    "victim%0a", "victim%0d%0aX:%20y", "%00", "%ff%fe", "%c0%ae%c0%ae", "%F0%9F%92%A9", "a" * 3000, "-", "--help",
    "*", "victim?x", "victim;rm", "victim%20", "%20victim", "../../../../etc/passwd", "..\\..\\victim", "victim%2e",
    "\u0663", "0", "null", "{id}", "victim/json", "victim/../victim", "sha256:" + "0" * 64, "0" * 64, "%2Fvictim%2F",
]  # fmt: skip
PATHS = [
    "/v1/networks/{}", "/v1/containers/{}", "/v1/containers/{}/start", "/v1/containers/{}/rename",
    "/v1/networks/{}/endpoints/victim", "/v1/networks/foreign-net/endpoints/{}", "/v1/containers/{}/interfaces",
    "/v1/networks/{}/addresses", "/{}", "/v1/{}", "/v1/networks{}", "//v1/networks/{}", "/v1/containers/{}/exec",
    "/v1/containers/{}/archive?path=/", "/livez/{}", "/openapi.{}", "/docs/{}", "/console/{}", "/metrics/{}",
]  # fmt: skip
METHODS = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X" * 30,
]  # fmt: skip
QUERIES = [
    "limit=-1", "limit=1e9", "limit=%D9%A1", "limit=" + "9" * 400, "limit=5&limit=6", "limit=", "force=1",
    "force=TRUE", "dry_run=maybe", "dry_run=true&dry_run=false", "label=%ff", "label[]=x", "cursor=" + "A" * 1500,
    "cursor=eyJ4IjoxfQ", "cursor=%00", "unknown=1", "=", "&&&", "name=%00", "name=%0a", "until=9999-99-99",
    "until=0001-01-01T00:00:00%2B23:59", "until=2020-01-01", "until=" + "1" * 60, "type=evil", "publishes=65536",
    "prefix_len=999", "count=1000000", "fold=99999999999999999999", "source=x&destination=address:169.254.169.254",
    "network=..%2Fcontainers%2Fvictim", "driver=%u0041", "%6cimit=1",
]  # fmt: skip
RAW_BODIES = [
    b"", b"{", b"[]", b"null", b"true", b'"x"', b"0", b"-", b"{}" * 2, b"\x00", b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}", b"[" * 30_000, b"[" * 200_000, b'{"a":' * 20_000, b'{"name":"x","name":"y"}', b'{"name": NaN}',
    b'{"port": Infinity}', b'{"port": 1e999}', b'{"port": ' + b"9" * 5000 + b"}", b'{"port": -0.0}',
    '{"port": ٣}'.encode(), b'{"name": "\\ud800"}', b'{"name": "\\u0000"}', b'{"name": "a\nb"}',
    b'{"name": "' + b"a" * 200_000 + b'"}', b'"' + b'\\"' * 100_000, b'{"Name": "x", "NAME": "y"}', b"<xml/>",
    b"name=x", b"{'name': 'x'}", b'{"name": "x",}', b"{} //", b"\xc3\x28", '{"name": "x"}'.encode("utf-16"),
    '{"name": "x"}'.encode("utf-32"), b'{"__proto__": {}}', b'{"a": "\\x41"}', b'{"a": "' + b"a" * 300_000,
]  # fmt: skip
VALUES = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 1e300, 0.5, "", " ", "x" * 300, "..", "../x", "a\u0000b", "a\nb", [],
    {}, [None], {"": ""}, {"a": {"b": {}}}, "host", "container:victim", "container:../networks/x", "none",
    "169.254.169.254", "0.0.0.0/0", "::/0", "10.0.0.0/33", "8.8.8.0/24", "169.254.169.0/24", "\u0661", "\ufeffx",
    "\u202ex", "true", "1", [1] * 300, ["a"] * 300, "busybox@sha256:" + "g" * 64, "-v", "busybox\n", "../../image",
    {"container": "victim"}, {"host": True},
]  # fmt: skip
FIELDS = [
    "name", "driver", "scope", "internal", "ipam", "options", "labels", "config_from", "image", "command",
    "environment", "network_mode", "networks", "published_ports", "hostname", "dns", "extra_hosts", "sysctls",
    "restart_policy", "start", "pull", "aliases", "ipv4_address", "mac_address", "driver_options", "source",
    "destination", "protocol", "port", "count", "timeout_ms", "containers", "network", "all", "by", "assertions",
    "Privileged", "HostConfig", "Binds", "Mounts", "cap_add", "privileged", "volumes", "devices", "pid_mode",
    "security_opt", "io.bridgework.project", "$where", "__class__",
]  # fmt: skip
TARGETS = [
    ("POST", "/v1/networks"), ("POST", "/v1/containers"), ("PUT", "/v1/networks/foreign-net/endpoints/victim"),
    ("POST", "/v1/containers/victim/rename"), ("POST", "/v1/connectivity/checks"),
    ("POST", "/v1/connectivity/matrix"), ("POST", "/v1/connectivity/assertions"), ("POST", "/v1/network-prunes"),
    ("POST", "/v1/containers/victim/stop"),
]  # fmt: skip
HEADERS = [
    "X-HTTP-Method-Override: DELETE", "X-Original-URL: /v1/containers/victim", "X-Forwarded-For: 127.0.0.1",
    "Forwarded: for=1", "X-Request-ID: " + "a" * 5000, "X-Request-ID: a b\tc", "traceparent: " + "0" * 500,
    "Accept: text/html", "Accept: */*;q=0", "Accept: application/json;q=2", "Accept: ,,,", "Accept: a",
    "If-None-Match: " + '"x",' * 500, "If-Match: *", "If-Match: garbage", "Range: bytes=0-1", "Idempotency-Key: ",
    "Idempotency-Key: " + "k" * 300, "Idempotency-Key: \x80\x81", "Upgrade: h2c", "Content-Encoding: gzip",
    "Content-Type: application/json; charset=utf-16", "Content-Type: text/plain", "Expect: 100-continue",
    "Expect: something", "Cookie: a=b", "Host: evil", "Host: [::1", "Host: a:b:c", "Connection: Upgrade",
    "TE: trailers", "Authorization: Basic YTpi", "Authorization: Bearer a b", "Authorization: Bearer " + "x" * 5000,
    "Authorization: Bearer ..", "Authorization: bearer eyJhbGciOiJub25lIn0.e30.", "Proxy: http://evil",
    "X_Request_ID: y", "Content-Length : 0", "Content-Length: +0", "Content-Length: 0x10", "Content-Length: 1, 1",
    "Content-Length: -1", "Transfer-Encoding: chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked",
    "Transfer-Encoding: identity", " folded: x", "no colon here", "Bad Name: x", ": empty", "X: " + "y" * 9000,
    "X-Nul: a\x00b", "Last-Event-ID: \x80",
]  # fmt: skip
ADDRESSES = [
    "0.0.0.0", "127.0.0.2", "127.1", "0177.0.0.1", "0x7f.1", "2130706433", "017700000001", "0x7f000001",
    "169.254.169.254", "169.254.43518", "2852039166", "0xa9fea9fe", "::", "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe", "::169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "fe80::1%eth0",
    "fe80::1%25eth0", "ff02::1", "224.0.0.1", "255.255.255.255", "10.0.0.1", "8.8.8.8", "192.168.0.1", "100.64.0.1",
    "[::1]", "127.0.0.1:80", "127.0.0.1/32", "1.1", "1", "", "\uff11\uff12\uff17.0.0.1", "127。0。0。1", "localhost",
    "metadata.google.internal", "0", "fd00:ec2::254",
]  # fmt: skip
"""Spellings of what is never to be probed from the host (from a container its own loopback is fair)."""


QUERIED = [
    ("GET", "/v1/networks"), ("GET", "/v1/containers"), ("GET", "/v1/subnets/available"), ("GET", "/v1/topology"),
    ("GET", "/v1/connectivity/probe"), ("DELETE", "/v1/networks/none-such"),
    ("GET", "/v1/networks/foreign-net/endpoints"),
]  # fmt: skip
LINES = [
    "GET /v1/networks", "GET  /v1/networks HTTP/1.1", "GET /v1/networks HTTP/9.9", "GET /v1/networks HTTP/1.1 x",
    "GET http://evil/v1/networks HTTP/1.1", "GET " + "/a" * 6000 + " HTTP/1.1", "\x00 / HTTP/1.1",
    "GET /v1/\x01 HTTP/1.1", "GET /v1/networks#x HTTP/1.1", "GET * HTTP/1.1", "", "PRI * HTTP/2.0",
]  # fmt: skip


class Hostile:
    """Makes requests; each ends its connection, so that the answer is whatever comes until then."""

    def __init__(self, seed, tokens):
        self._random = random.Random(seed)
        self._tokens = tokens

    def request(self):
        kinds = (self._reference, self._query, self._raw_body, self._fields, self._header, self._ssrf, self._line)
        return self._random.choice(kinds)()

    def _pick(self, choices):
        return self._random.choice(choices)

    def _bytes(self, method, target, body=b"", headers=(), *, length=True):
        token = self._pick(self._tokens)
        lines = [f"{method} {target} HTTP/1.1", "Connection: close"]
        given = {header.partition(":")[0].strip().lower() for header in headers}
        if "host" not in given:
            lines.append("Host: localhost")
        if token and "authorization" not in given:
            lines.append(f"Authorization: Bearer token-of-{token}")
        if body and "content-type" not in given:
            lines.append("Content-Type: application/json")
        if length and body and not given & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, *headers])
        return head.encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body

    def _reference(self):
        method = self._pick(METHODS[:5])
        target = self._pick(PATHS).format(self._pick(REFERENCES).replace(" ", "%20"))
        return self._bytes(method, target, b"{}" if method in {"PUT", "POST"} and self._pick((True, False)) else b"")

    def _query(self):
        method, path = self._pick(QUERIED)
        queries = "&".join(self._pick(QUERIES) for _ in range(self._random.randint(1, 3)))
        return self._bytes(method, f"{path}?{queries}")

    def _raw_body(self):
        return self._bytes(*self._pick(TARGETS[:7]), self._pick(RAW_BODIES))

    def _fields(self):
        method, path = self._pick(TARGETS[:7])
        document = {self._pick(FIELDS): self._pick(VALUES) for _ in range(self._random.randint(0, 6))}
        document.pop("all", None)
        return self._bytes(method, path, json.dumps(document).encode())

    def _header(self):
        method, path = self._pick(
            [("GET", "/v1/networks"), *TARGETS[:2], ("GET", "/livez"), ("DELETE", "/v1/networks/none-such")]
        )
        body = b"{}" if method == "POST" else b""
        return self._bytes(method, path, body, [self._pick(HEADERS) for _ in range(self._random.randint(1, 3))])

    def _ssrf(self):
        address = self._pick(ADDRESSES)
        source = self._pick([{"host": True}, {"container": "victim"}])
        kind = self._pick(["address", "address", "name"])
        body = {"source": source, "destination": {kind: address}, "timeout_ms": 200, "protocol": "tcp", "port": 22}
        return self._bytes("POST", "/v1/connectivity/checks", json.dumps(body).encode())

    def _line(self):
        line = self._pick([*LINES, f"{self._pick(METHODS)} /v1/networks HTTP/1.1"])
        return line.encode("latin-1") + b"\r\nHost: x\r\nConnection: close\r\n\r\n"
