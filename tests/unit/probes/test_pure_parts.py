"""Parsers, statistics and the wire format: bytes and text in, values out."""

import errno
import math
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgework.matrix.namespaces import Route
from bridgework.matrix.neighbour_budget import FLUSH_EVERY_S, NeighbourBudget, Reservation, TableBudget
from bridgework.matrix.rate_limiter import RateLimiter
from bridgework.matrix.run import run_loops
from bridgework.matrix.table_room import CALM_S, FEWEST, TableRoom, limit_of
from bridgework.model.checks import (
    Measurement,
    Phases,
    ProbeRequest,
    Protocol,
    Reason,
    RoundTrip,
    Verdict,
)
from bridgework.model.observations import (
    DockerRules,
    FirewallChain,
    FirewallRules,
    HostObservation,
    NdpProxies,
    Observation,
)
from bridgework.model.probe_port import Place, SweepOutcome, SweepPlan, SweepRow, SweepSource, SweepTarget
from bridgework.probes.kernel import firewall
from bridgework.probes.kernel.neighbour_table import TableUsage
from bridgework.probes.kinds import echo, http, reasons
from bridgework.probes.kinds.attempts import Attempt, failure, percentile, round_trip, summarise
from bridgework.runners.codec import CodecError, from_json, to_json
from tools.engine import wait_until


def test_percentiles_lie_between_the_nearest_ranks():
    times = [float(number) for number in range(1, 101)]
    assert round_trip(times) == RoundTrip(min=1, avg=50.5, max=100, p50=50.5, p95=95.05, p99=99.01)
    assert percentile([7.0], 0.99) == 7.0


@given(st.lists(st.floats(0.001, 10_000), min_size=1))
def test_statistics_are_in_order(times):
    found = round_trip(times)
    assert found.min <= found.p50 <= found.p95 <= found.p99 <= found.max
    assert found.min <= found.avg + 0.001
    assert found.avg <= found.max + 0.001


def test_one_success_is_reachable():
    failed, good = Attempt(reason=Reason.TIMED_OUT), Attempt(rtt_ms=2.0)
    found = summarise([failed, good, failed], "10.0.0.1")
    assert (found.verdict, found.successes, found.reason) == (Verdict.REACHABLE, 1, None)
    assert found.detail == "2 of 3 attempts failed: timed-out"


def test_a_word_tells_more_than_silence():
    silent, refused = Attempt(reason=Reason.NO_ANSWER), Attempt(reason=Reason.REFUSED, detail="no")
    found = summarise([silent, refused, silent], "10.0.0.1")
    assert (found.verdict, found.reason, found.detail) == (Verdict.UNREACHABLE, Reason.REFUSED, "no")
    assert summarise([silent], "10.0.0.1").verdict is Verdict.INCONCLUSIVE


def test_what_this_machine_lacks_says_nothing_about_the_other():
    for number in (errno.EMFILE, errno.ENOBUFS):
        attempt = failure(OSError(number, "x"))
        assert summarise([attempt], "10.0.0.1").verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("version", "kind", "code", "reason"),
    [
        (4, 3, 0, Reason.NO_ROUTE),
        (4, 3, 1, Reason.HOST_UNREACHABLE),
        (4, 3, 3, Reason.REFUSED),
        (4, 3, 4, Reason.MESSAGE_TOO_LONG),
        (4, 3, 13, Reason.ADMINISTRATIVELY_PROHIBITED),
        (4, 11, 0, Reason.HOST_UNREACHABLE),
        (4, 0, 0, None),
        (4, 8, 0, None),
        (6, 1, 0, Reason.NO_ROUTE),
        (6, 1, 1, Reason.ADMINISTRATIVELY_PROHIBITED),
        (6, 1, 3, Reason.HOST_UNREACHABLE),
        (6, 1, 4, Reason.REFUSED),
        (6, 2, 0, Reason.MESSAGE_TOO_LONG),
        (6, 129, 0, None),
    ],
)
def test_icmp_codes(version, kind, code, reason):
    assert reasons.of_icmp(version, kind, code) is reason


IPV4_HEADER = bytes([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 3, 10, 0, 0, 2])
QUOTED4 = bytes([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 2, 10, 0, 0, 3])
QUOTED6 = struct.pack("!IHBB", 0x60000000, 0, 58, 64) + bytes(15) + b"\x01" + bytes(15) + b"\x02"


