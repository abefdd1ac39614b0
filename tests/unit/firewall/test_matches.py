"""Each match and target of iptables by its own: which packets a rule is about, and what it does to them.

Most rows are here because a mutation of the code went unnoticed without them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.firewall import simulate
from bridgework.firewall.iptables_save import ruleset_of
from bridgework.firewall.ruleset import REPLY, Packet, Ruleset
from bridgework.firewall.simulate import Route
from bridgework.model.observations import FirewallChain

TCP = Packet(4, "tcp", "10.1.0.2", "10.2.0.3", destination_port=80, incoming="br-a")
UDP = replace(TCP, protocol="udp", destination_port=53)
PING = replace(TCP, protocol="icmp", destination_port=None)
FROM_80 = replace(TCP, source_port=80, destination_port=40000)
TCP6 = Packet(6, "tcp", "fd00:1::2", "fd00:2::3", destination_port=80, incoming="br-a")
PING6 = replace(TCP6, protocol="ipv6-icmp", destination_port=None)
OWN = Packet(4, "tcp", "10.2.0.1", "10.2.0.1", destination_port=80)
TO_HOST = replace(TCP, destination="10.1.0.1")
OUT = Packet(4, "tcp", "10.1.0.1", "10.1.0.2", destination_port=80)


class Host:
    """A host with 10.1.0.1 on br-a and 10.2.0.1 on br-b."""

    def is_local(self, address):
        return address in {"10.1.0.1", "10.2.0.1", "127.0.0.1", "::1"}

    def route(self, packet):
        if self.is_local(packet.destination):
            return Route(None, packet.destination)
        at = "br-a" if packet.destination.startswith(("10.1.", "fd00:1:")) else "br-b"
        return Route(at, {"br-a": "10.1.0.1", "br-b": "10.2.0.1"}[at])

    def filters_bridged(self, _version):
        return True


def rules(*lines, version=4):
    chains = {("filter", name): [] for name in ("INPUT", "FORWARD", "OUTPUT")}
    for line in lines:
        table, chain, text = line.split(" ", 2)
        chains.setdefault((table, chain), []).append((0, 0, f"-A {chain} {text}"))
    made = [
        FirewallChain(table, name, "ACCEPT" if name.isupper() else None, tuple(of))
        for (table, name), of in chains.items()
    ]
    return Ruleset(ruleset_of(made, version))


def verdict(packet, *lines):
    ruleset = rules(*lines, version=packet.version)
    return (simulate.forward if packet.incoming else simulate.output)(ruleset, Host(), packet).verdict


def after(packet, *lines):
    """The verdicts of the answer and of a later packet."""
    ruleset = rules(*lines, version=packet.version)
    first = (simulate.forward if packet.incoming else simulate.output)(ruleset, Host(), packet)
    assert first.verdict == "accepted"
    return tuple(way(ruleset, Host(), first, packet).verdict for way in (simulate.reply, simulate.later))


MATCHES = [
    ("-s 10.1.0.0/16", {TCP, UDP, PING}, set()),
    ("-s 10.1.0.2", {TCP}, {TCP6}),
    ("-s 10.1.0.99/16", {TCP}, set()),
    ("! -s 10.1.0.0/16", {TCP6}, {TCP}),
    ("-s fd00:1::/64", {TCP6, PING6}, set()),
    ("-s fd00:1::9/64", {TCP6}, set()),
    ("-m iprange --src-range 10.1.0.1-10.1.0.2", {TCP}, set()),
    ("-m iprange --src-range 10.1.0.3-10.1.0.9", set(), {TCP}),
    ("-m iprange --dst-range fd00:2::1-fd00:2::3", {TCP6}, set()),
    ("-m iprange --src-range 10.1.0.2", {TCP}, set()),
    ("-p tcp -m multiport --dports 80,443", {TCP}, {UDP, PING}),
    ("-p tcp -m tcp --dport 81:", set(), {TCP}),
    ("-p tcp -m tcp --dport :80", {TCP}, set()),
    ("-p tcp -m tcp --sport 80", {FROM_80}, {TCP}),
    ("-p tcp -m tcp --sport 1024:65535", {TCP}, {FROM_80}),
    ("-p tcp -m multiport --ports 80", {TCP, FROM_80}, {UDP}),
    ("-p 6 -m tcp --dport 80", {TCP, TCP6}, {UDP}),
    ("-p icmp -m icmp --icmp-type 8", {PING}, {TCP}),
    ("-p icmp -m icmp --icmp-type 0", set(), {PING}),
    ("-p icmp -m icmp --icmp-type any", {PING}, set()),
    ("-p ipv6-icmp -m icmp6 --icmpv6-type 128", {PING6}, {TCP6}),
    ("-p icmpv6 -m icmp6 --icmpv6-type 129", set(), {PING6}),
    ("-m conntrack --ctstate NEW,RELATED", {TCP, PING6}, set()),
    ("-m conntrack --ctdir ORIGINAL", {TCP}, set()),
    ("-m conntrack --ctdir REPLY", set(), {TCP}),
    ("-m addrtype --src-type LOCAL", set(), {TCP}),
    ("-m addrtype --src-type UNICAST", {TCP}, set()),
    ("-m conntrack --ctorigdst 10.2.0.3 --ctorigdstport 80", {TCP}, {UDP}),
    ("-i br-+", {TCP, TCP6}, set()),
    ("-i br-a -o br-b", {TCP}, set()),
    ("-o br-a", set(), {TCP}),
    ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", {TCP}, {UDP}),
    ("-m tcp --tcp-flags FIN,SYN,RST,ACK SYN", {TCP}, {UDP, PING}),
    ("-m policy --dir in --pol none", {TCP}, set()),
    ("-m policy --dir in --pol ipsec", set(), {TCP}),
]


@pytest.mark.parametrize(("match", "dropped", "passed"), MATCHES)
def test_which_packets_a_rule_is_about(match, dropped, passed):
    rule = f"filter FORWARD {match} -j DROP"
    assert {packet for packet in dropped if verdict(packet, rule) == "dropped"} == dropped
    assert {packet for packet in passed if verdict(packet, rule) == "accepted"} == passed


@pytest.mark.parametrize(
    "match",
    ["-m limit --limit 3/min --limit-burst 5", "-m statistic --mode random --probability 0.5", "-m recent --update"],
)
def test_a_rule_about_some_packets_decides_nothing_and_is_no_matter_where_it_only_logs(match):
    assert verdict(TCP, f"filter FORWARD {match} -j DROP") == "unknown"
    assert verdict(TCP, f"filter FORWARD {match} -j ACCEPT", "filter FORWARD -p tcp -j DROP") == "unknown"
    assert verdict(TCP, f"filter FORWARD {match} -p udp -j DROP") == "accepted"
    # More of them than are tried both ways, as ufw writes them for its log.
    logs = [f"filter FORWARD {match} -j LOG --log-prefix {number}" for number in range(9)]
    assert verdict(TCP, *logs) == "accepted"
    assert verdict(TCP, *logs, "filter FORWARD -p tcp -j DROP") == "dropped"


@pytest.mark.parametrize(
    ("ports", "expected"),
    [("40000", "unknown"), ("32768:60999", "dropped"), ("60999:61000", "unknown"), ("61000:62000", "accepted")],
)
def test_the_port_that_the_kernel_will_choose_is_known_as_a_range(ports, expected):
    assert verdict(TCP, f"filter FORWARD -p tcp -m tcp --sport {ports} -j DROP") == expected
    assert verdict(TCP, f"filter FORWARD -p tcp -m multiport --ports {ports} -j DROP") == expected


MARKS = [
    ("-j MARK --set-xmark 0x10/0xffffffff", "--mark 0x10", "dropped"),
    ("-j MARK --set-mark 0x10", "--mark 0x10", "dropped"),
    ("-j MARK --set-mark 0x1f", "--mark 0x10/0x10", "dropped"),
    ("-j MARK --set-mark 0x0f", "--mark 0x10/0x10", "accepted"),
    ("-j MARK --set-mark 0x11", "--mark 0x10", "accepted"),
    ("-j MARK --set-xmark", "--mark 0x10", "unknown"),
    ("-j MARK --set-mark 0x30,-j MARK --set-xmark 0x0/0x20", "--mark 0x10", "dropped"),
    ("-j CONNMARK --set-xmark 0x10/0x10", "-m connmark --mark 0x10", "dropped"),
    ("-j CONNMARK --set-xmark 0x10/0x10", "--mark 0x10", "accepted"),
    ("-j CONNMARK --set-mark 0x10,-j CONNMARK --restore-mark", "--mark 0x10", "dropped"),
    ("-j MARK --set-mark 0x10,-j CONNMARK --save-mark", "-m connmark --mark 0x10", "dropped"),
]


@pytest.mark.parametrize(("sets", "match", "expected"), MARKS)
def test_marks_are_set_by_their_masks_and_compared_by_them(sets, match, expected):
    marking = [f"mangle PREROUTING {one}" for one in sets.split(",")]
    match = match if match.startswith("-m") else f"-m mark {match}"
    assert verdict(TCP, *marking, f"filter FORWARD {match} -j DROP") == expected


def test_a_mark_of_the_connection_is_there_for_its_answer_and_a_mark_of_the_packet_is_not():
    assert after(TCP, "filter FORWARD -j MARK --set-mark 1", "raw PREROUTING -m mark --mark 1 -j DROP") == (
        "accepted",
        "accepted",
    )
    by_connection = ("filter FORWARD -j CONNMARK --set-mark 1", "mangle PREROUTING -m connmark --mark 1 -j DROP")
    assert after(TCP, *by_connection) == ("dropped", "dropped")


@pytest.mark.parametrize(
    ("rule", "answer", "later"),
    [
        ("filter FORWARD -m conntrack --ctstate ESTABLISHED --ctdir REPLY", "dropped", "accepted"),
        ("filter FORWARD -m conntrack --ctdir REPLY --ctorigdst 10.1.0.1 --ctorigdstport 8080", "dropped", "accepted"),
        ("filter FORWARD -m conntrack --ctstate ESTABLISHED --ctorigdst 10.1.0.1", "dropped", "dropped"),
        ("filter FORWARD -m conntrack --ctorigdstport 80", "accepted", "accepted"),
        ("mangle PREROUTING -s 10.2.0.3", "dropped", "accepted"),
        ("mangle POSTROUTING -s 10.2.0.3 -d 10.1.0.2", "dropped", "accepted"),
        ("filter FORWARD -s 10.2.0.3 -d 10.1.0.2", "dropped", "accepted"),
        ("mangle PREROUTING -s 10.1.0.2 -d 10.1.0.1 -m conntrack --ctstate ESTABLISHED", "accepted", "dropped"),
        ("filter FORWARD -d 10.2.0.3 -m conntrack --ctstate ESTABLISHED", "accepted", "dropped"),
        ("filter FORWARD -m conntrack --ctstatus DNAT --ctstate ESTABLISHED", "dropped", "dropped"),
        ("raw PREROUTING -m conntrack --ctstate ESTABLISHED", "accepted", "accepted"),
    ],
)
def test_the_answer_of_a_translated_connection_is_seen_as_the_kernel_translates_it(rule, answer, later):
    to_port = replace(TO_HOST, destination_port=8080)
    dnat = "nat PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.2.0.3:80"
    assert after(to_port, dnat, f"{rule} -j DROP") == (answer, later)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("filter OUTPUT -o lo", "dropped"),
        ("filter INPUT -i lo", "dropped"),
        ("mangle POSTROUTING -o lo", "dropped"),
        ("mangle PREROUTING -i lo", "dropped"),
        ("filter OUTPUT -o br-b", "accepted"),
        ("filter FORWARD -p tcp", "accepted"),
    ],
)
def test_what_the_host_sends_to_itself_leaves_and_comes_in_by_lo(rule, expected):
    assert verdict(OWN, f"{rule} -j DROP") == expected
    known = f"{rule} -m conntrack --ctstate ESTABLISHED -j DROP"
    assert after(OWN, known) == (expected, expected)


@pytest.mark.parametrize(
    ("rule", "answer", "later"),
    [
        ("filter OUTPUT -o br-a", "accepted", "dropped"),
        ("mangle POSTROUTING -o br-a", "accepted", "dropped"),
        ("filter INPUT -i br-a", "dropped", "accepted"),
        ("mangle PREROUTING -i br-a", "dropped", "accepted"),
    ],
)
def test_the_hosts_own_connection_leaves_by_a_bridge_and_its_answer_comes_in_by_it(rule, answer, later):
    assert after(OUT, f"{rule} -m conntrack --ctstate ESTABLISHED -j DROP") == (answer, later)


@pytest.mark.parametrize(
    ("rule", "answer", "later"),
    [
        ("filter OUTPUT -o br-a", "dropped", "accepted"),
        ("filter INPUT -i br-a", "accepted", "dropped"),
        ("mangle POSTROUTING -o br-a", "dropped", "accepted"),
    ],
)
def test_the_host_answers_by_the_bridge_from_which_it_was_asked(rule, answer, later):
    assert after(TO_HOST, f"{rule} -m conntrack --ctstate ESTABLISHED -j DROP") == (answer, later)


@pytest.mark.parametrize(
    ("packet", "hook", "destination"),
    [(TCP, "PREROUTING", "10.1.0.1"), (OUT, "OUTPUT", "127.0.0.1"), (TO_HOST, "PREROUTING", "10.1.0.1")],
)
def test_redirect_leads_to_the_host_itself(packet, hook, destination):
    ruleset = rules(f"nat {hook} -p tcp -j REDIRECT --to-ports 3128")
    outcome = (simulate.forward if packet.incoming else simulate.output)(ruleset, Host(), packet)
    assert (outcome.verdict, outcome.delivered_locally or outcome.packet.outgoing == "lo") == ("accepted", True)
    assert (outcome.packet.destination, outcome.packet.destination_port) == (destination, 3128)


def test_a_source_is_translated_once_and_a_destination_once():
    both = (
        "nat PREROUTING -p tcp -j DNAT --to-destination 10.2.0.9",
        "nat POSTROUTING -p tcp -j SNAT --to-source 10.2.0.7",
    )
    outcome = simulate.forward(rules(*both), Host(), TCP)
    assert (outcome.packet.source, outcome.packet.destination) == ("10.2.0.7", "10.2.0.9")
    back = simulate.reply(rules(*both), Host(), outcome, TCP)
    assert (back.packet.source, back.packet.destination) == (TCP.destination, TCP.source)
    assert (back.packet.source_port, back.packet.direction) == (80, REPLY)


def test_a_packet_without_conntrack_is_not_translated_and_has_no_state():
    lines = ("raw PREROUTING -j CT --notrack", "nat PREROUTING -p tcp -j DNAT --to-destination 10.2.0.9")
    outcome = simulate.forward(rules(*lines), Host(), TCP)
    assert outcome.packet.destination == TCP.destination
    assert verdict(TCP, lines[0], "filter FORWARD -m conntrack --ctstate UNTRACKED -j DROP") == "dropped"
    assert (
        verdict(TCP, "raw PREROUTING -j CT --zone 3", "filter FORWARD -m conntrack --ctstate NEW -j DROP") == "dropped"
    )
