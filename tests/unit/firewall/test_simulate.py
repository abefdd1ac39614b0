"""A packet through small rulesets: which rule ends it, and what cannot be decided. The kernel's own word is in
tests/engine/firewall.
"""

import pytest

from bridgework.firewall import simulate
from bridgework.firewall.iptables_save import ruleset_of
from bridgework.firewall.ruleset import Packet, Ruleset
from bridgework.firewall.simulate import Route
from bridgework.model.observations import FirewallChain

SENT = Packet(4, "tcp", "10.1.0.2", "10.2.0.3", destination_port=80, incoming="br-a")
TO_HOST = Packet(4, "tcp", "10.1.0.2", "10.1.0.1", destination_port=80, incoming="br-a")
WITHIN = Packet(
    4, "icmp", "10.1.0.2", "10.1.0.3", incoming="br-a", outgoing="br-a", bridge_ports=("veth-a", "veth-b")
)  # fmt: skip


class Host:
    """10.1.0.1 on br-a, 10.2.0.1 on br-b; everything else leaves by eth0, but for 10.9.0.0/16."""

    bridged = True

    def is_local(self, address):
        return address in {"10.1.0.1", "10.2.0.1", "127.0.0.1"}

    def route(self, packet):
        if self.is_local(packet.destination):
            return Route(None, packet.destination)
        known = {"10.1": Route("br-a", "10.1.0.1"), "10.2": Route("br-b", "10.2.0.1"), "10.9": None}
        return known.get(packet.destination.rpartition(".")[0].rpartition(".")[0], Route("eth0", "192.0.2.7"))

    def filters_bridged(self, _version):
        return self.bridged


def rules(*lines, drop=()):
    """A ruleset of lines such as ``nat PREROUTING -j ACCEPT``; chains that are named are there."""
    chains = {("filter", name): [] for name in ("INPUT", "FORWARD", "OUTPUT")}
    for line in lines:
        table, chain, text = line.split(" ", 2)
        chains.setdefault((table, chain), []).append((0, 0, f"-A {chain} {text}"))
    made = [
        FirewallChain(table, name, "DROP" if name in drop else "ACCEPT" if name.isupper() else None, tuple(of))
        for (table, name), of in chains.items()
    ]
    return Ruleset(ruleset_of(made, 4))


def ended(outcome):
    step = outcome.step
    return (outcome.verdict, step and (step.rule.text if step.rule else step.place.chain.name))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ("accepted", None)),
        (["filter FORWARD -i br-a -j DROP"], ("dropped", "-A FORWARD -i br-a -j DROP")),
        (["raw PREROUTING -d 10.2.0.3 ! -i br-b -j DROP"], ("dropped", "-A PREROUTING -d 10.2.0.3 ! -i br-b -j DROP")),
        (["filter FORWARD -j ACCEPT", "mangle POSTROUTING -j DROP"], ("dropped", "-A POSTROUTING -j DROP")),
        (["filter FORWARD -j one", "filter one -j RETURN", "filter one -j DROP"], ("accepted", None)),
        (["filter FORWARD -g one", "filter FORWARD -j DROP", "filter one -s 10.9.0.0/16 -j DROP"], ("accepted", None)),
        (["filter FORWARD -j none"], ("unknown", "-A FORWARD -j none")),
        (["filter FORWARD -j one", "filter one -j one"], ("unknown", "-A one -j one")),
        (["filter FORWARD -m time -j DROP"], ("unknown", "-A FORWARD -m time -j DROP")),
        (["filter FORWARD -m u32 --u32 1 -j DROP"], ("unknown", "-A FORWARD -m u32 --u32 1 -j DROP")),
        (["filter FORWARD -m u32 --u32 1 -j ACCEPT"], ("accepted", None)),
        (["filter FORWARD -m u32 --u32 1 -j DROP", "filter FORWARD -j DROP"], ("dropped", "-A FORWARD -j DROP")),
        # The rule that parts the ways is named, not the one that ends one of them.
        (
            ["filter FORWARD -m u32 --u32 1 -j RETURN", "filter FORWARD -j DROP"],
            ("unknown", "-A FORWARD -m u32 --u32 1 -j RETURN"),
        ),
        (
            [f"filter FORWARD -m u32 --u32 {n} -j {target}" for n, target in ((1, "ACCEPT"), (2, "DROP"))],
            ("unknown", "-A FORWARD -m u32 --u32 2 -j DROP"),
        ),
        (["filter FORWARD -j NFQUEUE --queue-num 1"], ("unknown", "-A FORWARD -j NFQUEUE --queue-num 1")),
        (["nat PREROUTING -p tcp -j DNAT --to-destination 10.9.0.1"], ("no-route", None)),
    ],
)
def test_where_a_forwarded_packet_ends(lines, expected):
    lines = [line.replace("-m time -j", "-m time --weekdays Mon -j") for line in lines]
    expected = (expected[0], expected[1] and expected[1].replace("-m time -j", "-m time --weekdays Mon -j"))
    assert ended(simulate.forward(rules(*lines), Host(), SENT)) == expected


def test_more_undecided_rules_than_are_tried_are_unknown():
    lines = [f"filter FORWARD -m u32 --u32 {n} -j ACCEPT" for n in range(9)]
    assert simulate.forward(rules(*lines, "filter FORWARD -j DROP"), Host(), SENT).verdict == "unknown"


