"""A recorded packet joined with its prediction: which packets belong, in which order, and where one was lost."""

from dataclasses import replace

import pytest

from bridgework.analysis.case import Case
from bridgework.analysis.trace.flow import Belonging, handed_on
from bridgework.analysis.trace.join import joined
from bridgework.model.checks import Measurement, Reason, Verdict
from bridgework.model.observations import (
    DockerRules,
    FirewallChain,
    FirewallRules,
    HostObservation,
    Interface,
    InterfaceAddress,
    Observation,
)
from bridgework.model.trace import Connection, Flow, Head, PacketSeen, RouteSeen, RuleSeen, TraceRecord
from tests.support.worlds import ask, container, network, published, seen, world

NET = network("net", "10.1.0.0/24")
A, B = container("a", (NET, "10.1.0.2")), container("b", (NET, "10.1.0.3"))
WORLD = world(NET, A, B)
FLOW = Flow(4, "tcp", "10.1.0.2", "10.1.0.3", 80, 61000, (("10.1.0.3", 80),))
SYN = Head(4, "tcp", "10.1.0.2", "10.1.0.3", 61000, 80, (7, 0, 2), note="SYN")
ANSWER = Head(4, "tcp", "10.1.0.3", "10.1.0.2", 80, 61000, (9, 8, 18), note="SYN-ACK")
OTHER = Head(4, "tcp", "10.1.0.9", "10.1.0.3", 61000, 80, (70, 0, 2), note="SYN")
LOST = Measurement(Verdict.UNREACHABLE, address="10.1.0.3", reason=Reason.TIMED_OUT)
FOUND = Measurement(Verdict.REACHABLE, address="10.1.0.3", successes=1)
NAMES = {"source": "a", "host": "the host", "destination": "b"}
RULES = ("-A FORWARD -j DOCKER-USER", "-A FORWARD -j ACCEPT")
CHAINS = (
    FirewallChain("filter", "FORWARD", "ACCEPT", tuple((0, 0, rule) for rule in RULES)),
    FirewallChain("filter", "DOCKER-USER", None, ((1, 60, "-A DOCKER-USER -s 10.1.0.2/32 -j DROP"),)),
)


def packet(place, interface, head, time_ns, *, leaving=False):
    return PacketSeen(place, interface, leaving, time_ns, head, b"\x45")


def rule(chain, verdict, head=SYN, *, position=0, rules=1, kind="rule", **more):
    handle = None if kind == "policy" else 1
    facts = {"handle": handle, "position": position, "rules": rules, "incoming": NET.bridge_name, **more}
    return RuleSeen("host", "ip", "filter", chain, "forward", kind, verdict, head, **facts)


def link(index, name, kind, peer=None, master=None):
    return Interface(index, name, kind, None, 1500, "up", ("up",), (), peer_index=peer, master_index=master)


def observed(chains=CHAINS):
    """Both ends as they were seen, and the host with br_netfilter, so that packets of the bridge meet its rules."""
    inside = [
        (one, Observation(n, interfaces=(replace(link(7, "eth0", "veth", n), addresses=(on(address),)),)))
        for one, n, address in ((A, 8, "10.1.0.2"), (B, 9, "10.1.0.3"))
    ]
    outside = (link(4, NET.bridge_name, "bridge"), link(8, "veth-a", "veth", 7, 4), link(9, "veth-b", "veth", 7, 4))
    filtered = (("net.bridge.bridge-nf-call-iptables", "1"),)
    rules = None if chains is None else FirewallRules(chains, switches=filtered)
    return seen(inside, HostObservation(Observation(1, interfaces=outside)), firewall=rules)


def on(address):
    return InterfaceAddress(address, 24, "ipv4", "global")


MISSING = ("Nothing of c was seen.",)


