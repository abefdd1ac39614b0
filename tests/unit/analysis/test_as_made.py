"""What the engine makes inside a container, and each change of it. The engine's own are in the test with an engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.analysis.as_made import changed_networks, is_as_made
from bridgework.analysis.attachment import EngineState
from bridgework.model.observations import BridgePort, HostObservation, Observation, XfrmPolicy
from tests.support.routed import LOOPBACK, interface, local_route, policy_rule, routing, table_route
from tests.support.worlds import container, network, seen, world

MAC = "02:00:00:00:00:02"
LAB = network("lab", subnet6="fd00:1::/64")
WEB = container("web", (LAB, "10.1.0.2", {"ipv6_address": "fd00:1::2", "mac_address": MAC}))
HERE = world(LAB, WEB)
ETH0 = interface("eth0", "10.1.0.2/24", "fd00:1::2/64", index=4, mac_address=MAC, peer_index=14)
BRIDGE = interface(LAB.bridge_name, "10.1.0.1/24", "fd00:1::1/64", index=3, kind="bridge")
VETH = interface("veth14", index=14, peer_index=4, master_index=3, bridge_port=BridgePort("forwarding"))
ROUTES = (
    table_route("10.1.0.0/24", "eth0"),
    table_route("fd00:1::/64", "eth0"),
    table_route("0.0.0.0/0", "eth0", gateway="10.1.0.1"),
    table_route("::/0", "eth0", gateway="fd00:1::1"),
    table_route("fe80::/64", "eth0"),
    local_route("10.1.0.2", "eth0"),
)
INSIDE = Observation(2, interfaces=(LOOPBACK, ETH0), routing=routing(ROUTES), own_rules=False, xfrm=())
HOST = Observation(1, interfaces=(BRIDGE, VETH), frame_rules="")


def as_made(inside=INSIDE, host=HOST, here=HERE, one=WEB):
    state = EngineState(here, seen(host=HostObservation(host) if host else None))
    return is_as_made(state, state.attachment_of(one.id), inside)


def link(**facts):
    return replace(INSIDE, interfaces=(LOOPBACK, replace(ETH0, **facts)))


def routed(*routes, rules=()):
    return replace(INSIDE, routing=routing(routes, rules))


def test_what_the_engine_makes_is_as_made_and_what_was_not_seen_counts_as_such():
    for host in (HOST, None, Observation(1)):
        assert as_made(host=host)
    assert as_made(Observation(2))
    # An endpoint in an overlay network has a second interface that the engine does not list.
    wide = network("wide", driver="overlay")
    far = container("far", (wide, "10.1.0.9"))
    assert as_made(INSIDE, here=world(wide, far), one=far)


@pytest.mark.parametrize(
    "inside",
    [
        replace(INSIDE, own_rules=True),
        replace(INSIDE, xfrm=(XfrmPolicy("in", "10.1.0.0/24", "10.1.0.2/32"),)),
        replace(INSIDE, interfaces=(ETH0,)),
        replace(INSIDE, interfaces=(replace(LOOPBACK, flags=()), ETH0)),
        replace(INSIDE, interfaces=(LOOPBACK,)),
        link(flags=()),
        link(flags=("up", "no-arp")),
        link(state="lower-layer-down"),
        link(arp_ignore=8),
        link(mac_address="02:00:00:00:00:77"),
        link(addresses=ETH0.addresses[:1]),
        link(addresses=(replace(ETH0.addresses[0], prefix_len=28), ETH0.addresses[1])),
        routed(*ROUTES, rules=(policy_rule(90, 9),)),
        routed(*ROUTES, rules=(policy_rule(90, 254, destination="192.0.2.0/24"),)),
        routed(*ROUTES[1:]),
        routed(*ROUTES[:2], *ROUTES[3:]),
        routed(*ROUTES, table_route("192.0.2.0/24", kind="blackhole")),
        routed(*ROUTES, table_route("192.0.2.0/24", "eth0", table=9)),
    ],
)
def test_a_change_inside_is_told(inside):
    assert not as_made(inside)


@pytest.mark.parametrize(
    ("links", "frame_rules", "expected"),
    [
        ((BRIDGE, replace(VETH, flags=())), "", False),
        ((BRIDGE, replace(VETH, master_index=None)), "", False),
        ((replace(BRIDGE, name="br-other"), VETH), "", False),
        ((BRIDGE, replace(VETH, bridge_port=BridgePort("blocking"))), "", False),
        ((BRIDGE, replace(VETH, bridge_port=None)), "", True),
        ((BRIDGE, VETH), '{"chain": {"family": "netdev", "dev": "veth14"}}', False),
        ((BRIDGE, VETH), '{"chain": {"family": "netdev", "dev": "veth99"}}', True),
        ((BRIDGE, VETH), '{"table": {"family": "bridge"}}', False),
        ((BRIDGE, VETH), '{"table": {"family": "arp"}}', False),
    ],
)
def test_a_change_at_the_hosts_end_of_the_link_is_told(links, frame_rules, expected):
    assert as_made(host=Observation(1, interfaces=links, frame_rules=frame_rules)) is expected


def test_an_ipvlan_has_a_default_route_with_or_without_a_gateway():
    vlan = network("vlan", driver="ipvlan", options={"parent": "ens3"})
    one = container("one", (vlan, "10.1.0.2"))
    eth0 = interface("eth0", "10.1.0.2/24", index=4, kind="ipvlan")
    for gateway in ("10.1.0.1", None):
        routes = (table_route("10.1.0.0/24", "eth0"), table_route("0.0.0.0/0", "eth0", gateway=gateway))
        inside = Observation(2, interfaces=(LOOPBACK, eth0), routing=routing(routes))
        assert as_made(inside, here=world(vlan, one), one=one)


@pytest.mark.parametrize(
    ("links", "changed"),
    [
        ((BRIDGE, VETH), False),
        ((VETH,), True),
        ((replace(BRIDGE, flags=()),), True),
        ((replace(BRIDGE, addresses=BRIDGE.addresses[:1]),), True),
        (None, False),
    ],
)
def test_a_bridge_that_is_not_as_made_is_told(links, changed):
    observed = seen(host=HostObservation(Observation(1, interfaces=links)))
    assert changed_networks(HERE, observed) == (frozenset({LAB.id}) if changed else frozenset())


def test_without_the_host_no_bridge_is_changed():
    assert changed_networks(HERE, seen()) == frozenset()