def test_a_reply_is_read():
    reply = struct.pack("!BBHHH", 0, 0, 0, 7, 9) + b"token"
    assert echo.parse(4, IPV4_HEADER + reply) == echo.EchoMessage(7, 9, b"token")
    assert echo.parse(6, b"\x81" + reply[1:]) == echo.EchoMessage(7, 9, b"token")


def test_an_error_is_read_with_what_it_quotes():
    request = echo.request(4, 7, 9, b"token")
    error = struct.pack("!BBHHH", 3, 4, 0, 0, 1300)
    heard = echo.parse(4, IPV4_HEADER + error + QUOTED4 + request)
    assert heard == echo.EchoMessage(7, 9, b"token", Reason.MESSAGE_TOO_LONG, bytes([10, 0, 0, 3]), 1300)
    too_big = struct.pack("!BBHI", 2, 0, 0, 1280)
    heard = echo.parse(6, too_big + QUOTED6 + echo.request(6, 7, 9, b"token"))
    assert heard == echo.EchoMessage(7, 9, b"token", Reason.MESSAGE_TOO_LONG, bytes(15) + b"\x02", 1280)


def test_an_error_about_something_else_is_not_ours():
    error = struct.pack("!BBHHH", 3, 1, 0, 0, 0)
    udp = bytearray(QUOTED4)
    udp[9] = 17
    assert echo.parse(4, IPV4_HEADER + error + bytes(udp) + bytes(8)) is None
    assert echo.parse(4, IPV4_HEADER + error + QUOTED4 + b"\0" * 8) is None


@given(st.binary(max_size=120), st.sampled_from([4, 6]))
def test_no_datagram_breaks_the_parser(datagram, version):
    echo.parse(version, datagram)
    echo.parse(version, IPV4_HEADER + datagram)


@given(st.binary(max_size=64))
def test_the_checksum_checks_itself(payload):
    assert echo.checksum(echo.request(4, 1, 2, payload)) == 0


def test_payloads_have_the_size_asked_for():
    assert [len(echo.payload_of(b"0123456789abcdef", size)) for size in (0, 5, 56)] == [0, 5, 56]


SAVED = """# Generated by iptables-save
*filter
:INPUT ACCEPT [10:800]
:DOCKER - [0:0]
[5:420] -A INPUT -i br-1 -j DOCKER
[1:84] -A DOCKER -d 172.18.0.2/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
COMMIT
"""


def test_a_saved_firewall_is_read():
    chains = firewall.parse(SAVED)
    assert [(chain.table, chain.name, chain.policy) for chain in chains] == [
        ("filter", "INPUT", "ACCEPT"),
        ("filter", "DOCKER", None),
        ("nat", "POSTROUTING", "ACCEPT"),
    ]
    assert chains[0].rules == ((5, 420, "-A INPUT -i br-1 -j DOCKER"),)
    assert chains[1].rules[0][2].endswith("--dport 80 -j ACCEPT")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "web"}, "web"),
        ({"name": "web", "port": 8080}, "web:8080"),
        ({"address": "10.0.0.1"}, "10.0.0.1"),
        ({"address": "fd00::1", "port": 81}, "[fd00::1]:81"),
        ({"name": "web", "http_host": "shop.example"}, "shop.example"),
    ],
)
def test_the_host_header(fields, expected):
    request = ProbeRequest(Protocol.HTTP, **fields)
    assert http.host_header(request, request.address or "10.0.0.1", request.port or 80) == expected


VALUES = [
    ProbeRequest(Protocol.ICMP, name="db", allowed_subnets=("10.0.0.0/8",), reverse_lookup=True),
    Measurement(
        Verdict.REACHABLE,
        "10.0.0.1",
        1,
        1,
        None,
        RoundTrip(1, 2, 3, 4, 5, 6),
        Phases(0.1),
        "x",
        ("10.0.0.1",),
        "s",
        "r",
        200,
    ),
    Measurement(Verdict.UNREACHABLE, reason=Reason.MESSAGE_TOO_LONG, path_mtu_bytes=1300),
    SweepPlan(
        Protocol.TCP,
        (SweepSource(3, Place("f" * 64, "a", 7, "/n"), (SweepTarget(1, "10.0.0.2"), SweepTarget(2, None, "db"))),),
        port=80,
        allowed_subnets=(),
    ),
    SweepRow(
        3, (SweepOutcome(1, Verdict.REACHABLE, 0.5), SweepOutcome(2, Verdict.INCONCLUSIVE, None, Reason.DEADLINE))
    ),
    HostObservation(
        Observation(7, (), None, (), None, None, (("a", "b"),)),
        True,
        None,
        ndp_proxies=NdpProxies((("fd00::2", "eth0"), ("fd00::3", None)), ("all",)),
    ),
]


