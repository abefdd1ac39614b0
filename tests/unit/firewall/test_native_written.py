"""The nftables rules that Docker 29 writes, for short hosts, and packets through them."""

import pytest

from bridgework.firewall import simulate
from bridgework.firewall.docker import Bridge, Engine, Link, Port, written
from tests.unit.firewall.hosts import Host, packet

BR0 = Bridge("br0", "10.50.0.0/24", addresses=("10.50.0.2",))
BR1 = Bridge("br1", "10.51.0.0/24", addresses=("10.51.0.2",))
WEB = Port("br1", "10.51.0.2", 80, host_port=8080)
OPTION = "com.docker.network.bridge."


def made(*bridges, ports=(), links=(), version=4, release=(29, 7), **settings):
    return written(Engine(release, nftables=True, **settings), version, bridges, ports, links)


def causes(*bridges, **settings):
    """Map each rule, with its chain in front, to the option that causes it."""
    rules = made(*bridges, **settings).rules
    return {f"{chain} {rule.text}": rule.because.option for (_, chain), some in rules.items() for rule in some}


def ended(text, *bridges, **settings):
    """The verdict, and the option that causes the rule that decides."""
    rules = made(*bridges, **settings)
    outcome = simulate.forward(rules.ruleset, Host(), packet(text))
    step = outcome.step
    because = step and step.rule and rules.because(step.place.table.name, step.place.chain.name, step.rule.text)
    return outcome.verdict, because and because.option


def test_no_release_before_docker_29_writes_native_rules():
    assert made(BR0, release=(28, 5)) is None


def test_a_rule_that_was_added_again_without_its_comment_has_the_same_cause():
    rules = made(BR0)
    ((table, chain),) = [place for place in rules.rules if place[1] == "filter-forward-in__br0"]
    for text in ('iifname br0 accept comment "ICC"', "iifname br0 accept"):
        assert rules.because(table, chain, text).option == f"{OPTION}enable_icc"


def test_an_engine_without_rules_makes_no_table():
    assert list(made(BR0, iptables=False).objects()) == []
    assert made(BR0, iptables=False).ruleset.tables == ()
    assert made(version=6, ip6tables=False).rules == {}


def test_each_bridge_has_its_jumps():
    elements = made(BR0, BR1).elements
    assert {(one.name, one.chain) for one in elements if one.bridge == "br1"} == {
        (f"{way}-jumps", f"{way}__br1")
        for way in ("filter-forward-in", "filter-forward-out", "nat-postrouting-in", "nat-postrouting-out")
    }
    assert {one.because.option for one in elements} == {"bridge"}


def test_the_options_of_a_network_cause_its_rules():
    routed = Bridge("br0", "fd00:1::/64", mode="routed", icc=False, addresses=("fd00:1::2",))
    unprotected = Bridge("br1", "fd00:2::/64", mode="nat-unprotected", host_ip="fd00:9::1")
    closed = Bridge("br2", "fd00:3::/64", internal=True)
    ports = Port("br0", "fd00:1::2", 80), Port("br1", "fd00:2::2", 80, host_port=8080)
    found = causes(routed, unprotected, closed, Bridge("br3", None), ports=ports, version=6, userland_proxy=False)
    mode = f"{OPTION}gateway_mode_ipv6"
    expected = {
        'filter-forward-in__br0 meta l4proto ipv6-icmp accept comment "ICMP"': mode,
        'filter-forward-in__br0 iifname br0 drop comment "ICC"': f"{OPTION}enable_icc",
        "filter-forward-in__br0 ip6 daddr fd00:1::2 tcp dport 80 accept": "ports",
        'filter-forward-in__br0 drop comment "UNPUBLISHED PORT DROP"': mode,
        'filter-forward-in__br1 accept comment "UNPROTECTED"': mode,
        'nat-postrouting-out__br1 oifname != br1 ip6 saddr fd00:2::/64 snat to fd00:9::1 comment "SNAT"': (
            "com.docker.network.host_ipv6"
        ),
        'nat-postrouting-in__br1 fib saddr type local snat to fd00:9::1 comment "SNAT FROM HOST"': "userland-proxy",
        "nat-prerouting-and-output ip6 saddr != fe80::/10 tcp dport 8080 dnat to [fd00:2::2]:80 "
        'comment "DNAT"': "ports",
        'filter-forward-out__br2 oifname != br2 drop comment "INTERNAL NETWORK EGRESS"': "internal",
        'filter-forward-in__br2 accept comment "ICC"': f"{OPTION}enable_icc",
    }
    assert expected.items() <= found.items()
    assert not [text for text in found if "br3" in text or "raw-PREROUTING" in text]
    assert not [text for text in found if text.startswith("nat-postrouting-out__br0")]
    own = "nat-postrouting-in__br1 ip6 saddr fd00:2::2 ip6 daddr fd00:2::2 tcp dport 80 masquerade"
    assert found[f'{own} comment "MASQ TO OWN PORT"'] == "userland-proxy"


