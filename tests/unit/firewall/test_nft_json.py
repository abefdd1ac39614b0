"""Native rules of nftables: what ``nft -j list ruleset`` printed of ruleset.nft, and which packets pass it.

To record it again: unshare -n sh -c 'nft -f ruleset.nft && nft -j list ruleset' >ruleset.json
"""

import json
from pathlib import Path

import pytest

from bridgework.firewall import nft_json, simulate
from bridgework.firewall.nft_json import tables_of
from bridgework.firewall.ruleset import Ruleset
from tests.unit.firewall.hosts import Host, packet

RULES = Ruleset(tables_of(Path(__file__).with_name("ruleset.json").read_text()))


@pytest.mark.parametrize(
    ("text", "verdict", "rule"),
    [
        ("br0 tcp 10.50.0.2 10.51.0.2 22", "dropped", "tcp dport { 22, 8000-8010 } drop"),
        ("br0 tcp 10.50.0.2 10.51.0.2 8005", "dropped", "tcp dport { 22, 8000-8010 } drop"),
        ("br0 tcp 10.50.0.2 10.51.0.2 80", "dropped", None),
        ("br0 tcp 10.50.0.3 10.51.0.2 80", "dropped", "ip saddr @blocked drop"),
        ("up0 tcp 10.60.0.5 10.51.0.2 80", "dropped", "ip saddr @blocked drop"),
        ("br0 udp 10.50.0.2 10.51.0.2 53", "accepted", None),
        ("br0 udp 10.50.0.2 10.51.0.2 123", "rejected", "udp dport != 53 reject"),
        ("up0 icmp 10.52.0.2 10.50.0.2", "accepted", None),
        ("up0 tcp 10.52.0.2 10.50.0.2 80", "dropped", "meta l4proto { tcp, udp } th dport < 1024 drop"),
        ("up0 tcp 10.52.0.2 10.50.0.2 5000", "accepted", None),
        ("br1 tcp 10.51.0.200 10.52.0.2 80", "accepted", None),
        ("br1 tcp 10.51.0.200 10.52.0.2 82", "dropped", None),
        ("br1 tcp 10.51.0.200 10.52.0.2 95", "dropped", "meta l4proto { tcp, udp } th dport < 1024 drop"),
        ("br1 icmp 10.51.0.200 10.52.0.2", "dropped", None),
        ("br0 tcp fd00:51::9 fd00:51::7 80", "dropped", "ip6 saddr @blocked6 drop"),
        ("br0 tcp fd00:50::9 fd00:51::7 80", "accepted", None),
        ("br1 tcp 10.51.0.200 10.52.0.1 9001", "dropped", "tcp dport >= 9000 drop"),
        ("br1 tcp 10.51.0.200 10.52.0.1 22", "rejected", "tcp dport 22 ip saddr != 10.50.0.0/24 reject"),
        ("br0 tcp 10.50.0.2 10.52.0.1 22", "accepted", None),
        ("br1 tcp 10.51.0.200 192.0.2.1 80", "no-route", None),
    ],
)
def test_a_forwarded_packet(text, verdict, rule):
    outcome = simulate.forward(RULES, Host(), packet(text))
    assert outcome.verdict == verdict
    assert (outcome.step and outcome.step.rule and outcome.step.rule.text) == rule


@pytest.mark.parametrize(
    ("text", "destination", "port"),
    [
        ("up0 tcp 10.52.0.2 10.52.0.1 8080", "10.50.0.2", 80),
        ("up0 tcp 10.52.0.2 10.52.0.1 8443", "10.52.0.1", 443),
        ("br1 tcp 10.51.0.200 10.52.0.1 8090", "10.51.0.2", 90),
    ],
)
def test_where_a_destination_is_translated_to(text, destination, port):
    told = simulate.forward(RULES, Host(), packet(text)).packet
    assert (told.destination, told.destination_port) == (destination, port)


@pytest.mark.parametrize(
    ("text", "source"),
    [("br1 tcp 10.51.0.200 10.52.0.2 80", "10.52.0.1"), ("br0 udp 10.50.0.2 10.51.0.2 53", "10.51.0.1")],
)
def test_what_a_source_is_translated_to(text, source):
    assert simulate.forward(RULES, Host(), packet(text)).packet.source == source


