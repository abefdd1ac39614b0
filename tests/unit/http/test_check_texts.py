"""A check as text and as a capture file."""

import struct
from dataclasses import replace

from bridgework.http.resources.checks.pcapng import to_pcapng
from bridgework.http.resources.checks.text import to_text
from bridgework.model.checks import (
    CheckResult,
    Component,
    Finding,
    Hop,
    Measurement,
    Prediction,
    Reason,
    Severity,
    Verdict,
)
from bridgework.model.errors import Remedy
from bridgework.model.trace import CapturedPacket, Flow, Loss, Trace, TracedPacket, TraceStep
from tests.support.hostile_texts import HOSTILE, acted_on

FLOW = Flow(4, "tcp", "10.1.0.2", "10.1.0.3", 80, 61000)
SENT = TracedPacket("10.1.0.2", 61000, "10.1.0.3", 80, "SYN")
STEPS = (
    TraceStep("interface", "request", "source", "a", predicted=True, seen=True, packet=SENT, interface="eth0",
              leaving=True, time_us=0.0),
    TraceStep("rule", "request", "host", "the host", predicted=True, seen=True, packet=SENT, hook="prerouting",
              family="ip", table="nat", chain="DOCKER", rule="-A DOCKER -j DNAT", verdict="dnat"),
    TraceStep("route", "request", "host", "the host", predicted=False, seen=True, interface="br0",
              verdict="forward via 10.9.0.1"),
    TraceStep("policy", "request", "host", "the host", predicted=False, seen=True,
              packet=replace(SENT, destination="fd00::3"), hook="forward", family="inet", table="mine", chain="f",
              verdict="drop"),
    TraceStep("interface", "request", "destination", "b", predicted=True, seen=False, interface="eth0", leaving=False),
    TraceStep("route", "reply", "host", "the host", predicted=True, seen=False),
)  # fmt: skip
TRACE = Trace(FLOW, STEPS, lost=Loss("request", "It was dropped."), missing=("Nothing of c was seen.",))
FINDING = Finding("user-firewall-drop", Severity.BLOCKING, Component("host", "host", "host"), "It drops.",
                  Remedy("Remove it.", commands=("nft delete rule 1",)))  # fmt: skip


def result(**more):
    measured = Measurement(Verdict.UNREACHABLE, reason=Reason.TIMED_OUT)
    return CheckResult(
        Verdict.UNREACHABLE, Prediction(Verdict.UNREACHABLE, (Hop("interface", "eth0"),)), measured, (FINDING,), **more
    )


def test_a_trace_as_text_has_a_line_for_each_step():
    lines = to_text(result(trace=TRACE)).splitlines()
    assert "trace of tcp from 10.1.0.2 to 10.1.0.3 port 80, source port 61000" in lines
    assert "  ps  out eth0 of a  SYN  +0 us" in lines
    assert "  ps  prerouting ip nat DOCKER: -A DOCKER -j DNAT  => dnat" in lines
    assert "  -s  route of the host: forward via 10.9.0.1 by br0" in lines
    assert "  -s  forward inet mine f: policy  => drop" in lines
    assert "        now 10.1.0.2:61000 -> [fd00::3]:80" in lines
    assert "  p-  in  eth0 of b" in lines
    assert "  p-  route of the host: not seen" in lines
    assert "lost: It was dropped." in lines
    assert "missing: Nothing of c was seen." in lines
    assert "  $ nft delete rule 1" in lines


def test_a_check_without_a_trace_is_text_too():
    text = to_text(result())
    assert text.startswith("verdict:   unreachable\npredicted: unreachable\nmeasured:  unreachable (timed-out)\n")
    assert "trace" not in text
    ping = Flow(4, "icmp", "10.1.0.2", "10.1.0.3", None, 61000)
    arrived = to_text(result(trace=Trace(ping, client=("10.1.0.2", None), server=("10.1.0.3", None))))
    assert "trace of icmp from 10.1.0.2 to 10.1.0.3, identifier 61000" in arrived
    assert "the destination 10.1.0.3 sees the client as 10.1.0.2" in arrived


def blocks(data):
    """Type and body of each block of a pcapng file; both lengths of a block must agree."""
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length
        yield kind, data[at + 8 : at + length - 4]
        at += length
    assert at == len(data)


def options(data):
    at = 0
    while at < len(data):
        code, length = struct.unpack_from("<HH", data, at)
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4


def test_text_of_others_is_escaped_in_the_text():
    predicted = Prediction(Verdict.UNREACHABLE, (Hop("interface", HOSTILE),))
    found = replace(FINDING, message=HOSTILE, remedy=Remedy(HOSTILE, commands=(HOSTILE,)))
    text = to_text(replace(result(), predicted=predicted, findings=(found,)))
    assert acted_on(text) == []
    assert "\n- more" not in text


def test_a_capture_has_its_interfaces_and_a_comment_for_each_packet():
    ipv4 = bytes.fromhex("4500001c") + bytes(24)
    ipv6 = bytes.fromhex("6000000000083a40") + bytes(35)
    packets = [
        CapturedPacket("a eth0", 1_700_000_000_123_456_789, ipv4, "request: SYN leaves by eth0 of a"),
        CapturedPacket("the host veth1", 1_700_000_000_123_456_999, ipv6, "request"),
        CapturedPacket("a eth0", 1_700_000_001_000_000_000, ipv4, "reply"),
    ]
    found = list(blocks(to_pcapng(packets)))
    assert [kind for kind, _ in found] == [0x0A0D0D0A, 1, 1, 6, 6, 6]
    assert struct.unpack_from("<I", found[0][1])[0] == 0x1A2B3C4D
    assert dict(options(found[1][1][8:])) == {2: b"a eth0", 9: b"\x09", 0: b""}
    interface, high, low, kept, length = struct.unpack_from("<5I", found[3][1])
    assert (interface, high << 32 | low, kept, length) == (0, packets[0].time_ns, 28, 28)
    assert found[3][1][20:48] == ipv4
    assert dict(options(found[3][1][48:])) == {1: packets[0].comment.encode(), 0: b""}
    # Of the second packet only the beginning was kept: its header says 48 bytes.
    assert struct.unpack_from("<5I", found[4][1])[3:] == (43, 48)
    assert to_pcapng([])[:4] == b"\x0a\x0d\x0d\x0a"
