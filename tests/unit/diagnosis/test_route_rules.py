"""Rules about the host's routing: what the kernel is asked for a whole engine, and which answers are faults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.diagnosis.diagnosis import diagnose
from bridgework.diagnosis.route_rules import route_questions
from bridgework.model.observations import (
    EngineObservations,
    HostObservation,
    Interface,
    InterfaceAddress,
    Observation,
    Observations,
    Route,
    RouteAnswer,
    RouteQuestion,
)
from tests.support.worlds import container, network, world

OPTION = "com.docker.network.bridge.name"
LAB = network("lab", "10.1.0.0/24", subnet6="fd00:1::/64", options={OPTION: "br0"})
OTHER = network("other", "10.2.0.0/24", options={OPTION: "br1"})
WEB = container("web", (LAB, "10.1.0.3", {"ipv6_address": "fd00:1::3"}))
CLIENT = container("client", (LAB, "10.1.0.2"))
WORLD = world(LAB, OTHER, WEB, CLIENT)
RULE = {"rule": "from all lookup 52", "priority": 100, "table": 52}
TUNNEL = RouteAnswer("tun0", route="0.0.0.0/0", **RULE)
STRICT = RouteAnswer("tun0", reverse_path_filter=("net.ipv4.conf.br0.rp_filter", 1), **RULE)
CODES = {"policy-route-diverts", "asymmetric-routing", "reverse-path-filtered"}

SENT = RouteQuestion(4, "10.1.0.2", expected="br0")
SENT6 = RouteQuestion(6, "fd00:1::3", expected="br0")
RETURNED = replace(SENT, source="198.51.100.254", incoming="wan")
LEFT = RouteQuestion(4, "10.1.0.1", source="10.1.0.2", incoming="br0")


def link(index, name, address):
    return Interface(
        index, name, "device", None, 1500, "up", ("up",), (InterfaceAddress(address, 24, "ipv4", "global"),)
    )


def route(destination, interface):
    return Route(destination, "ipv6" if ":" in destination else "ipv4", None, interface, None, "link", "kernel")


LINKS = (link(1, "lan", "192.0.2.1"), link(2, "wan", "198.51.100.1"))
ROUTES = (
    route("fe80::/64", "br0"),
    route("10.1.0.0/24", "br0"),
    route("fd00:1::/64", "br0"),
    route("0.0.0.0/0", "wan"),
)


def host(links=LINKS, routes=ROUTES):
    return HostObservation(Observation(1, interfaces=links, routes=routes))


def found(answers, seen=None):
    observations = Observations(host=seen or host(), routes=answers)
    return [one for one in diagnose(WORLD, EngineObservations(observations)) if one.code in CODES]


def test_one_container_of_each_network_is_asked_for_in_each_direction():
    assert set(route_questions(WORLD, host())) == {SENT, RETURNED, LEFT, SENT6}


def test_the_order_of_the_engines_answer_changes_no_question():
    turned = replace(WORLD, networks=WORLD.networks[::-1], containers=WORLD.containers[::-1])
    assert set(route_questions(turned, host())) == {SENT, RETURNED, LEFT, SENT6}


def test_without_a_link_to_the_outside_no_packet_comes_from_there():
    assert set(route_questions(WORLD, host(links=()))) == {SENT, LEFT, SENT6}


@pytest.mark.parametrize("seen", [None, host(routes=None), host(routes=())])
def test_where_the_bridge_has_no_route_or_none_was_seen_nothing_is_asked(seen):
    assert route_questions(WORLD, seen) == ()


@pytest.mark.parametrize(("answers", "codes"), [
    ({}, []),
    ({SENT: TUNNEL}, ["policy-route-diverts"]),
    ({SENT6: TUNNEL}, ["policy-route-diverts"]),
    ({SENT: TUNNEL, RETURNED: TUNNEL}, ["policy-route-diverts"]),
    ({RETURNED: TUNNEL}, ["asymmetric-routing"]),
    ({RETURNED: STRICT}, []),
    ({LEFT: STRICT}, ["reverse-path-filtered"]),
    ({LEFT: TUNNEL}, []),
    ({SENT: TUNNEL, LEFT: STRICT}, ["policy-route-diverts", "reverse-path-filtered"]),
    ({SENT: RouteAnswer("tun0", route="10.1.0.0/25")}, []),
])  # fmt: skip
def test_what_the_kernel_does_instead_is_told_once(answers, codes):
    told = found(answers)
    assert [one.code for one in told] == codes
    assert all((one.component.name, one.evidence["affected"]) == ("lab", 2) for one in told)


def test_answers_without_the_hosts_routes_say_nothing():
    assert found({SENT: TUNNEL}, host(routes=None)) == []
