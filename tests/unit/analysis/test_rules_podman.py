"""Predictions on Podman: netavark's rules decide what passes the host, and names are not predicted."""

from __future__ import annotations

import json

import pytest

from bridgework.analysis.rules.table import LAYERS, PODMAN_LAYERS
from bridgework.model.checks import Verdict
from bridgework.model.observations import FirewallRules, HostObservation, Interface, InterfaceAddress, Observation
from tests.support.worlds import ask, codes, container, finding_of, listening, network, predict, published, seen, world

LAN = network("lan", "10.1.0.0/24", options={"com.docker.network.bridge.name": "podman1"})
OTHER = network("other", "10.2.0.0/24", options={"com.docker.network.bridge.name": "podman2"})
INNER = network("inner", "10.3.0.0/24", internal=True, options={"com.docker.network.bridge.name": "podman3"})
ALPHA = container("alpha", (LAN, "10.1.0.2"))
BETA = container("beta", (LAN, "10.1.0.3"), ports=[published(8080, 80)])
GAMMA = container("gamma", (OTHER, "10.2.0.2"))
BOTH = container("both", (LAN, "10.1.0.4"), (OTHER, "10.2.0.4"))
INSIDER = container("insider", (INNER, "10.3.0.2"))
WORLD = world(LAN, OTHER, INNER, ALPHA, BETA, GAMMA, BOTH, INSIDER)
BRIDGES = Observation(
    1,
    interfaces=tuple(
        Interface(
            at, name, "bridge", None, 1500, "up", (), addresses=(InterfaceAddress(address, 24, "inet", "global"),)
        )
        for at, (name, address) in enumerate([("podman1", "10.1.0.1"), ("podman2", "10.2.0.1")], 2)
    ),
)


def rule(chain, *statements):
    return {"rule": {"family": "inet", "table": "netavark", "chain": chain, "handle": 9, "expr": list(statements)}}


def match(key, value, operator="=="):
    return {"match": {"op": operator, "left": {"meta": {"key": key}}, "right": value}}


PUBLISHES = [
    rule("DNAT", {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 8080}},
         {"dnat": {"family": "ip", "addr": "10.1.0.3", "port": 80}}),
]  # fmt: skip
ISOLATES = [
    rule("FORWARD", {"jump": {"target": "ISOLATION"}}),
    rule("ISOLATION", match("iifname", "podman1"), match("oifname", "podman2"), {"drop": None}),
]


def firewall(*rules, policy="accept"):
    """Netavark's table as nft prints it."""
    hooks = (("FORWARD", "forward", "filter", 0, policy), ("PRE", "prerouting", "nat", -100, "accept"),
             ("OUT", "output", "nat", -100, "accept"))  # fmt: skip
    of = {"family": "inet", "table": "netavark"}
    chains = [
        {"chain": {**of, "name": n, "hook": h, "type": t, "prio": p, "policy": said}} for n, h, t, p, said in hooks
    ]
    chains += [{"chain": {**of, "name": name}} for name in ("ISOLATION", "DNAT")]
    jumps = [rule(chain, {"jump": {"target": "DNAT"}}) for chain in ("PRE", "OUT")]
    things = [{"table": {"family": "inet", "name": "netavark"}}, *chains, *jumps, *rules]
    return FirewallRules(native_rules=json.dumps({"nftables": things}))


def asked(source, destination, rules=None, port=80, protocol="tcp", serving=(BETA, GAMMA, ALPHA)):
    observations = seen(
        [(one, listening("0.0.0.0:80")) for one in serving],
        host=HostObservation(BRIDGES),
        podman=True,
        userland_proxy=False,
        firewall=rules,
    )
    return predict(WORLD, ask(source, destination, protocol, port), observations)


def test_within_one_network_nothing_of_the_host_is_needed():
    assert asked(ALPHA, BETA).verdict is Verdict.REACHABLE
    assert codes(asked(ALPHA, BETA, port=81)) == ["no-listener"]


def test_across_networks_the_rules_decide():
    stopped = asked(ALPHA, GAMMA, firewall(*ISOLATES))
    assert (stopped.verdict, codes(stopped)) == (Verdict.UNREACHABLE, ["bridges-isolated"])
    assert "ISOLATION" in stopped.findings[0].message
    assert stopped.findings[0].remedy.actions
    assert asked(ALPHA, GAMMA, firewall()).verdict is Verdict.REACHABLE
    assert codes(asked(ALPHA, GAMMA, firewall(), port=81)) == ["no-listener"]


def test_a_policy_that_drops_is_netavarks_too():
    assert "policy of FORWARD" in asked(ALPHA, GAMMA, firewall(policy="drop")).findings[0].message


