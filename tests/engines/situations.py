"""A generated family of situations: what the service predicts and measures, held against the wire, on any engine.

Every kind of network that an engine has (bridge with each option and gateway mode, IPv4, IPv6 and both, internal,
macvlan), containers with and without published ports on each, every pair of kinds with a protocol and a family drawn
by a fixed seed, and every published port from every kind of place. The truth comes from ``wire_truth``, by ``nsenter``.
"""

import contextlib
import itertools
import json
import random
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.random.test_agreement import Servers, web
from tests.support.api import WIDE, Client
from tests.support.raw_engine import Raw

TRUTH = Path(__file__).with_name("wire_truth.py")
SEED = 28
TIMEOUT_MS = 400
AT_ONCE = 6
PUBLISHED, LOOPBACK_ONLY, UNPUBLISHED, ECHO, ECHO_UNPUBLISHED = 8080, 8081, 8082, 9000, 9001
BRIDGE = "com.docker.network.bridge."


@dataclass(frozen=True)
class Kind:
    """One kind of network: options as the engine's API has them, and the API version that knows them."""

    name: str
    ipv4: bool = True
    ipv6: bool = False
    options: dict = field(default_factory=dict)
    since: tuple[int, int] = (1, 44)
    fields: dict = field(default_factory=dict)


KINDS = [
    Kind("plain"),
    Kind("other"),
    Kind("dual", ipv6=True),
    Kind("dual-too", ipv6=True),
    Kind("six", ipv4=False, ipv6=True, since=(1, 47), fields={"EnableIPv4": False}),
    Kind("inside", fields={"Internal": True}),
    Kind("inside-dual", ipv6=True, fields={"Internal": True}),
    Kind("icc-off", ipv6=True, options={"enable_icc": "false"}),
    Kind("no-masquerade", ipv6=True, options={"enable_ip_masquerade": "false"}),
    Kind("routed", ipv6=True, options={"gateway_mode_ipv4": "routed", "gateway_mode_ipv6": "routed"}),
    Kind("routed-six", ipv6=True, options={"gateway_mode_ipv6": "routed"}),
    Kind("unprotected", ipv6=True,
         options={"gateway_mode_ipv4": "nat-unprotected", "gateway_mode_ipv6": "nat-unprotected"}),
    Kind("isolated", ipv6=True, since=(1, 48), fields={"Internal": True},
         options={"gateway_mode_ipv4": "isolated", "gateway_mode_ipv6": "isolated"}),
    Kind("bound-to-loopback", options={"host_binding_ipv4": "127.0.0.1"}),
    Kind("lan", fields={"Driver": "macvlan"}),
]  # fmt: skip
LAN_PARENT = "sit0"


@dataclass(frozen=True)
class Place:
    """A container, or the host: which networks it is on, in which mode, and at which host port it publishes."""

    name: str
    kinds: tuple[str, ...]
    mode: str | None = None
    host_port: int | None = None


@dataclass(frozen=True)
class Situation:
    """One question, and where it is asked."""

    name: str
    source: str
    destination: tuple[tuple[str, object], ...]
    protocol: str
    port: int
    version: str
    aimed_at: str | None
    """The address that the truth tries; ``None`` for the one that the service chooses."""

    @property
    def body(self):
        source = {"host": True} if self.source == "host" else {"container": self.source}
        port = {} if self.protocol == "icmp" else {"port": self.port}
        return {"source": source, "destination": dict(self.destination), "protocol": self.protocol,
                "ip_version": self.version, "timeout_ms": TIMEOUT_MS, **port}  # fmt: skip


@dataclass
class Outcome:
    """How one situation came out; each of the three is ``reachable``, ``unreachable`` or ``inconclusive``."""

    situation: Situation
    predicted: str
    measured: str
    truth: str
    findings: list[dict]

    @property
    def codes(self):
        return [finding["code"] for finding in self.findings]

    @property
    def kind(self):
        if "inconclusive" in {self.predicted, self.truth}:
            return "undecided"
        return "right" if self.predicted == self.truth else "wrong"

    def __str__(self):
        return (
            f"{self.situation.name}: predicted {self.predicted}, measured {self.measured}, wire {self.truth}"
            f" {self.codes}"
        )


