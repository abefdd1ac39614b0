"""Predicted equals measured: a family of real setups on the real engine, every question of it asked on the wire.

The family is a product. **Places**: networks (bridge, macvlan; internal; without traffic between containers; with
IPv6; without masquerading), modes (bridge, host, none, container:X), states (running, stopped, paused, a share that
went stale). **Doors**: published ports (all addresses, loopback only, none), listeners (any address, loopback,
nobody), of TCP, UDP, HTTP and DNS. **Questions**: from each place to a container, a name, an address, the host, by
each protocol and family. One test asks a sample that is the same
every time; the one marked ``long`` asks a larger part.

UDP is the one protocol whose silence decides nothing: there, a prediction of "unreachable" agrees with silence.
"""

import contextlib
import itertools
import os
import random
import select
import socket
import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import dns.message
import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.probes.kernel.setns import run_inside
from bridgework.settings import Settings
from tests.support.api import WIDE, Client, container
from tests.support.raw_engine import Raw

ANY, LOOPBACK, NOBODY = 8080, 8081, 8099
ECHO, ECHO_LOOPBACK, ECHO_SIX = 9000, 9001, 9006
DNS = 53
TIMEOUT_MS, PATIENCE_MS = 250, 1500
THREADS, AT_ONCE = 12, 4
PARENTS = ("agr0", "agr1", "agr2")
SEED, SAMPLE, LARGE_SAMPLE = 20, 620, 6000

KNOWN_DIFFERENCES: dict[str, str] = {}
"""A question's name → the kernel's or the engine's own fault that makes the two differ."""