def trace(
    *recorded,
    measurement=LOST,
    chains=CHAINS,
    flow=FLOW,
    connection=None,
    route=None,
    question=None,
    missing=(),
):
    packets = tuple(one for one in recorded if isinstance(one, PacketSeen))
    rules = tuple(one for one in recorded if isinstance(one, RuleSeen))
    case = Case.of(WORLD, question or ask(A, B, "tcp", 80), observed(chains))
    record = TraceRecord(flow, 100, packets, rules, route, connection, missing)
    return joined(case.situations[0], case.predict(), measurement, record, NAMES)


def seen_steps(found, direction="request"):
    return [step.interface if step.kind == "interface" else f"{step.chain}: {step.verdict}"
            for step in found.steps if step.seen and step.direction == direction]  # fmt: skip


LEFT = packet("source", "eth0", SYN, 1000, leaving=True)
AT_HOST = packet("host", "veth-a", SYN, 2500)
JUMPED = rule("FORWARD", "jump DOCKER-USER", rules=2)
DROPPED = rule("DOCKER-USER", "drop")


def test_a_rule_that_drops_is_named_by_its_text_and_was_predicted():
    found = trace(JUMPED, DROPPED, AT_HOST, LEFT)
    assert seen_steps(found) == ["eth0", "veth-a", "FORWARD: jump DOCKER-USER", "DOCKER-USER: drop"]
    drop = next(step for step in found.steps if step.verdict == "drop")
    assert (drop.rule, drop.handle, drop.predicted, drop.seen) == (CHAINS[1].rules[0][2], 1, True, True)
    assert found.lost.by == drop
    assert found.lost.message.startswith("A rule of filter DOCKER-USER of the host drops the packet: -A DOCKER-USER")
    assert (found.client, found.server) == (None, None)
    assert [step.time_us for step in found.steps if step.kind == "interface" and step.seen] == [0.0, 1.5]


def test_a_rule_whose_place_proves_nothing_has_only_its_handle():
    found = trace(LEFT, rule("DOCKER-USER", "drop", rules=5))
    drop = next(step for step in found.steps if step.seen and step.verdict == "drop")
    assert (drop.rule, drop.predicted) == (None, False)
    assert found.lost.message.endswith("with the handle 1")
    assert trace(LEFT, rule("GONE", "drop")).lost.by.rule is None
    assert trace(LEFT, rule("DOCKER-USER", "drop"), chains=None).lost.by.rule is None
    assert trace(LEFT, rule("DOCKER-USER", "drop", position=None)).lost.by.rule is None


def test_a_dropping_policy_is_a_step_and_an_accepting_one_is_none():
    found = trace(LEFT, rule("FORWARD", "accept", kind="policy"), rule("FORWARD", "continue", kind="return"))
    assert seen_steps(found) == ["eth0"]
    found = trace(LEFT, rule("FORWARD", "drop", kind="policy"))
    assert found.lost.message == "The policy of filter FORWARD of the host drops the packet."


def test_other_traffic_belongs_to_no_step():
    found = trace(packet("host", "veth-c", OTHER, 900), rule("DOCKER-USER", "drop", OTHER), LEFT, missing=MISSING)
    assert seen_steps(found) == ["eth0"]
    assert [one.interface for one in found.capture] == ["a eth0"]
    assert found.missing == MISSING


def test_an_answer_that_came_back_is_not_lost():
    back = [packet("destination", "eth0", ANSWER, 9000, leaving=True), packet("source", "eth0", ANSWER, 9900)]
    arrived = packet("destination", "eth0", SYN, 5000)
    found = trace(LEFT, AT_HOST, arrived, *back, measurement=FOUND, chains=())
    assert found.lost is None
    assert seen_steps(found, "reply") == ["eth0", "eth0"]
    assert (found.client, found.server) == (("10.1.0.2", 61000), ("10.1.0.3", 80))
    comments = [one.comment for one in found.capture]
    assert comments[0] == "request: SYN leaves by eth0 of a"
    assert comments[-1] == "reply: SYN-ACK comes in by eth0 of a"
    refused = replace(LOST, reason=Reason.REFUSED)
    assert trace(LEFT, AT_HOST, *back, measurement=refused).lost is None


