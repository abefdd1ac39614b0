"""Where the predicted path ends: one case for each way in which the rules stop a packet, or lose sight of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.analysis.case import Case
from bridgework.model.checks import Verdict
from bridgework.model.observations import NOTHING_SEEN as UNSEEN
from bridgework.model.observations import (
    FirewallChain,
    FirewallRules,
    HostObservation,
    Interface,
    InterfaceAddress,
    Observation,
)
from bridgework.model.snapshot import Network
from tests.support.worlds import (
    ask,
    codes,
    container,
    identity,
    listening,
    network,
    predict,
    published,
    seen,
    way,
    with_routes,
    world,
)

ICC_OFF = {"com.docker.network.bridge.enable_icc": "false"}
FRONT, BACK = network("front", "10.1.0.0/24"), network("back", "10.2.0.0/24")
VAULT = network("vault", "10.3.0.0/24", internal=True)
LAN = network("lan", "10.4.0.0/24", driver="macvlan", options={"parent": "eth0"})
APART = network("apart", "10.5.0.0/24", options=ICC_OFF)
HOST_NETWORK = Network(identity("network host"), "host", driver="host")

A, B = container("a", (FRONT, "10.1.0.2")), container("b", (FRONT, "10.1.0.3"))
FAR = container("far", (BACK, "10.2.0.2"), ports=[published(8081)])
INNER = container("inner", (VAULT, "10.3.0.2"))
ON_LAN, LAN_TOO = container("on-lan", (LAN, "10.4.0.2")), container("lan-too", (LAN, "10.4.0.3"))
ICC, ICC_TOO = container("icc", (APART, "10.5.0.2")), container("icc-too", (APART, "10.5.0.3"))
DOWN = container("down", FRONT, state="exited")
PAUSED = container("paused", (FRONT, "10.1.0.9"), state="paused")
ALONE = container("alone", network_mode="none")
HOSTED = container("hosted", (HOST_NETWORK, None), network_mode="host")
GUEST = container("guest", network_mode=f"container:{B.id}", shares_with=B.id)
EVERYTHING = (A, B, FAR, INNER, ON_LAN, LAN_TOO, ICC, ICC_TOO, DOWN, PAUSED, ALONE, HOSTED, GUEST)
SNAPSHOT = world(FRONT, BACK, VAULT, LAN, APART, HOST_NETWORK, *EVERYTHING)
SHUT, OPEN = Observation(1, sockets=()), listening("0.0.0.0:8080")
FORWARDS = {"ipv4_forwarding": True, "ipv6_forwarding": True}
STALE = seen(namespace_inodes={GUEST.id: 1, B.id: 2})


def passed(*kinds):
    return [(kind, "passed") for kind in kinds]


def unknown(*kinds):
    return [(kind, "unknown") for kind in kinds]


def stopped(kind):
    return [(kind, "stopped")]


OUT = passed("interface", "bridge")
AT_HOST = passed("interface", "bridge", "routing")
ACROSS = passed("interface", "bridge", "interface")
NARROW = passed("interface")
THERE = passed("interface", "bridge", "routing", "published-port", "proxy", "bridge", "interface")
CASES = {
    "it arrives": (ask(A, B), UNSEEN, [], ACROSS),
    "by a shared namespace": (ask(A, GUEST), UNSEEN, ["shares-network"], ACROSS),
    "inside a namespace": (ask(GUEST, B), UNSEEN, [], passed("interface")),
    "by the host's bridge": (ask("host", A), UNSEEN, [], passed("bridge", "interface")),
    "on a macvlan": (ask(ON_LAN, LAN_TOO), UNSEEN, [], passed("interface", "parent", "interface")),
    "to a listener": (ask(A, B, "tcp", 8080), seen([(B, OPEN)]), [], ACROSS + passed("listener")),
    "by a published port": (ask(A, "host", "tcp", 8081), seen([(FAR, OPEN)]), [], THERE + passed("port")),
    "the source is down": (ask(DOWN, A), UNSEEN, ["source-not-running"], stopped("container")),
    "the source is paused": (ask(PAUSED, A), UNSEEN, ["container-paused"], stopped("container")),
    "the source is alone": (ask(ALONE, A), UNSEEN, ["network-mode-none"], stopped("container")),
    "the source was left behind": (ask(GUEST, A), STALE, ["shared-network-stale"], stopped("container")),
    "the destination is down": (ask(A, DOWN), UNSEEN, ["destination-not-running"], stopped("container")),
    "the destination is alone": (ask(A, ALONE), UNSEEN, ["network-mode-none"], stopped("container")),
    "the destination was left behind": (ask(A, GUEST), STALE, ["shared-network-stale"], stopped("container")),
    "nobody has the name": (ask(A, "name:nobody"), UNSEEN, ["name-not-on-shared-network"], stopped("name")),
    "the family is missing": (ask(A, B, ip_version=6), UNSEEN, ["address-family-mismatch"], stopped("address")),
    "nobody has the address": (ask(A, "address:10.1.0.77"), UNSEEN, ["stale-address"], NARROW + stopped("bridge")),
    "two bridges": (ask(A, FAR), UNSEEN, ["no-shared-network"], OUT + stopped("routing")),
    "no way out": (ask(INNER, A), UNSEEN, ["no-shared-network"], stopped("routing")),
    "no way outside": (ask(INNER, "address:192.0.2.1"), UNSEEN, ["internal-no-egress"], stopped("routing")),
    "outside is not seen": (ask(A, "address:192.0.2.1"), UNSEEN, ["analysis-limited"], AT_HOST + unknown("address")),
    "the host has no route": (
        ask(A, "address:192.0.2.1"),
        seen(host=HostObservation(with_routes(Observation(1)))),
        ["host-no-route"],
        OUT + stopped("routing"),
    ),
    "the host does not forward": (
        ask(A, "address:192.0.2.1"),
        seen(host=HostObservation(Observation(1), ipv4_forwarding=False)),
        ["ip-forward-off", "analysis-limited"],
        OUT + stopped("routing"),
    ),
    "the host beside a macvlan": (ask("host", ON_LAN), UNSEEN, ["macvlan-host-filtered"], stopped("routing")),
    "the network keeps its own apart": (ask(ICC, ICC_TOO), UNSEEN, ["inter-container-off"], NARROW + stopped("bridge")),
    "the program is paused": (
        ask(A, PAUSED, "http", 8080),
        seen([(PAUSED, OPEN)]),
        ["container-paused"],
        ACROSS + stopped("listener"),
    ),
    "paused and on another bridge": (
        ask(FAR, PAUSED, "http", 8080),
        seen([(PAUSED, OPEN)]),
        ["container-paused", "no-shared-network"],
        OUT + stopped("routing"),
    ),
    "nobody listens": (ask(A, B, "tcp", 8080), seen([(B, SHUT)]), ["no-listener"], ACROSS + stopped("port")),
    "listeners are not seen": (ask(A, B, "tcp", 8080), UNSEEN, ["analysis-limited"], ACROSS + unknown("port")),
    "nobody behind the port": (
        ask(A, "host", "http", 8081),
        seen([(FAR, SHUT)]),
        ["no-listener"],
        THERE + stopped("port"),
    ),
    "nobody publishes the port": (
        ask(A, "host", "tcp", 9999),
        seen(host=SHUT),
        ["port-not-published"],
        AT_HOST + stopped("port"),
    ),
    "a closed port of the host": (
        ask(A, HOSTED, "tcp", 9999),
        seen([(HOSTED, SHUT)]),
        ["no-listener", "host-mode-no-own-address"],
        AT_HOST + stopped("port"),
    ),
    "a port is published, the source internal": (
        ask(INNER, "host", "tcp", 8081),
        UNSEEN,
        ["internal-no-egress"],
        AT_HOST + stopped("published-port"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_path_ends_at_the_hop_that_stops_the_packet(case):
    question, observations, causes, expected = CASES[case]
    prediction = predict(SNAPSHOT, question, replace(observations, ipv6_firewall=True))
    assert codes(prediction) == causes
    assert way(prediction) == expected


def test_a_name_with_two_holders_has_the_path_to_the_one_that_is_reached():
    one = container("one", (FRONT, "10.1.0.21", {"aliases": ["db"]}))
    two = container("two", (FRONT, "10.1.0.22", {"aliases": ["db"]}))
    snapshot = world(FRONT, A, one, two)
    prediction = predict(snapshot, ask(A, "name:db", "tcp", 8080), seen([(one, SHUT), (two, OPEN)]))
    assert prediction.verdict is Verdict.REACHABLE
    assert [(one.address, one.predicted.value) for one in prediction.addresses] == [
        ("10.1.0.21", "unreachable"),
        ("10.1.0.22", "reachable"),
    ]
    assert way(prediction) == passed("interface", "bridge", "interface", "listener")


SIX = network("six", "10.6.0.0/24", subnet6="fd00:6::/64")
SEVEN = network("seven", "10.7.0.0/24", subnet6="fd00:7::/64")
ONE = container("one", (SIX, "10.6.0.2", {"ipv6_address": "fd00:6::2"}))
TWO = container("two", (SIX, "10.6.0.3", {"ipv6_address": "fd00:6::3"}))
SEVENTH = container("seventh", (SEVEN, "10.7.0.2", {"ipv6_address": "fd00:7::2"}))


@pytest.mark.parametrize(
    ("question", "address", "hops"),
    [
        (ask(ONE, "host", ip_version=6), "fd00:6::1", [*passed("interface"), *unknown("bridge", "routing")]),
        (ask(ONE, TWO, ip_version=6), "fd00:6::3", [*passed("interface"), *unknown("bridge", "interface")]),
        (ask(ONE, TWO, ip_version=6), "fd00:6::2", unknown("interface", "bridge", "interface")),
        (ask("host", ONE, ip_version=6), "fd00:6::2", unknown("bridge", "interface")),
        (ask("host", ONE, ip_version=6), "fd00:6::1", unknown("host", "bridge", "interface")),
        (ask(ONE, "address:fd00:7::1"), "fd00:6::1", [*passed("interface"), *unknown("bridge", "routing")]),
        (ask(ONE, "address:fd00:7::1"), "fd00:7::1", [*passed("interface"), *unknown("bridge", "routing")]),
    ],
)
def test_an_address_that_is_not_in_use_yet_leaves_the_rest_of_the_way_unknown(question, address, hops):
    snapshot = world(SIX, SEVEN, ONE, TWO, SEVENTH)
    held = InterfaceAddress(address, 64, "ipv6", "global", ("tentative",))
    prediction = predict(snapshot, question, seen(unsettled={address: held}, ipv6_firewall=True))
    assert (prediction.verdict, codes(prediction)) == (Verdict.INCONCLUSIVE, ["address-tentative"])
    assert way(prediction) == hops
    taken = replace(held, flags=("dadfailed", "tentative"))
    prediction = predict(snapshot, question, seen(unsettled={address: taken}, ipv6_firewall=True))
    assert (prediction.verdict, codes(prediction)) == (Verdict.UNREACHABLE, ["address-tentative"])
    assert prediction.path[-1].status.value == "stopped"


def test_a_check_waits_only_where_the_detection_goes_on_and_matters():
    snapshot, question = world(SIX, ONE, TWO), ask(ONE, TWO, ip_version=6)
    held = InterfaceAddress("fd00:6::3", 64, "ipv6", "global", ("tentative",))
    for flags, asked, waits in (
        (("tentative",), question, True),
        (("dadfailed", "tentative"), question, False),
        (("tentative",), ask(ONE, TWO, ip_version=4), False),
    ):
        unsettled = {"fd00:6::3": replace(held, flags=flags)}
        assert Case.of(snapshot, asked, seen(unsettled=unsettled, ipv6_firewall=True)).awaits_detection is waits
    assert not Case.of(snapshot, question, seen(ipv6_firewall=True)).awaits_detection


def test_an_address_of_another_family_or_of_nobody_on_the_way_says_nothing():
    held = {a: InterfaceAddress(a, 64, "ipv6", "global", ("tentative",)) for a in ("fd00:6::1", "10.6.0.2", "::9")}
    observations = seen(unsettled=held, ipv6_firewall=True)
    for question in (ask(ONE, TWO), ask(ONE, TWO, ip_version=6), ask(ONE, ONE, ip_version=6)):
        assert codes(predict(world(SIX, ONE, TWO), question, observations)) == []


def link(index, name, kind, peer=None, master=None, address=None):
    held = (InterfaceAddress(address, 24, "ipv4", "global"),) if address else ()
    return Interface(index, name, kind, None, 1500, "up", (), held, peer_index=peer, master_index=master)


def linked(*, own=(), theirs=(), masters=(4, 4), chains=None):
    """Both ends of ``a`` and ``b`` as they were seen; ``own`` and ``theirs`` change what was seen inside."""
    inside = [
        Observation(1, interfaces=(replace(link(7, "eth0", "veth", peer, address=address), **facts),))
        for peer, address, facts in ((8, "10.1.0.2", dict(own)), (9, "10.1.0.3", dict(theirs)))
    ]
    outside = (
        link(4, FRONT.bridge_name, "bridge", address="10.1.0.1"),
        link(8, "veth-a", "veth", 7, masters[0]),
        link(9, "veth-b", "veth", 7, masters[1]),
    )
    host = HostObservation(Observation(1, interfaces=outside), **FORWARDS)
    return seen([(A, inside[0]), (B, inside[1])], host=host, firewall=FirewallRules(chains))


DROP = (
    FirewallChain("filter", "FORWARD", "ACCEPT", ((0, 0, "-A FORWARD -j DOCKER-USER"),)),
    FirewallChain("filter", "DOCKER-USER", None, ((1, 60, "-A DOCKER-USER -s 10.1.0.2/32 -j DROP"),)),
)


@pytest.mark.parametrize(
    ("observations", "cause", "hops"),
    [
        (linked(own={"state": "down"}), "link-down", ["eth0"]),
        (linked(masters=(5, 4)), "veth-detached", ["eth0", "veth-a"]),
        (linked(theirs={"state": "down"}), "link-down", ["eth0", "veth-a", FRONT.bridge_name, "veth-b", "eth0"]),
        (linked(masters=(4, 5)), "veth-detached", ["eth0", "veth-a", FRONT.bridge_name, "veth-b"]),
        (linked(own={"mtu_bytes": 1000}), "mtu-mismatch", ["eth0"]),
        (linked(theirs={"mtu_bytes": 1000}), "mtu-mismatch", ["eth0", "veth-a", FRONT.bridge_name, "veth-b"]),
        (linked(chains=DROP), "user-firewall-drop", ["eth0", "veth-a", FRONT.bridge_name, "DOCKER-USER"]),
    ],
)
def test_a_broken_link_or_a_rule_of_the_host_is_where_the_path_ends(observations, cause, hops):
    prediction = predict(world(FRONT, A, B), ask(A, B, payload_bytes=1400, dont_fragment=True), observations)
    assert codes(prediction) == [cause]
    assert [hop.name for hop in prediction.path] == hops
    assert [hop.status.value for hop in prediction.path] == ["passed"] * (len(hops) - 1) + ["stopped"]


def test_a_link_that_is_down_ends_the_path_before_the_networks_that_keep_apart():
    """The cause further down the way is told as well, and the path does not pass the nearer one."""
    prediction = predict(world(FRONT, BACK, A, FAR), ask(A, FAR), linked(own={"state": "down"}))
    assert codes(prediction) == ["link-down", "no-shared-network"]
    assert way(prediction) == stopped("interface")