def test_marks_are_set_and_saved():
    told = simulate.forward(RULES, Host(), packet("br0 udp 10.50.0.2 10.51.0.2 53")).packet
    assert (told.mark, told.connection_mark) == (2, 2)
    # `meta mark set ct mark`, then `meta mark & 0xf1 | 1`
    told = simulate.forward(RULES, Host(), packet("br0 tcp 10.50.0.2 10.51.0.2 80", connection_mark=0xFF)).packet
    assert told.mark == 0xF1


def test_a_target_that_the_kernel_computes_is_not_guessed():
    assert simulate.forward(RULES, Host(), packet("br1 tcp 10.51.0.200 10.52.0.1 8099")).verdict == "unknown"


@pytest.mark.parametrize(
    ("text", "reply", "later"),
    [
        ("br0 udp 10.50.0.2 10.51.0.200 53", "accepted", "accepted"),
        # The answer comes from a blocked address.
        ("br0 udp 10.50.0.2 10.51.0.2 53", "dropped", "accepted"),
        # Only the first segment of a connection is accepted on this way.
        ("up0 tcp 10.52.0.2 10.50.0.2 5000", "accepted", "dropped"),
    ],
)
def test_the_answer_and_the_next_packet_of_a_connection(text, reply, later):
    first = simulate.forward(RULES, Host(), packet(text))
    assert first.verdict == "accepted"
    assert simulate.reply(RULES, Host(), first, packet(text)).verdict == reply
    assert simulate.later(RULES, Host(), first, packet(text)).verdict == later


def test_what_the_host_sends_itself():
    outcome = simulate.output(RULES, Host(), packet("- tcp 10.52.0.1 10.52.0.2 80"))
    assert (outcome.verdict, outcome.packet.outgoing) == ("accepted", "up0")
    inside = simulate.output(RULES, Host(), packet("- tcp 127.0.0.1 127.0.0.1 9001"))
    assert (inside.verdict, inside.delivered_locally) == ("accepted", True)
    assert simulate.reply(RULES, Host(), inside, packet("- tcp 127.0.0.1 127.0.0.1 9001")).verdict == "accepted"


def test_a_packet_within_a_bridge_meets_the_rules():
    within = packet("br0 tcp 10.50.0.2 10.50.0.9 22", outgoing="br0", bridge_ports=("veth1", "veth2"))
    assert simulate.bridged(RULES, Host(), within).verdict == "dropped"


def test_tables_that_iptables_keeps_and_other_families_are_left_out():
    assert {(table.family, table.name) for table in RULES.tables} == {("inet", "guard"), ("ip", "nat4")}


@pytest.mark.parametrize("text", ["", "[]", "no json"])
def test_what_is_not_nfts_json_is_an_error(text):
    with pytest.raises((ValueError, AttributeError)):
        tables_of(text)


def listed(*rules):
    """These rules in a chain of PREROUTING, as nft prints them."""
    of = {"family": "inet", "table": "own"}
    chain = {**of, "name": "first", "type": "filter", "hook": "prerouting", "prio": 10, "policy": "accept"}
    things = [{"table": {"family": "inet", "name": "own"}}, {"chain": chain}]
    return json.dumps({"nftables": [*things, *({"rule": {**of, "chain": "first", **rule}} for rule in rules)]})


SOURCE = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.50.0.3"}}


def rule(*matches, **fields):
    """The tables of one rule that drops."""
    expr = [*({"match": {"op": "==", "left": left, "right": right}} for left, right in matches), {"drop": None}]
    return Ruleset(tables_of(listed({"handle": 7, "expr": expr, **fields})))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("up0 icmp 10.52.0.2 10.50.0.2", "accepted"), ("up0 tcp 10.52.0.2 10.50.0.2 80", "accepted")],
)
@pytest.mark.parametrize("kinds", ["nd-neighbor-advert", {"set": ["nd-router-advert", "nd-neighbor-solicit"]}])
def test_a_rule_about_neighbour_discovery_is_about_no_packet_of_a_check(kinds, text, verdict):
    ruleset = rule(({"payload": {"protocol": "icmpv6", "field": "type"}}, kinds))
    assert simulate.forward(ruleset, Host(), packet(text)).verdict == verdict


@pytest.mark.parametrize("expr", [[{"match": {"op": "=="}}], [7], [{"a": 1, "b": 2}]])
def test_a_rule_of_a_form_that_nft_does_not_document_is_unknown_and_no_accident(expr):
    for text, verdict in (("br0 tcp 10.50.0.2 10.51.0.2 80", "unknown"), ("br0 tcp 10.50.0.3 10.51.0.2 80", "dropped")):
        ruleset = Ruleset(tables_of(listed({"expr": [SOURCE, {"drop": None}]}, {"expr": expr})))
        assert simulate.forward(ruleset, Host(), packet(text)).verdict == verdict


