"""What passes between bridges and what answers at a published port, by version, gateway mode and daemon settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.model.checks import Severity, Verdict
from bridgework.model.observations import DockerRules, FirewallChain, FirewallRules, Observation
from tests.support.worlds import (
    ask,
    codes,
    container,
    finding_of,
    listening,
    network,
    predict,
    published,
    rules_of_engine,
    seen,
    world,
)

OPTION = "com.docker.network.bridge."
MODE = f"{OPTION}gateway_mode_ipv4"
FRONT = network("front", "10.1.0.0/24")
PORT, HIDDEN = 8080, 8088
OPEN = listening(f"0.0.0.0:{PORT}", f"0.0.0.0:{HIDDEN}")
V26, V28_0, V28, V29 = (26, 1), (28, 0), (28, 5), (29, 7)


def to_mode(mode, version, protocol="icmp", port=None, *, leaves=FRONT, firewall=None, **facts):
    """Predict a question from a container on one bridge to one on a bridge of that mode, which publishes one port."""
    theirs = network("theirs", "10.2.0.0/24", options={MODE: mode}, **facts)
    one = container("one", (leaves, f"{leaves.pools[0].subnet[:-4]}2"))
    two = container("two", (theirs, "10.2.0.2"), ports=[published(None)])
    observations = seen([(two, OPEN)], firewall=firewall, engine_version=version)
    return predict(world(leaves, theirs, one, two), ask(one, two, protocol, port), observations)


@pytest.mark.parametrize(
    ("mode", "version", "passes"),
    [
        ("nat", V26, ""),
        ("nat", V28, ""),
        ("nat", V29, ""),
        ("nat-unprotected", V28, ""),
        ("nat-unprotected", V29, "icmp published hidden"),
        ("routed", V26, ""),
        ("routed", V28, "icmp published"),
        ("routed", V29, "icmp published"),
    ],
)
def test_what_passes_to_a_bridge_of_each_gateway_mode(mode, version, passes):
    asked = {"icmp": ("icmp", None), "published": ("tcp", PORT), "hidden": ("tcp", HIDDEN)}
    reached = {name for name, how in asked.items() if to_mode(mode, version, *how).verdict is Verdict.REACHABLE}
    assert reached == set(passes.split())
    assert to_mode(mode, version, internal=True).verdict is Verdict.UNREACHABLE


def test_a_port_that_a_routed_network_does_not_publish_is_named():
    prediction = to_mode("routed", V29, "tcp", HIDDEN)
    found = finding_of(prediction, "gateway-mode-routed")
    assert (found.severity, found.evidence["port"]) == (Severity.BLOCKING, HIDDEN)
    assert f"two does not publish tcp port {HIDDEN}" in found.message


def raw_table(*rules):
    chain = FirewallChain("raw", "PREROUTING", "ACCEPT", tuple((0, 0, rule) for rule in rules))
    return FirewallRules((chain,), docker=DockerRules(ipv4=True))


def test_the_answer_to_a_bridge_that_does_not_masquerade_is_dropped_before_it_is_tracked():
    raw = network("raw", "10.7.0.0/24", options={f"{OPTION}enable_ip_masquerade": "false"})
    assert to_mode("routed", V28_0, leaves=raw).verdict is Verdict.REACHABLE
    dropping = raw_table(f"-A PREROUTING -d 10.7.0.2/32 ! -i {raw.bridge_name} -j DROP")
    found = finding_of(to_mode("routed", V28, leaves=raw, firewall=dropping), "masquerade-off")
    assert found.severity is Severity.BLOCKING
    assert "nat-unprotected" in found.remedy.summary
    # The API does not show whether --allow-direct-routing is set.
    unseen = finding_of(to_mode("routed", V28, leaves=raw), "analysis-limited")
    assert "(allow-direct-routing)" in unseen.message
    assert unseen.evidence["rule"] == f"-A PREROUTING -d 10.7.0.2/32 ! -i {raw.bridge_name} -j DROP"
    # As with --allow-direct-routing: the table was seen, and has no such rule.
    assert to_mode("routed", V28, leaves=raw, firewall=raw_table()).verdict is Verdict.REACHABLE
    spared = replace(raw, options={**raw.options, MODE: "nat-unprotected"})
    assert to_mode("routed", V28, leaves=spared).verdict is Verdict.REACHABLE


def test_the_remedy_for_a_bridge_that_does_not_masquerade_is_a_route_only_where_no_rule_drops_the_answer():
    raw = network("raw", "10.7.0.0/24", options={f"{OPTION}enable_ip_masquerade": "false"})
    one = container("one", (raw, "10.7.0.2"))
    question = ask(one, "address:192.0.2.1")
    old, new = (
        finding_of(predict(world(raw, one), question, seen(engine_version=version)), "masquerade-off").remedy.summary
        for version in (V26, V28)
    )
    assert old.startswith("Give 192.0.2.1 a route")
    assert "trusted_host_interfaces" in new
    assert "a route" not in new


def test_without_rules_of_the_engines_everything_passes():
    theirs = network("theirs", "10.2.0.0/24")
    one, two = container("one", (FRONT, "10.1.0.2")), container("two", (theirs, "10.2.0.2"))
    snapshot, question = world(FRONT, theirs, one, two), ask(one, two)
    assert codes(predict(snapshot, question, seen(ipv4_firewall=None))) == ["no-shared-network"]
    assert predict(snapshot, question, seen(ipv4_firewall=False)).verdict is Verdict.REACHABLE


BACK = network("back", "10.2.0.0/24")
RAW = network("raw", "10.7.0.0/24", options={f"{OPTION}enable_ip_masquerade": "false"})
VAULT = network("vault", "10.3.0.0/24", internal=True)
WEB = container("web", (BACK, "10.2.0.2"), ports=[published(18080, PORT)])
PEER, STRANGER = container("peer", (BACK, "10.2.0.3")), container("stranger", (FRONT, "10.1.0.2"))
RAWER, INNER = container("rawer", (RAW, "10.7.0.2")), container("inner", (VAULT, "10.3.0.2"))
SNAPSHOT = world(FRONT, BACK, RAW, VAULT, WEB, PEER, STRANGER, RAWER, INNER)
SHUT = Observation(1, sockets=())


def at_host(source, target="host", observation=OPEN, **facts):
    observations = seen([(WEB, observation)], **facts)
    return predict(SNAPSHOT, ask(source, target, "tcp", 18080), observations)


@pytest.mark.parametrize(
    ("source", "version", "proxy", "expected"),
    [
        (STRANGER, V26, True, []),
        (STRANGER, V28, True, []),
        (STRANGER, V29, True, []),
        (STRANGER, V26, False, ["bridges-isolated"]),
        (STRANGER, V28, False, ["bridges-isolated"]),
        (STRANGER, V29, False, []),
        (STRANGER, V28, None, ["analysis-limited"]),
        (STRANGER, V29, None, []),
        (PEER, V26, False, []),
        (PEER, V29, None, ["analysis-limited"]),
        (RAWER, V26, True, ["masquerade-off"]),
        (RAWER, V28, True, ["masquerade-off"]),
        (RAWER, V29, True, ["analysis-limited"]),  # the API does not show allow-direct-routing
        (INNER, V26, True, ["internal-no-egress"]),
        (INNER, V29, False, ["internal-no-egress"]),
        ("host", V26, False, []),
        ("host", V26, True, []),
    ],
)
def test_who_reaches_a_published_port(source, version, proxy, expected):
    assert codes(at_host(source, engine_version=version, userland_proxy=proxy)) == expected


@pytest.mark.parametrize(("version", "ends"), [(V28, ["published-port"]), (V29, ["bridge", "interface", "reply"])])
def test_without_masquerading_docker_28_drops_the_packet_and_docker_29_its_answer(version, ends):
    rules = rules_of_engine(SNAPSHOT, engine_version=version)
    way = at_host(RAWER, engine_version=version, userland_proxy=True, firewall=rules).path
    assert [hop.kind for hop in way][-len(ends) :] == ends
    assert [hop.status.value for hop in way] == ["passed"] * (len(way) - 1) + ["stopped"]


def test_nftables_rules_let_an_internal_network_reach_published_ports():
    for nftables, verdict in ((True, Verdict.REACHABLE), (False, Verdict.UNREACHABLE)):
        assert at_host(INNER, engine_version=V29, nftables=nftables).verdict is verdict


@pytest.mark.parametrize(("proxy", "accepted"), [(True, True), (False, False)])
def test_only_a_proxy_accepts_where_nothing_listens(proxy, accepted):
    for source, target in (("host", "host"), (PEER, "host")):
        verdict = at_host(source, target, SHUT, userland_proxy=proxy).verdict
        assert (verdict is Verdict.REACHABLE) == accepted
    assert at_host("host", "address:10.2.0.1", SHUT, userland_proxy=proxy).verdict is Verdict.UNREACHABLE
    assert at_host(STRANGER, "host", SHUT, userland_proxy=proxy, engine_version=V29).verdict is Verdict.UNREACHABLE


def test_without_rules_and_without_a_proxy_nobody_answers():
    for version, verdict in ((V26, Verdict.REACHABLE), (V28, Verdict.UNREACHABLE)):
        prediction = at_host(STRANGER, ipv4_firewall=False, userland_proxy=False, engine_version=version)
        assert (codes(prediction), prediction.verdict) == (["port-not-published"], verdict)
    assert at_host(STRANGER, ipv4_firewall=False).verdict is Verdict.REACHABLE


def test_without_a_proxy_a_closed_network_keeps_its_own_ports_from_its_members():
    locked = network("locked", "10.9.0.0/24", options={f"{OPTION}enable_icc": "false"})
    web = container("web", (locked, "10.9.0.2"), ports=[published(18080, PORT)])
    peer = container("peer", (locked, "10.9.0.3"))
    question = ask(peer, "host", "tcp", 18080)
    for proxy, expected in ((True, []), (False, ["inter-container-off"])):
        observations = seen([(web, OPEN)], userland_proxy=proxy)
        assert codes(predict(world(locked, web, peer), question, observations)) == expected


def test_the_ipv6_loopback_cannot_be_translated():
    dual = network("dual", "10.4.0.0/24", subnet6="fd00:4::/64")
    port = published(18080, PORT, host_ip="::")
    web = container("web", (dual, "10.4.0.2", {"ipv6_address": "fd00:4::2"}), ports=[port])
    question = ask("host", "address:::1", "tcp", 18080)
    for proxy, verdict in ((True, Verdict.REACHABLE), (False, Verdict.UNREACHABLE)):
        sockets = [(web, listening(f"[::]:{PORT}"))]
        observations = seen(sockets, ipv6_firewall=True, userland_proxy=proxy, engine_version=V29)
        assert predict(world(dual, web), question, observations).verdict is verdict


def test_inhibit_ipv4_leaves_a_bridge_without_the_host_and_a_default_route_to_nobody():
    mute = network("mute", "10.8.0.0/24", options={f"{OPTION}inhibit_ipv4": "true"})
    one, two = container("one", (mute, "10.8.0.2")), container("two", (mute, "10.8.0.3"))
    snapshot = world(mute, FRONT, one, two, STRANGER)
    assert predict(snapshot, ask(one, two)).verdict is Verdict.REACHABLE
    for question in (ask(one, "host"), ask("host", one)):
        found = finding_of(predict(snapshot, question), "gateway-mode-isolated")
        assert found.message == "mute has inhibit_ipv4 set: the host has no IPv4 address on it."
    assert codes(predict(snapshot, ask(STRANGER, one), seen(ipv4_firewall=False))) == ["gateway-mode-isolated"]
    for target in ("address:10.1.0.2", "address:192.0.2.1"):
        found = finding_of(predict(snapshot, ask(one, target)), "wrong-default-gateway")
        assert "no interface has the gateway" in found.message
