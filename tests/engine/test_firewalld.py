"""firewalld itself beside an engine, on a D-Bus of its own: what its zones reject is named, and fixed as given.

Docker puts its bridges into a zone of firewalld only where it finds firewalld on the system bus.
"""

import contextlib

import pytest

from tests.support.api import check, codes, run
from tests.support.firewalled import AT_HOST, PUBLISHED, firewalled
from tests.support.neighbour import ADDRESS, HOST_ADDRESS, LINK, SILENCE_S
from tests.support.proves import proves, remedied
from tools.engine import wait_until

pytestmark = pytest.mark.slow

ALLOWED = ("10.98.0.0/16", "fd00:98::/32", "192.0.2.0/24")


@contextlib.contextmanager
def world_of(tokens_file, *, on_bus, backend="nftables"):
    """An engine with a published port, a program of the host on port 9090, and firewalld."""
    with firewalled("firewalld", {}, tokens_file, allowed=ALLOWED) as world:
        host = world.host
        host.run("sed", "-i", f"s/^FirewallBackend=.*/FirewallBackend={backend}/", "/etc/firewalld/firewalld.conf")
        world.bus = host.start_bus()
        if on_bus:
            world.firewalld = host.start_firewalld()
            restart(world)
        world.fill(ipv6_enabled=True)
        run(world.api, "client-too", network_mode="back")
        if not on_bus:
            world.before = world.diagnosis()
            world.firewalld = host.start_firewalld()
        yield world


def restart(world):
    """Restart the engine so that it finds firewalld."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DBUS_SYSTEM_BUS_ADDRESS", world.bus)
        world.engine.restart()


@pytest.fixture(scope="module")
def unaware(tokens_file):
    """An engine that does not find firewalld, as its bus is not the system's: its bridges are in no zone."""
    with world_of(tokens_file, on_bus=False) as world:
        yield world


@pytest.fixture(scope="module")
def aware(tokens_file):
    """An engine that finds firewalld, and puts its bridges into the zone docker."""
    with world_of(tokens_file, on_bus=True) as world:
        yield world


@pytest.fixture
def zones(unaware):
    """The engine that does not know firewalld; what the test changed in firewalld is gone afterwards."""
    yield unaware
    unaware.host.run("firewall-cmd", "--reload")


@proves("user-firewall-drop")
@pytest.mark.parametrize("version", ["4", "6"])
@remedied("user-firewall-drop")
def test_a_container_that_a_zone_keeps_from_a_port_of_the_host(zones, version):
    zones.asked("reachable", {"host": True}, protocol="icmp")
    local = {"address": "10.98.1.1" if version == "4" else "fd00:98:1::1"}
    found = zones.asked("unreachable", local, **AT_HOST)
    zones.follow(
        zones.told(found, "user-firewall-drop", "firewalld rejects tcp port 9090 from br-", "zone public"),
        between=("client", local["address"]),
        port=9090,
    )
    zones.asked("reachable", local, **AT_HOST)


@proves("user-firewall-drop")
@remedied("user-firewall-drop")
def test_a_rule_of_a_zone_that_denies_a_port_of_the_host(zones):
    zones.host.run("firewall-cmd", "--add-port=9090/tcp")
    zones.asked("reachable", {"container": "local"}, **AT_HOST)
    rule = 'rule family="ipv4" source address="10.98.1.0/24" port port="9090" protocol="tcp" drop'
    zones.host.run("firewall-cmd", f"--add-rich-rule={rule}")
    # By IPv6 the port is still open, so the question is about IPv4.
    found = zones.asked("unreachable", {"container": "local"}, ip_version="4", **AT_HOST)
    zones.follow(
        zones.told(found, "user-firewall-drop", "filter_IN_public_deny", "10.98.1.0/24"),
        between=("client", "host"),
        port=9090,
    )
    zones.asked("reachable", {"container": "local"}, ip_version="4", **AT_HOST)


