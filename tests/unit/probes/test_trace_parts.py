"""The parts of a trace that compute: heads of packets, messages of nf_tables, and the filter of packets."""

import socket
import struct
from dataclasses import replace

import pytest

from bridgework.model.trace import Flow, Head
from bridgework.probes.kernel import netlink
from bridgework.probes.trace import nft_messages as nft
from bridgework.probes.trace.heads import head_of
from bridgework.probes.trace.sightings import attach_filter

A4, B4, A6, B6 = "10.1.0.2", "10.1.0.3", "fd00::2", "fd00::3"
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "ipv6-icmp": 58}


def ipv4(protocol, rest, source=A4, destination=B4, number=77):
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(rest), number, 0, 64, NUMBERS[protocol], 0) + ends + rest


def ipv6(protocol, rest, source=A6, destination=B6):
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
    return struct.pack("!IHBB", 6 << 28 | 0x12345, len(rest), NUMBERS[protocol], 64) + ends + rest


def tcp(source, destination, flags=2):
    return struct.pack("!HHIIBBHHH", source, destination, 7, 8, 0x50, flags, 0, 0, 0)


def udp(source, destination, payload=b"xy"):
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def icmp(kind, identifier, quoted=b""):
    return struct.pack("!BBHHH", kind, 0, 0, identifier, 1) + quoted


def test_heads_have_what_tells_a_packet_apart():
    assert head_of(ipv4("tcp", tcp(5, 80))) == Head(4, "tcp", A4, B4, 5, 80, (7, 8, 2), note="SYN")
    assert head_of(ipv6("tcp", tcp(5, 80, 18))) == Head(6, "tcp", A6, B6, 5, 80, (7, 8, 18), note="SYN-ACK")
    assert head_of(ipv4("udp", udp(5, 53))) == Head(4, "udp", A4, B4, 5, 53, (77, 10), datagram_bytes=10)
    assert head_of(ipv4("udp", udp(5, 53), number=0)).identity is None
    assert head_of(ipv6("udp", udp(5, 53))).identity == (0x12345 & 0xFFFFF, 10)
    assert head_of(ipv4("icmp", icmp(8, 9))) == Head(4, "icmp", A4, B4, 9, 9, (8, 9, 1), note="echo request")
    assert head_of(ipv6("ipv6-icmp", icmp(129, 9))).note == "echo reply"
    # nf_tables shows twenty bytes of the transport header, and a capture more: the identity is the same.
    assert (
        head_of(ipv4("udp", udp(5, 53, b"z" * 99))).identity
        == head_of(ipv4("udp", udp(5, 53, b"z" * 99))[:48]).identity
    )


def test_an_error_has_the_head_that_it_quotes():
    error = head_of(ipv4("icmp", icmp(3, 0, ipv4("udp", udp(5, 53)))))
    assert error.quoted == Head(4, "udp", A4, B4, 5, 53, (77, 10), datagram_bytes=10)
    assert error.note == "ICMP type 3 code 0"
    nested = head_of(ipv4("icmp", icmp(3, 0, ipv4("icmp", icmp(3, 0, ipv4("udp", udp(5, 53)))))))
    assert nested.quoted.quoted is None


@pytest.mark.parametrize("data", [b"", b"\x00\x01", b"\x45" * 19, b"\x60" * 39, b"\x75" * 60])
def test_what_is_no_packet_has_no_head(data):
    assert head_of(data) is None


def test_a_cut_header_gives_no_ports():
    assert head_of(ipv4("tcp", b"\0")).source_port is None
    assert head_of(ipv4("tcp", tcp(5, 80)[:10])) == Head(4, "tcp", A4, B4, 5, 80)
    assert head_of(ipv4("icmp", b"\x08")).identity is None


