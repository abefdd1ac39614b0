"""The bisection of a path MTU, over paths that are functions from a size to what happens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.model.checks import Measurement, Phases, ProbeRequest, Protocol, Reason, Verdict
from bridgework.use_cases.connectivity.path_mtu import black_hole

LOST = Measurement(Verdict.UNREACHABLE, reason=Reason.TIMED_OUT)
PASSED = Measurement(Verdict.REACHABLE)
LARGE_PING = ProbeRequest(Protocol.ICMP, payload_bytes=1472, dont_fragment=True)
HTTP = ProbeRequest(Protocol.HTTP, port=80)


def told(mtu):
    return Measurement(Verdict.UNREACHABLE, reason=Reason.MESSAGE_TOO_LONG, path_mtu_bytes=mtu)


class Way:
    """A path that loses packets above ``mtu``, after a link that tells where packets are larger than ``own``."""

    def __init__(self, mtu, own=9000, headers=28):
        self.mtu, self.own, self.headers, self.sent = mtu, own, headers, []

    def __call__(self, probe):
        size = probe.payload_bytes + self.headers
        self.sent.append(size)
        assert probe.dont_fragment
        assert probe.protocol is Protocol.ICMP
        return told(self.own) if size > self.own else PASSED if size <= self.mtu else LOST


def silent(address="192.0.2.9", connect=1.0):
    return Measurement(Verdict.UNREACHABLE, address, reason=Reason.TIMED_OUT, phases_ms=Phases(connect=connect))


@pytest.mark.parametrize("mtu", [600, 1280, 1300, 1400, 1492])
@pytest.mark.parametrize("probe", [LARGE_PING, HTTP])
def test_the_largest_packet_that_passes_is_found_in_a_dozen_pings(mtu, probe):
    way = Way(mtu)
    assert mtu - 16 <= black_hole(way, probe, silent()) <= mtu - 4
    assert len(way.sent) <= 12


def test_a_way_on_which_each_answer_takes_more_than_a_second_loses_none_of_them():
    way = Way(1300)

    def late(probe):
        return way(probe) if probe.timeout_ms > 1000 else LOST

    assert black_hole(late, replace(LARGE_PING, timeout_ms=2000), silent()) == 1296


def test_ipv6_has_larger_headers():
    assert black_hole(Way(1400, headers=48), HTTP, silent("2001:db8::9")) == 1392


def test_a_smaller_link_of_the_source_is_where_the_search_begins():
    assert black_hole(Way(1300, own=1450), HTTP, silent()) == 1296
    assert black_hole(Way(1450, own=1450), HTTP, silent()) is None


@pytest.mark.parametrize("way", [Way(1500), Way(0), Way(1400, own=1450)])
def test_a_way_that_passes_loses_everything_or_tells_is_none(way):
    assert black_hole(way, LARGE_PING, silent()) is None


def test_a_link_that_tells_in_the_middle_of_the_search_is_none():
    answers = iter([LOST, PASSED, told(1300)])
    assert black_hole(lambda _: next(answers), LARGE_PING, silent()) is None


@pytest.mark.parametrize(("probe", "measurement"), [
    (LARGE_PING, PASSED), (LARGE_PING, told(1400)), (HTTP, silent(connect=None)), (HTTP, silent(address=None)),
    (ProbeRequest(Protocol.ICMP, payload_bytes=1472), silent()), (ProbeRequest(Protocol.TCP, port=80), silent()),
    (ProbeRequest(Protocol.ICMP, payload_bytes=56, dont_fragment=True), silent()),
])  # fmt: skip
def test_nothing_is_sent_where_a_black_hole_would_not_explain_the_measurement(probe, measurement):
    way = Way(1400)
    assert black_hole(way, probe, measurement) is None
    assert way.sent == []
