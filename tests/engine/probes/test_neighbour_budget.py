"""A matrix harms nobody: the neighbour table stays within the budget, and other people's entries stay theirs."""

import os
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bridgework.matrix.namespaces import read_namespace
from bridgework.model.checks import Protocol, Reason, Verdict
from bridgework.model.probe_port import SweepPlan, SweepSource, SweepTarget
from bridgework.probes.kernel import neighbour_table
from bridgework.probes.kernel.neighbour_table import read_usage
from bridgework.probes.kernel.setns import run_inside
from bridgework.runners.namespace_runner import NamespaceRunner
from tests.support.service import until

pytestmark = pytest.mark.slow

BUDGET = 60
LENGTHS = {"arp_cache": 4, "ndisc_cache": 16}
"""Of the addresses that a table holds."""
NOISE = 30
"""A lab's own links make and lose entries too while a test counts."""


def is_ours(address):
    """Not the groups that every link joins when it comes up, at moments of its own."""
    if len(address) == 4:
        return address[0] < 224
    return address[0] != 0xFF or address.startswith(bytes.fromhex("ff0200000000000000000001ff0000"))


class Entries:
    """The entries of every namespace of a lab, and their highest number at one moment."""

    def __init__(self, lab):
        self.spaces = {}
        for member in [*lab.members, lab.router]:
            descriptor = os.open(member.path, os.O_RDONLY)
            self.spaces[member.namespace] = run_inside(
                descriptor, lambda at=descriptor: read_namespace(os.fstat(at).st_ino)
            )
            os.close(descriptor)
        self.peak = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def now(self):
        with self._lock:
            return self._read()

    def number(self, table):
        """How many there are of one family."""
        return sum(len(entry[1]) == LENGTHS[table] for found in self.now().values() for entry in found)

    def _read(self):
        return {name: {e for e in space.entries() if is_ours(e[1])} for name, space in self.spaces.items()}

    def _watch(self):
        while not self._over.is_set():
            self.peak = max(self.peak, sum(map(len, self.now().values())))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        for space in self.spaces.values():
            space.close()


@pytest.fixture
def host_of():
    """A process that stands for the engine's, in the router's namespace."""
    processes = []

    def start(world):
        router = Path(world.lab.router.path).stat().st_ino
        processes.append(subprocess.Popen(["nsenter", f"--net={world.lab.router.path}", "sleep", "600"]))
        entered = Path(f"/proc/{processes[-1].pid}/ns/net")
        until(lambda: entered.stat().st_ino == router, 30, "the process's entry into the namespace")
        return processes[-1].pid

    yield start
    for process in processes:
        process.kill()
        process.wait()


def plan_of(world, protocol=Protocol.ICMP, family="address", **fields):
    members = world.lab.members
    sources = tuple(
        SweepSource(
            at,
            member.place(),
            tuple(SweepTarget(to, getattr(m, family)) for to, m in enumerate(members) if m is not member),
        )
        for at, member in enumerate(members)
    )
    return SweepPlan(protocol, sources, **{"timeout_ms": 2000, "port": 80, **fields})


def expect_the_truth(world, rows):
    assert sorted(row.index for row in rows) == list(range(len(world.lab.members)))
    for row in rows:
        assert len(row.outcomes) == len(world.lab.members) - 1
        for outcome in row.outcomes:
            same = world.lab.members[row.index].network == world.lab.members[outcome.index].network
            expected = (Verdict.REACHABLE, None) if same else (Verdict.UNREACHABLE, Reason.TIMED_OUT)
            assert (outcome.verdict, outcome.reason) == expected, (row.index, outcome)


@pytest.fixture
def limited(host_of, monkeypatch):
    """A runner with room for so many entries more than the lab has.

    The kernel counts the entries of the whole machine. Those that other tests make meanwhile would use up this room, so
    the lab's own are counted in their place.
    """

    def make(world, entries, room=BUDGET):
        def usage(sock, table):
            return replace(read_usage(sock, table), entries=entries.number(table))

        pid = host_of(world)
        monkeypatch.setattr(neighbour_table, "read_usage", usage)
        limit = max(map(entries.number, LENGTHS)) + room
        return NamespaceRunner(lambda: pid, neighbour_limit=limit)

    return make


def test_a_big_matrix_keeps_to_a_small_budget_and_is_right(make_world, limited):
    world = make_world(4, 16)
    with Entries(world.lab) as entries:
        runner = limited(world, entries)
        before = entries.now()
        rows = list(runner.sweep(plan_of(world)))
        after = entries.now()
    expect_the_truth(world, rows)
    assert 20 < entries.peak <= BUDGET + NOISE, "the ways to the gateway alone would make 128, the pairs 960"
    assert after == before