class World:
    """The setup on one engine."""

    def __init__(self, engine, tokens_file):
        wide = Settings(tokens_file=tokens_file, stop_grace_s=1, **WIDE)
        self.app = create_app(wide, EngineAddress(engine.docker_host))
        self.api, self.raw = Client(self.app), Raw(engine)
        said = self.raw.get("/version")
        self.version, self.setting = said["Version"].partition("+")[0], ""
        self.api_version = tuple(int(part) for part in said["ApiVersion"].split("."))
        self.kinds = {kind.name: kind for kind in KINDS if kind.since <= self.api_version}
        self.places = {place.name: place for place in self._places()}
        self.servers = Servers()

    def _places(self):
        ports = itertools.count(20080, 10)
        yield Place("host", ())
        yield Place("bridge-one", ("bridge",), host_port=next(ports))
        yield Place("bridge-two", ("bridge",))
        for name in self.kinds:
            yield Place(f"{name}-one", (name,), host_port=None if name == "lan" else next(ports))
            yield Place(f"{name}-two", (name,))
        yield Place("both-one", ("inside", "plain"), host_port=next(ports))
        yield Place("both-two", ("dual", "other"))
        yield Place("hosted", (), mode="host")
        yield Place("alone", (), mode="none")
        yield Place("guest", ("plain",), mode="container:plain-one")

    def build(self):
        self.raw.in_namespace("ip", "link", "add", LAN_PARENT, "type", "veth", "peer", "name", f"{LAN_PARENT}-far")
        for link in (LAN_PARENT, f"{LAN_PARENT}-far"):
            self.raw.in_namespace("ip", "link", "set", link, "up")
        for number, kind in enumerate(self.kinds.values(), 1):
            pools = [{"Subnet": f"10.80.{number}.0/24"}] if kind.ipv4 else []
            pools += [{"Subnet": f"fd00:80:{number}::/64"}] if kind.ipv6 else []
            options = {f"{BRIDGE}{key}": value for key, value in kind.options.items()}
            if kind.fields.get("Driver") == "macvlan":
                options = {"parent": LAN_PARENT}
            body = {"Name": kind.name, "IPAM": {"Config": pools}, "EnableIPv6": kind.ipv6, "Options": options,
                    **kind.fields}  # fmt: skip
            self._do("POST", "/networks/create", body)
        guests = [place for place in self.places.values() if (place.mode or "").startswith("container:")]
        others = [place for place in self.places.values() if place.name != "host" and place not in guests]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._run, others))
        for place in guests:
            self._run(place)
        for place in self.places.values():
            if place.name not in {"host", "hosted"} and place not in guests:
                self.servers.open(f"/proc/{self._pid(place.name)}/ns/net", *(
                    (address, port) for address in ("0.0.0.0", "::") for port in (ECHO, ECHO_UNPUBLISHED)
                ))  # fmt: skip
        # Duplicate address detection takes a second or two; an address is not to be used before (RFC 4862, 5.4).
        settled = "for i in $(seq 50); do ip -6 addr show tentative | grep -q inet6 || exit 0; sleep 0.1; done"
        for place in self.places.values():
            self._inside(place.name, ["sh", "-c", settled])
        self.found = {one["name"]: one for one in self.api.get("/v1/containers?limit=1000")["items"]}
        return self

    def _do(self, method, path, body):
        """By the newest API that the engine speaks, for fields that older ones lack."""
        major, minor = self.api_version
        return self.raw.do(method, path, body, prefix=f"/v{major}.{minor}")

    def _run(self, place):
        bindings = {}
        if place.host_port:
            bindings = {
                f"{PUBLISHED}/tcp": [{"HostPort": str(place.host_port)}],
                f"{LOOPBACK_ONLY}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(place.host_port + 1)}],
                f"{ECHO}/udp": [{"HostPort": str(place.host_port + 2)}],
            }
        listening = [f"{address}:{port}" for port in (PUBLISHED, LOOPBACK_ONLY, UNPUBLISHED) for address in ("[::]",)]
        command = ["sleep", "3600"] if place.mode else web(*listening)
        if place.mode == "host":
            command = web("0.0.0.0:7080")
        mode = place.mode or place.kinds[0]
        made = self.raw.do("POST", f"/containers/create?name={place.name}", {
            "Image": "busybox", "Cmd": command, "StopSignal": "SIGKILL", "ExposedPorts": {key: {} for key in bindings},
            "HostConfig": {"NetworkMode": mode, "PortBindings": bindings},
        })["Id"]  # fmt: skip
        for kind in place.kinds[1:] if not place.mode else ():
            self.raw.connect(kind, made)
        self.raw.do("POST", f"/containers/{made}/start")

    def _pid(self, name):
        return self.raw.get(f"/containers/{name}/json")["State"]["Pid"]

    def _inside(self, name, command, **given):
        namespace = self.raw.namespace if name in {"host", "hosted"} else f"/proc/{self._pid(name)}/ns/net"
        return subprocess.run(
            ["nsenter", f"--net={namespace}", *command], check=False, capture_output=True, text=True, **given
        )

    def addresses(self, name):
        """The container's addresses by kind of network and family."""
        place = self.places[name]
        owner = place.mode.partition(":")[2] if (place.mode or "").startswith("container:") else name
        found = {}
        for endpoint in self.found.get(owner, {}).get("endpoints", ()):
            for version in ("4", "6"):
                if endpoint[f"ipv{version}_address"]:
                    found[endpoint["network"]["name"], version] = endpoint[f"ipv{version}_address"]
        return found

    def gateways(self, name):
        """The bridges' own addresses on the networks of a place, as its namespace routes by them."""
        for version in ("4", "6"):
            shown = self._inside(name, ["ip", f"-{version}", "-o", "route", "show", "default"]).stdout.split()
            if "via" in shown:
                yield version, shown[shown.index("via") + 1]

    def situations(self):
        """Every situation of the family, the same ones for one engine every time."""
        chance = random.Random(SEED)
        yield from self._pairs(chance)
        yield from self._published(chance)

    def _pairs(self, chance):
        heads = [name for name in self.places if not name.endswith("-two")]
        targets = [name for name in self.places if name != "host"]
        for source, target in itertools.product(heads, targets):
            ways = [("icmp", 0), ("tcp", PUBLISHED), ("tcp", UNPUBLISHED), ("udp", ECHO),
                    ("udp", ECHO_UNPUBLISHED)]  # fmt: skip
            protocol, port = chance.choice(ways)
            held = self.addresses(target)
            if source != target and held and chance.random() < 0.8:
                (_, version), address = chance.choice(sorted(held.items()))
                yield self._situation(source, {"address": address}, protocol, port, version, address)
            elif source != target and self.places[target].mode != "host":
                yield self._situation(source, {"container": target}, protocol, port, "any", None)

    def _published(self, chance):
        heads = [name for name in self.places if not name.endswith("-two") and name not in {"hosted", "alone"}]
        publishers = [place for place in self.places.values() if place.host_port]
        for source in heads:
            mine = list(self.gateways(source)) if source != "host" else [("4", "127.0.0.1"), ("6", "::1")]
            own = [place for place in publishers if place.name == source]
            for version, address in mine:
                for place in (*chance.sample(publishers, 3), *own):
                    protocol, offset = chance.choice([("tcp", 0), ("tcp", 0), ("tcp", 1), ("udp", 2)])
                    port = place.host_port + offset
                    yield self._situation(source, {"address": address}, protocol, port, version, address)

    def few(self):
        """Some situations that rules of others may change: within a network, between two, with the host, published."""
        addresses = {name: self.addresses(name) for name in self.places if name != "host"}
        near, far = addresses["plain-two"]["plain", "4"], addresses["other-one"]["other", "4"]
        six, gateway = addresses["dual-two"]["dual", "6"], dict(self.gateways("plain-one"))["4"]
        six_gateway = dict(self.gateways("dual-one"))["6"]
        published = self.places["plain-one"].host_port, self.places["other-one"].host_port
        published_six = self.places["dual-one"].host_port, self.places["dual-too-one"].host_port
        asked = [
            *(("plain-one", near, *how) for how in (("icmp", 0), ("tcp", PUBLISHED), ("udp", ECHO))),
            *(("plain-two", addresses["plain-one"]["plain", "4"], *how) for how in (("icmp", 0), ("tcp", PUBLISHED))),
            *((source, far, *how) for source in ("plain-one", "host") for how in (("icmp", 0), ("tcp", PUBLISHED))),
            *(("host", near, *how) for how in (("icmp", 0), ("tcp", PUBLISHED), ("udp", ECHO))),
            *(("plain-one", gateway, *how) for how in (("icmp", 0), *(("tcp", port) for port in published))),
            *(("plain-one", gateway, "udp", port + 2) for port in published),
            *(("plain-one", gateway, "http", port) for port in published),
            *(("host", "127.0.0.1", *how) for how in (("udp", published[0] + 2), ("http", published[0]))),
            *(("dual-one", six, *how) for how in (("icmp", 0), ("tcp", PUBLISHED))),
            *(("dual-one", six_gateway, *how) for port in published_six for how in (("http", port), ("udp", port + 2))),
        ]
        for source, address, protocol, port in asked:
            version = "6" if ":" in address else "4"
            yield self._situation(source, {"address": address}, protocol, port, version, address)

    @staticmethod
    def _situation(source, destination, protocol, port, version, aimed_at):
        words = " ".join(f"{key} {value}" for key, value in destination.items())
        name = f"{source} to {words} {protocol} {port or ''} v{version}"
        return Situation(name, source, tuple(destination.items()), protocol, port, version, aimed_at)

    def outcomes(self, situations=None):
        """Ask the service, ask the wire, join the two. What the service's policy refuses is left out."""
        every = list({one.name: one for one in situations or self.situations()}.values())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = [(one, answer) for one, answer in zip(every, pool.map(self._ask, every), strict=True) if answer]
        tried = {one.name: one.aimed_at or answer["measured"]["address"] for one, answer in answers}
        truths = self._truths([(one, tried[one.name]) for one, _ in answers if tried[one.name]])
        for one, answer in answers:
            truth = truths.get(one.name, "unreachable")
            verdicts = answer["predicted"]["verdict"], answer["measured"]["verdict"]
            yield Outcome(one, *verdicts, truth, answer["findings"])

    def traces(self):
        """Ask for a trace of every situation; what sends no packet has none."""
        every = list({one.name: one for one in self.situations()}.values())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for one, answer in zip(every, pool.map(lambda one: self._ask(one, trace=True), every), strict=True):
                if answer and answer["trace"]:
                    yield one, answer["trace"]

    def _ask(self, situation, **more):
        headers = {"Authorization": "Bearer token-of-admin"}
        body = {**situation.body, **more}
        sent = self.app.test_client().post("/v1/connectivity/checks", json=body, headers=headers)
        if sent.status_code == 403:
            return None
        assert sent.status_code == 200, (situation.name, sent.get_data(as_text=True))
        return sent.get_json()

    def _truths(self, tried):
        by_source = {}
        for one, address in tried:
            by_source.setdefault(one.source, []).append((one, address))
        found = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for some, answers in pool.map(self._truths_from, by_source.values()):
                for one, answered in zip(some, answers, strict=True):
                    found[one.name] = "reachable" if answered else "unreachable"
        return found

    def _truths_from(self, asked):
        questions = json.dumps([[one.protocol, address, one.port] for one, address in asked])
        done = self._inside(asked[0][0].source, [sys.executable, str(TRUTH)], input=questions)
        assert done.returncode == 0, done.stderr
        return [one for one, _ in asked], json.loads(done.stdout)

    def matrix_differences(self):
        """Pairs whose matrix verdict differs from the check's, by protocol: what both measured, not who is right."""
        names = [name for name in self.places if name != "host"]
        for how in ({"protocol": "icmp"}, {"protocol": "tcp", "port": UNPUBLISHED}):
            matrix = self.api.post("/v1/connectivity/matrix", {"containers": names, "timeout_ms": TIMEOUT_MS, **how})
            order = [one["name"] for one in matrix["containers"]]
            for row, source in enumerate(order):
                for column, target in enumerate(order):
                    verdict = matrix["verdicts"][row][column]
                    if verdict == "self" or (row + column) % 5 or "hosted" in {source, target}:
                        continue
                    body = {"source": {"container": source}, "destination": {"container": target},
                            "timeout_ms": TIMEOUT_MS, **how}  # fmt: skip
                    one = self.api.post("/v1/connectivity/checks", body)["measured"]["verdict"]
                    if one != verdict:
                        yield f"{source} to {target} {how['protocol']}: matrix {verdict}, check {one}"

    def take_down(self):
        self.servers.close()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self.raw.remove, [name for name in self.places if name != "host"]))
        self.raw.sweep()
        with contextlib.suppress(AssertionError):
            self.raw.in_namespace("ip", "link", "delete", LAN_PARENT)


