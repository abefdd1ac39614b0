"""What keeps frames from passing between two ends: interfaces, bridge ports, stations, and the bridge itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.model.checks import Severity, Verdict
from bridgework.model.observations import BridgePort, ForwardingEntry, Interface, Observation
from tests.support.worlds import ask, codes, container, finding_of, network, predict, seen, world
from tests.unit.analysis.one_bridge import (
    BRIDGE,
    CLIENT,
    HERE,
    LAB,
    TO_HOST,
    TO_WEB,
    TO_WEB_BY_IPV6,
    UP,
    WEB,
    WEB_LINK,
    addresses,
    answer,
    inside,
    observed,
    port,
    unanswered,
)


def found_by(question, code, **facts):
    """The finding with that code; without the changed facts there is no finding at all."""
    assert codes(answer(question)) == []
    return finding_of(answer(question, **facts), code)


def test_links_as_docker_makes_them_need_no_finding():
    for question in (TO_WEB, TO_WEB_BY_IPV6, TO_HOST):
        assert answer(question).verdict is Verdict.REACHABLE


def test_ipv6_that_is_switched_off_inside_stops_ipv6_alone():
    off = replace(WEB_LINK, ipv6_disabled=True, addresses=addresses("10.1.0.2/24"))
    finding = found_by(TO_WEB_BY_IPV6, "ipv6-disabled", web=off)
    assert finding.message == "IPv6 is off on eth0 of web: net.ipv6.conf.eth0.disable_ipv6 is 1."
    # The missing address follows from the switch, so it has no finding of its own.
    assert codes(answer(TO_WEB_BY_IPV6, web=off)) == ["ipv6-disabled"]
    assert codes(answer(TO_WEB, web=off)) == []


def test_an_address_that_was_deleted_inside_is_missing():
    finding = found_by(TO_WEB, "container-address-missing", web=inside(2, "fd00:1::2/64", "fe80::1/64"))
    assert finding.message == "web does not have its address 10.1.0.2 on lab: eth0 has no IPv4 address."
    assert finding.severity is Severity.BLOCKING
    moved = found_by(TO_WEB, "container-address-missing", web=inside(2, "10.1.0.77/24", "fd00:1::2/64"))
    assert moved.message == "web does not have its address 10.1.0.2 on lab: eth0 has 10.1.0.77/24."


@pytest.mark.parametrize(
    ("held", "severity"),
    [(("10.1.0.77/24", "fd00:1::3/64"), Severity.WARNING), (("fd00:1::3/64",), Severity.BLOCKING)],
)
def test_a_source_without_its_address_sends_from_another_one_if_it_has_one(held, severity):
    finding = found_by(TO_WEB, "container-address-missing", client=inside(3, *held))
    assert (finding.component.name, finding.severity) == ("client", severity)


def test_an_address_on_another_interface_is_not_missing():
    facts = observed()
    moved = Observation(2, interfaces=(inside(2, "fd00:1::2/64"), inside(9, "10.1.0.2/24")))
    facts = replace(facts, inside={**facts.inside, WEB.id: moved})
    assert "container-address-missing" not in codes(predict(HERE, TO_WEB, facts))


def test_an_address_with_another_prefix_length_is_named():
    finding = found_by(TO_WEB, "container-address-missing", web=inside(2, "10.1.0.2/28", "fd00:1::2/64"))
    assert finding.severity is Severity.WARNING
    assert finding.message.startswith("eth0 of web has 10.1.0.2/28, but the subnet of lab is a /24:")


def test_arp_that_is_switched_off_inside_is_named():
    finding = found_by(TO_WEB, "neighbour-discovery-off", web=replace(WEB_LINK, flags=(*UP, "no-arp")))
    assert finding.message == "ARP is off on eth0 of web: it asks for no neighbour, and it answers none."


def test_an_interface_that_answers_no_arp_matters_once_a_question_had_no_answer():
    silent = replace(WEB_LINK, arp_ignore=8)
    finding = found_by(TO_WEB, "neighbour-discovery-off", web=silent, asked_by_client=unanswered("10.1.0.2"))
    assert finding.message == "eth0 of web answers no ARP question: net.ipv4.conf.eth0.arp_ignore is 8."
    assert codes(answer(TO_WEB, web=silent)) == []
    assert codes(answer(TO_WEB_BY_IPV6, web=silent, asked_by_client=unanswered("10.1.0.2"))) == []


def test_a_macvlan_network_without_arp_is_by_design():
    lan = network("lan", "10.9.0.0/24", driver="macvlan", options={"parent": "up0"})
    one, two = container("one", (lan, "10.9.0.2")), container("two", (lan, "10.9.0.3"))
    links = {
        c.id: Observation(at, interfaces=(inside(at, f"10.9.0.{at}/24", flags=(*UP, "no-arp")),))
        for at, c in ((2, one), (3, two))
    }
    facts = replace(seen(), inside=links)
    assert "neighbour-discovery-off" not in codes(predict(world(lan, one, two), ask(one, two), facts))


def test_a_queueing_discipline_that_drops_all_is_named_inside_and_on_the_host():
    within = found_by(TO_WEB, "queue-discipline-drops", web=replace(WEB_LINK, queue="blackhole"))
    assert (within.component.name, within.remedy.commands) == ("web", ())
    assert within.message == "The queueing discipline blackhole of eth0 of web drops what leaves there."
    outside = found_by(TO_WEB, "queue-discipline-drops", web_port=port(2, queue="blackhole"))
    assert outside.message == "The queueing discipline blackhole of veth2 of the host drops what leaves there."
    assert outside.remedy.commands == ("tc qdisc delete dev veth2 root",)


@pytest.mark.parametrize(("state", "waits"), [("blocking", False), ("learning", True)])
def test_a_port_of_the_bridge_that_does_not_forward_is_set_to_forward(state, waits):
    finding = found_by(TO_WEB, "bridge-port-blocks", web_port=port(2, bridge_port=BridgePort(state)))
    assert finding.message == f"veth2, the port of {LAB.bridge_name} for web, forwards nothing (state {state})."
    assert finding.remedy.commands == ("bridge link set dev veth2 state 3",)
    assert ("spanning tree" in finding.remedy.summary) is waits


@pytest.mark.parametrize("facts", [{"flags": ("up",)}, {"bridge_port": None}, {"master_index": 99}])
def test_a_port_that_is_down_or_unknown_has_no_finding_about_its_settings(facts):
    blocked = {"bridge_port": BridgePort("forwarding", is_locked=True)} | facts
    expected = ["bridge-port-blocks"] if "master_index" in facts else []
    named = [code for code in codes(answer(TO_WEB, web_port=port(2, **blocked))) if code == "bridge-port-blocks"]
    assert named == expected


def test_two_isolated_ports_exchange_no_frames_and_one_does():
    isolated = BridgePort("forwarding", is_isolated=True)
    alone = answer(TO_WEB, web_port=port(2, bridge_port=isolated))
    assert "bridge-port-blocks" not in codes(alone)
    both = answer(TO_WEB, web_port=port(2, bridge_port=isolated), client_port=port(3, bridge_port=isolated))
    assert {one.remedy.commands for one in both.findings if one.code == "bridge-port-blocks"} == {
        ("bridge link set dev veth2 isolated off",),
        ("bridge link set dev veth3 isolated off",),
    }


def test_a_locked_port_takes_frames_from_known_stations_only():
    locked = port(2, bridge_port=BridgePort("forwarding", is_locked=True))
    finding = found_by(TO_WEB, "bridge-port-blocks", web_port=locked)
    assert finding.remedy.commands == ("bridge link set dev veth2 locked off",)
    known = ForwardingEntry("02:00:00:00:00:02", "veth2", LAB.bridge_name, is_fixed=True)
    assert codes(answer(TO_WEB, web_port=locked, stations=[known])) == []


@pytest.mark.parametrize(
    ("question", "address", "setting", "field"),
    [
        (TO_WEB, "10.1.0.2", "bcast_flood", "floods_broadcasts"),
        (TO_WEB_BY_IPV6, "fd00:1::2", "mcast_flood", "floods_multicasts"),
    ],
)
def test_a_port_that_does_not_flood_matters_once_a_question_had_no_answer(question, address, setting, field):
    quiet = port(2, bridge_port=BridgePort("forwarding", **{field: False}))
    finding = found_by(question, "bridge-port-blocks", web_port=quiet, asked_by_client=unanswered(address))
    assert finding.remedy.commands == (f"bridge link set dev veth2 {setting} on",)
    assert codes(answer(question, web_port=quiet)) == []


def test_behind_the_host_it_is_the_host_that_asked_in_vain():
    quiet = port(2, bridge_port=BridgePort("forwarding", floods_broadcasts=False))
    question = ask("host", WEB, ip_version=4)
    asked = unanswered("10.1.0.2", LAB.bridge_name)
    assert "bridge-port-blocks" in codes(answer(question, web_port=quiet, of_host={"neighbours": asked}))
    assert codes(answer(question, web_port=quiet)) == []


def test_an_entry_that_leads_to_another_port_is_deleted():
    entry = ForwardingEntry("02:00:00:00:00:02", "veth9", LAB.bridge_name, is_fixed=True)
    finding = found_by(TO_WEB, "stale-forwarding-entry", stations=[entry])
    assert finding.message.endswith("sends the frames for web (02:00:00:00:00:02) to veth9 instead of veth2.")
    assert finding.remedy.commands == ("bridge fdb delete 02:00:00:00:00:02 dev veth9 master",)


def test_a_station_that_was_learnt_elsewhere_has_the_same_mac_address():
    entry = ForwardingEntry("02:00:00:00:00:02", "veth9", LAB.bridge_name)
    finding = found_by(TO_WEB, "duplicate-mac-address", stations=[entry])
    assert finding.message.startswith("Two stations on lab have the MAC address 02:00:00:00:00:02: web, and one")


def test_the_port_itself_another_station_and_another_bridge_are_no_fault():
    right = ForwardingEntry("02:00:00:00:00:02", "veth2", LAB.bridge_name)
    others = [replace(right, port="veth9", mac_address="02:00:00:00:00:77"), replace(right, port="v", bridge="br-far")]
    assert codes(answer(TO_WEB, stations=[right, *others])) == []


@pytest.mark.parametrize(("flags", "expected"), [((), ["link-down"]), (("up",), [])])
def test_a_loopback_that_is_down_keeps_a_container_from_itself(flags, expected):
    lo = Interface(1, "lo", "loopback", None, 65536, "down", flags, ())
    facts = seen([(WEB, Observation(2, interfaces=(lo, WEB_LINK)))])
    prediction = predict(HERE, ask(WEB, "address:127.0.0.1"), facts)
    assert codes(prediction) == expected
    assert codes(predict(HERE, ask(WEB, CLIENT, ip_version=4), facts)) == []


@pytest.mark.parametrize(("value", "expected"), [("1", ["echo-ignored"]), ("0", [])])
def test_a_kernel_that_ignores_pings_answers_none(value, expected):
    ignored = {"sysctls": (("net.ipv4.icmp_echo_ignore_all", value),)}
    assert codes(answer(TO_WEB, **ignored)) == expected
    # The sysctl is about IPv4, and about pings.
    assert codes(answer(TO_WEB_BY_IPV6, **ignored)) == []
    assert "echo-ignored" not in codes(answer(ask(CLIENT, WEB, "tcp", 80, ip_version=4), **ignored))


def test_a_bridge_that_is_down_is_set_up():
    down = replace(BRIDGE, state="down", flags=())
    finding = finding_of(answer(TO_WEB, bridge=down), "link-down")
    assert finding.message == f"{LAB.bridge_name}, the bridge of lab, is down."
    assert finding.remedy.commands == (f"ip link set {LAB.bridge_name} up",)


def test_a_bridge_without_arp_matters_where_the_packet_passes_the_host():
    silent = replace(BRIDGE, flags=(*UP, "no-arp"))
    finding = found_by(TO_HOST, "neighbour-discovery-off", bridge=silent)
    assert finding.remedy.commands == (f"ip link set {LAB.bridge_name} arp on",)
    assert codes(answer(TO_WEB, bridge=silent)) == []


def test_a_bridge_that_answers_no_arp_matters_once_a_question_had_no_answer():
    silent = replace(BRIDGE, arp_ignore=8)
    finding = found_by(TO_HOST, "neighbour-discovery-off", bridge=silent, asked_by_client=unanswered("10.1.0.1"))
    assert finding.message.startswith(f"The host answers no ARP question on {LAB.bridge_name}:")
    assert codes(answer(TO_HOST, bridge=silent)) == []
    assert codes(answer(ask(CLIENT, "host", ip_version=6), bridge=silent)) == []