@pytest.mark.parametrize("rules", [None, firewall(rule("FORWARD", {"xt": {"name": "x"}}), *ISOLATES[1:])])
def test_rules_that_were_not_seen_or_not_understood(rules):
    found = asked(ALPHA, GAMMA, rules)
    assert (found.verdict, set(codes(found))) == (Verdict.INCONCLUSIVE, {"analysis-limited"})


def test_a_rule_of_another_program_is_named_as_such():
    foreign = {"nftables": [
        {"table": {"family": "inet", "name": "mine"}},
        {"chain": {"family": "inet", "table": "mine", "name": "c", "hook": "forward", "type": "filter", "prio": 0}},
        {"rule": {"family": "inet", "table": "mine", "chain": "c", "handle": 3, "expr": [{"drop": None}]}},
    ]}  # fmt: skip
    found = asked(ALPHA, GAMMA, FirewallRules(native_rules=json.dumps(foreign)))
    assert codes(found) == ["user-firewall-drop"]


def test_a_published_port_is_where_the_rules_translate_it():
    there = asked(GAMMA, "address:10.1.0.1", firewall(*PUBLISHES), port=8080)
    assert there.verdict is Verdict.REACHABLE
    unseen = asked(GAMMA, "address:10.1.0.1", firewall(*PUBLISHES), port=8080, serving=())
    assert unseen.verdict is Verdict.INCONCLUSIVE


def test_ports_of_the_host_are_not_predicted_from_the_host_itself():
    for port in (8080, 9):
        found = asked("host", "address:10.1.0.1", firewall(*PUBLISHES), port=port)
        assert (found.verdict, codes(found)) == (Verdict.INCONCLUSIVE, ["analysis-limited"])
    assert asked("host", "address:10.1.0.1", firewall(), port=None, protocol="icmp").verdict is Verdict.REACHABLE
    assert asked("host", ALPHA, firewall()).verdict is Verdict.REACHABLE


def test_a_program_of_the_host_is_not_predicted_and_a_ping_is():
    found = asked(ALPHA, "address:10.1.0.1", firewall(), port=9)
    assert (found.verdict, codes(found)) == (Verdict.INCONCLUSIVE, ["analysis-limited"])
    assert asked(ALPHA, "address:10.1.0.1", firewall(), port=None, protocol="icmp").verdict is Verdict.REACHABLE


def test_the_publisher_itself_is_not_predicted():
    """A packet that comes back to the port of the bridge that it came from needs hairpin mode on that port."""
    found = asked(BETA, "address:10.1.0.1", firewall(*PUBLISHES), port=8080)
    assert (found.verdict, codes(found)) == (Verdict.INCONCLUSIVE, ["analysis-limited"])


def test_a_port_that_no_rule_translates_is_a_program_of_the_host():
    """Without the rule of netavark the packet is for the host itself, which the service does not look at."""
    to_host = "address:10.1.0.1"
    assert codes(asked(BETA, to_host, firewall(), port=8080)) == ["analysis-limited"]
    assert "its own published port" in asked(BETA, to_host, firewall(), port=8080).findings[0].message
    # A port that is published at a loopback address is not at the bridge's address.
    narrow = container("narrow", (LAN, "10.1.0.9"), ports=[published(9090, 80, "127.0.0.1")])
    facts = seen(host=HostObservation(BRIDGES), podman=True, userland_proxy=False, firewall=firewall())
    found = predict(world(LAN, ALPHA, narrow), ask(ALPHA, to_host, "tcp", 9090), facts)
    assert "the programs of Podman's host" in found.findings[0].message


def test_outside_of_the_engine_is_not_predicted():
    found = asked(ALPHA, "address:192.0.2.1", firewall())
    assert "outside of the engine" in finding_of(found, "analysis-limited").message


def test_the_default_route_of_several_networks_is_not_predicted():
    found = asked(BOTH, "address:192.0.2.1", firewall())
    assert "several networks" in finding_of(found, "analysis-limited").message
    assert asked(BOTH, GAMMA, firewall()).verdict is Verdict.REACHABLE


def test_an_internal_network_has_no_way_out():
    assert codes(asked(INSIDER, "address:192.0.2.1", firewall())) == ["internal-no-egress"]


def test_names_are_not_predicted():
    found = asked(ALPHA, "name:beta", firewall())
    assert (found.verdict, codes(found)) == (Verdict.INCONCLUSIVE, ["analysis-limited"])
    assert "aardvark-dns" in found.findings[0].message


def test_the_layers_are_the_same_apart_from_dockers_options():
    shared = {name for name, rules in LAYERS if (name, rules) in PODMAN_LAYERS}
    assert shared == {"source", "destination", "address"}