class Servers:
    """UDP echoes and DNS servers inside namespaces: sockets opened there, served by one thread out here."""

    def __init__(self):
        self._poll, self._sockets = select.epoll(), {}
        self._wake = os.eventfd(0)
        self._poll.register(self._wake, select.EPOLLIN)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def open(self, namespace, *bindings):
        """Bind UDP sockets, given as (address, port), in the namespace that the file names."""
        descriptor = os.open(namespace, os.O_RDONLY)
        try:
            run_inside(descriptor, lambda: [self._bind(*binding) for binding in bindings])
        finally:
            os.close(descriptor)

    def _bind(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        self._sockets[sock.fileno()] = sock, port
        self._poll.register(sock, select.EPOLLIN)

    def _serve(self):
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._wake:
                    return
                self._answer(*self._sockets[descriptor])

    def _answer(self, sock, port):
        with contextlib.suppress(OSError):
            data, peer = sock.recvfrom(65_536)
            if port == DNS:
                data = dns.message.make_response(dns.message.from_wire(data)).to_wire()
            sock.sendto(data, peer)

    def close(self):
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        for sock, _ in self._sockets.values():
            sock.close()
        self._poll.close()
        os.close(self._wake)


def web(*addresses):
    """A command that serves pages at these addresses and lives on."""
    return ["sh", "-c", "; ".join([*(f"httpd -p {address}" for address in addresses), "exec sleep 3600"])]


SERVER = web(f"0.0.0.0:{ANY}", f"127.0.0.1:{LOOPBACK}")
SERVER_SIX = web(f"[::]:{ANY}", f"127.0.0.1:{LOOPBACK}")
BINDINGS = [("0.0.0.0", ECHO), ("127.0.0.1", ECHO_LOOPBACK), ("0.0.0.0", DNS)]
SIX_BINDINGS = [("::", ECHO_SIX), ("::", DNS)]
ICC_OFF = {"com.docker.network.bridge.enable_icc": "false"}
NETWORKS = [
    {"name": "front"},
    {"name": "back"},
    {"name": "vault", "internal": True},
    {"name": "locked", "options": ICC_OFF},
    {"name": "raw", "options": {"com.docker.network.bridge.enable_ip_masquerade": "false"}},
    {"name": "six", "ipv6_enabled": True, "ipam": {"pools": [{"subnet": "fd00:b1::/64"}]}},
    {"name": "seven", "ipv6_enabled": True, "ipam": {"pools": [{"subnet": "fd00:b2::/64"}]}},
    {"name": "vault6", "internal": True, "ipv6_enabled": True, "ipam": {"pools": [{"subnet": "fd00:b3::/64"}]}},
    {"name": "locked6", "options": ICC_OFF, "ipv6_enabled": True, "ipam": {"pools": [{"subnet": "fd00:b4::/64"}]}},
    {"name": "lan", "driver": "macvlan", "options": {"parent": "agr0"},
     "ipam": {"pools": [{"subnet": "10.91.0.0/24"}]}},
    {"name": "lan-private", "driver": "macvlan", "options": {"parent": "agr1", "macvlan_mode": "private"},
     "ipam": {"pools": [{"subnet": "10.92.0.0/24"}]}},
    {"name": "lan-vault", "driver": "macvlan", "internal": True, "options": {"parent": "agr2"},
     "ipam": {"pools": [{"subnet": "10.93.0.0/24"}]}},
]  # fmt: skip


def port(host_port, container_port=ANY, host_ip=None, protocol="tcp"):
    return {"container_port": container_port, "host_port": host_port, "host_ip": host_ip, "protocol": protocol}


PLACES = {
    "plain": {"published_ports": [port(18080), port(18081, ANY, "127.0.0.1"), port(18082, LOOPBACK),
                                  port(18083, NOBODY), port(19000, ECHO, None, "udp"),
                                  port(19001, ECHO_LOOPBACK, None, "udp")]},
    "plain-too": {},
    "front-one": {"network_mode": "front", "published_ports": [port(28080), port(28081, ANY, "127.0.0.1")]},
    "front-two": {"network_mode": "front"},
    "back-one": {"network_mode": "back"},
    "both": {"networks": [{"network": "front"}, {"network": "back"}]},
    "vault-one": {"network_mode": "vault", "published_ports": [port(38080)]},
    "vault-two": {"network_mode": "vault"},
    "vault-out": {"networks": [{"network": "vault"}, {"network": "front"}]},
    "locked-one": {"network_mode": "locked", "published_ports": [port(48080)]},
    "locked-two": {"network_mode": "locked"},
    "raw-one": {"network_mode": "raw"},
    "raw-two": {"network_mode": "raw", "published_ports": [port(28090), port(29000, ECHO, None, "udp")]},
    "six-one": {"network_mode": "six", "command": SERVER_SIX, "published_ports": [port(58080)]},
    "six-two": {"network_mode": "six"},
    "seven-one": {"network_mode": "seven", "command": SERVER_SIX},
    "vault6-one": {"network_mode": "vault6", "command": SERVER_SIX},
    "vault6-two": {"network_mode": "vault6"},
    "locked6-one": {"network_mode": "locked6", "command": SERVER_SIX},
    "locked6-two": {"network_mode": "locked6"},
    "lan-one": {"network_mode": "lan"},
    "lan-two": {"network_mode": "lan"},
    "lan-both": {"networks": [{"network": "front"}, {"network": "lan"}]},
    "private-one": {"network_mode": "lan-private"},
    "private-two": {"network_mode": "lan-private"},
    "lan-vault-one": {"network_mode": "lan-vault"},
    "lan-vault-two": {"network_mode": "lan-vault"},
    "hosted": {"network_mode": "host", "command": web("0.0.0.0:20080")},
    "alone": {"network_mode": "none"},
    "guest": {"network_mode": "container:front-one", "command": ["sleep", "3600"]},
    "guest-of-host": {"network_mode": "container:hosted", "command": ["sleep", "3600"]},
    "guest-of-none": {"network_mode": "container:alone", "command": ["sleep", "3600"]},
    "owner": {"network_mode": "front"},
    "left-behind": {"network_mode": "container:owner", "command": ["sleep", "3600"]},
    "stopped": {"network_mode": "front", "start": False},
    "paused": {"network_mode": "front"},
}  # fmt: skip

FROZEN = {"stopped", "paused"}
"""They are asked by ping alone: a frozen program's connections are never taken, so a few questions fill its queue."""


@dataclass
class Family:
    """The setup: a client, and each place's addresses."""

    api: Client
    addresses: dict = field(default_factory=dict)

    def ask(self, question):
        """One check's answer, not held against the document: with hundreds of them that takes longer than asking."""
        headers = {"Authorization": f"Bearer token-of-{self.api.name}"}
        sent = self.api.app.test_client().post("/v1/connectivity/checks", json=question.body, headers=headers)
        assert sent.status_code == 200, (question.name, sent.get_data(as_text=True))
        return sent.get_json()


@pytest.fixture(scope="module")
def family(engine, tokens_file):
    wide = Settings(tokens_file=tokens_file, **WIDE)
    api, raw = Client(create_app(wide, EngineAddress(engine.docker_host))), Raw(engine)
    with contextlib.ExitStack() as stack:
        stack.callback(take_down, raw)
        for parent in PARENTS:
            raw.in_namespace("ip", "link", "add", parent, "type", "veth", "peer", "name", f"{parent}-far")
            raw.in_namespace("ip", "link", "set", parent, "up")
            raw.in_namespace("ip", "link", "set", f"{parent}-far", "up")
        for network in NETWORKS:
            api.post("/v1/networks", network, status=201)
        bodies = [container(name, **{"command": SERVER, **fields}) for name, fields in PLACES.items()]
        for guests in (False, True):
            some = [body for body in bodies if body.get("network_mode", "").startswith("container:") is guests]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda body: api.post("/v1/containers", body, status=201), some))
        api.post("/v1/containers/owner/restart?grace_s=0")
        servers = Servers()
        stack.callback(servers.close)
        serve(raw, servers)
        raw.do("POST", "/containers/paused/pause")
        found = {one["name"]: one for one in api.get("/v1/containers?limit=1000")["items"]}
        yield Family(api, {name: addresses_of(one) for name, one in found.items()})


