"""From bytes to values: media types, bodies, queries, paths, methods; every refusal is a problem document."""

import json

import pytest

from tests.support.spec_validator import DOCUMENT

JSON = "application/json"
PROBLEM = "application/problem+json"


@pytest.fixture
def client(shared_client):
    return shared_client


def problem(response, status, code):
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == PROBLEM
    document = response.get_json()
    assert document["code"] == code, document
    assert document["status"] == status
    assert document["request_id"] == response.headers["X-Request-ID"]
    return document


@pytest.mark.parametrize("content_type", [
    None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    "application/json; charset=utf-16", "application/json; charset=latin-1", "application/jsonx", "json", "",
    "application/*", "text/json",
])  # fmt: skip
def test_a_body_is_said_to_be_json_in_utf8(client, content_type):
    response = client.send("POST", "/v1/networks", data=b'{"name": "ab"}', headers={"Content-Type": content_type or ""})
    problem(response, 415, "media-type-unsupported")
    assert response.headers["Accept"] == JSON


@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8", "Application/JSON; Charset=UTF-8"])
def test_json_by_its_name(client, content_type):
    response = client.send("POST", "/v1/networks", data=b'{"name": "ab"}', headers={"Content-Type": content_type})
    assert response.status_code == 201


def test_no_other_encodings(client):
    coded = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    problem(client.send("POST", "/v1/networks", data=b"\x1f\x8b", headers=coded), 415, "media-type-unsupported")


def test_bodies_where_they_belong_and_no_larger_than_allowed(make):
    client = make(max_body_bytes=2048)
    problem(client.send("GET", "/v1/networks", data=b"{}", content_type=JSON), 400, "body-unexpected")
    problem(client.send("POST", "/v1/networks", data=b"", content_type=JSON), 400, "json-invalid")
    large = b'{"name": "' + b"a" * 4096 + b'"}'
    problem(client.send("POST", "/v1/networks", data=large, content_type=JSON), 413, "body-too-large")
    stop = "/v1/containers/alpha-run/stop"
    problem(client.send("POST", stop, data=b'{"t": 1}', content_type=JSON), 400, "body-unexpected")


@pytest.mark.parametrize(
    "body", [[], None, True, 0, "x", [{}], {"name": None}, {"name": 1}, {"name": ["x"]}, {"NAME": "x"}]
)
def test_other_shapes_are_listed_faults(client, body):
    response = client.send("POST", "/v1/networks", data=json.dumps(body), content_type=JSON)
    assert problem(response, 422, "input-invalid")["errors"]


@pytest.mark.parametrize(
    "name", ["ab\n", "\nab", "a\u0000b", "a b", "../x", "a/b", "%2e%2e", "é", "\u0661\u0662", "a" * 129, "-a", ".."]
)
def test_names_end_where_they_end(client, name):
    assert (
        problem(client.send("POST", "/v1/networks", {"name": name}), 422, "input-invalid")["errors"][0]["pointer"]
        == "/name"
    )
    assert client.engine.changes == []


@pytest.mark.parametrize("image", ["busybox\n", "busybox@sha256:x", "-x", "a b", "a\u0000", "$(x)"])
def test_images_and_addresses_end_where_they_end(client, image):
    problem(client.send("POST", "/v1/containers", {"name": "ab", "image": image}), 422, "input-invalid")
    mac = {"mac_address": "02:42:ac:11:00:02\n"}
    problem(client.send("PUT", "/v1/networks/alpha-net/endpoints/alpha-free", mac), 422, "input-invalid")
    host = {"name": "ab", "image": "busybox", "hostname": "web\n"}
    problem(client.send("POST", "/v1/containers", host), 422, "input-invalid")


@pytest.mark.parametrize("query", [
    "unknown=1", "limit=0", "limit=1001", "limit=1.0", "limit=1e2", "limit=+1", "limit=0x1", "limit=%D9%A1",
    "limit=%EF%BC%91", "limit=" + "9" * 300, "limit=1%0a", "limit=1&limit=1", "name=%ff", "name=%00", "name=a%0ab",
    "dangling=2", "dangling=yes", "dangling=", "type=x", "cursor=x", "cursor=%00", "cursor=e30", "=x", "%ff=1",
    "dry_run=true", "Limit=1", "label=a%00",
])  # fmt: skip
def test_queries_are_as_strict_as_bodies(client, query):
    assert problem(client.send("GET", f"/v1/networks?{query}"), 422, "input-invalid")["errors"]


def test_flags_are_true_or_false(client):
    for value in ("2", "yes", "on", "", "true%20"):
        problem(client.send("DELETE", f"/v1/networks/beta-unused?force={value}"), 422, "input-invalid")
        problem(client.send("DELETE", f"/v1/networks/beta-unused?dry_run={value}"), 422, "input-invalid")
    assert client.engine.changes == []