def test_what_is_lost_without_a_rule_was_last_seen_somewhere_and_not_at_the_next_interface():
    found = trace(LEFT, AT_HOST, chains=())
    assert found.lost.last.interface == "veth-a"
    assert found.lost.silent.interface == "veth-b"
    assert "It did not come to veth-b of the host. No rule" in found.lost.message
    arrived = trace(LEFT, AT_HOST, packet("destination", "eth0", SYN, 5000), chains=())
    assert arrived.lost.message.startswith("The packet came to b, and nothing answered. Possible are a tc filter or a ")
    back = packet("destination", "eth0", ANSWER, 9000, leaving=True)
    reply = trace(LEFT, AT_HOST, packet("destination", "eth0", SYN, 5000), back, chains=())
    assert (reply.lost.direction, reply.lost.silent.interface) == ("reply", "veth-b")
    assert reply.client == ("10.1.0.2", 61000)


def test_a_packet_that_was_seen_nowhere_is_lost_unless_something_was_not_recorded():
    nowhere = trace().lost
    assert nowhere.message.startswith("The packet was seen nowhere. Possible are a tc filter where it leaves, ")
    assert nowhere.silent.interface == "eth0"
    assert trace(missing=MISSING).lost is None
    assert trace(measurement=FOUND).lost is None


def test_no_rule_is_said_to_be_innocent_where_the_record_is_not_whole():
    lost = trace(LEFT, AT_HOST, chains=(), missing=MISSING).lost
    assert lost.message.endswith(
        "It did not come to veth-b of the host. Not all was recorded, so a rule may have dropped it."
    )


def test_a_packet_without_a_route_is_lost_there():
    route = RouteSeen("host", "10.1.0.3", error="a prohibit route")
    assert trace(LEFT, route=route).lost.message == "The packet has no route on the host: a prohibit route."
    local = trace(LEFT, route=RouteSeen("host", "10.1.0.1", interface="lo", local=True))
    assert [step.verdict for step in local.steps if step.kind == "route"] == ["local"]
    onward = trace(LEFT, route=RouteSeen("host", "10.1.0.3", interface="br-1"))
    assert [step.verdict for step in onward.steps if step.kind == "route"] == ["forward"]
    by_gateway = trace(LEFT, route=RouteSeen("host", "10.1.0.3", interface="up0", gateway="10.1.0.9"))
    assert [step.verdict for step in by_gateway.steps if step.kind == "route"] == ["forward via 10.1.0.9"]
    assert trace(JUMPED, route=RouteSeen("host", "10.1.0.3", error="no answer")).lost.by.kind == "route"
    only_route = trace(route=RouteSeen("host", "10.1.0.3", interface="br-1"))
    assert only_route.lost.message.startswith("The packet was seen nowhere. Possible are a tc filter")


def test_a_translated_packet_belongs_by_its_number_and_its_answer_by_its_ends():
    translated = replace(SYN, source="10.9.0.1", destination="10.2.0.7", destination_port=8080)
    answer = Head(4, "tcp", "10.2.0.7", "10.9.0.1", 8080, 61000, (90, 8, 18))
    record = TraceRecord(FLOW, 0, (LEFT, packet("destination", "eth0", translated, 2000)))
    known = Belonging.of(record)
    assert known.direction_of(answer) == "reply"
    assert known.direction_of(replace(answer, destination_port=5)) is None
    found = trace(LEFT, packet("destination", "eth0", translated, 2000))
    assert (found.client, found.server) == (("10.9.0.1", 61000), ("10.2.0.7", 8080))