def addresses_of(one):
    held = [(e["ipv4_address"], e["ipv6_address"]) for e in one["endpoints"] if e["state"] == "active"]
    return [address for pair in held for address in pair if address]


def serve(raw, servers):
    """UDP beside the pages, in every namespace of a server."""
    for name, fields in PLACES.items():
        command = fields.get("command", SERVER)
        if name not in FROZEN and command in (SERVER, SERVER_SIX):
            pid = raw.get(f"/containers/{name}/json")["State"]["Pid"]
            servers.open(f"/proc/{pid}/ns/net", *BINDINGS, *(SIX_BINDINGS if command == SERVER_SIX else ()))


def take_down(raw):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(raw.remove, PLACES))
    raw.sweep()
    for parent in PARENTS:
        subprocess.run(["ip", "-n", raw.namespace.name, "link", "delete", parent], check=False, capture_output=True)


@dataclass(frozen=True)
class RequestContext:
    """One question: its name, its body, and whether the two ends are close to each other."""

    name: str
    body: dict
    near: bool


BY_CONTAINER = [
    {"protocol": "icmp"},
    {"protocol": "icmp", "ip_version": "4"},
    {"protocol": "icmp", "ip_version": "6"},
    {"protocol": "tcp", "port": ANY},
    {"protocol": "tcp", "port": ANY, "ip_version": "6"},
    {"protocol": "tcp", "port": LOOPBACK},
    {"protocol": "tcp", "port": NOBODY},
    {"protocol": "udp", "port": ECHO},
    {"protocol": "udp", "port": ECHO_LOOPBACK},
    {"protocol": "udp", "port": ECHO_SIX, "ip_version": "6"},
    {"protocol": "udp", "port": NOBODY},
    {"protocol": "http", "port": ANY},
    {"protocol": "http", "port": NOBODY},
    {"protocol": "dns"},
]
BY_NAME = [{"protocol": "icmp"}, {"protocol": "tcp", "port": ANY}, {"protocol": "icmp", "ip_version": "6"}]
BY_ADDRESS = [{"protocol": "icmp"}, {"protocol": "http", "port": ANY}, {"protocol": "udp", "port": ECHO}]
AT_HOST = [
    {"protocol": "icmp"},
    {"protocol": "icmp", "ip_version": "6"},
    *({"protocol": "tcp", "port": number} for number in (18080, 18081, 18082, 18083, 19000)),
    *({"protocol": "tcp", "port": number} for number in (28080, 28081, 28090, 48080)),
    *({"protocol": "http", "port": number} for number in (18080, 18082, 58080)),
    {"protocol": "tcp", "port": 58080, "ip_version": "6"},
    {"protocol": "udp", "port": 19000},
    {"protocol": "udp", "port": 19001},
    {"protocol": "udp", "port": 29000},
]
HOST = "host"
HOSTED = {"hosted", "guest-of-host"}
"""They are the host, where the policy lets only published ports be probed."""


