"""What the daemon's own settings change, predicted as it is measured: proxy, firewall rules, their backend.

One world on an engine for each settings: networks of every gateway mode, published ports on several of them, and each
question that the settings decide. Expectations are the wire's own, so the same file holds for every engine version.
"""

import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engines.conftest import engine_with
from tests.support.api import codes
from tests.support.raw_engine import Raw

OPTION = "com.docker.network.bridge."
OPEN, HIDDEN = 8080, 8088
"""Ports that every server listens on; the first is published where anything is."""
SERVER = ["sh", "-c", f"httpd -p [::]:{OPEN}; httpd -p [::]:{HIDDEN}; exec sleep 3600"]
TIMEOUT_MS, PATIENCE_MS, THREADS = 250, 1500, 6


def modes(mode):
    return {f"{OPTION}gateway_mode_ipv{version}": mode for version in (4, 6)}


def network(number, *, options=None, internal=False):
    pools = [{"Subnet": f"10.{number}.0.0/24"}, {"Subnet": f"fd00:{number}::/64"}]
    return {"EnableIPv6": True, "IPAM": {"Config": pools}, "Options": options or {}, "Internal": internal}


NETWORKS = {
    "front": network(101),
    "back": network(102),
    "raw": network(103, options={f"{OPTION}enable_ip_masquerade": "false"}),
    "locked": network(104, options={f"{OPTION}enable_icc": "false"}),
    "vault": network(105, internal=True),
    "routed": network(106, options=modes("routed")),
    "unprotected": network(107, options=modes("nat-unprotected")),
    "mute": network(108, options={f"{OPTION}inhibit_ipv4": "true"}),
}
PLACES = {
    "front-one": ("front", 18080, ""),
    "front-two": ("front", None, ""),
    "back-one": ("back", 28080, ""),
    "raw-one": ("raw", 38080, ""),
    "locked-one": ("locked", 48080, ""),
    "locked-two": ("locked", None, ""),
    "vault-one": ("vault", None, ""),
    "routed-one": ("routed", 58080, ""),
    "routed-two": ("routed", None, ""),
    "unprotected-one": ("unprotected", 18081, ""),
    "mute-one": ("mute", None, ""),
    "mute-two": ("mute", None, ""),
    "shy-one": ("front", 28081, "127.0.0.1"),
    "plain-one": ("bridge", 38081, ""),
}
PORTS = [port for _, port, _ in PLACES.values() if port]
HOST_ADDRESSES = ["127.0.0.1", "::1", "10.101.0.1", "fd00:101::1"]
FAMILIES = ("4", "6")

SETTINGS = {
    "default": {},
    "no-proxy": {"userland-proxy": False},
    "no-ip6tables": {"ip6tables": False},
    "no-iptables": {"iptables": False, "ip6tables": False},
    "no-iptables-no-proxy": {"iptables": False, "ip6tables": False, "userland-proxy": False},
    "ip6tables": {"ip6tables": True, "experimental": True},
    "nftables": {"firewall-backend": "nftables", "ip-forward": False},
    "nftables-no-proxy": {"firewall-backend": "nftables", "ip-forward": False, "userland-proxy": False},
}
NFTABLES_SINCE = (29, 0)


class World:
    """The setup on one engine."""

    def __init__(self, api, made):
        self.api, self.raw, self.settings = api, Raw(made), made.settings

    def build(self, release):
        for name, body in NETWORKS.items():
            if release[0] not in {26, 27} or name != "unprotected":
                self.raw.do("POST", "/networks/create", {"Name": name, **body})
        for name, (on, port, at) in PLACES.items():
            if on in NETWORKS and on not in {one["Name"] for one in self.raw.get("/networks")}:
                continue
            bindings = {f"{OPEN}/tcp": [{"HostIp": at, "HostPort": str(port)}]} if port else {}
            exposed = {f"{OPEN}/tcp": {}} if port else {}
            self.raw.make(name, mode=on, Cmd=SERVER, ExposedPorts=exposed, host={"PortBindings": bindings})
        return self

    def ask(self, question, timeout_ms=TIMEOUT_MS):
        sent = self.api.app.test_client().post(
            "/v1/connectivity/checks",
            json={**question, "timeout_ms": timeout_ms},
            headers={"Authorization": "Bearer token-of-admin"},
        )
        assert sent.status_code == 200 or sent.get_json()["code"] == "destination-not-allowed", (question, sent.json)
        return sent.get_json() if sent.status_code == 200 else None


def questions(world):
    running = {one["name"] for one in world.api.get("/v1/containers?limit=1000")["items"]}
    sources = [{"host": True}, *({"container": name} for name in PLACES if name in running)]
    for source, version in itertools.product(sources, FAMILIES):
        for target in sorted(running):
            for how in ({"protocol": "icmp"}, {"protocol": "tcp", "port": OPEN}, {"protocol": "tcp", "port": HIDDEN}):
                yield {"source": source, "destination": {"container": target}, "ip_version": version, **how}
        for port in PORTS:
            yield {
                "source": source, "destination": {"host": True}, "ip_version": version, "protocol": "tcp", "port": port
            }  # fmt: skip
        for address in HOST_ADDRESSES if "host" in source else ():
            for port in PORTS if (":" in address) == (version == "6") else ():
                yield {"source": source, "destination": {"address": address}, "protocol": "tcp", "port": port}


def agrees(answer):
    """Whether the two are one. What the policy refuses, and what has no address to send to, decides nothing."""
    if answer is None or answer["measured"]["reason"] == "no-address":
        return True
    return answer["predicted"]["verdict"] == answer["measured"]["verdict"]


def differences(world):
    every = list(questions(world))
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(world.ask, every))
    found = {}
    for question, first in zip(every, answers, strict=True):
        answer = first if agrees(first) else world.ask(question, PATIENCE_MS)
        if not agrees(answer):
            measured = answer["measured"]
            found[named(question)] = (
                f"predicted {answer['predicted']['verdict']}, measured {measured['verdict']} ({measured['reason']}): "
                f"{codes(answer['findings'])}"
            )
    return found


def named(question):
    source, target = (next(iter(question[end].values())) for end in ("source", "destination"))
    return f"{source} to {target}, {question['protocol']} {question.get('port', '')} v{question.get('ip_version', '')}"


@pytest.fixture(scope="module", params=SETTINGS)
def world(request, tokens_file, release):
    settings = SETTINGS[request.param]
    if "firewall-backend" in settings and (release < NFTABLES_SINCE or not shutil.which("nft")):
        pytest.skip("nftables rules come with Docker 29, and need nft")
    with engine_with(settings, tokens_file) as (api, made):
        yield World(api, made).build(release)


def test_what_the_settings_decide_is_predicted_as_it_is_measured(world):
    assert differences(world) == {}