def test_conntrack_tells_the_ends_where_no_packet_was_seen_behind_the_translation():
    entry = Connection(("10.1.0.2", 61000), ("10.1.0.3", 80), ("10.2.0.7", 8080), ("10.9.0.1", 61000))
    found = trace(LEFT, packet("source", "eth0", ANSWER, 2000), measurement=FOUND, connection=entry)
    assert (found.client, found.server) == (("10.9.0.1", 61000), ("10.2.0.7", 8080))
    plain = trace(LEFT, packet("source", "eth0", ANSWER, 2000), measurement=FOUND)
    assert (plain.client, plain.server) == (("10.1.0.2", 61000), ("10.1.0.3", 80))


def test_an_error_that_quotes_the_packet_is_its_answer():
    error = Head(4, "icmp", "10.1.0.1", "10.1.0.2", quoted=SYN, note="ICMP type 3 code 1")
    known = Belonging.of(TraceRecord(FLOW, 0, (LEFT, packet("source", "eth0", error, 2000))))
    assert known.direction_of(error) == "reply"
    assert known.direction_of(replace(error, quoted=ANSWER)) == "request"
    assert known.direction_of(replace(error, quoted=OTHER)) is None


def test_an_echo_has_its_identifier_as_both_ports():
    flow = Flow(4, "icmp", "10.1.0.2", "10.1.0.3", None, 61000)
    request = Head(4, "icmp", "10.1.0.2", "10.1.0.3", 61000, 61000, (8, 61000, 1), note="echo request")
    found = trace(packet("source", "eth0", request, 1, leaving=True), flow=flow, question=ask(A, B))
    assert seen_steps(found) == ["eth0"]


def test_a_datagram_of_a_proxy_is_as_long_as_the_one_of_the_flow():
    flow = replace(FLOW, protocol="udp", address="10.1.0.1", port=18080, by_proxy=True)
    sent = Head(4, "udp", "10.1.0.2", "10.1.0.1", 61000, 18080, datagram_bytes=20)
    handed = Head(4, "udp", "10.1.0.1", "10.1.0.3", 40000, 80, datagram_bytes=20)
    record = TraceRecord(flow, 0, (packet("host", "br", sent, 1000), packet("destination", "eth0", handed, 2000)))
    known = Belonging.of(record)
    assert len(handed_on(record, known, {"10.1.0.1"})) == 1
    other = packet("destination", "eth0", replace(handed, datagram_bytes=21), 2000)
    assert handed_on(replace(record, packets=(record.packets[0], other)), known, {"10.1.0.1"}) == ()


PROXIED = Head(4, "tcp", "10.1.0.1", "10.1.0.3", 40000, 80, (500, 0, 2), note="SYN")


def test_the_connection_of_a_proxy_is_found_where_there_is_only_one():
    flow = replace(FLOW, address="10.1.0.1", port=18080, by_proxy=True)
    taken = Head(4, "tcp", "10.1.0.1", "10.1.0.2", 18080, 61000, (700, 11, 18), note="SYN-ACK")
    accepted = packet("host", "br", taken, 2000, leaving=True)
    sent = packet("source", "eth0", replace(SYN, destination="10.1.0.1", destination_port=18080), 1000, leaving=True)
    began = packet("destination", "eth0", PROXIED, 3000)
    left = packet("host", "veth-b", PROXIED, 2900, leaving=True)
    answer = Head(4, "tcp", "10.1.0.3", "10.1.0.1", 80, 40000, (600, 501, 18), note="SYN-ACK")
    answered = packet("destination", "eth0", answer, 3100, leaving=True)
    record = TraceRecord(flow, 0, (sent, accepted, answered, left, began))
    known, own = Belonging.of(record), {"10.1.0.1"}
    assert set(handed_on(record, known, own)) == {began, left, answered}
    another = packet("destination", "eth0", replace(PROXIED, source_port=40001), 3000)
    assert handed_on(replace(record, packets=(*record.packets, another)), known, own) == ()
    # Without a proxy such a connection is another client's, and so it is where the host did not accept the flow
    # before, or where the connection does not come from the host.
    assert handed_on(replace(record, flow=FLOW), known, own) == ()
    assert handed_on(replace(record, packets=(sent, answered, left, began)), known, own) == ()
    assert handed_on(replace(record, packets=(sent, accepted, replace(began, time_ns=1500))), known, own) == ()
    assert handed_on(record, known, {"10.9.9.9"}) == ()
    found = trace(sent, accepted, answered, left, began, measurement=FOUND, flow=flow)
    assert found.client == ("10.1.0.1", 40000)
    proxied = [(step.direction, step.interface) for step in found.steps if step.proxied and step.seen]
    assert proxied == [("request", "veth-b"), ("request", "eth0"), ("reply", "eth0")]
    assert found.capture[-1].comment.startswith("docker-proxy: SYN-ACK leaves")


