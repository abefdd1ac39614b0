"""Ports that a neighbour on the LAN reaches, from the rules of a small host as iptables-save and nft print them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.exposure.judge import exposures
from bridgework.analysis.exposure.questions import (
    OriginKind,
    direct_targets,
    origins_of,
    published_targets,
    unpublished_targets,
)
from bridgework.analysis.host_rules import owner_of
from bridgework.diagnosis.diagnosis import diagnose
from bridgework.firewall.iptables_save import ruleset_of
from bridgework.firewall.ruleset import Hook, Packet
from bridgework.firewall.walk import Place, Step
from bridgework.model.checks import Severity, Verdict
from bridgework.model.observations import (
    EngineObservations,
    FirewallRules,
    HostObservation,
    Interface,
    InterfaceAddress,
    ListeningSocket,
    Observation,
    Observations,
)
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot
from bridgework.probes.kernel.firewall import parse

NETWORK = Network("n" * 64, "front", pools=(Pool("172.18.0.0/16", "172.18.0.1"), Pool("fd00:1::/64", "fd00:1::1")))
BRIDGE = NETWORK.bridge_name
RULES = f"""
*raw
:PREROUTING ACCEPT [0:0]
RAW
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
[0:0] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[0:0] -A DOCKER ! -i {BRIDGE} -p tcp -m tcp --dport 18080 -j DNAT --to-destination 172.18.0.2:8080
[0:0] -A DOCKER -d 127.0.0.1/32 ! -i {BRIDGE} -p tcp -m tcp --dport 18081 -j DNAT --to-destination 172.18.0.2:8081
COMMIT
*filter
:INPUT INPUT_POLICY [0:0]
:FORWARD FORWARD_POLICY [0:0]
:ufw-user-input - [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
[0:0] -A INPUT -j ufw-user-input
[0:0] -A FORWARD -j DOCKER-USER
[0:0] -A FORWARD -o {BRIDGE} -j DOCKER
[0:0] -A FORWARD -i {BRIDGE} ! -o {BRIDGE} -j ACCEPT
[0:0] -A DOCKER -d 172.18.0.2/32 ! -i {BRIDGE} -o {BRIDGE} -p tcp -m tcp --dport 8080 -j ACCEPT
[0:0] -A DOCKER -d 172.18.0.2/32 ! -i {BRIDGE} -o {BRIDGE} -p tcp -m tcp --dport 8081 -j ACCEPT
COMMIT
"""
DROP_LOOPBACK = "[0:0] -A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 18081 -j DROP"
PORTS = (
    PublishedPort(8080, host_ip="0.0.0.0", host_port=18080),
    PublishedPort(8080, host_ip="::", host_port=18080),
    PublishedPort(8081, host_ip="127.0.0.1", host_port=18081),
)


def link(index, name, *addresses, kind="device", **fields):
    held = tuple(
        InterfaceAddress(a.split("/")[0], int(a.split("/")[1]), "ipv6" if ":" in a else "ipv4", "global")
        for a in addresses
    )
    return Interface(index, name, kind, None, 1500, "up", (), held, **fields)


LINKS = (
    link(1, "lo", kind="loopback"),
    link(2, "eth0", "192.0.2.1/24", "2001:db8::1/64"),
    link(3, BRIDGE, "172.18.0.1/16", kind="bridge"),
    link(4, "veth1", kind="veth", master_index=3),
    link(5, "tun0", "10.8.0.1/32"),
)


def engine(*, raw="", inputs="ACCEPT", forward="DROP", ports=PORTS, network=NETWORK, listening=(), native=None, **seen):
    endpoint = Endpoint(network.id, network.name, "w" * 64, "web", ipv4_address="172.18.0.2", ipv6_address="fd00:1::2")
    web = Container("w" * 64, "web", endpoints=(endpoint,), published_ports=ports)
    text = RULES.replace("INPUT_POLICY", inputs).replace("FORWARD_POLICY", forward).replace("RAW", raw)
    sockets = tuple(ListeningSocket(protocol, "ipv4", address, port) for protocol, address, port in listening)
    host = HostObservation(Observation(1, interfaces=LINKS), **seen)
    rules = FirewallRules(chains=None if native else parse(text), native_rules=native)
    observations = Observations(
        inside={web.id: Observation(2, sockets=sockets)},
        host=host,
        firewall=rules,
        nftables=native is not None,
        userland_proxy=True,
    )
    return Snapshot((network,), (web,)), observations


def diagnosed(*codes, **fields):
    snapshot, observations = engine(**fields)
    found = diagnose(snapshot, EngineObservations(observations))
    return {one.code: one for one in found if one.code in codes}


def test_a_port_on_every_address_is_told_with_the_links_and_the_rules():
    (found,) = diagnosed("published-on-every-address", ports=PORTS[:1]).values()
    assert found.severity is Severity.INFO
    assert found.message == (
        "tcp 18080 of web is published on every address of the host, and neighbours on eth0, tun0 reach it."
    )
    assert any("--to-destination 172.18.0.2:8080" in rule for rule in found.evidence["rules"])


def test_what_ufw_closes_and_docker_opens_names_ufw_and_closes_it_before_docker():
    found = diagnosed("exposed-past-host-firewall", "published-on-every-address", inputs="DROP", ports=PORTS[:1])
    assert set(found) == {"exposed-past-host-firewall"}
    told = found["exposed-past-host-firewall"]
    assert told.message.startswith("ufw closes tcp 18080 in INPUT (the policy of INPUT is DROP)")
    assert told.evidence["owner"] == "ufw"
    assert told.remedy.commands[0] == (
        "iptables -I DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 18080 --ctdir ORIGINAL -j DROP"
    )


def test_a_port_on_loopback_is_exposed_until_the_raw_table_drops_it():
    told = diagnosed("loopback-port-exposed")["loopback-port-exposed"]
    assert told.remedy.commands == (
        "iptables -t raw -A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 18081 -j DROP",
    )
    assert diagnosed("loopback-port-exposed", raw=DROP_LOOPBACK) == {}


def test_an_unpublished_port_is_exposed_where_forwarding_is_open():
    listening = [("tcp", "0.0.0.0", 5432), ("tcp", "127.0.0.1", 9), ("tcp", "0.0.0.0", 8080)]
    assert diagnosed("unpublished-port-exposed", listening=listening) == {}
    told = diagnosed("unpublished-port-exposed", listening=listening, forward="ACCEPT")["unpublished-port-exposed"]
    assert told.message.startswith("tcp 5432 of web is not published")
    assert told.remedy.commands == (f"iptables -t raw -A PREROUTING -d 172.18.0.2/32 ! -i {BRIDGE} -j DROP",)


def test_an_unprotected_network_is_meant_to_be_open():
    open_one = replace(NETWORK, options={"com.docker.network.bridge.gateway_mode_ipv4": "nat-unprotected"})
    fields = {"network": open_one, "listening": [("tcp", "0.0.0.0", 5432)], "forward": "ACCEPT"}
    told = diagnosed("unpublished-port-exposed", **fields)["unpublished-port-exposed"]
    assert told.severity is Severity.INFO
    assert not told.remedy.commands


DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
NATIVE = {
    "nftables": [
        {"table": {"family": "ip", "name": "docker-bridges"}},
        {"table": {"family": "ip6", "name": "docker-bridges"}},
        {"chain": {"family": "ip", "table": "docker-bridges", "name": "nat", "hook": "prerouting", "type": "nat"}},
        *(
            {
                "rule": {
                    "family": "ip",
                    "table": "docker-bridges",
                    "chain": "nat",
                    "handle": port,
                    "expr": [
                        {"match": {"op": "==", "left": DPORT, "right": port}},
                        {"dnat": {"addr": "172.18.0.2", "port": port - 10_000}},
                    ],
                }
            }
            for port in (18080, 18081)
        ),
        {"table": {"family": "inet", "name": "firewalld"}},
        {
            "chain": {
                "family": "inet",
                "table": "firewalld",
                "name": "filter_INPUT",
                "hook": "input",
                "type": "filter",
                "policy": "drop",
            }
        },
    ]
}


def test_native_rules_get_native_commands():
    fields = {"native": json.dumps(NATIVE), "listening": [("tcp", "0.0.0.0", 5432)]}
    found = diagnosed("exposed-past-host-firewall", "loopback-port-exposed", "unpublished-port-exposed", **fields)
    past = found["exposed-past-host-firewall"]
    assert past.message.startswith("firewalld closes tcp 18080 in filter_INPUT")
    assert past.remedy.commands[0] == "nft add table inet published"
    assert found["loopback-port-exposed"].remedy.commands == (
        "nft add rule ip docker-bridges raw-PREROUTING iifname != lo ip daddr 127.0.0.1 tcp dport 18081 drop",
    )
    assert found["unpublished-port-exposed"].remedy.commands == (
        f"nft add rule ip docker-bridges raw-PREROUTING ip daddr 172.18.0.2 iifname != {BRIDGE} drop",
        f"nft add rule ip6 docker-bridges raw-PREROUTING ip6 daddr fd00:1::2 iifname != {BRIDGE} drop",
    )


def test_every_place_is_asked_and_the_proxy_is_told_apart():
    snapshot, observations = engine(raw=DROP_LOOPBACK, listening=[("udp", "0.0.0.0", 53)])
    state = EngineState(snapshot, observations)
    targets = [*published_targets(snapshot), *unpublished_targets(state)]
    found = {(e.origin.kind, e.origin.name, e.address, e.port): e for e in exposures(state, targets)}
    lan = found[OriginKind.LAN, "eth0", "192.0.2.1", 18080]
    assert (lan.verdict, lan.by_proxy, lan.is_past_host_firewall) == (Verdict.REACHABLE, False, False)
    assert found[OriginKind.LAN, "eth0", "127.0.0.1", 18081].stop.step is not None
    # From the port's own bridge no rule translates: docker-proxy answers.
    assert found[OriginKind.NETWORK, "front", "172.18.0.1", 18080].by_proxy
    assert found[OriginKind.HOST, "host", "127.0.0.1", 18081].verdict is Verdict.REACHABLE
    assert found[OriginKind.LAN, "tun0", "172.18.0.2", 53].verdict is Verdict.UNREACHABLE


def test_without_a_proxy_or_rules_nothing_answers():
    snapshot, observations = engine()
    state = EngineState(snapshot, replace(observations, userland_proxy=False))
    found = [e for e in exposures(state, published_targets(snapshot)) if e.origin.name == "front"]
    # The rules of ip6tables were not read here.
    assert {(e.origin.version, e.verdict, e.stop.reason) for e in found if e.address != "127.0.0.1"} == {
        (4, Verdict.UNREACHABLE, "not-served"),
        (6, Verdict.INCONCLUSIVE, "rules-unseen"),
    }
    state = EngineState(snapshot, replace(observations, userland_proxy=None))
    found = [e for e in exposures(state, published_targets(snapshot)) if e.origin.name == "front"]
    assert {e.stop.reason for e in found} == {"proxy-unseen", "rules-unseen", "loopback-address"}
    assert list(exposures(EngineState(snapshot, Observations()), published_targets(snapshot))) == []


def test_a_proxy_whose_own_way_is_not_known_is_not_called_open():
    """docker-proxy leads the port's IPv6 address to the container's IPv4 address, whose rules were not read."""
    snapshot, observations = engine(ports=PORTS[1:2])
    (web,) = snapshot.containers
    alone = replace(web, endpoints=(replace(web.endpoints[0], ipv6_address=None),))
    observations = replace(
        observations, firewall=FirewallRules(ipv6_chains=parse("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT"))
    )
    snapshot = Snapshot(snapshot.networks, (alone,))
    found = exposures(EngineState(snapshot, observations), published_targets(snapshot))
    (host,) = (one for one in found if one.origin.kind is OriginKind.HOST)
    assert (host.verdict, host.stop.reason, host.by_proxy) == (Verdict.INCONCLUSIVE, "rules-unseen", False)


def test_a_rule_that_cuts_docker_proxy_off_stops_the_port():
    snapshot, observations = engine(ports=PORTS[:1])
    text = RULES.replace("INPUT_POLICY", "ACCEPT").replace("FORWARD_POLICY", "ACCEPT").replace("RAW\n", "")
    drop = "[0:0] -A OUTPUT -d 172.18.0.2/32 -p tcp -m tcp --dport 8080 -j DROP\n"
    rules = text.replace(":FORWARD", ":OUTPUT ACCEPT [0:0]\n:FORWARD").replace(
        "[0:0] -A INPUT", f"{drop}[0:0] -A INPUT"
    )
    observations = replace(observations, firewall=FirewallRules(chains=parse(rules)))
    (host,) = asked(snapshot, observations, keys=[("host", "127.0.0.1", 18080)])
    assert (host.verdict, host.stop.reason, host.by_proxy) == (Verdict.UNREACHABLE, "firewall-rule", False)
    assert "-A OUTPUT" in host.stop.step.rule.text


def asked(snapshot, observations, **wanted):
    """The exposure by place and address, of the ports of the host or of the container."""
    state = EngineState(snapshot, observations)
    targets = [*published_targets(snapshot), *direct_targets(state)]
    found = {(e.origin.name, e.address, e.port): e for e in exposures(state, targets)}
    return [found[key] for key in wanted["keys"]]


def test_each_port_is_asked_for_at_the_containers_own_address_too():
    snapshot, observations = engine(listening=[("tcp", "0.0.0.0", 5432), ("tcp", "127.0.0.1", 9)])
    published, closed, unheard = asked(
        snapshot, observations,
        keys=[("eth0", "172.18.0.2", 8080), ("eth0", "172.18.0.2", 5432), ("eth0", "192.0.2.1", 18080)],
    )  # fmt: skip
    # Docker 26 accepts a published port also at the container's own address.
    assert (published.verdict, published.stop.reason, published.listening) == (Verdict.REACHABLE, None, False)
    assert (closed.verdict, closed.stop.reason, closed.listening) == (Verdict.UNREACHABLE, "firewall-rule", True)
    assert closed.stop.step.rule is None
    assert unheard.listening is False
    ports = {target.port for target in direct_targets(EngineState(snapshot, observations))}
    assert ports == {8080, 8081, 5432}


def test_a_port_on_an_address_of_the_host_is_asked_for_there_from_every_place():
    ports = (PublishedPort(8080, host_ip="192.0.2.1", host_port=18080),)
    snapshot, observations = engine(ports=ports)
    state = EngineState(snapshot, observations)
    found = {e.origin.name: (e.address, e.verdict) for e in exposures(state, published_targets(snapshot))}
    assert found == dict.fromkeys(("eth0", "tun0", "front", "host"), ("192.0.2.1", Verdict.REACHABLE))


def test_a_network_in_mode_routed_publishes_nothing_at_the_host():
    routed = replace(NETWORK, options={"com.docker.network.bridge.gateway_mode_ipv4": "routed"})
    snapshot, observations = engine(network=routed, ports=PORTS[:1])
    state = EngineState(snapshot, observations)
    assert list(exposures(state, published_targets(snapshot))) == []
    assert {e.address for e in exposures(state, direct_targets(state))} == {"172.18.0.2", "fd00:1::2"}


def test_nothing_is_forwarded_while_forwarding_is_off():
    snapshot, observations = engine(ipv4_forwarding=False)
    lan, host = asked(snapshot, observations, keys=[("eth0", "192.0.2.1", 18080), ("host", "127.0.0.1", 18080)])
    assert (lan.verdict, lan.stop.reason, lan.stop.step) == (Verdict.UNREACHABLE, "forwarding-off", None)
    assert host.verdict is Verdict.REACHABLE


def test_a_rule_that_drops_the_answer_stops_the_port():
    snapshot, observations = engine()
    text = RULES.replace("INPUT_POLICY", "ACCEPT").replace("FORWARD_POLICY", "ACCEPT").replace("RAW\n", "")
    drop = f"[0:0] -I FORWARD -i {BRIDGE} -p tcp -m tcp --sport 8080 -j DROP\n"
    dropped = text.replace(
        "[0:0] -A FORWARD -j DOCKER-USER\n", drop.replace("-I", "-A") + "[0:0] -A FORWARD -j DOCKER-USER\n"
    )
    observations = replace(observations, firewall=FirewallRules(chains=parse(dropped)))
    (lan,) = asked(snapshot, observations, keys=[("eth0", "192.0.2.1", 18080)])
    assert (lan.verdict, lan.stop.reason) == (Verdict.UNREACHABLE, "firewall-rule")
    assert "--sport 8080" in lan.stop.step.rule.text


@pytest.mark.parametrize("target", ["DNAT --to-destination 172.18.0.9:8080", "DNAT --to-destination 172.18.0.2:81",
                                    "REDIRECT --to-ports 9999"])  # fmt: skip
def test_a_rule_that_takes_the_port_first_is_named_and_the_container_is_not_reached(target):
    snapshot, observations = engine()
    first = f"[0:0] -A PREROUTING -p tcp -m tcp --dport 18080 -j {target}\n"
    text = RULES.replace("INPUT_POLICY", "ACCEPT").replace("FORWARD_POLICY", "ACCEPT").replace("RAW\n", "")
    jump = "[0:0] -A PREROUTING -m addrtype"
    observations = replace(observations, firewall=FirewallRules(chains=parse(text.replace(jump, first + jump))))
    (lan,) = asked(snapshot, observations, keys=[("eth0", "192.0.2.1", 18080)])
    assert (lan.verdict, lan.stop.reason, lan.by_proxy) == (Verdict.UNREACHABLE, "translated-elsewhere", False)
    assert target in lan.stop.step.rule.text


def test_the_kernel_routes_nothing_from_the_hosts_ipv6_loopback():
    text = """
*nat
:OUTPUT ACCEPT [0:0]
[0:0] -A OUTPUT -p tcp -m tcp --dport 18080 -j DNAT --to-destination [fd00:1::2]:8080
COMMIT
"""
    snapshot, observations = engine(ports=PORTS[1:2])
    observations = replace(observations, firewall=FirewallRules(ipv6_chains=parse(text)))
    (host,) = asked(snapshot, observations, keys=[("host", "::1", 18080)])
    assert (host.verdict, host.stop.reason) == (Verdict.UNREACHABLE, "loopback-address")


def test_the_kernel_drops_what_comes_for_the_ipv6_loopback_from_outside():
    text = """
*nat
:PREROUTING ACCEPT [0:0]
[0:0] -A PREROUTING -d ::1/128 -p tcp -m tcp --dport 18083 -j DNAT --to-destination [fd00:1::2]:8080
COMMIT
"""
    snapshot, observations = engine(ports=(PublishedPort(8080, host_ip="::1", host_port=18083),))
    observations = replace(observations, firewall=FirewallRules(ipv6_chains=parse(text)))
    (lan,) = asked(snapshot, observations, keys=[("eth0", "::1", 18083)])
    assert (lan.verdict, lan.stop.reason, lan.rules) == (Verdict.UNREACHABLE, "loopback-address", ())


def test_only_running_containers_with_a_network_of_their_own_are_targets():
    snapshot, observations = engine(listening=[("tcp", "0.0.0.0", 5432)])
    (web,) = snapshot.containers
    for other in (replace(web, state="exited"), replace(web, shares_with="o" * 64)):
        state = EngineState(Snapshot(snapshot.networks, (other,)), observations)
        assert list(direct_targets(state)) == []


MASQUERADING = [
    ("-s 172.18.0.0/16 ! -o {bridge} -j MASQUERADE", "Docker"),
    ("-s 172.18.0.2/32 -d 172.18.0.2/32 -p tcp -m tcp --dport 8080 -j MASQUERADE", "Docker"),
    ("-o {bridge} -m addrtype --src-type LOCAL -j MASQUERADE", "Docker"),
    ("-s 10.0.0.0/8 ! -o {bridge} -j MASQUERADE", None),
    ("-o eth0 -j MASQUERADE", None),
    ("-s 172.18.0.2/32 -d 172.18.0.3/32 -p tcp -m tcp --dport 8080 -j MASQUERADE", None),
]


@pytest.mark.parametrize(("rule", "owner"), MASQUERADING)
def test_the_owner_of_a_rule_that_masquerades(rule, owner):
    snapshot, _ = engine()
    line = f"[0:0] -A POSTROUTING {rule.format(bridge=BRIDGE)}"
    text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n{line}\nCOMMIT\n"
    (table,) = ruleset_of(parse(text), 4)
    chain = table.chains["POSTROUTING"]
    packet = Packet(4, "tcp", "172.18.0.2", "192.0.2.9")
    step = Step(Place(Hook.POSTROUTING, table, chain), chain.rules[0], "masquerade", packet, packet)
    assert owner_of(snapshot, step) == owner


@pytest.mark.parametrize("port", [PublishedPort(80), PublishedPort(80, "sctp", host_port=1)])
def test_what_has_no_number_or_no_simulated_protocol_is_left_out(port):
    snapshot, _ = engine(ports=(port,))
    assert list(published_targets(snapshot)) == []


def test_a_host_address_that_is_none_reaches_nothing():
    snapshot, observations = engine(ports=(PublishedPort(80, host_ip="nowhere", host_port=1),))
    state = EngineState(snapshot, observations)
    assert list(exposures(state, published_targets(snapshot), origins_of(snapshot, observations.host))) == []