def test_a_published_port_is_translated_on_the_way_in_and_back():
    ruleset = rules(
        "nat PREROUTING -m addrtype --dst-type LOCAL -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.2.0.3:8080",
        "nat PREROUTING -j DNAT --to-destination 10.9.0.1",
        "nat POSTROUTING -s 10.1.0.0/16 ! -o br-a -j MASQUERADE",
        "filter FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "filter FORWARD -d 10.2.0.3 -p tcp -m tcp --dport 8080 -j ACCEPT",
        drop=("FORWARD",),
    )
    first = simulate.forward(ruleset, Host(), TO_HOST)
    packet = first.packet
    assert (first.verdict, first.delivered_locally) == ("accepted", False)
    assert (packet.source, packet.destination, packet.destination_port) == ("10.2.0.1", "10.2.0.3", 8080)
    back = simulate.reply(ruleset, Host(), first, TO_HOST)
    assert (back.verdict, back.packet.source, back.packet.destination) == ("accepted", "10.1.0.1", "10.1.0.2")
    assert simulate.later(ruleset, Host(), first, TO_HOST).verdict == "accepted"


def test_the_hosts_own_packets_and_those_for_it():
    assert simulate.forward(rules(), Host(), TO_HOST).delivered_locally
    closed = rules("filter INPUT -i lo -j ACCEPT", drop=("INPUT",))
    assert ended(simulate.forward(closed, Host(), TO_HOST)) == ("dropped", "INPUT")
    own = Packet(4, "tcp", None, "10.2.0.1", destination_port=80)
    assert simulate.output(closed, Host(), own).delivered_locally
    first = simulate.output(rules(), Host(), Packet(4, "tcp", None, "10.2.0.3", destination_port=80))
    assert (first.packet.source, first.packet.outgoing) == ("10.2.0.1", "br-b")
    refused = rules("filter INPUT -m conntrack --ctstate ESTABLISHED -j REJECT")
    sent = Packet(4, "tcp", "10.2.0.1", "10.2.0.3", destination_port=80)
    assert simulate.reply(refused, Host(), first, sent).verdict == "rejected"


def test_a_rule_for_known_connections_stops_the_packets_after_the_first():
    known = "-m conntrack --ctstate ESTABLISHED -j DROP"
    to_container = Packet(4, "tcp", "10.1.0.1", "10.2.0.3", destination_port=80)
    to_itself = Packet(4, "tcp", "10.2.0.1", "10.2.0.1", destination_port=80)
    ends = {}
    for chain in ("OUTPUT", "INPUT", "FORWARD"):
        ruleset = rules(f"filter {chain} {known}")
        for packet, enter in (
            (to_container, simulate.output),
            (to_itself, simulate.output),
            (TO_HOST, simulate.forward),
        ):
            first = enter(ruleset, Host(), packet)
            assert first.verdict == "accepted"
            ends[chain, packet] = simulate.later(ruleset, Host(), first, packet).verdict
    dropped = {key for key, verdict in ends.items() if verdict == "dropped"}
    assert dropped == {("OUTPUT", to_container), ("OUTPUT", to_itself), ("INPUT", to_itself), ("INPUT", TO_HOST)}


def test_within_a_bridge_the_answer_of_a_translated_packet_needs_br_netfilter():
    ruleset = rules("nat PREROUTING -d 10.1.0.1 -p tcp -j DNAT --to-destination 10.1.0.3:80")
    first = simulate.forward(ruleset, Host(), TO_HOST)
    assert simulate.reply(ruleset, Host(), first, TO_HOST).verdict == "accepted"
    direct = Host()
    direct.bridged = False
    assert simulate.reply(ruleset, direct, first, TO_HOST).verdict == "answer-untranslated"
    own = rules("nat PREROUTING -p tcp -j DNAT --to-destination 10.1.0.2:80")
    assert simulate.forward(own, Host(), TO_HOST).verdict == "martian-source"


def test_a_bridged_packet_meets_the_rules_with_its_ports():
    dropped = rules("filter FORWARD -i br-a -o br-a -m physdev --physdev-in veth-a --physdev-is-bridged -j DROP")
    assert simulate.bridged(dropped, Host(), WITHIN).verdict == "dropped"
    assert simulate.bridged(rules(), Host(), WITHIN).verdict == "accepted"
    away = rules("nat PREROUTING -d 10.1.0.3 -j DNAT --to-destination 10.2.0.3")
    assert simulate.bridged(away, Host(), WITHIN).packet.outgoing == "br-b"
    here = rules("nat PREROUTING -d 10.1.0.3 -j REDIRECT")
    assert simulate.bridged(here, Host(), WITHIN).packet.destination == "10.1.0.1"


def test_chains_that_no_packet_reaches_are_not_read(monkeypatch):
    read = []
    monkeypatch.setattr("bridgework.firewall.iptables_save.read_rule", lambda text, _packets: read.append(text))
    unreached = FirewallChain("nat", "KUBE-SVC", None, tuple((0, 0, f"-A KUBE-SVC -s {n} -j X") for n in range(50)))
    ruleset = Ruleset(ruleset_of([FirewallChain("filter", "FORWARD", "ACCEPT", ()), unreached], 4))
    assert simulate.forward(ruleset, Host(), SENT).verdict == "accepted"
    assert read == []


def test_an_answer_to_an_address_by_which_the_host_masquerades_and_that_no_route_names():
    class Unnamed(Host):
        def route(self, packet):
            return Route(super().route(packet).interface, None)

    host = Unnamed()
    ruleset = rules("nat POSTROUTING -s 10.1.0.0/16 -j MASQUERADE", "raw PREROUTING -d 10.1.0.2 ! -i br-a -j DROP")
    first = simulate.forward(ruleset, host, SENT)
    assert first.packet.source is None
    assert simulate.reply(ruleset, host, first, SENT).verdict == "accepted"