def test_rules_survive_the_way_over_the_wire():
    rules = FirewallRules((FirewallChain("t", "n", None, ((1, 2, "r"),)),), None, "", (("a", "1"),), DockerRules(True))
    read = from_json(FirewallRules, to_json(rules))
    # Rules are compared by identity.
    assert astuple(read) == astuple(rules)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_survive_the_way_over_the_wire(value):
    assert from_json(type(value), to_json(value)) == value


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (ProbeRequest, {"protocol": "telnet"}),
        (ProbeRequest, {"protocol": "icmp", "count": "3"}),
        (ProbeRequest, {"protocol": "icmp", "count": True}),
        (ProbeRequest, {"protocol": "icmp", "surplus": 1}),
        (ProbeRequest, {}),
        (ProbeRequest, []),
        (SweepRow, {"index": 1, "outcomes": {}}),
        (FirewallChain, {"table": "t", "name": "n", "policy": None, "rules": [[1, 2]]}),
    ],
)
def test_what_does_not_fit_is_refused(kind, data):
    with pytest.raises(CodecError):
        from_json(kind, data)


def test_the_budget_is_half_the_limit_and_below_the_soft_one():
    assert limit_of(TableUsage(0, 512, 1024)) == 512
    assert limit_of(TableUsage(0, 300, 1024)) == 300
    assert limit_of(TableUsage(0, 16_384, 8192)) == 4096


def test_a_budget_counts_others_and_frees_what_is_released():
    others = TableUsage(90, 512, 1024)
    budget = TableBudget({}, lambda: others, limit=100)
    keys = tuple((0, 0, bytes([number])) for number in range(12))
    held = budget.reserve(keys[:8])
    assert held == keys[:8]
    assert budget.reserve(keys[8:11]) is None
    assert budget.reserve(keys[:1]) == keys[:1], "an entry that is held anyway costs nothing"
    assert budget.reserve(keys[8:10]) == keys[8:10]
    budget.release(held)
    budget.release(keys[:1])
    assert not budget.idle
    budget.flush()
    assert budget.reserve(keys[10:12]) is not None


def test_others_entries_leave_a_part_of_what_is_free():
    calm = TableUsage(900, 512, 1024, since_collection_s=30.0)
    budget = TableBudget({}, lambda: calm)
    keys = tuple((0, 0, bytes([number])) for number in range(40))
    assert budget.reserve(keys[:31]) == keys[:31], "a quarter of 124"
    assert budget.reserve(keys[31:33]) is None


@pytest.mark.parametrize(
    ("entries", "since_s", "fitting"), [(1022, 30.0, 0), (1022, CALM_S, FEWEST), (1500, 1.0, FEWEST)]
)
def test_a_table_that_seems_full_gets_a_few_entries_where_it_may_not_be(entries, since_s, fitting):
    room = TableRoom(TableUsage(entries, 512, 1024, since_s), None, 1.0, 0.0)
    assert [room.fits(count, 0, 0, 0) for count in (1, FEWEST, FEWEST + 1)] == [fitting > 0, fitting > 0, False]


def test_what_the_kernel_bears_without_a_collection_may_double():
    room = TableRoom(TableUsage(1500, 512, 1024, CALM_S), None, 1.0, 0.0)
    room.count(TableUsage(1504, 512, 1024, CALM_S), 4, 0.1)
    assert room.fits(8, 0, 0, 0)
    assert not room.fits(9, 0, 0, 0)
    room.count(TableUsage(1500, 512, 1024, CALM_S), 0, 0.2)
    assert not room.fits(9, 0, 0, 0), "nothing was tried meanwhile"
    room.count(TableUsage(1500, 512, 1024, 5.05), 8, 0.3)
    assert not room.fits(9, 0, 0, 0), "a part of them may have been made when no collection was due"
    room.count(TableUsage(1500, 512, 1024, 5.5), 400, 0.4)
    assert room.fits(512, 0, 0, 0)
    assert not room.fits(513, 0, 0, 0), "never more than on an empty machine"
    room.count(TableUsage(1500, 512, 1024, 0.05), 400, 0.5)
    assert not room.fits(FEWEST + 1, 0, 0, 0), "the kernel collected"
    assert room.refused_at == -math.inf
    room.count(TableUsage(1500, 512, 1024, 6.0, refused=1), 4, 0.6)
    assert not room.fits(1, 0, 0, 0), "the kernel refused"
    assert room.refused_at == 0.6


