"""ufw itself beside an engine: what it closes and what it does not, named, and fixed by the remedy exactly as given."""

import shutil

import pytest

from tests.support.api import codes
from tests.support.engine import release
from tests.support.firewalled import AT_HOST, PUBLISHED, firewalled
from tests.support.neighbour import HOST_ADDRESS, LINK, SILENCE_S
from tests.support.proves import proves, remedied

pytestmark = pytest.mark.slow

NFTABLES = {"firewall-backend": "nftables", "ip-forward": False}
BACKENDS = ["iptables", "nftables"] if release() >= (29, 0) and shutil.which("nft") else ["iptables"]


@pytest.fixture(scope="module", params=BACKENDS)
def world(request, tokens_file):
    """An engine with a published port, a program of the host on port 9090, and ufw, which is not enabled yet."""
    native = request.param == "nftables"
    with firewalled("ufw", NFTABLES if native else {}, tokens_file, allowed=("10.98.0.0/16",)) as made:
        made.native = native
        made.fill()
        yield made


@pytest.fixture
def ufw(world):
    """The world with ufw enabled and nothing allowed. The test's rules, also in DOCKER-USER, are gone afterwards."""
    world.host.run("ufw", "--force", "enable")
    yield world
    world.host.run("ufw", "--force", "reset")
    if not world.native:
        world.host.run("iptables", "-F", "DOCKER-USER")


@proves("user-firewall-drop")
@remedied("user-firewall-drop")
def test_a_container_that_ufw_keeps_from_a_port_of_the_host(ufw):
    ufw.asked("reachable", {"host": True}, protocol="icmp")
    found = ufw.told(ufw.asked("unreachable", {"container": "local"}, **AT_HOST), "user-firewall-drop", "INPUT", "9090")
    assert found["remedy"]["commands"][0].startswith("ufw ")
    ufw.follow(found, between=("client", "host"), port=9090)
    ufw.asked("reachable", {"container": "local"}, **AT_HOST)
    ufw.host.run("ufw", "reload")
    ufw.asked("reachable", {"container": "local"}, **AT_HOST)


@proves("user-firewall-drop")
@remedied("user-firewall-drop")
def test_a_rule_of_ufw_that_denies_a_port_of_the_host_to_a_container(ufw):
    ufw.host.run("ufw", "allow", "9090/tcp")
    ufw.asked("reachable", {"container": "local"}, **AT_HOST)
    ufw.host.run("ufw", "prepend", "deny", "from", "10.98.1.0/24", "to", "any", "port", "9090", "proto", "tcp")
    findings = ufw.asked("unreachable", {"container": "local"}, **AT_HOST)
    ufw.follow(
        ufw.told(findings, "user-firewall-drop", "ufw-user-input", "-s 10.98.1.0/24"),
        between=("client", "host"),
        port=9090,
    )
    ufw.asked("reachable", {"container": "local"}, **AT_HOST)


@proves("exposed-past-host-firewall")
@remedied("exposed-past-host-firewall")
def test_a_published_port_that_ufw_does_not_close(ufw):
    if ufw.native:
        pytest.skip("with nftables rules, ufw's policy of FORWARD closes it: see the next test")
    ufw.host.run("ufw", "deny", "18080/tcp")
    assert ufw.neighbour.reaches(HOST_ADDRESS, 18080)
    ufw.follow(ufw.told(ufw.diagnosis(), "exposed-past-host-firewall", "ufw closes tcp 18080 in ufw-user-input", LINK))
    assert not ufw.neighbour.reaches(HOST_ADDRESS, 18080, wait_s=SILENCE_S)
    assert "exposed-past-host-firewall" not in codes(ufw.diagnosis())


@proves("user-firewall-drop")
@remedied("user-firewall-drop")
def test_a_published_port_that_ufw_closes_on_an_engine_with_nftables_rules(ufw):
    if not ufw.native:
        pytest.skip("the engine's own rules in FORWARD come before the policy")
    # ufw sets the policy of FORWARD to DROP, and the engine accepts in a table of its own.
    findings = ufw.asked("unreachable", {"host": True}, **PUBLISHED)
    ufw.follow(
        ufw.told(findings, "user-firewall-drop", "FORWARD drops tcp port 18080", "its policy is DROP"),
        between=("client", "host"),
        port=18080,
    )
    ufw.asked("reachable", {"host": True}, **PUBLISHED)


@pytest.mark.parametrize("order", ["engine first", "ufw first"])
def test_a_healthy_engine_with_ufw_gives_no_false_finding(world, order):
    before = codes(world.diagnosis())
    assert before == ["published-on-every-address"]
    for command in ("allow 18080/tcp", "default allow routed", "--force enable"):
        world.host.run("ufw", *command.split())
    try:
        if order == "ufw first":
            world.engine.restart()
            for name in ("web", "client", "local"):
                world.api.post(f"/v1/containers/{name}/start")
        for _ in range(2):
            assert codes(world.diagnosis()) == before
            assert world.asked("reachable", {"host": True}, **PUBLISHED) == []
            assert world.asked("reachable", {"host": True}, protocol="icmp") == []
            world.host.run("ufw", "reload")
    finally:
        world.host.run("ufw", "--force", "reset")
    assert codes(world.diagnosis()) == before
