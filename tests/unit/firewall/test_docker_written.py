"""The rules that Docker writes, for short hosts: each text with the option that causes it."""

from dataclasses import replace

import pytest

from bridgework.firewall.docker import Bridge, Engine, Link, Port, written

FRONT = Bridge("br0", "10.1.0.0/24", addresses=("10.1.0.2",))
WEB = Port("br0", "10.1.0.2", 80, host_port=8080)


def rules(release, *bridges, ports=(), version=4, **settings):
    """Map each rule, with its table in front, to the option that causes it."""
    made = written(Engine(release, **settings), version, bridges, ports)
    return {
        f"{table} {rule.text[3:]}": rule.because.option for (table, _), found in made.rules.items() for rule in found
    }


@pytest.mark.parametrize("release", [(24, 0), (27, 5), (28, 0), (28, 1)])
def test_a_release_whose_rules_are_not_known_has_none(release):
    assert written(Engine(release), 4, (FRONT,), (WEB,)) is None


@pytest.mark.parametrize("release", [(26, 1), (28, 5), (29, 7)])
def test_an_engine_without_rules_writes_none(release):
    assert rules(release, FRONT, ports=(WEB,), iptables=False) == {}
    assert rules(release, version=6, ip6tables=False) == {}
    assert rules(release, FRONT, ports=(WEB,)) != {}


def test_docker_26_isolates_a_bridge_for_ipv6_without_a_subnet_of_it():
    made = rules((26, 1), Bridge("br0", None), version=6)
    assert made["filter DOCKER-ISOLATION-STAGE-2 -o br0 -j DROP"] == "bridge"
    bare = written(Engine((26, 1)), 6, (Bridge("br0", None),), ())
    # What calls the chains is there only if the engine has had a network with IPv6 since it started.
    stays = ["-j DOCKER-ISOLATION-STAGE-1", "-m addrtype --dst-type LOCAL -j DOCKER"]
    assert [rule.text for found in bare.rules.values() for rule in found if rule.unknown] == [
        f"-A FORWARD {stays[0]}",
        f"-A PREROUTING {stays[1]}",
        f"-A OUTPUT ! -d ::1/128 {stays[1]}",
    ]


def test_docker_26_writes_a_port_with_its_checksum_for_sctp():
    port = Port("br0", "10.1.0.2", 80, "sctp", "127.0.0.1", 8080)
    made = rules((26, 1), FRONT, ports=(port,))
    to = "-d 127.0.0.1/32 ! -i br0 -p sctp -m sctp --dport 8080 -j DNAT --to-destination 10.1.0.2:80"
    assert made[f"nat DOCKER {to}"] == "ports"
    assert made["mangle POSTROUTING -p sctp -m sctp --sport 80 -j CHECKSUM --checksum-fill"] == "ports"
    assert "raw PREROUTING -d 127.0.0.1/32 ! -i lo -p sctp -m sctp --dport 8080 -j DROP" not in made


@pytest.mark.parametrize(
    ("release", "chain", "isolation"),
    [
        ((26, 1), "FORWARD", "DOCKER-ISOLATION-STAGE-1"),
        ((28, 5), "DOCKER-FORWARD", "DOCKER-ISOLATION-STAGE-1"),
        ((29, 7), "DOCKER-FORWARD", "DOCKER-INTERNAL"),
    ],
)
def test_the_rules_of_an_internal_network_name_the_option(release, chain, isolation):
    closed = Bridge("br1", "10.2.0.0/24", internal=True, icc=False)
    made = rules(release, closed, Bridge("br2", "10.3.0.0/24", internal=True))
    assert made[f"filter {isolation} ! -s 10.2.0.0/24 -o br1 -j DROP"] == "internal"
    assert made[f"filter {chain} -i br1 -o br1 -j DROP"] == "com.docker.network.bridge.enable_icc"
    assert made[f"filter {chain} -i br2 -o br2 -j ACCEPT"] == "com.docker.network.bridge.enable_icc"
    six = rules(release, Bridge("br1", "fd00:2::/64", internal=True), version=6)
    assert six[f"filter {isolation} ! -d fd00:2::/64 -i br1 ! -o br1 -j DROP"] == "internal"