def test_over_ipv6_too(make_world, limited):
    world = make_world(2, 8)
    for member in world.lab.members:
        member.ip("-6", "route", "add", "default", "via", f"fd77:{member.network}::1")
    time.sleep(1)  # until every link has joined its groups: those are entries too, and would take the room
    with Entries(world.lab) as entries:
        runner = limited(world, entries)
        before = entries.now()
        rows = list(runner.sweep(plan_of(world, family="address6")))
        after = entries.now()
    expect_the_truth(world, rows)
    left = {name: after[name] - before[name] for name in after}
    assert not any(left.values()), left


@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.UDP])
def test_connections_are_cleaned_up_after_too(make_world, limited, protocol):
    world = make_world(2, 4)
    if protocol is Protocol.TCP:
        for member in world.lab.members:
            world.serve(member, "tcp", 80)
    with Entries(world.lab) as entries:
        runner = limited(world, entries)
        before = entries.now()
        list(runner.sweep(plan_of(world, protocol)))
        time.sleep(1.5)
        assert entries.now() == before


def test_entries_that_were_there_stay(make_world, limited):
    world = make_world(1, 6)
    own = world.lab.members[0]
    third = world.lab.members[2]
    own.ip("neigh", "add", third.address, "lladdr", mac_of(third), "nud", "stale", "dev", "eth0")
    own.ip("neigh", "add", "10.77.0.3", "lladdr", mac_of(world.b), "nud", "permanent", "dev", "eth0")
    own.ip("neigh", "add", "10.77.0.200", "lladdr", "02:00:00:00:00:01", "nud", "stale", "dev", "eth0")
    with Entries(world.lab) as entries:
        before = entries.now()
        expect_the_truth(world, list(limited(world, entries).sweep(plan_of(world))))
        assert entries.now() == before
    assert len(own.neighbours()) == 3


def mac_of(member):
    return member.ip("-br", "link", "show", "eth0").split()[2]


def test_without_room_it_says_so_and_never_unreachable(make_world, host_of):
    world = make_world(1, 4)
    known = world.lab.members[2]
    world.a.ip("neigh", "add", known.address, "lladdr", mac_of(known), "nud", "permanent", "dev", "eth0")
    known.ip("neigh", "add", world.a.address, "lladdr", mac_of(world.a), "nud", "permanent", "dev", "eth0")
    runner = NamespaceRunner(lambda: host_of(world), neighbour_limit=0)
    rows = {row.index: row for row in runner.sweep(plan_of(world))}
    assert {row.index: len(row.outcomes) for row in rows.values()} == dict.fromkeys(range(4), 3)
    for row in rows.values():
        for outcome in row.outcomes:
            if {row.index, outcome.index} == {0, 2}:
                assert outcome.verdict is Verdict.REACHABLE, "it needs no new entry"
            else:
                assert (outcome.verdict, outcome.reason) == (Verdict.INCONCLUSIVE, Reason.BUDGET_EXHAUSTED)


def test_silence_while_the_kernel_refuses_entries_is_not_called_unreachable(make_world, host_of, monkeypatch):
    world = make_world(2, 2)
    counts = []

    def usage(sock, table):
        """As on a machine where another program overflows the table after the first count of each table."""
        counts.append(table)
        return replace(read_usage(sock, table), refused=len(counts))

    pid = host_of(world)
    monkeypatch.setattr(neighbour_table, "read_usage", usage)
    rows = list(NamespaceRunner(lambda: pid).sweep(plan_of(world)))
    for row in rows:
        for outcome in row.outcomes:
            if world.lab.members[row.index].network == world.lab.members[outcome.index].network:
                assert outcome.verdict is Verdict.REACHABLE, "an answer is an answer"
            else:
                assert (outcome.verdict, outcome.reason) == (Verdict.INCONCLUSIVE, Reason.BUDGET_EXHAUSTED)


def test_traffic_between_containers_loses_nothing(make_world, limited):
    world = make_world(2, 10)
    world.serve(world.b, "echo", 5001)
    over, lost = threading.Event(), []

    def talk():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((world.b.address, 5001))
            sock.settimeout(2)
            number = 0
            while not over.is_set():
                number += 1
                sock.send(number.to_bytes(4, "big"))
                try:
                    lost.extend([number] if sock.recv(64) != number.to_bytes(4, "big") else [])
                except TimeoutError:
                    lost.append(number)
            return number

    descriptor = os.open(world.a.path, os.O_RDONLY)
    said = []
    thread = threading.Thread(target=lambda: said.append(run_inside(descriptor, talk)))
    thread.start()
    try:
        with Entries(world.lab) as entries:
            runner = limited(world, entries)
            for _ in range(5):
                expect_the_truth(world, list(runner.sweep(plan_of(world))))
    finally:
        over.set()
        thread.join()
        os.close(descriptor)
    assert lost == []
    assert said[0] > 500
    assert world.b.address in world.a.neighbours()