def test_a_proxys_connection_that_cannot_be_told_apart_is_missing():
    web = container("web", (BACK, "10.4.0.2"), ports=[published(18080)])
    case = Case.of(world(BACK, web), ask("host", "address:127.0.0.1", "tcp", 18080), seen(ipv4_firewall=True))
    record = TraceRecord(replace(FLOW, source="127.0.0.1", address="127.0.0.1", port=18080, answerers=()))
    found = joined(case.situations[0], case.predict(), FOUND, record, NAMES)
    assert (found.client, found.server) == (None, None)
    assert "docker-proxy" in found.missing[0]


def test_the_rule_that_stops_a_proxys_connection_is_a_predicted_step_and_is_not_traced():
    web = container("web", (BACK, "10.4.0.2"), ports=[published(18080)])
    dropping = FirewallChain("filter", "OUTPUT", "ACCEPT", ((0, 0, "-A OUTPUT -d 10.4.0.2/32 -j DROP"),))
    links = (link(4, BACK.bridge_name, "bridge"), link(8, "veth-web", "veth", 7, 4))
    inside = [(web, Observation(2, interfaces=(link(7, "eth0", "veth", 8),)))]
    rules = FirewallRules((dropping,), docker=DockerRules(ipv4=True))
    observations = seen(
        inside,
        HostObservation(Observation(1, interfaces=links)),
        firewall=rules,
        userland_proxy=True,
        ipv4_firewall=True,
    )
    case = Case.of(world(BACK, web), ask("host", "address:127.0.0.1", "tcp", 18080), observations)
    flow = Flow(4, "tcp", "127.0.0.1", "127.0.0.1", 18080, 61000, (("10.4.0.2", 18080),))
    sent = Head(4, "tcp", "127.0.0.1", "127.0.0.1", 61000, 18080, (7, 0, 2), note="SYN")
    record = TraceRecord(flow, 0, (packet("host", "lo", sent, 1000, leaving=True), packet("host", "lo", sent, 1000)))
    found = joined(case.situations[0], case.predict(), LOST, record, NAMES)
    (drop,) = [step for step in found.steps if step.kind == "rule"]
    assert (drop.rule, drop.proxied, drop.predicted, drop.seen) == (dropping.rules[0][2], True, True, False)
    assert found.lost.message.endswith("The rules that docker-proxy's own connection meets are not traced.")


def test_a_packet_without_a_time_has_none():
    found = trace(replace(LEFT, time_ns=0), AT_HOST)
    assert [step.time_us for step in found.steps if step.kind == "interface" and step.seen] == [None, 0.0]
    assert found.capture[0].time_ns == 100


def test_the_host_sends_to_itself_by_lo():
    flow = replace(FLOW, source="127.0.0.1", address="127.0.0.1")
    head = replace(SYN, source="127.0.0.1", destination="127.0.0.1")
    packets = [packet("host", "lo", head, 1, leaving=True), packet("host", "lo", head, 2)]
    into = RuleSeen("host", "ip", "filter", "INPUT", "input", "rule", "drop", head, 3, 0, 1, "lo")
    question = ask("host", "address:127.0.0.1", "tcp", 80)
    found = trace(*packets, into, flow=flow, question=question)
    steps = [(step.interface, step.leaving) for step in found.steps if step.seen]
    assert steps == [("lo", True), ("lo", False), ("lo", None)]