def test_docker_proxy_alone_serves_a_port_of_the_other_ip_version():
    port = Port("br1", "10.51.0.2", 80, host_ip="::1", host_port=8080)
    found = causes(BR1, ports=(port,))
    assert "filter-forward-in__br1 ip daddr 10.51.0.2 tcp dport 80 accept" in found
    assert not [text for text in found if " dnat to " in text]


def test_a_port_on_a_loopback_address_is_dropped_from_outside():
    port = Port("br1", "10.51.0.2", 80, host_ip="127.0.0.1", host_port=8080)
    found = causes(BR1, ports=(port,))
    drop = 'raw-PREROUTING iifname != lo ip daddr 127.0.0.1 tcp dport 8080 drop comment "DROP REMOTE LOOPBACK"'
    assert found[drop] == "ports"


def test_trusted_interfaces_reach_the_containers_directly():
    bridge = Bridge("br0", "10.50.0.0/24", trusted=("eth8", "eth7"), addresses=("10.50.0.2",))
    drop = 'ip daddr 10.50.0.2 iifname != { br0, eth7, eth8 } drop comment "DROP DIRECT ACCESS"'
    assert causes(bridge)[f"raw-PREROUTING {drop}"] == "allow-direct-routing"
    assert [rule.unknown for rule in made(bridge).rules["docker-bridges", "raw-PREROUTING"]] == [True]
    assert made(bridge, allow_direct_routing=True).rules["docker-bridges", "raw-PREROUTING"] == ()


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("br0 tcp 10.50.0.2 10.52.0.9 443", ("accepted", None)),
        ("up0 tcp 10.52.0.9 10.52.0.1 8080", ("accepted", None)),
        ("br0 tcp 10.50.0.2 10.51.0.2 80", ("dropped", "allow-direct-routing")),
    ],
)
def test_a_packet_through_the_written_rules(text, end):
    assert ended(text, BR0, BR1, ports=(WEB,), allow_direct_routing=False) == end


def test_a_drop_that_depends_on_a_setting_which_is_not_known_is_taken_both_ways():
    direct = "up0 tcp 10.52.0.9 10.51.0.2 80"
    assert ended(direct, BR1, ports=(WEB,)) == ("unknown", "allow-direct-routing")
    assert ended(direct, BR1)[0] == "dropped"
    assert ended(direct, BR1, allow_direct_routing=True) == ("dropped", f"{OPTION}gateway_mode_ipv4")
    assert made(BR1).because("docker-bridges", "filter-FORWARD", "drop") is None


def test_a_rule_that_two_ports_share_is_written_once():
    rules = made(BR1, ports=(WEB, Port("br1", "10.51.0.2", 80, host_port=8081))).rules
    accepted = [rule for rule in rules["docker-bridges", "filter-forward-in__br1"] if " dport " in rule.text]
    assert len(accepted) == 1
    assert len(rules["docker-bridges", "nat-prerouting-and-output"]) == 2


def test_links_and_a_mark_are_accepted_before_the_option_that_forbids_traffic():
    closed = Bridge("br0", "10.50.0.0/24", icc=False)
    links = Link("br0", "10.50.0.3", "10.50.0.2", 80), Link("br1", "10.51.0.3", "10.51.0.2", 80)
    rules = made(closed, links=links, accept_mark="0x4/0x7").rules["docker-bridges", "filter-forward-in__br0"]
    assert [(rule.text, rule.because.option) for rule in rules][1:5] == [
        ('mark & 7 4 accept comment "ALLOW FW MARK"', "bridge-accept-fwmark"),
        ("ip saddr 10.50.0.3 ip daddr 10.50.0.2 tcp dport 80 accept", "links"),
        ("ip saddr 10.50.0.2 tcp sport 80 ip daddr 10.50.0.3 accept", "links"),
        ('iifname br0 drop comment "ICC"', f"{OPTION}enable_icc"),
    ]
    assert 'filter-forward-in__br0 mark 4 accept comment "ALLOW FW MARK"' in causes(closed, accept_mark="0x4")


def test_a_port_that_may_be_closed_again_is_taken_both_ways():
    port = Port("br1", "10.51.0.2", 80, host_port=8080, certain=False)
    asked = "up0 tcp 10.52.0.9 10.52.0.1 8080"
    assert ended(asked, BR1, ports=(port,), allow_direct_routing=True) == ("unknown", "ports")