def networks_of(place):
    """The names of the networks that a place is on, followed to the owner of a shared one."""
    fields = PLACES.get(place, {})
    mode = fields.get("network_mode", "bridge")
    if mode.startswith("container:"):
        return networks_of(mode.partition(":")[2])
    return {one["network"] for one in fields["networks"]} if "networks" in fields else {mode}


def questions(family):
    """Every question of the family, in one order."""
    for source in [HOST, *PLACES]:
        start = {"host": True} if source == HOST else {"container": source}
        for target in PLACES:
            near = source == HOST or bool(networks_of(source) & networks_of(target))
            for how in BY_CONTAINER:
                if target not in HOSTED | FROZEN or how["protocol"] == "icmp":
                    yield asked(start, {"container": target}, how, near)
            for how in BY_NAME:
                if target not in FROZEN or how["protocol"] == "icmp":
                    yield asked(start, {"name": target}, how, near)
            for address, how in itertools.product(family.addresses[target] if target not in FROZEN else (), BY_ADDRESS):
                yield asked(start, {"address": address}, how, near)
        for how in AT_HOST:
            yield asked(start, {"host": True}, how, near=True)


def asked(source, destination, how, near):
    words = [*(f"{value}" for value in source.values()), "to", *(f"{k} {v}" for k, v in destination.items())]
    name = " ".join([*words, how["protocol"], *(f"{k} {v}" for k, v in how.items() if k != "protocol")])
    body = {"source": source, "destination": destination, "timeout_ms": TIMEOUT_MS, **how}
    return RequestContext(name, body, near)


def sample(every, size):
    """The same ones every time: three of near places for each one of places that have nothing in common."""
    chance = random.Random(SEED)
    near, far = ([question for question in every if question.near is kind] for kind in (True, False))
    return chance.sample(near, min(len(near), size * 3 // 4)) + chance.sample(far, min(len(far), size // 4))


def differences(family, chosen):
    """Ask, several at a time; what came out otherwise than predicted, by name, and how the verdicts spread."""
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(family.ask, chosen))
    # On a busy machine an answer may come late: what differs is asked again, alone and with more patience.
    for number, (one, answer) in enumerate(zip(chosen, answers, strict=True)):
        if not agrees(answer, one):
            answers[number] = family.ask(replace(one, body={**one.body, "timeout_ms": PATIENCE_MS}))
    found = {one.name: told(answer) for one, answer in zip(chosen, answers, strict=True) if not agrees(answer, one)}
    return found, Counter(answer["verdict"] for answer in answers)


def agrees(answer, question):
    predicted, measured = answer["predicted"]["verdict"], answer["measured"]["verdict"]
    if (measured, answer["measured"]["reason"]) == ("inconclusive", "no-address"):
        return answer["verdict"] == predicted  # nothing may be sent to a port of the host that is not published there
    silence = question.body["protocol"] == "udp" and answer["measured"]["reason"] == "no-answer"
    return predicted == ("unreachable" if silence else measured)


def told(answer):
    codes = [finding["code"] for finding in answer["findings"]]
    measured = answer["measured"]
    return f"predicted {answer['predicted']['verdict']}, measured {measured['verdict']} ({measured['reason']}): {codes}"


def hold(family, chosen):
    found, verdicts = differences(family, chosen)
    assert {name: said for name, said in found.items() if name not in KNOWN_DIFFERENCES} == {}
    assert min(verdicts["reachable"], verdicts["unreachable"]) > len(chosen) // 5


def test_a_sample_of_the_family_is_predicted_as_it_is_measured(family):
    chosen = sample(list(questions(family)), SAMPLE)
    assert len(chosen) >= 300
    assert {one.body["protocol"] for one in chosen} == {"icmp", "tcp", "udp", "http", "dns"}
    assert {kind for one in chosen for kind in one.body["destination"]} == {"container", "name", "address", "host"}
    assert {next(iter(one.body["source"].values())) for one in chosen} == {True, *PLACES}
    hold(family, chosen)


@pytest.mark.long
def test_a_large_part_of_the_family_is_predicted_as_it_is_measured(family):
    hold(family, sample(list(questions(family)), LARGE_SAMPLE))