FRONT, BACK = network("front", "10.3.0.0/24"), network("back", "10.4.0.0/24")


def predicted_interfaces(snapshot, question):
    case = Case.of(snapshot, question, seen(ipv4_firewall=True))
    found = joined(case.situations[0], case.predict(), FOUND, TraceRecord(FLOW), NAMES)
    return [
        (step.direction, step.place, step.interface, step.leaving, step.proxied)
        for step in found.steps
        if step.kind == "interface"
    ]


def test_the_way_through_a_published_port_is_predicted_with_the_proxys_own_connection():
    web = container("web", (BACK, "10.4.0.2"), ports=[published(18080)])
    client = container("client", (FRONT, "10.3.0.2"))
    ways = predicted_interfaces(world(FRONT, BACK, web, client), ask(client, "host", "tcp", 18080))
    request = [way[1:] for way in ways if way[0] == "request"]
    assert request == [
        ("source", "eth0", True, False),
        ("host", FRONT.bridge_name, False, False),
        ("host", BACK.bridge_name, True, True),
        ("destination", "eth0", False, True),
    ]
    assert [way[1:] for way in ways if way[0] == "reply"] == [
        (place, name, not leaving, proxied) for place, name, leaving, proxied in reversed(request)
    ]
    ways = predicted_interfaces(world(FRONT, BACK, web), ask("host", "address:127.0.0.1", "tcp", 18080))
    assert ways[:3] == [
        ("request", "host", "lo", True, False),
        ("request", "host", BACK.bridge_name, True, True),
        ("request", "destination", "eth0", False, True),
    ]


def test_a_container_that_asks_itself_stays_at_its_own_lo():
    ways = predicted_interfaces(WORLD, ask(A, "address:127.0.0.1"))
    assert ways == [("request", "source", "lo", True, False), ("reply", "source", "lo", True, False)]


@pytest.mark.parametrize("word", ["dnat", "reject"])
def test_the_rules_own_word_is_kept_where_the_kernel_says_less(word):
    target = {"dnat": "DNAT --to-destination 10.1.0.3:80", "reject": "REJECT"}[word]
    table = "nat" if word == "dnat" else "filter"
    chain, hook = ("PREROUTING", "prerouting") if word == "dnat" else ("FORWARD", "forward")
    chains = (FirewallChain(table, chain, "ACCEPT", ((0, 0, f"-A {chain} -p tcp -j {target}"),)),)
    told = RuleSeen("host", "ip", table, chain, hook, "rule", "accept" if word == "dnat" else "drop", SYN, 3, 0, 1)
    found = trace(LEFT, told, chains=chains)
    assert [step.verdict for step in found.steps if step.seen and step.kind == "rule"] == [word]


def test_a_datagram_from_another_address_is_an_answer_and_keeps_its_ends_apart():
    flow = Flow(4, "udp", "10.1.0.2", "10.2.0.1", 9, 61_000)
    answer = Head(4, "udp", "10.1.0.1", "10.1.0.2", 9, 61_000)
    refusal = Head(4, "icmp", "10.1.0.2", "10.1.0.1", quoted=answer)
    packets = tuple(
        PacketSeen("source", "eth0", leaving, 1, head, b"") for leaving, head in ((False, answer), (True, refusal))
    )
    known = Belonging.of(TraceRecord(flow, packets=packets))
    assert (known.direction_of(answer), known.direction_of(refusal)) == ("reply", "request")
    assert known.is_from_another_address(answer)
    assert not known.is_from_another_address(Head(4, "udp", "10.2.0.1", "10.1.0.2", 9, 61_000))
    assert known.direction_of(Head(4, "udp", "10.1.0.1", "10.1.0.2", 10, 61_000)) is None