@pytest.mark.parametrize("reference", [
    "..", "%2e%2e", "beta-net%00", "beta-net%0a", "beta-net%20", "%20beta-net",
    "BETA-NET", "%ff", "%F0%9F%92%A9", "a" * 5000, "*", "beta-net%3f", ".", "%00", "beta-net%23",
])  # fmt: skip
def test_a_reference_that_is_none_is_unknown(client, reference):
    for method, body in (("GET", None), ("DELETE", None)):
        response = client.send(method, f"/v1/networks/{reference}", body)
        assert response.status_code == 404, response.get_data(as_text=True)
        assert response.get_json()["code"] == "network-not-found"
    assert client.engine.changes == []


@pytest.mark.parametrize("reference", ["..%2fcontainers%2fbeta-run", "%2e%2e%2f", "beta-net%2f", "%2f", "a%2fb"])
def test_a_hidden_slash_is_a_slash(client, reference):
    headers = {"Authorization": "Bearer token-of-admin"}
    for method in ("GET", "DELETE"):
        problem(
            client.app.test_client().open(f"/v1/networks/{reference}", method=method, headers=headers),
            404,
            "path-unknown",
        )
    assert client.engine.changes == []


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/v1", "/v1/", "/v1/networks/", "//v1/networks", "/v1//networks", "/V1/networks", "/v2/networks"],
)
def test_paths_are_exact(client, path):
    problem(client.send("GET", path), 404, "path-unknown")


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PATCH", "PROPFIND", "FOO"])
def test_methods_are_exact(client, method):
    response = client.send(method, "/v1/networks")
    problem(response, 405, "method-not-allowed")
    assert {"GET", "POST"} <= set(response.headers["Allow"].replace(",", " ").split())
    assert "Access-Control-Allow-Origin" not in response.headers


def test_an_unknown_path_or_method_is_told_what_there_is(client):
    slash = client.call("GET", "/v1/networks/", status=404)
    assert slash["detail"] == "There is no path /v1/networks/ here. It is /v1/networks, without a slash at its end."
    assert slash["remedy"]["calls"] == [{"method": "GET", "path": "/openapi.json", "body": None}]
    assert client.call("GET", "/v1/nothing/", status=404)["detail"] == "There is no path /v1/nothing/ here."
    assert len(client.call("GET", "/" + "n" * 4000, status=404)["detail"]) < 300
    refused = client.call("PATCH", "/v1/networks", status=405)
    assert refused["detail"] == "/v1/networks takes GET, HEAD, POST, not PATCH."


@pytest.mark.parametrize(("method", "path", "body"), [
    ("GET", "/v1/networks/000", None), ("DELETE", "/v1/networks/000", None), ("GET", "/v1/topology?network=000", None),
    ("GET", "/v1/containers?network=000", None), ("GET", "/v1/events?network=000", None),
    ("PUT", "/v1/networks/alpha-net/endpoints/000", {}), ("POST", "/v1/networks", {"name": "n", "config_from": "000"}),
    ("POST", "/v1/containers", {"image": "busybox", "networks": [{"network": "000"}]}),
    ("POST", "/v1/containers", {"image": "busybox", "network_mode": "container:000"}),
])  # fmt: skip
def test_a_prefix_of_many_names_them_wherever_it_stands(client, method, path, body):
    told = client.call(method, path, body, status=400)
    assert told["code"] == "ambiguous-reference"
    assert {"id", "name"} == set(told["facts"]["candidates"][0])
    assert len(told["facts"]["candidates"]) > 1
    assert client.engine.changes == []


def test_the_index_leads_to_everything_that_needs_no_name(client):
    links = set(client.get("/")["links"].values())
    assert links <= {*DOCUMENT["paths"], "/openapi.yaml"}
    plain = {path for path, item in DOCUMENT["paths"].items() if "get" in item and "{" not in path}
    assert plain - links == {"/", "/openapi.json", "/openapi-3.0.json", "/v1/connectivity/probe"}


def test_nothing_said_has_no_media_type(client):
    response = client.send("DELETE", "/v1/networks/beta-unused")
    assert (response.status_code, response.get_data()) == (204, b"")
    assert "Content-Type" not in response.headers


@pytest.mark.parametrize("tag", ["*", '"any"'])
def test_no_tag_fits_what_is_not_there(client, tag):
    """RFC 9110, 13.1.1; but where the operation itself says that something is missing, that is said."""
    path, headers = "/v1/networks/beta-unused/endpoints/beta-run", {"If-Match": tag}
    problem(client.send("PUT", path, {}, headers=headers), 412, "precondition-failed")
    problem(client.send("DELETE", path, headers=headers), 412, "precondition-failed")
    problem(client.send("DELETE", "/v1/networks/none-such", headers=headers), 404, "network-not-found")
    assert client.engine.changes == []