@proves("user-firewall-drop")
@remedied("user-firewall-drop")
def test_containers_whose_bridge_is_in_no_zone(zones):
    """firewalld rejects what it forwards from one link to another, and br_netfilter shows it a bridge's own packets."""
    answer = check(zones.api, "client", {"address": ADDRESS}, protocol="icmp")
    assert answer["verdict"] == "unreachable"
    zones.told(answer["findings"], "user-firewall-drop", "firewalld rejects a ping from br-")
    found = zones.told(zones.asked("unreachable", {"container": "client-too"}, protocol="icmp"), "user-firewall-drop")
    assert "The zone accepts every packet that comes from this bridge" in found["remedy"]["summary"]
    zones.follow(found, between=("client", "client-too"))
    assert zones.asked("reachable", {"container": "client-too"}, protocol="icmp") == []
    assert check(zones.api, "client", {"address": ADDRESS}, protocol="icmp")["verdict"] == "reachable"


@proves("exposed-past-host-firewall")
@remedied("exposed-past-host-firewall")
def test_a_published_port_that_no_zone_opens(zones):
    assert zones.neighbour.reaches(HOST_ADDRESS, 18080)
    zones.follow(zones.told(zones.diagnosis(), "exposed-past-host-firewall", "firewalld closes tcp 18080", LINK))
    assert not zones.neighbour.reaches(HOST_ADDRESS, 18080, wait_s=SILENCE_S)
    assert "exposed-past-host-firewall" not in codes(zones.diagnosis())
    zones.host.run("iptables", "-F", "DOCKER-USER")


def test_a_bridge_that_is_moved_out_of_the_zone_of_docker(aware):
    bridge = aware.api.get("/v1/networks/back")["bridge_name"]
    aware.asked("reachable", {"container": "client-too"}, protocol="icmp")
    aware.host.run("firewall-cmd", "--zone=public", f"--change-interface={bridge}")
    aware.host.run("firewall-cmd", "--zone=public", "--remove-forward")
    found = aware.told(aware.asked("unreachable", {"container": "client-too"}, protocol="icmp"), "user-firewall-drop")
    assert found["remedy"]["commands"][-1] == f"firewall-cmd --zone=docker --change-interface={bridge}"
    # The rules of the zone for this bridge are what the remedy takes away.
    aware.follow(found, between=("client", "client-too"), gives_up=[bridge])
    aware.host.run("firewall-cmd", "--zone=public", "--add-forward")
    aware.asked("reachable", {"container": "client-too"}, protocol="icmp")


def test_a_healthy_engine_with_firewalld_gives_no_false_finding(aware):
    aware.host.run("firewall-cmd", "--permanent", "--add-port=18080/tcp")

    bridge = aware.api.get("/v1/networks/back")["bridge_name"]

    def healthy():
        zone = aware.host.run("firewall-cmd", f"--get-zone-of-interface={bridge}", check=False)
        return (zone.strip(), codes(aware.diagnosis())) == ("docker", ["published-on-every-address"])

    def start_again():
        aware.host.stop(aware.firewalld)
        aware.firewalld = aware.host.start_firewalld()

    for change in (lambda: aware.host.run("firewall-cmd", "--reload"), start_again, lambda: restart(aware)):
        change()
        for name in ("web", "client", "client-too", "local"):
            aware.api.post(f"/v1/containers/{name}/start")
        # The engine writes its rules again when it hears of the reload, after firewalld has written its own.
        assert wait_until(healthy, 15), aware.diagnosis()
        assert aware.asked("reachable", {"host": True}, **PUBLISHED) == []
        assert aware.asked("reachable", {"host": True}, protocol="icmp") == []
        assert aware.asked("reachable", {"container": "client-too"}, protocol="icmp", ip_version="6") == []


@proves("firewall-rules-missing")
def test_a_start_of_firewalld_that_flushes_the_rules_of_an_engine_that_does_not_know_it(tokens_file):
    """With its backend iptables, firewalld flushes all tables when it starts and when it reloads."""
    with world_of(tokens_file, on_bus=False, backend="iptables") as world:
        assert "firewall-rules-missing" not in codes(world.before)
        assert "firewall-rules-missing" in codes(world.diagnosis())
        refused = world.api.post("/v1/networks", {"name": "more"}, status=409)
        assert (refused["code"], refused["remedy"]["commands"]) == (
            "engine-rules-flushed",
            ["systemctl restart docker"],
        )
        assert "prediction-inconsistent" not in codes(
            check(world.api, "client", {"host": True}, **PUBLISHED)["findings"]
        )
        # What the command of the remedy does, on a private engine.
        world.engine.restart()
        assert "firewall-rules-missing" not in codes(world.diagnosis())
        world.api.post("/v1/networks", {"name": "more"}, status=201)