def kept(flow, packet, *, with_proxy=True):
    """What the filter keeps of a packet: a pair of datagram sockets filters like a packet socket."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        right.setblocking(False)
        attach_filter(right, flow, with_proxy=with_proxy)
        try:
            left.send(packet)  # the kernel says EPERM to the sender of a datagram that a filter drops
            return right.recv(2000)
        except (PermissionError, BlockingIOError):
            return b""


def passes(flow, packet, *, with_proxy=True):
    """Whether the filter passes a packet, with all of its headers."""
    found = kept(flow, packet, with_proxy=with_proxy)
    assert packet.startswith(found)
    return found != b""


def flow_of(protocol, version=4, answerers=(), **fields):
    ends = (A4, B4) if version == 4 else (A6, B6)
    port = None if protocol == "icmp" else 80
    return Flow(version, protocol, *ends, port, 61000, answerers, **fields)


@pytest.mark.parametrize(("version", "packet_of", "icmp_of"), [(4, ipv4, "icmp"), (6, ipv6, "ipv6-icmp")])
def test_the_filter_passes_the_flow_and_errors_about_it_and_nothing_else(version, packet_of, icmp_of):
    flow = flow_of("tcp", version)
    error = 3 if version == 4 else 1
    assert passes(flow, packet_of("tcp", tcp(61000, 80)))
    assert passes(flow, packet_of("tcp", tcp(80, 61000)))
    assert not passes(flow, packet_of("tcp", tcp(80, 61001)))
    assert not passes(flow, packet_of("udp", udp(61000, 80)))
    assert passes(flow, packet_of(icmp_of, icmp(error, 0, packet_of("tcp", tcp(61000, 80)))))
    assert not passes(flow, packet_of(icmp_of, icmp(error, 0, packet_of("tcp", tcp(61001, 80)))))
    assert not passes(flow, (ipv6 if version == 4 else ipv4)("tcp", tcp(61000, 80)))
    echo = 8 if version == 4 else 128
    pinging = flow_of("icmp", version)
    assert passes(pinging, packet_of(icmp_of, icmp(echo, 61000)))
    assert not passes(pinging, packet_of(icmp_of, icmp(echo, 61001)))
    assert passes(pinging, packet_of(icmp_of, icmp(error, 0, packet_of(icmp_of, icmp(echo, 61000)))))
    assert not passes(pinging, packet_of("udp", udp(61000, 61000)))


@pytest.mark.parametrize("packet_of", [ipv4, ipv6])
def test_the_filter_keeps_no_payload_unless_it_is_asked_to(packet_of):
    version, secret = 4 if packet_of is ipv4 else 6, b"secret"
    icmp_of = "icmp" if version == 4 else "ipv6-icmp"
    for protocol, name, head in (
        ("tcp", "tcp", tcp(61000, 80)),
        ("udp", "udp", udp(61000, 80, secret)[: -len(secret)]),
        ("icmp", icmp_of, icmp(8 if version == 4 else 128, 61000)[:8]),
    ):
        bare, whole = packet_of(name, head), packet_of(name, head + secret)
        assert kept(flow_of(protocol, version), whole)[40:] == whole[: len(bare)][40:]
        assert kept(flow_of(protocol, version, payload_bytes=3), whole) == whole[: len(bare) + 3]
        assert kept(flow_of(protocol, version, payload_bytes=99), whole) == whole


def test_options_of_tcp_belong_to_its_header():
    header = tcp(61000, 80)[:12] + bytes([0x80]) + tcp(61000, 80)[13:20] + b"options.oooo"
    whole = ipv4("tcp", header + b"secret")
    assert kept(flow_of("tcp"), whole) == whole[: -len(b"secret")]


def test_a_fragment_without_ports_is_dropped():
    fragment = bytearray(ipv4("udp", udp(61000, 80)))
    fragment[6:8] = (5).to_bytes(2)
    assert not passes(flow_of("udp"), bytes(fragment))


def test_the_filter_passes_what_a_proxy_may_send_on():
    flow = flow_of("tcp", answerers=(("10.9.0.2", 8080),), by_proxy=True, payload_bytes=99)
    assert kept(flow, ipv4("tcp", tcp(40000, 8080) + b"secret")) == ipv4("tcp", tcp(40000, 8080) + b"secret")[:40]
    # What the connection carries is of no use for the trace.
    assert not passes(flow, ipv4("tcp", tcp(40000, 8080, flags=0x18)))
    assert not passes(flow, ipv4("tcp", tcp(40000, 8080)), with_proxy=False)
    assert not passes(replace(flow, by_proxy=False), ipv4("tcp", tcp(40000, 8080)))
    datagrams = replace(flow, protocol="udp")
    assert kept(datagrams, ipv4("udp", udp(40000, 8080, b"secret"))) == ipv4("udp", udp(40000, 8080, b"secret"))[:28]


def nested(kind, *inner):
    return netlink.attribute(kind, b"".join(inner))


def number(kind, value):
    return netlink.attribute(kind, value.to_bytes(4))


def text(kind, value):
    return netlink.attribute(kind, value.encode() + b"\0")


def test_a_trace_message_is_read():
    verdict = nested(5, number(1, -3 & 0xFFFFFFFF), text(2, "DOCKER-USER"))
    body = nft.NFGENMSG.pack(2, 0, 0) + text(1, "filter") + text(2, "FORWARD") + number(4, nft.RULE) + verdict
    body += number(6, 99) + netlink.attribute(3, (12).to_bytes(8)) + netlink.attribute(8, ipv4("tcp", b""))
    body += netlink.attribute(9, tcp(5, 80)) + number(10, 3) + number(12, 4)
    found = nft.read_trace(body)
    assert found[:7] == (99, 2, "filter", "FORWARD", nft.RULE, 12, "jump DOCKER-USER")
    assert (found.incoming, found.outgoing) == (3, 4)
    assert head_of(found.network + found.transport).note == "SYN"


@pytest.mark.parametrize(
    ("code", "word"), [(0, "drop"), (1, "accept"), (-5 & 0xFFFFFFFF, "return"), (0x00050003, "queue")]
)
def test_verdicts_are_words_of_nft(code, word):
    head = nft.NFGENMSG.pack(2, 0, 0) + number(4, nft.RULE)
    assert nft.read_trace(head + nested(5, number(1, code))).verdict == word
    assert nft.read_trace(nft.NFGENMSG.pack(2, 0, 0) + number(4, nft.POLICY) + number(16, 0)).verdict == "drop"


def test_chains_and_handles_are_read():
    head = nft.NFGENMSG.pack(1, 0, 0)
    assert nft.hook_of(head + text(1, "mine") + text(3, "in") + nested(4, number(1, 2), number(2, 0))) == "forward"
    assert nft.hook_of(head + text(1, "mine") + text(3, "called")) == ""
    assert nft.chain_named(1, "mine", "in") == head + text(1, "mine") + text(3, "in")
    assert nft.handles([head + netlink.attribute(3, (7).to_bytes(8)), head]) == [7, 0]


@pytest.mark.parametrize(("protocol", "version"), [("tcp", 4), ("udp", 6), ("icmp", 4), ("icmp", 6)])
def test_the_table_has_an_owner_and_marks_only_this_flow(protocol, version):
    messages = nft.table_of(flow_of(protocol, version), "bridgework-trace-1", anywhere=False)
    kinds = [kind for message in messages for kind, _, _ in netlink.split(message)]
    table, chain, rule = nft.NEWTABLE, nft.NEWCHAIN, nft.NEWRULE
    rules = kinds.count(rule) // 2
    assert kinds == [table, *([chain, *[rule] * rules] * 2)]
    ((_, _, made),) = netlink.split(messages[0])
    assert netlink.attributes(made, 4)[2] == (2).to_bytes(4)  # NFT_TABLE_F_OWNER
    more = nft.table_of(
        Flow(4, "tcp", A4, B4, 80, 61000, (("10.9.0.2", 8080),)), "bridgework-trace-1", anywhere=True, bridge=True
    )
    # One more rule for the translated request and one for its answer, at each of the two hooks.
    assert len(more) == len(nft.table_of(flow_of("tcp"), "x", anywhere=False)) + 4
