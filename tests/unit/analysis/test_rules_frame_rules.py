"""Rules of nftables' families netdev, bridge and arp: which of them a packet of a check meets, and what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.model.checks import Severity, Verdict
from bridgework.model.observations import Route
from tests.support.worlds import ask, codes, finding_of, predict
from tests.unit.analysis.one_bridge import (
    CLIENT,
    HERE,
    LAB,
    OTHER,
    TO_HOST,
    TO_WEB,
    TO_WEB_BY_IPV6,
    WEB,
    answer,
    frame_rules,
    observed,
    unanswered,
)

DROP = [{"drop": None}]
DROP_SOMETIMES = [{"limit": {"rate": 5, "per": "second"}}, {"drop": None}]
FROM_WEB = [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.1.0.2"}}]
CODE = "link-rule-drops"


def on_host(rules, question=TO_WEB, **facts):
    return answer(question, of_host={"frame_rules": rules} | facts)


def in_web(rules, question=TO_WEB, **facts):
    return answer(question, frame_rules=rules, **facts)


def test_a_rule_for_frames_that_drops_the_packet_is_named_with_its_deletion():
    prediction = on_host(frame_rules("bridge", "forward", DROP))
    finding = finding_of(prediction, CODE)
    assert (prediction.verdict, finding.severity) == (Verdict.UNREACHABLE, Severity.BLOCKING)
    assert finding.message == (
        "A rule of the family bridge of the host (table t, chain c, hook forward) drops packets of this way: drop."
    )
    assert finding.remedy.commands == ("nft delete rule bridge t c handle 1",)
    assert finding.evidence["rule"] == "drop"


def test_a_policy_that_drops_is_set_to_accept():
    finding = finding_of(on_host(frame_rules("bridge", "forward", policy="drop")), CODE)
    assert finding.remedy.commands == ("nft chain bridge t c { policy accept ; }",)
    assert finding.evidence["rule"] is None


def test_a_rule_that_drops_some_packets_stops_nothing_for_certain():
    finding = finding_of(on_host(frame_rules("bridge", "forward", DROP_SOMETIMES)), CODE)
    assert finding.severity is Severity.WARNING
    assert "drops some packets, and may drop this one" in finding.message


@pytest.mark.parametrize("rules", ["", "no dump", frame_rules("bridge", "forward", [{"accept": None}])])
def test_without_a_drop_there_is_no_finding(rules):
    assert codes(on_host(rules)) == []


def test_a_rule_that_drops_the_answer_alone_is_named_too():
    assert CODE in codes(on_host(frame_rules("bridge", "forward", [*FROM_WEB, *DROP])))


@pytest.mark.parametrize(
    ("question", "hooks"),
    [
        (TO_WEB, {"prerouting", "forward", "postrouting"}),
        # A bridge takes what is for the host, or comes from it, by input and output.
        (TO_HOST, {"prerouting", "input", "output", "postrouting"}),
        (ask("host", WEB, ip_version=4), {"prerouting", "input", "output", "postrouting"}),
    ],
)
def test_a_packet_meets_the_hooks_of_its_way_through_the_bridge(question, hooks):
    every = ("prerouting", "input", "forward", "output", "postrouting")
    assert {hook for hook in every if CODE in codes(on_host(frame_rules("bridge", hook, DROP), question))} == hooks


def test_rules_of_a_bridge_inside_a_container_are_not_on_the_way():
    assert codes(in_web(frame_rules("bridge", "prerouting", DROP))) == []


@pytest.mark.parametrize(
    ("hook", "rule", "expected"),
    [
        # The packet comes in by eth0 of its destination, its answer leaves there.
        ("ingress", DROP, [CODE]),
        ("egress", DROP, [CODE]),
        ("ingress", [*FROM_WEB, *DROP], []),
        ("egress", [*FROM_WEB, *DROP], [CODE]),
    ],
)
def test_a_device_inside_has_the_packet_at_one_hook_and_its_answer_at_the_other(hook, rule, expected):
    prediction = in_web(frame_rules("netdev", hook, rule, devices=["eth0"]))
    assert codes(prediction) == expected
    for finding in prediction.findings:
        assert finding.component.name == "web"
        assert f"(table t, chain c, hook {hook} of eth0)" in finding.message
        assert finding.remedy.summary.startswith("Restart web")


@pytest.mark.parametrize(("device", "expected"), [("veth2", [CODE]), ("veth3", [CODE]), ("veth9", [])])
def test_a_device_of_the_host_counts_where_it_is_an_end_of_the_way(device, expected):
    assert codes(on_host(frame_rules("netdev", "ingress", DROP, devices=[device]))) == expected


@pytest.mark.parametrize(("device", "expected"), [("up0", True), (LAB.bridge_name, False)])
def test_a_packet_to_the_outside_leaves_by_an_interface_with_a_route_that_is_no_bridge(device, expected):
    routes = (
        Route("0.0.0.0/0", "ipv4", "192.0.2.1", "up0", None, "global", "static"),
        Route("10.1.0.0/24", "ipv4", None, LAB.bridge_name, None, "link", "kernel"),
    )
    rules = frame_rules("netdev", "egress", DROP, devices=[device])
    prediction = on_host(rules, ask(CLIENT, "address:198.51.100.7"), routes=routes)
    assert (CODE in codes(prediction)) is expected


def test_a_rule_of_arp_matters_once_a_question_had_no_answer():
    rules = frame_rules("arp", "input", DROP)
    assert codes(in_web(rules)) == []
    assert codes(in_web(rules, asked_by_client=unanswered("10.1.0.2"))) == [CODE]
    assert codes(in_web(rules, TO_WEB_BY_IPV6, asked_by_client=unanswered("10.1.0.2"))) == []


def test_without_the_host_its_rules_are_not_known():
    facts = replace(observed(frame_rules=frame_rules("netdev", "ingress", DROP, devices=["eth0"])), host=None)
    assert CODE in codes(predict(HERE, TO_WEB, facts))


def test_a_packet_to_itself_passes_no_device():
    facts = observed(frame_rules=frame_rules("netdev", "ingress", DROP, devices=["eth0"]))
    assert CODE not in codes(predict(HERE, ask(WEB, "address:127.0.0.1"), facts))
    # From another network the packet passes the host, and arrives at eth0 all the same.
    assert CODE in codes(predict(HERE, ask(OTHER, "address:10.1.0.2"), facts))
