"""The link layer in checks: a bridge without its address, wrong neighbour entries, addresses that two stations have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.model.checks import Verdict
from bridgework.model.observations import Interface, InterfaceAddress, Neighbour, Observation
from tests.support.worlds import ask, codes, container, network, predict, seen, world

LAB = network("lab", "10.1.0.0/24", subnet6="fd00:1::/64")
FAR = network("far", "10.2.0.0/24")
WEB = container("web", (LAB, "10.1.0.2", {"mac_address": "02:00:00:00:00:02", "ipv6_address": "fd00:1::2"}))
CLIENT = container("client", (LAB, "10.1.0.3", {"mac_address": "02:00:00:00:00:03", "ipv6_address": "fd00:1::3"}))
HERE = world(LAB, FAR, WEB, CLIENT)
BOTH = ("10.1.0.1", "fd00:1::1")


def link(index, name, *addresses, mac="02:00:00:00:00:aa"):
    held = tuple(InterfaceAddress(a, 24, "ipv6" if ":" in a else "ipv4", "global") for a in addresses)
    return Interface(index, name, "bridge", mac, 1500, "up", (), held)


def entry(interface, mac, state="permanent"):
    return Neighbour("10.1.0.2", mac, interface, state)


def looked(*addresses, host=(), inside=(), more=()):
    own = link(7, "eth0", "10.1.0.3", "fd00:1::3", *more, mac="02:00:00:00:00:03")
    outside = Observation(1, interfaces=(link(4, LAB.bridge_name, *addresses),), neighbours=host)
    return seen([(CLIENT, Observation(2, interfaces=(own,), neighbours=inside))], host=outside)


@pytest.mark.parametrize(("source", "destination"), [(CLIENT, "host"), ("host", WEB)])
def test_without_its_address_a_bridge_reaches_neither_its_containers_nor_lets_them_out(source, destination):
    prediction = predict(HERE, ask(source, destination, ip_version=4), looked(*BOTH[1:]))
    assert (prediction.verdict, codes(prediction)[0]) == (Verdict.UNREACHABLE, "bridge-address-missing")
    assert prediction.path[-1].status.value == "stopped"
    assert "bridge-address-missing" not in codes(predict(HERE, ask(source, destination, ip_version=4), looked(*BOTH)))
    # The other family has its address still.
    other = predict(HERE, ask(source, destination, ip_version=6), looked(*BOTH[1:]))
    assert "bridge-address-missing" not in codes(other)


def test_two_containers_of_one_bridge_do_not_need_its_address():
    assert predict(HERE, ask(CLIENT, WEB), looked()).verdict is Verdict.REACHABLE


def test_a_wrong_entry_of_the_source_leads_astray():
    astray = looked(*BOTH, inside=(entry("eth0", "02:00:00:00:00:99"),))
    prediction = predict(HERE, ask(CLIENT, WEB, ip_version=4), astray)
    assert (prediction.verdict, codes(prediction)) == (Verdict.UNREACHABLE, ["stale-neighbour"])


def test_a_wrong_entry_of_the_host_matters_only_where_the_packet_passes_the_host():
    astray = looked(*BOTH, host=(entry(LAB.bridge_name, "02:00:00:00:00:99"),))
    assert codes(predict(HERE, ask("host", WEB), astray)) == ["stale-neighbour"]
    assert predict(HERE, ask(CLIENT, WEB), astray).verdict is Verdict.REACHABLE


def test_where_another_station_answers_the_verdict_is_open():
    answered = looked(*BOTH, inside=(entry("eth0", "02:00:00:00:00:03", "reachable"),))
    prediction = predict(HERE, ask(CLIENT, WEB, ip_version=4), answered)
    assert (prediction.verdict, codes(prediction)) == (Verdict.INCONCLUSIVE, ["duplicate-address"])


def test_where_the_source_has_the_address_as_well_the_verdict_is_open():
    prediction = predict(HERE, ask("host", WEB, ip_version=4), looked(*BOTH, more=("10.1.0.2",)))
    assert (prediction.verdict, codes(prediction)) == (Verdict.INCONCLUSIVE, ["duplicate-address"])


def test_a_wrong_entry_of_the_destination_leads_its_answer_astray():
    own = link(8, "eth0", "10.1.0.2", mac="02:00:00:00:00:02")
    for address, expected in (("10.1.0.2", ["stale-neighbour"]), ("10.1.0.9", [])):
        astray = looked(*BOTH, inside=(Neighbour(address, "02:00:00:00:00:99", "eth0", "permanent"),))
        both = replace(astray, inside={**astray.inside, WEB.id: Observation(3, interfaces=(own,))})
        prediction = predict(HERE, ask(WEB, CLIENT, ip_version=4), both)
        assert codes(prediction) == expected
        assert [found.component.name for found in prediction.findings] == ["client"] * len(expected)


@pytest.mark.parametrize(("mac", "state", "expected"), [
    ("02:00:00:00:00:99", "permanent", ["stale-neighbour"]),
    ("02:00:00:00:00:aa", "permanent", []),  # that of the bridge
    (None, "permanent", []),
    ("02:00:00:00:00:99", "reachable", []),
])  # fmt: skip
def test_a_wrong_entry_of_the_source_for_its_gateway_leads_astray(mac, state, expected):
    gateway = looked(*BOTH, inside=(Neighbour("10.1.0.1", mac, "eth0", state),))
    prediction = predict(HERE, ask(CLIENT, "host", ip_version=4), gateway)
    assert codes(prediction) == expected
    assert all(found.remedy.actions and "10.1.0.1" in found.message for found in prediction.findings)
    # Two containers of one bridge do not send to the gateway.
    assert codes(predict(HERE, ask(CLIENT, WEB, ip_version=4), gateway)) == []


def test_an_address_that_others_have_twice_does_not_matter():
    twice = looked(*BOTH, more=("10.1.0.2",))
    assert codes(predict(HERE, ask("host", CLIENT, ip_version=4), twice)) == []


@pytest.mark.parametrize(("flags", "expected"), [((), ["link-down"]), (("up",), [])])
def test_a_hosts_end_that_is_set_down_is_named_and_set_up(flags, expected):
    inside = replace(link(7, "eth0", "10.1.0.3"), kind="veth", peer_index=9, flags=("up",))
    outside = Interface(9, "veth9", "veth", None, 1500, "down", flags, (), master_index=4, peer_index=7)
    host = Observation(1, interfaces=(link(4, LAB.bridge_name, *BOTH), outside))
    facts = seen([(CLIENT, Observation(2, interfaces=(inside,)))], host=host)
    prediction = predict(HERE, ask(CLIENT, WEB, ip_version=4), facts)
    assert codes(prediction) == expected
    for found in prediction.findings:
        assert found.message == "veth9, the host's end of eth0 of client, is down."
        assert found.remedy.commands == ("ip link set veth9 up",)


def test_a_large_ping_without_any_way_is_not_told_to_be_too_large():
    alone = container("alone")
    question = ask(alone, "address:192.0.2.9", dont_fragment=True, payload_bytes=9000)
    prediction = predict(world(LAB, alone), question)
    assert prediction.verdict is Verdict.UNREACHABLE
    assert "mtu-mismatch" not in codes(prediction)
