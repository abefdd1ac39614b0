"""Packets through the rules that Docker writes: how they end, and the option that causes the rule that decides."""

import pytest

from bridgework.firewall import simulate
from bridgework.firewall.docker import Bridge, Engine, Port, written
from tests.unit.firewall.hosts import Host, packet

BR0 = Bridge("br0", "10.50.0.0/24", addresses=("10.50.0.2",))
BR1 = Bridge("br1", "10.51.0.0/24", addresses=("10.51.0.2",))
WEB = Port("br1", "10.51.0.2", 80, host_port=8080)
RELEASES = [(26, 1), (28, 5), (29, 7)]
HIDES = {"allow_direct_routing": False, "raw_rules": True}


def ended(text, release, *bridges, ports=(), **settings):
    """The verdict, and the option that causes the rule that decides."""
    made = written(Engine(release, **settings), 4, bridges, ports)
    outcome = simulate.forward(made.ruleset, Host(), packet(text))
    step = outcome.step
    because = step and step.rule and made.because(step.place.table.name, step.place.chain.name, step.rule.text)
    return outcome.verdict, because and because.option


@pytest.mark.parametrize("release", RELEASES)
def test_what_leaves_to_the_outside_passes_and_a_port_is_translated(release):
    def end(text):
        return ended(text, release, BR0, BR1, ports=(WEB,), forward_drops=True, **HIDES)

    assert end("br0 tcp 10.50.0.2 10.52.0.9 443") == ("accepted", None)
    assert end("up0 tcp 10.52.0.9 10.52.0.1 8080") == ("accepted", None)
    assert end("up0 tcp 10.52.0.9 10.52.0.1 8081") == ("accepted", None)  # to the host itself


@pytest.mark.parametrize(
    ("release", "option"), [((26, 1), "bridge"), ((28, 5), "allow-direct-routing"), ((29, 7), "allow-direct-routing")]
)
def test_a_bridge_is_closed_to_another_one(release, option):
    assert ended("br0 tcp 10.50.0.2 10.51.0.2 80", release, BR0, BR1, **HIDES) == ("dropped", option)


def test_traffic_within_a_bridge_without_icc_is_dropped_by_that_option():
    closed = Bridge("br0", "10.50.0.0/24", icc=False)
    for release in RELEASES:
        made = written(Engine(release), 4, (closed,), ())
        sent = packet("br0 icmp 10.50.0.2 10.50.0.3", outgoing="br0", bridge_ports=("veth1", "veth2"))
        step = simulate.bridged(made.ruleset, Host(), sent).step
        because = made.because(step.place.table.name, step.place.chain.name, step.rule.text)
        assert (because.option, because.bridge) == ("com.docker.network.bridge.enable_icc", "br0")


def test_a_policy_that_is_not_known_is_taken_both_ways():
    direct = "up0 tcp 10.52.0.9 10.51.0.2 80"
    assert ended(direct, (26, 1), BR1) == ("unknown", "ip-forward")
    assert ended(direct, (26, 1), BR1, forward_drops=True) == ("dropped", None)
    assert ended(direct, (26, 1), BR1, forward_drops=False) == ("accepted", None)
    # Behind the drop of Docker 28 the policy does not matter.
    assert ended(direct, (28, 5), BR1, raw_rules=False) == ("dropped", "com.docker.network.bridge.gateway_mode_ipv4")
    assert ended(direct, (28, 5), BR1, ports=(WEB,), raw_rules=False) == ("accepted", None)


@pytest.mark.parametrize(("release", "drops"), [((26, 1), True), ((28, 5), None)])
def test_the_policy_of_ipv6_is_known_of_the_releases_that_always_set_it(release, drops):
    bridge = Bridge("br1", "fd00:51::/64")
    assert written(Engine(release), 6, (bridge,), ()).forward_drops is drops
    assert written(Engine(release, ip6tables=False), 6, (bridge,), ()).forward_drops is None
    assert written(Engine(release), 4, (BR1,), ()).forward_drops is None


def test_a_drop_that_depends_on_a_setting_which_is_not_known_is_taken_both_ways():
    direct = "up0 tcp 10.52.0.9 10.51.0.2 80"
    assert ended(direct, (28, 5), BR1, ports=(WEB,)) == ("unknown", "allow-direct-routing")
    assert ended(direct, (28, 5), BR1, ports=(WEB,), **HIDES) == ("dropped", "allow-direct-routing")
    # The ruleset ends the packet in both cases.
    assert ended(direct, (28, 5), BR1)[0] == "dropped"


def test_an_engine_without_rules_has_an_empty_ruleset():
    assert written(Engine((28, 5), iptables=False), 4, (BR1,), (WEB,)).ruleset.tables == ()


def test_a_rule_of_another_program_has_no_cause():
    made = written(Engine((28, 5)), 4, (BR1,), (WEB,))
    assert made.because("filter", "FORWARD", "-A FORWARD -i eth0 -j DROP") is None
