"""The loops of a matrix: rows as they come, sources that share a namespace or are gone, and an end without a trace."""

import ctypes
import errno
import threading
import time
from pathlib import Path

import pytest

from bridgework.matrix import datagram_batch
from bridgework.matrix.epoll_dispatcher import EpollDispatcher
from bridgework.model.checks import Protocol, Reason, Verdict
from bridgework.model.probe_port import Place, SweepPlan, SweepSource, SweepTarget
from tools.engine import wait_until


@pytest.fixture(scope="module", autouse=True)
def _servers(world):
    world.serve(world.b, "http", 80)
    world.serve(world.b, "dns", 53)
    world.serve(world.b, "echo", 7)


def sweep_one(runner, world, protocol, addresses, **fields):
    targets = tuple(SweepTarget(number, address) for number, address in enumerate(addresses))
    source = SweepSource(0, world.a.place(), targets)
    (row,) = runner.sweep(SweepPlan(Protocol(protocol), (source,), **{"timeout_ms": 2000, **fields}))
    return [outcome.reason or outcome.verdict for outcome in row.outcomes]


@pytest.mark.parametrize(
    ("protocol", "port", "silence"),
    [("http", None, Reason.TIMED_OUT), ("dns", None, Reason.TIMED_OUT), ("udp", 7, Reason.NO_ANSWER)],
)
def test_every_protocol_has_its_matrix(world, namespace_runner, protocol, port, silence):
    addresses = ["10.77.0.3", "10.77.0.4", "10.77.1.2", "127.0.0.1", "no address"]
    found = sweep_one(namespace_runner, world, protocol, addresses, port=port)
    assert found == [Verdict.REACHABLE, Reason.REFUSED, silence, Reason.REFUSED, Reason.NO_ADDRESS]


def test_a_source_pings_itself_and_its_loopback(world, namespace_runner):
    assert sweep_one(namespace_runner, world, "icmp", ["10.77.0.2", "127.0.0.1", "::1"]) == [Verdict.REACHABLE] * 3


def test_a_round_trip_ends_when_the_kernel_has_the_answer(make_world, namespace_runner, monkeypatch):
    """The answer to a ping of a batch is read 50 ms late."""
    world, dispatch = make_world(2, 2, isolated=False), EpollDispatcher.dispatch

    def late(dispatcher, wait_s):
        time.sleep(0.05)
        dispatch(dispatcher, wait_s)

    monkeypatch.setattr(EpollDispatcher, "dispatch", late)

    def round_trip_ms():
        source = SweepSource(0, world.a.place(), (SweepTarget(0, world.far.address),))
        (row,) = namespace_runner.sweep(SweepPlan(Protocol.ICMP, (source,), timeout_ms=2000))
        return row.outcomes[0].rtt_ms

    # The kernel begins to note the time in the background, a moment after it is first asked to.
    assert wait_until(lambda: round_trip_ms() < 25, 5)


def test_pings_that_the_kernel_refuses_stop_none_of_the_others(make_world, namespace_runner):
    """Pings that leave their link go by batches, of which the kernel refuses some at once."""
    world = make_world(2, 2, isolated=False)
    for route in ("prohibit 198.51.100.0/24", "unreachable 203.0.113.0/24", "prohibit 2001:db8:9::/48"):
        world.a.ip("route", "add", *route.split())
    yes, prohibited, unreachable = Verdict.REACHABLE, Reason.ADMINISTRATIVELY_PROHIBITED, Reason.HOST_UNREACHABLE
    told = {
        world.far.address: yes,
        "198.51.100.1": prohibited,
        "203.0.113.1": unreachable,
        "203.0.113.2": unreachable,
    }
    told6 = {"::1": yes, "2001:db8:9::1": prohibited, "2001:db8:9::2": prohibited}
    for asked in (told, told6, told | told6):
        assert sweep_one(namespace_runner, world, "icmp", [*asked] * 40) == [*asked.values()] * 40


def test_pings_that_found_no_room_are_sent_again(world, namespace_runner, monkeypatch):
    calls = []

    def without_room_at_times(descriptor, messages, count, flags):
        calls.append(count)
        if len(calls) % 3 == 1:
            ctypes.set_errno(errno.EAGAIN)
            return -1
        return sendmmsg(descriptor, messages, min(count, 10), flags)

    sendmmsg = datagram_batch.sendmmsg
    monkeypatch.setattr(datagram_batch, "sendmmsg", without_room_at_times)
    asked = ["127.0.0.1", "10.77.1.2"] * 50
    found = sweep_one(namespace_runner, world, "icmp", asked)
    assert found == [Verdict.REACHABLE, Reason.TIMED_OUT] * 50
    assert sum(calls) > len(asked)


