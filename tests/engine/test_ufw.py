"""ufw itself beside an engine: what it closes and what it does not, named, and fixed by the remedy exactly as given."""

import shlex
import shutil
from types import SimpleNamespace

import pytest

from tests.engines.conftest import engine_with
from tests.support.api import check, codes, run
from tests.support.engine import release
from tests.support.host_programs import host_programs
from tests.support.neighbour import HOST_ADDRESS, LINK, neighbour_of
from tests.support.proves import proves
from tests.support.raw_engine import Raw

pytestmark = pytest.mark.slow

NFTABLES = {"firewall-backend": "nftables", "ip-forward": False}
HTTPD = ["httpd", "-f", "-p", "8080"]
BACKENDS = ["iptables", "nftables"] if release() >= (29, 0) and shutil.which("nft") else ["iptables"]


@pytest.fixture(scope="module", params=BACKENDS)
def world(request, tokens_file):
    """An engine with a published port, a program of the host on port 9090, and ufw, which is not enabled yet."""
    native = request.param == "nftables"
    with (
        engine_with(NFTABLES if native else {}, tokens_file, probe_allowed_cidrs=("10.98.0.0/16",)) as (api, made),
        neighbour_of(made) as neighbour,
        host_programs(made) as host,
    ):
        for number, name in enumerate(("front", "back")):
            ipam = {"pools": [{"subnet": f"10.98.{number}.0/24"}]}
            api.post("/v1/networks", {"name": name, "ipam": ipam}, status=201)
        port = {"container_port": 8080, "host_port": 18080}
        run(api, "web", network_mode="front", command=HTTPD, published_ports=[port])
        run(api, "client", network_mode="back")
        Raw(made).make("local", mode="host", Cmd=["httpd", "-f", "-p", "9090"])
        yield SimpleNamespace(api=api, engine=made, neighbour=neighbour, host=host, native=native)


@pytest.fixture
def ufw(world):
    """The world with ufw enabled and nothing allowed. The test's rules, also in DOCKER-USER, are gone afterwards."""
    world.host.run("ufw", "--force", "enable")
    yield world
    world.host.run("ufw", "--force", "reset")
    if not world.native:
        world.host.run("iptables", "-F", "DOCKER-USER")


def diagnosis(world):
    return world.api.get("/v1/diagnostics?limit=1000")["items"]


def follow(world, finding):
    """Run the commands of a remedy exactly as given."""
    assert finding["remedy"]["commands"], finding
    for command in finding["remedy"]["commands"]:
        world.host.run(*shlex.split(command))


def told(findings, code, *words):
    """The one finding with that code; ufw is named as its cause."""
    (found,) = [finding for finding in findings if finding["code"] == code]
    assert found["evidence"]["owner"] == "ufw"
    for word in words:
        assert word in found["message"], (word, found["message"])
    return found


def asked(world, verdict, destination, **fields):
    """The findings of a check that ends as it was predicted to."""
    answer = check(world.api, "client", destination, timeout_ms=400, **fields)
    assert (answer["predicted"]["verdict"], answer["verdict"]) == (verdict, verdict), answer
    return answer["findings"]


AT_HOST, PUBLISHED = {"protocol": "tcp", "port": 9090}, {"protocol": "tcp", "port": 18080}


@proves("user-firewall-drop")
def test_a_container_that_ufw_keeps_from_a_port_of_the_host(ufw):
    asked(ufw, "reachable", {"host": True}, protocol="icmp")
    found = told(asked(ufw, "unreachable", {"container": "local"}, **AT_HOST), "user-firewall-drop", "INPUT", "9090")
    assert found["remedy"]["commands"][0].startswith("ufw ")
    follow(ufw, found)
    asked(ufw, "reachable", {"container": "local"}, **AT_HOST)
    ufw.host.run("ufw", "reload")
    asked(ufw, "reachable", {"container": "local"}, **AT_HOST)


@proves("user-firewall-drop")
def test_a_rule_of_ufw_that_denies_a_port_of_the_host_to_a_container(ufw):
    ufw.host.run("ufw", "allow", "9090/tcp")
    asked(ufw, "reachable", {"container": "local"}, **AT_HOST)
    ufw.host.run("ufw", "prepend", "deny", "from", "10.98.1.0/24", "to", "any", "port", "9090", "proto", "tcp")
    findings = asked(ufw, "unreachable", {"container": "local"}, **AT_HOST)
    follow(ufw, told(findings, "user-firewall-drop", "ufw-user-input", "-s 10.98.1.0/24"))
    asked(ufw, "reachable", {"container": "local"}, **AT_HOST)


@proves("exposed-past-host-firewall")
def test_a_published_port_that_ufw_does_not_close(ufw):
    if ufw.native:
        pytest.skip("with nftables rules, ufw's policy of FORWARD closes it: see the next test")
    ufw.host.run("ufw", "deny", "18080/tcp")
    assert ufw.neighbour.reaches(HOST_ADDRESS, 18080)
    follow(ufw, told(diagnosis(ufw), "exposed-past-host-firewall", "ufw closes tcp 18080 in ufw-user-input", LINK))
    assert not ufw.neighbour.reaches(HOST_ADDRESS, 18080)
    assert "exposed-past-host-firewall" not in codes(diagnosis(ufw))


@proves("user-firewall-drop")
def test_a_published_port_that_ufw_closes_on_an_engine_with_nftables_rules(ufw):
    if not ufw.native:
        pytest.skip("the engine's own rules in FORWARD come before the policy")
    # ufw sets the policy of FORWARD to DROP, and the engine accepts in a table of its own.
    findings = asked(ufw, "unreachable", {"host": True}, **PUBLISHED)
    follow(ufw, told(findings, "user-firewall-drop", "FORWARD drops tcp port 18080", "its policy is DROP"))
    asked(ufw, "reachable", {"host": True}, **PUBLISHED)


@pytest.mark.parametrize("order", ["engine first", "ufw first"])
def test_a_healthy_engine_with_ufw_gives_no_false_finding(world, order):
    before = codes(diagnosis(world))
    assert before == ["published-on-every-address"]
    for command in ("allow 18080/tcp", "default allow routed", "--force enable"):
        world.host.run("ufw", *command.split())
    try:
        if order == "ufw first":
            world.engine.restart()
            for name in ("web", "client", "local"):
                world.api.post(f"/v1/containers/{name}/start")
        for _ in range(2):
            assert codes(diagnosis(world)) == before
            assert asked(world, "reachable", {"host": True}, **PUBLISHED) == []
            assert asked(world, "reachable", {"host": True}, protocol="icmp") == []
            world.host.run("ufw", "reload")
    finally:
        world.host.run("ufw", "--force", "reset")
    assert codes(diagnosis(world)) == before
