"""A matrix and the checks of its pairs: the same address, the same prediction, the same measurement, for every pair."""

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridgework.runners.namespace_runner import NamespaceRunner
from tests.support.api import container, run
from tests.support.raw_engine import Raw

PARENT = "mac0"
ASKED = ({"protocol": "icmp"}, {"protocol": "tcp", "port": 8080})
PATIENCE_MS, SILENCE_MS, THREADS = 2000, 400, 8
"""A check is given the longer time where the matrix had an answer, so that a busy machine tells no two verdicts."""
MODE = "com.docker.network.bridge.gateway_mode_ipv"
IPV6_ALONE = (28, 0)
"""The Docker version that brought networks of IPv6 alone, and the gateway mode ``isolated``."""
NETWORKS = [
    {"name": "vault", "internal": True},
    {"name": "normal"},
    {"name": "apart", "options": {"com.docker.network.bridge.enable_icc": "false"}},
    {"name": "dual", "ipv6_enabled": True, "ipam": {"pools": [{"subnet": "fd00:e5::/64"}]}},
    {"name": "settings", "config_only": True, "options": {"com.docker.network.driver.mtu": "1400"},
     "ipam": {"pools": [{"subnet": "10.85.0.0/24"}]}},
    {"name": "configured", "config_from": "settings"},
    {"name": "lan", "driver": "macvlan", "options": {"parent": PARENT},
     "ipam": {"pools": [{"subnet": "10.86.0.0/24"}]}},
]  # fmt: skip
SIX = {"name": "six", "ipv6_enabled": True, "ipv4_enabled": False, "ipam": {"pools": [{"subnet": "fd00:e7::/64"}]}}
SEALED = {f"{MODE}4": "isolated", f"{MODE}6": "isolated"}
ISOLATED = {"name": "sealed", "internal": True, "ipv6_enabled": True, "options": SEALED,
            "ipam": {"pools": [{"subnet": "fd00:e8::/64"}]}}  # fmt: skip
PLACES = {
    "inner": ["vault"],
    "both": ["vault", "normal"],
    "both-too": ["normal", "vault"],
    "plain": ["normal"],
    "apart-one": ["apart"],
    "apart-both": ["apart", "normal"],
    "dual-one": ["dual"],
    "dual-both": ["dual", "vault"],
    "configured-one": ["configured"],
    "lan-one": ["lan"],
    "lan-both": ["lan", "normal"],
}
OF_28 = {"six-one": ["six"], "six-both": ["six", "vault"], "sealed-one": ["sealed"], "sealed-both": ["sealed", "dual"],
         "sealed-nat": ["sealed", "normal"]}  # fmt: skip


@pytest.fixture
def tried(monkeypatch):
    """The address of each pair of a matrix, and which of them were measured at all, as the runner was told."""
    seen = {}
    sweep = NamespaceRunner.sweep

    def watched(self, plan):
        for source in plan.sources:
            seen.update({(source.index, target.index): target.address for target in source.targets})
        return sweep(self, plan)

    monkeypatch.setattr(NamespaceRunner, "sweep", watched)
    return seen


@pytest.fixture
def version(api):
    return tuple(int(part) for part in api.get("/v1/engine")["version"].split(".")[:2])


@pytest.fixture
def lan(engine):
    """A link of the host for a macvlan network, with no one at its other end."""
    raw = Raw(engine)
    raw.in_namespace("ip", "link", "add", PARENT, "type", "veth", "peer", "name", f"{PARENT}-far")
    raw.in_namespace("ip", "link", "set", PARENT, "up")
    yield
    with contextlib.suppress(Exception):
        raw.in_namespace("ip", "link", "delete", PARENT)


@pytest.fixture
def crowd(lan, api, version):
    """Every situation in which the choice of the address matters, with one container at least in each."""
    del lan
    newer = version >= IPV6_ALONE
    for network in [*NETWORKS, *([SIX, ISOLATED] if newer else [])]:
        api.post("/v1/networks", network, status=201)
    places = PLACES | (OF_28 if newer else {})
    for name, networks in places.items():
        run(api, name, networks=[{"network": network} for network in networks])
    run(api, "hosted", network_mode="host")
    run(api, "alone", network_mode="none")
    api.post("/v1/containers", container("stopped", network_mode="normal", start=False), status=201)
    run(api, "owner", network_mode="normal")
    run(api, "left-behind", network_mode="container:owner")
    run(api, "guest", network_mode="container:both")
    run(api, "guest-of-host", network_mode="container:hosted")
    api.post("/v1/containers/owner/restart?grace_s=0")
    yield [*places, "hosted", "alone", "stopped", "owner", "left-behind", "guest", "guest-of-host"]
    for name in places:
        api.delete(f"/v1/containers/{name}?force=true")
    api.delete("/v1/networks/lan?force=true")


@pytest.mark.slow
def test_every_pair_of_a_matrix_is_asked_as_a_check_asks_it(api, crowd, tried):
    differ = {}
    for by in ASKED:
        tried.clear()
        matrix = api.post("/v1/connectivity/matrix", {"containers": crowd, **by, "timeout_ms": PATIENCE_MS})
        surprises = {(s["source"]["name"], s["destination"]["name"]): s["predicted"] for s in matrix["surprises"]}
        pairs = list(itertools.permutations(range(len(crowd)), 2))
        with ThreadPoolExecutor(THREADS) as pool:
            answered = {(i, j): matrix["verdicts"][i][j] != "unreachable" for i, j in pairs}
            asked_by = {pair: {**by, "timeout_ms": PATIENCE_MS if answered[pair] else SILENCE_MS} for pair in pairs}
            sent = [pool.submit(checked, api, crowd[i], crowd[j], asked_by[i, j]) for i, j in pairs]
        for (i, j), check in zip(pairs, sent, strict=True):
            asked = check.result()
            predicted = surprises.get((crowd[i], crowd[j]), asked[2])
            of_matrix = (tried.get((i, j)), matrix["verdicts"][i][j], predicted)
            if of_matrix != asked:
                differ[by["protocol"], crowd[i], crowd[j]] = {"matrix": of_matrix, "check": asked}
    assert differ == {}


def checked(api, source, destination, by):
    """The address, the verdict and the prediction of a check; a port of the host that it may not probe is not asked."""
    body = {"source": {"container": source}, "destination": {"container": destination}, **by}
    headers = {"Authorization": f"Bearer token-of-{api.name}"}
    answer = api.app.test_client().post("/v1/connectivity/checks", json=body, headers=headers)
    if answer.status_code == 403:
        assert answer.get_json()["code"] == "destination-not-allowed"
        return None, "inconclusive", None
    said = answer.get_json()
    return said["measured"]["address"], said["verdict"], said["predicted"]["verdict"]