def summary(outcomes):
    """How many were right, wrong and undecided."""
    counts = Counter(outcome.kind for outcome in outcomes)
    return {kind: counts[kind] for kind in ("right", "wrong", "undecided")}


DECIDING = frozenset({"drop", "reject", "dnat", "snat", "masquerade", "redirect"})
TARGETS = re.compile(
    r"-j (DNAT|SNAT|MASQUERADE|REDIRECT|DROP|REJECT)\b|\b(dnat|snat|masquerade|redirect|drop|reject)\b"
)


def deciding_rules(trace):
    """The host's rules that drop or translate, as pairs: the step, and whether prediction and kernel both have it.

    A rule of the kernel must be predicted. A predicted rule must be named by the kernel if the packet came so far: not
    where the host has no route for it, and in an answer only if there was one.
    """
    stop = (trace["lost"] or {}).get("by") or {"kind": "none"}
    # An ICMP error of the host itself is no answer of the destination, whose way is predicted. A route is asked for, so
    # it does not show that a packet came.
    came = {step["direction"] for step in trace["steps"]
            if step["seen"] and step["place"] == "host" and step["kind"] != "route"
            and not step["note"].startswith("ICMP type")}  # fmt: skip
    for step in trace["steps"]:
        if step["kind"] not in {"rule", "policy"} or step["place"] != "host":
            continue
        decides = step["verdict"] in DECIDING or TARGETS.search(step["rule"] or "")
        came_so_far = step["direction"] in came and (stop["kind"] != "route" or step["hook"] == "prerouting")
        if decides and (step["seen"] or came_so_far):
            yield step, step["predicted"] and step["seen"]
