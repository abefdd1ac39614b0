"""The last part of the way to a published port: to the bridge's port, into the container, and the answer's way out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.exposure.delivered import Delivered, origin_fault
from bridgework.analysis.exposure.questions import Origin, OriginKind
from bridgework.analysis.exposure.reasons import (
    ADDRESS,
    FORWARDED_ON,
    FRAME_RULE,
    INSIDE_ROUTE,
    INSIDE_RULE,
    INSIDE_UNSEEN,
    LINK,
    OTHER_GATEWAY,
    RULE_UNKNOWN,
)
from bridgework.analysis.frames import Device, drop_on_the_way, incoming, outgoing, switched
from bridgework.analysis.rules.delivery import delivery_to
from bridgework.firewall.ruleset import Packet
from bridgework.model.checks import Verdict
from bridgework.model.observations import FirewallChain, FirewallRules, ListeningSocket
from tests.support.routed import routing, table_route
from tests.unit.analysis.one_bridge import BRIDGE, HERE, LAB, WEB, frame_rules, inside, observed

DROP = [{"drop": None}]
DROP_SOMETIMES = [{"limit": {"rate": 5, "per": "second"}}, {"drop": None}]
TO_WEB = Packet(4, "tcp", "192.0.2.9", "10.1.0.2", 40000, 8080, incoming="up0", outgoing=LAB.bridge_name)
WITHIN = replace(TO_WEB, source="10.1.0.3", incoming=LAB.bridge_name)
SOCKET = ListeningSocket("tcp", "ipv4", "0.0.0.0", 8080)
ROUTES = routing((table_route("10.1.0.0/24", "eth0"), table_route("0.0.0.0/0", "eth0", gateway="10.1.0.1")))
# A container as Docker makes it: no rules of its own, a route to its network and one by its gateway.
INTACT = {"own_rules": False, "frame_rules": "", "routing": ROUTES, "sockets": (SOCKET,)}
SWITCHES = FirewallRules((), None, "", (("net.bridge.bridge-nf-call-iptables", "1"),))


def arrival(packet=TO_WEB, *, of_host=None, looked_inside=True, firewall=None, firewall_inside=None, **facts):
    facts = INTACT | {"firewall": firewall_inside} | facts
    seen = replace(observed(of_host=of_host, **facts), firewall=firewall)
    return Delivered(EngineState(HERE, seen), looked_inside=looked_inside).arrival(WEB, packet)


def reason(*args, **facts):
    return arrival(*args, **facts).stop.reason


def test_a_packet_arrives_at_a_container_as_docker_makes_it():
    arrived = arrival()
    assert (arrived.stop.verdict, arrived.listening, arrived.returns_by) == (Verdict.REACHABLE, True, None)


@pytest.mark.parametrize("sockets", [(), (replace(SOCKET, port=80),), (replace(SOCKET, address="127.0.0.1"),)])
def test_where_no_program_takes_the_packet_it_arrives_all_the_same(sockets):
    arrived = arrival(sockets=sockets)
    assert (arrived.stop.reason, arrived.listening) == (None, False)


def test_where_the_sockets_were_not_seen_it_is_open_whether_a_program_takes_it():
    assert arrival(sockets=None).listening is None


def test_a_fault_of_a_link_stops_the_packet_before_any_rule():
    arrived = arrival(web=inside(2, "10.1.0.77/24"), of_host={"frame_rules": frame_rules("bridge", "output", DROP)})
    assert (arrived.stop.reason, arrived.stop.finding.code) == (LINK, "container-address-missing")


@pytest.mark.parametrize(("looked_inside", "expected"), [(True, INSIDE_UNSEEN), (False, None)])
@pytest.mark.parametrize("facts", [{"own_rules": None}, {"frame_rules": None}, {"routing": None}])
def test_what_was_not_seen_inside_leaves_the_question_open_where_it_was_looked_for(facts, looked_inside, expected):
    assert reason(looked_inside=looked_inside, **facts) == expected


def test_an_address_that_is_not_inside_takes_no_packet():
    # Neither its address nor its MAC address is inside, so no link can be named.
    other = replace(inside(2, "10.1.0.77/24"), mac_address="02:00:00:00:00:77")
    assert reason(web=other) == ADDRESS


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("-A INPUT -p tcp -m tcp --dport 8080 -j DROP", INSIDE_RULE),
        ("-A INPUT -p tcp -m tcp --dport 80 -j DROP", None),
        ("-t nat -A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.3:80", FORWARDED_ON),
    ],
)
def test_a_rule_inside_stops_the_packet_or_sends_it_on(rule, expected):
    table = "nat" if rule.startswith("-t") else "filter"
    text = rule.removeprefix("-t nat ")
    chain = FirewallChain(table, text.split()[1], "ACCEPT", ((0, 0, text),))
    assert reason(own_rules=True, firewall_inside=FirewallRules((chain,), (), "")) == expected


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ((table_route("10.1.0.0/24", "eth0"),), INSIDE_ROUTE),
        ((table_route("0.0.0.0/0", "eth0", gateway="10.1.0.254"),), OTHER_GATEWAY),
    ],
)
def test_without_its_route_back_the_answer_does_not_come(routes, expected):
    assert reason(routing=routing(routes)) == expected


@pytest.mark.parametrize(("rule", "expected"), [(DROP, FRAME_RULE), (DROP_SOMETIMES, RULE_UNKNOWN)])
def test_a_rule_for_frames_on_the_host_stops_what_the_host_delivers(rule, expected):
    arrived = arrival(of_host={"frame_rules": frame_rules("bridge", "output", rule)})
    assert (arrived.stop.reason, arrived.stop.finding.component.kind) == (expected, "host")
    assert reason(of_host={"frame_rules": frame_rules("bridge", "forward", rule)}) is None


@pytest.mark.parametrize(("rule", "expected"), [(DROP, FRAME_RULE), (DROP_SOMETIMES, RULE_UNKNOWN)])
def test_a_rule_for_frames_inside_the_container_stops_them_too(rule, expected):
    arrived = arrival(frame_rules=frame_rules("netdev", "ingress", rule, devices=["eth0"]))
    assert (arrived.stop.reason, arrived.stop.finding.component.name) == (expected, "web")


@pytest.mark.parametrize(
    ("packet", "firewall", "hook"),
    [
        (TO_WEB, SWITCHES, "output"),
        (WITHIN, None, "output"),
        # br_netfilter switches what a rule leads back into the bridge that it came from.
        (WITHIN, SWITCHES, "forward"),
    ],
)
def test_a_packet_back_into_its_bridge_is_forwarded_there_where_br_netfilter_sees_it(packet, firewall, hook):
    for asked in ("output", "forward"):
        rules = {"frame_rules": frame_rules("bridge", asked, DROP)}
        assert reason(packet, of_host=rules, firewall=firewall) == (FRAME_RULE if asked == hook else None)


@pytest.mark.parametrize(
    ("place", "facts", "expected"),
    [
        (LAB.bridge_name, {}, None),
        (LAB.bridge_name, {"bridge": replace(BRIDGE, state="down", flags=())}, "link-down"),
        (LAB.bridge_name, {"bridge": replace(BRIDGE, addresses=())}, "bridge-address-missing"),
        ("up0", {"bridge": replace(BRIDGE, addresses=())}, None),
        (None, {}, None),
    ],
)
def test_the_place_that_asks_may_have_lost_its_own_link(place, facts, expected):
    origin = Origin(OriginKind.NETWORK, name="lab", version=4, source="10.1.0.3", interface=place)
    fault = origin_fault(EngineState(HERE, observed(**facts)), origin)
    assert (fault.code if fault is not None else None) == expected


PORT = Device("br0", "veth0")
PLAIN = Device("up0")
SENT = Packet(4, "tcp", "10.1.0.3", "10.1.0.2", 40000, 8080)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (incoming(PLAIN, SENT), [("netdev", "ingress", "up0")]),
        (outgoing(PLAIN, SENT), [("netdev", "egress", "up0")]),
        (
            incoming(PORT, SENT),
            [
                ("netdev", "ingress", "veth0"),
                ("bridge", "prerouting", "veth0"),
                ("bridge", "input", "veth0"),
                ("netdev", "ingress", "br0"),
            ],
        ),
        (
            outgoing(PORT, SENT),
            [
                ("netdev", "egress", "br0"),
                ("bridge", "output", "veth0"),
                ("bridge", "postrouting", "veth0"),
                ("netdev", "egress", "veth0"),
            ],
        ),
    ],
)
def test_a_packet_passes_the_bridges_port_and_the_bridge_itself(frames, expected):
    assert [frame[:3] for frame in frames] == expected


def test_a_switched_packet_passes_the_bridge_in_both_directions_and_never_the_host():
    frames = list(switched(PORT, SENT))
    assert {hook for family, hook, _, _ in frames if family == "bridge"} == {"prerouting", "forward", "postrouting"}
    assert {packet.destination for *_, packet in frames} == {"10.1.0.2", "10.1.0.3"}
    assert [(at, packet.outgoing) for family, hook, at, packet in frames if hook == "ingress"] == [
        ("port of br0", "veth0"),
        ("veth0", "port of br0"),
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (None, None),
        (frame_rules("netdev", "ingress", DROP, devices=["up0"]), "drop"),
        (frame_rules("netdev", "ingress", DROP, devices=["up1"]), None),
        (frame_rules("netdev", "egress", DROP, devices=["up0"]), None),
        (frame_rules("netdev", "ingress", [{"accept": None}], devices=["up0"]), None),
        (frame_rules("bridge", "input", DROP), None),
    ],
)
def test_a_rule_counts_at_its_hook_of_its_device(rules, expected):
    drop = drop_on_the_way(rules, incoming(PLAIN, SENT))
    assert (drop.text if drop is not None else None) == expected


def test_what_is_no_address_of_a_container_has_no_delivery():
    assert delivery_to(EngineState(HERE, observed()), "no address") is None