def test_what_depends_on_accept_says_so(client):
    graph = client.send("GET", "/v1/topology", headers={"Accept": "text/vnd.mermaid"})
    assert {"Accept", "Accept-Encoding"} == set(graph.vary)
    again = {"Accept": "text/vnd.mermaid", "If-None-Match": graph.headers["ETag"]}
    unchanged = client.send("GET", "/v1/topology", headers=again)
    assert (unchanged.status_code, "accept" in unchanged.vary) == (304, True)
    assert set(client.send("GET", "/v1/networks").vary) == {"Accept-Encoding"}


def test_no_header_overrides_the_method_or_the_path(client):
    tricks = {
        "X-HTTP-Method-Override": "DELETE",
        "X-Method-Override": "DELETE",
        "X-Original-URL": "/v1/containers/beta-run",
    }
    assert client.send("GET", "/v1/networks/beta-unused", headers=tricks).status_code == 200
    problem(client.send("POST", "/v1/networks/beta-unused?_method=DELETE", headers=tricks), 405, "method-not-allowed")
    assert client.engine.changes == []


def test_head_is_get_without_a_body(client):
    got, head = client.send("GET", "/v1/networks"), client.send("HEAD", "/v1/networks")
    assert (head.status_code, head.get_data(), head.headers["ETag"]) == (200, b"", got.headers["ETag"])
    assert client.send("HEAD", "/v1/networks/none-such").status_code == 404


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*", "text/plain, text/html;q=0.9"])
def test_what_is_not_offered_is_not_acceptable(client, accept):
    problem(client.send("GET", "/v1/networks", headers={"Accept": accept}), 406, "not-acceptable")


@pytest.mark.parametrize(
    "accept", ["*/*", "", "application/*", "application/json, text/html", "a", ",,,", "application/json;q=x"]
)
def test_what_is_offered_or_makes_no_sense_gets_the_default(client, accept):
    assert client.send("GET", "/v1/networks", headers={"Accept": accept}).status_code in {200, 406}


@pytest.mark.parametrize("key", ["", "k" * 256, "\u00e9", "a\x7fb"])
def test_keys_for_retries_are_printable(client, key):
    problem(client.send("POST", "/v1/networks", {"name": "ab"}, headers={"Idempotency-Key": key}), 422, "input-invalid")


@pytest.mark.parametrize("request_id", ["a b", "a" * 129, "\u00e9", "x;y", ""])
def test_a_request_id_that_makes_no_sense_is_replaced(client, request_id):
    answered = client.send("GET", "/livez", headers={"X-Request-ID": request_id}).headers["X-Request-ID"]
    assert answered not in {"", request_id}
    assert client.send("GET", "/livez", headers={"X-Request-ID": "kept-1.2_3"}).headers["X-Request-ID"] == "kept-1.2_3"


def test_an_accident_tells_the_client_nothing(make):
    class Broken:
        def __getattr__(self, name):
            raise RuntimeError("token-of-admin and other secrets")

    response = make(Broken()).send("GET", "/v1/networks")
    assert "secrets" not in response.get_data(as_text=True)
    problem(response, 500, "internal-error")


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/v1/networks", "/nothing", "/openapi.json", "/docs", "/v1/networks/none-such"]
)
def test_security_headers_on_every_answer(client, path):
    headers = client.send("GET", path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-eval" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] in {"no-store", "private, no-cache"} or "Authorization" not in headers.get(
        "Vary", ""
    )
    assert not [name for name, _ in headers if name.lower().startswith("access-control-")]


def test_every_fault_of_a_body_is_told_at_once_and_where_it_is(client):
    told = client.post("/v1/containers", {
        "image": "Not One", "command": "sleep 1", "start": "yes", "privileged": True, "sysctls": {"kernel.x": "1"},
        "environment": {"A=B": "x", "C": 1}, "labels": {"a/b~c": None, "io.bridgework.x": "1"},
        "extra_hosts": {"h": "nowhere", "i": 5},
        "published_ports": [{"container_port": 65535, "count": 2}, {"container_port": 0, "protocol": "x"}],
    }, status=422)  # fmt: skip
    assert {fault["pointer"] for fault in told["errors"]} == {
        "/image", "/command", "/start", "/privileged", "/sysctls/kernel.x", "/environment/A=B", "/environment/C",
        "/labels/a~1b~0c", "/labels/io.bridgework.x", "/extra_hosts/h", "/extra_hosts/i",
        "/published_ports/0/container_port", "/published_ports/1/container_port", "/published_ports/1/protocol",
    }  # fmt: skip