@pytest.mark.parametrize("release", [(28, 5), (29, 7)])
def test_the_gateway_mode_causes_what_it_opens(release):
    routed = Bridge("br1", "fd00:1::/64", mode="routed", icc=False, addresses=("fd00:1::2",))
    open_one = Bridge("br2", "fd00:2::/64", mode="nat-unprotected", host_ip="fd00:9::1")
    ports = Port("br1", "fd00:1::2", 80), Port("br2", "fd00:2::2", 80, host_port=8080)
    made = rules(release, routed, open_one, ports=ports, version=6, userland_proxy=False)
    mode = "com.docker.network.bridge.gateway_mode_ipv6"
    assert made["filter DOCKER -o br1 -p ipv6-icmp -j ACCEPT"] == mode
    assert made["filter DOCKER ! -i br2 -o br2 -j ACCEPT"] == mode
    assert made["filter DOCKER -d fd00:1::2/128 ! -i br1 -o br1 -p tcp -m tcp --dport 80 -j ACCEPT"] == "ports"
    source = "nat POSTROUTING -s fd00:2::/64 ! -o br2 -j SNAT --to-source fd00:9::1"
    assert made[source] == "com.docker.network.host_ipv6"
    own = "-s fd00:2::2/128 -d fd00:2::2/128 -p tcp -m tcp --dport 80 -j MASQUERADE"
    assert made[f"nat POSTROUTING {own}"] == "userland-proxy"
    assert not [text for text in made if text.startswith("raw ")]


def test_what_hides_addresses_is_unknown_where_the_setting_is():
    bridge = Bridge("br0", "10.1.0.0/24", trusted=("eth7",), addresses=("10.1.0.2",))
    port = Port("br0", "10.1.0.2", 80, host_ip="127.0.0.1", host_port=8080)

    def unknown(**settings):
        made = written(Engine((28, 5), **settings), 4, (bridge,), (port,))
        return [rule.unknown for rule in made.rules.get(("raw", "PREROUTING"), ())]

    assert unknown() == [True, True, True]
    assert unknown(allow_direct_routing=False, raw_rules=True) == [False, False, False]
    assert unknown(allow_direct_routing=True, raw_rules=True) == [False]
    assert unknown(raw_rules=False) == []


def test_a_rule_that_two_ports_share_is_written_once():
    second = Port("br0", "10.1.0.2", 80, host_port=8081)
    found = written(Engine((26, 1)), 4, (FRONT,), (WEB, second))
    assert len(found.rules["nat", "DOCKER"]) == 3  # the RETURN of the bridge, and two translations
    assert len(found.rules["filter", "DOCKER"]) == 1


@pytest.mark.parametrize("release", [(26, 1), (28, 5), (29, 7)])
def test_a_link_opens_a_port_in_both_directions_for_ipv4(release):
    link = Link("br0", "10.1.0.3", "10.1.0.2", 80)
    found = written(Engine(release), 4, (FRONT,), (), (link,)).rules["filter", "DOCKER"][-2:]
    assert [(rule.text, rule.because.option) for rule in found] == [
        ("-A DOCKER -s 10.1.0.3/32 -d 10.1.0.2/32 -i br0 -o br0 -p tcp -m tcp --dport 80 -j ACCEPT", "links"),
        ("-A DOCKER -s 10.1.0.2/32 -d 10.1.0.3/32 -i br0 -o br0 -p tcp -m tcp --sport 80 -j ACCEPT", "links"),
    ]
    six = written(Engine(release), 6, (Bridge("br0", "fd00:1::/64"),), (), (link,)).rules
    assert not [rule for found in six.values() for rule in found if rule.because.option == "links"]


def test_docker_29_forwards_packets_with_a_mark():
    made = rules((29, 7), FRONT, accept_mark="0x1")
    assert made["filter DOCKER-FORWARD -m mark --mark 0x1 -j ACCEPT"] == "bridge-accept-fwmark"
    assert not [text for text in rules((28, 5), FRONT, accept_mark="0x1") if "mark" in text]


def test_dockers_jumps_stay_in_their_order_when_the_last_network_of_an_ip_version_is_gone():
    rules = written(Engine((26, 1)), 6, (replace(FRONT, subnet=None),), ()).rules["filter", "FORWARD"]
    assert [rule.text for rule in rules] == ["-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-ISOLATION-STAGE-1"]
    assert [rule.unknown for rule in rules] == [False, True]