ELEMENT = {"payload": {"protocol": "ip", "field": "saddr"}}


@pytest.mark.parametrize(
    ("statement", "counted"),
    [
        ({"limit": {"rate": 3, "burst": 5, "per": "second", "inv": True}}, "limit"),
        ({"limit": "shared"}, "limit"),
        ({"quota": {"val": 1, "val_unit": "mbytes", "inv": True}}, "quota"),
        ({"ct count": {"val": 3, "inv": True}}, "ct count"),
        ({"set": {"op": "add", "elem": ELEMENT, "set": "@m", "stmt": [{"limit": {"rate": 3}}]}}, "limit"),
        ({"match": {"op": "==", "left": {"numgen": {"mode": "random", "mod": 2, "offset": 0}}, "right": 0}}, "numgen"),
    ],
)  # fmt: skip
def test_a_rule_about_some_packets_of_a_kind_decides_nothing(statement, counted):
    """As nft 1.1.3 prints them."""
    rules = Ruleset(tables_of(listed({"expr": [statement, {"drop": None}]})))
    outcome = simulate.forward(rules, Host(), packet("br0 tcp 10.50.0.2 10.51.0.2 80"))
    assert (outcome.verdict, outcome.step.rule.counted_by) == ("unknown", counted)
    logged = Ruleset(tables_of(listed({"expr": [statement, {"log": None}]})))
    assert simulate.forward(logged, Host(), packet("br0 tcp 10.50.0.2 10.51.0.2 80")).verdict == "accepted"


def test_an_address_that_is_added_to_a_set_is_no_condition():
    added = {"set": {"op": "add", "elem": ELEMENT, "set": "@m"}}
    rules = Ruleset(tables_of(listed({"expr": [added, {"drop": None}]})))
    assert simulate.forward(rules, Host(), packet("br0 tcp 10.50.0.2 10.51.0.2 80")).verdict == "dropped"


def test_rules_are_read_when_a_packet_comes_to_their_chain(monkeypatch):
    read = []
    monkeypatch.setattr(nft_json, "text_of", lambda one: read.append(one["handle"]) or "")
    (table,) = tables_of(listed({"handle": 1, "expr": [{"drop": None}]}, {"handle": 2, "expr": [{"drop": None}]}))
    assert read == []
    assert [rule.handle for rule in table.chains["first"].rules] == [1, 2]
    assert (len(table.chains["first"].rules), table.chains["first"].rules[1].handle, read) == (2, 2, [1, 2])


REVERSE_PATH = {"fib": {"result": "oif", "flags": ["saddr", "mark", "iif"]}}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("br0 tcp 10.50.0.2 10.51.0.2 80", False),
        ("up0 tcp 10.50.0.2 10.51.0.2 80", True),
        ("br1 tcp fd00:51::9 10.50.0.2 80", False),
        ("br0 tcp fd00:51::9 10.50.0.2 80", True),
        ("br0 tcp fe80::9 10.50.0.2 80", False),
    ],
)
def test_the_reverse_path_of_a_packet_is_the_interface_that_it_came_in_by(text, missing):
    """``fib saddr . mark . iif oif missing drop``: how firewalld filters reverse paths."""
    for right, dropped in ((False, missing), ("0", missing), (True, not missing)):
        outcome = simulate.forward(rule((REVERSE_PATH, right)), Host(), packet(text))
        assert outcome.verdict == ("dropped" if dropped else "accepted")


def test_what_the_host_sends_to_itself_has_its_reverse_path():
    outcome = simulate.output(rule((REVERSE_PATH, False)), Host(), packet("- tcp 10.50.0.1 10.50.0.1 80"))
    assert outcome.verdict == "accepted"


def test_the_interface_of_a_reverse_path_is_not_compared():
    outcome = simulate.forward(rule((REVERSE_PATH, "br0")), Host(), packet("br0 tcp 10.50.0.2 10.51.0.2 80"))
    assert outcome.verdict == "unknown"


def test_a_reverse_path_that_is_not_known_is_not_guessed():
    class Unseen(Host):
        def route(self, packet):
            return simulate.Route("" if packet.destination == "10.50.0.2" else "br1", None)

    outcome = simulate.forward(rule((REVERSE_PATH, False)), Unseen(), packet("br0 tcp 10.50.0.2 10.51.0.2 80"))
    assert outcome.verdict == "unknown"