def test_entries_that_cannot_be_deleted_use_up_the_share_until_they_are_needed_again():
    budget = TableBudget({}, lambda: TableUsage(1500, 512, 1024))
    one, two, three = ((0, 0, bytes([number])) for number in range(3))
    budget.release(budget.reserve((one, two, three)))
    assert budget.reserve(((0, 0, b"a"), (0, 0, b"b"))) is None
    assert budget.reserve((one, two)) == (one, two)
    assert budget.reserve(((0, 0, b"a"),)) is not None


def test_packets_to_one_next_hop_share_their_entries_until_the_last_is_answered():
    table = TableBudget({}, lambda: TableUsage(0, 512, 1024), limit=3)
    one, other = (Reservation(table, tuple((0, 0, bytes([n])) for n in numbers), False) for numbers in ((1, 2), (3, 4)))
    assert one.take()
    assert one.take(), "the entries are there"
    assert not other.take(), "they leave room for one entry, not for two"
    one.release()
    assert not other.take(), "a packet still needs them"
    one.release()
    assert other.take()
    other.release()
    assert one.take(), "reserved again"
    assert not other.take()


def test_threads_that_send_to_one_next_hop_leave_nothing_reserved():
    route = Route(2, b"\x0a\x00\x00\x01", None)
    namespace = SimpleNamespace(
        inode=1, addresses={}, is_local=lambda _: False, route=lambda _: route, source_towards=lambda *_: None,
        foreign_entries=set(), foreign_read_at=math.inf, delete=lambda _: None,
    )  # fmt: skip
    table = TableBudget({1: namespace}, lambda: TableUsage(0, 512, 1024))
    budget = NeighbourBudget([namespace], {4: table, 6: table})

    def packets():
        for _ in range(2000):
            budget.release(budget.reserve(namespace, b"\x0a\x01\x00\x01"))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as threads:
            for future in [threads.submit(packets) for _ in range(2)]:
                future.result()
    finally:
        sys.setswitchinterval(before)
    table.flush()
    assert table.idle


def test_a_loop_that_fails_stops_the_other():
    class Failing:
        def run(self, _stopped, _ends):
            raise MemoryError

    class Waiting:
        stopped = None

        def run(self, stopped, _ends):
            self.stopped = wait_until(stopped, 5)

    waiting = Waiting()
    with pytest.raises(MemoryError):
        run_loops([waiting, Failing()], lambda: False, math.inf)
    assert waiting.stopped


def test_a_budget_deletes_and_counts_now_and_then_or_when_nothing_fits(monkeypatch):
    now, counts = [0.0], []
    monkeypatch.setattr("bridgework.matrix.neighbour_budget.time.monotonic", lambda: now[0])
    budget = TableBudget({}, lambda: counts.append(now[0]) or TableUsage(0, 512, 1024), limit=100)

    def one(number):
        held = budget.reserve(((0, 0, bytes([number])),))
        budget.release(held)
        budget.delete_released()

    for number in range(100):
        one(number)
    assert counts == [0.0], "only at the start"
    assert not budget.idle
    one(100)
    assert counts == [0.0, 0.0], "what was released goes when its room is needed"
    now[0] = FLUSH_EVERY_S + 0.01
    one(101)
    assert counts == [0.0, 0.0, now[0]]
    assert budget.idle


def test_the_pace_gives_no_more_than_its_rate(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("bridgework.matrix.rate_limiter.time.monotonic", lambda: now[0])
    limiter, sent = RateLimiter(1000), 0
    for _ in range(1000):
        now[0] += 0.001
        taken = limiter.take()
        unused = taken // 2
        limiter.give_back(unused)
        sent += taken - unused
    assert 995 <= sent <= 1001
    now[0] += 10
    assert limiter.take() <= 5, "what was not used is not saved up"