def test_a_firewall_that_says_no_is_heard(world, namespace_runner):
    world.b.inside("iptables", "-A", "INPUT", "-s", world.a.address, "-p", "icmp", "-j", "REJECT")
    try:
        assert sweep_one(namespace_runner, world, "icmp", ["10.77.0.3", "10.77.0.4"]) == [
            Reason.REFUSED,
            Verdict.REACHABLE,
        ]
    finally:
        world.b.inside("iptables", "-F", "INPUT")


def test_sources_in_one_namespace_do_not_take_each_others_answers(world, namespace_runner):
    targets = (SweepTarget(0, world.b.address), SweepTarget(1, world.far.address))
    sources = tuple(SweepSource(number, world.a.place(), targets) for number in range(5))
    rows = namespace_runner.sweep(SweepPlan(Protocol.ICMP, sources, timeout_ms=2000))
    found = {row.index: [o.verdict for o in row.outcomes] for row in rows}
    assert found == {index: [Verdict.REACHABLE, Verdict.UNREACHABLE] for index in range(5)}


def test_a_source_that_is_gone_does_not_spoil_the_others(world, namespace_runner):
    gone = Place(container_id=None, name="gone", namespace_path="/run/netns/there-is-none")
    targets = (SweepTarget(0, world.b.address),)
    sources = (
        SweepSource(0, gone, targets),
        SweepSource(1, world.a.place(), targets),
        SweepSource(2, world.a.place(), ()),
    )
    rows = {row.index: row for row in namespace_runner.sweep(SweepPlan(Protocol.ICMP, sources))}
    assert rows[0].outcomes[0].reason is Reason.NAMESPACE_OUT_OF_REACH
    assert rows[1].outcomes[0].verdict is Verdict.REACHABLE
    assert rows[2].outcomes == ()


def test_rows_come_before_the_end(world, namespace_runner):
    quick = SweepSource(0, world.a.place(), (SweepTarget(0, world.b.address),))
    slow = SweepSource(1, world.b.place(), (SweepTarget(0, world.far.address),))
    started = time.monotonic()
    rows = namespace_runner.sweep(SweepPlan(Protocol.ICMP, (slow, quick), timeout_ms=60_000))
    assert next(rows).index == 0
    assert time.monotonic() - started < 30, "the other row comes after a minute"
    rows.close()


def test_a_slow_reader_changes_no_verdict(world, namespace_runner):
    targets = tuple(SweepTarget(number, world.b.address) for number in range(500))
    sources = tuple(SweepSource(number, world.a.place(), targets) for number in range(3))
    found = {}
    for row in namespace_runner.sweep(SweepPlan(Protocol.ICMP, sources, timeout_ms=2000)):
        time.sleep(0.3)
        found[row.index] = [o.verdict for o in row.outcomes]
    assert found == {index: [Verdict.REACHABLE] * 500 for index in range(3)}


def test_the_pace_is_kept(world, namespace_runner):
    started = time.monotonic()
    found = sweep_one(namespace_runner, world, "icmp", ["10.77.0.3"] * 100, max_packets_per_second=200)
    assert found == [Verdict.REACHABLE] * 100
    # A busy machine takes longer, and is never faster.
    assert time.monotonic() - started > 0.45


def test_time_outs_overlap(world, namespace_runner):
    started = time.monotonic()
    assert set(sweep_one(namespace_runner, world, "icmp", ["10.77.1.2"] * 2000, timeout_ms=300)) == {Reason.TIMED_OUT}
    assert time.monotonic() - started < 60, "one after the other they take ten minutes"


@pytest.mark.parametrize("protocol", ["icmp", "tcp"])
def test_closing_leaves_no_file_and_no_thread(world, namespace_runner, protocol):
    before = (open_files(), threading.active_count())
    targets = (SweepTarget(0, world.far.address),)
    sources = tuple(
        SweepSource(number, world.a.place(), targets * (number + 1) if number else ()) for number in range(4)
    )
    rows = namespace_runner.sweep(SweepPlan(Protocol(protocol), sources, port=80, timeout_ms=60_000))
    next(rows)
    started = time.monotonic()
    rows.close()
    assert time.monotonic() - started < 10, "the time-out of a pair is a minute"
    assert (open_files(), threading.active_count()) == before


def test_the_caller_stays_where_it_was(world, namespace_runner):
    before = Path("/proc/thread-self/ns/net").stat().st_ino
    sweep_one(namespace_runner, world, "icmp", ["10.77.0.3"])
    assert Path("/proc/thread-self/ns/net").stat().st_ino == before


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))
