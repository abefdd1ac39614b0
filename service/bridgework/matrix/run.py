"""Runs a matrix: ``run_matrix`` starts a thread that opens all sources, runs the loops and cleans up."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from queue import Empty, SimpleQueue
from threading import Event

from bridgework.matrix.connect_transport import DescriptorBudget
from bridgework.matrix.epoll_dispatcher import EpollDispatcher
from bridgework.matrix.name_resolution import NameResolution, SourceResolver
from bridgework.matrix.neighbour_budget import NeighbourBudget, TableBudget
from bridgework.matrix.probe_loop import ActiveSource, ProbeLoop
from bridgework.matrix.rate_limiter import RateLimiter
from bridgework.matrix.rows import RowProgress
from bridgework.matrix.source_opener import Environment, SourceOpener
from bridgework.model.checks import Protocol, Reason
from bridgework.model.probe_port import SweepPlan, SweepRow
from bridgework.probes.kernel import neighbour_table, netlink
from bridgework.probes.kernel.namespace_files import OutOfReach
from bridgework.probes.kinds import reasons

_TABLES: dict[int, neighbour_table.TableName] = {reasons.IPV4: "arp_cache", reasons.IPV6: "ndisc_cache"}
# A netlink socket, two raw sockets or a namespace descriptor, and up to three nameservers.
FILES_PER_SOURCE = 6
MAX_CONNECTIONS = 16_384
# Threads that ping, each from a part of the sources. The kernel needs twice as long for a packet as Python, and Python
# runs one thread at a time, so two threads use two processors: 159,600 pairs take 0.6 to 1.0 s less.
PING_LOOPS = 2
# For the rest of the service.
RESERVED_FILES = 256


def run_matrix(plan: SweepPlan, environment: Environment) -> Iterator[SweepRow | None]:
    """Measure the plan and yield each source's row once, as soon as it is complete.

    ``None`` is a sign of life after ``plan.alive_every_ms`` without a row. Closing the iterator stops the probes.
    """
    rows: SimpleQueue[SweepRow | None] = SimpleQueue()
    stop = Event()
    with ExitStack() as stack:
        # The thread may wait in epoll: the eventfd wakes it after ``stop`` is set. The stack runs in reverse order.
        wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        stack.callback(os.close, wakeup)
        thread = stack.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="matrix"))
        stack.callback(os.eventfd_write, wakeup, 1)
        stack.callback(stop.set)
        future = thread.submit(_MatrixThread(plan, environment, rows.put, stop.is_set, wakeup).run)
        future.add_done_callback(lambda _: rows.put(None))
        yield from _rows(rows, plan.alive_every_s)
        future.result()


def _rows(rows: SimpleQueue[SweepRow | None], alive_every_s: float | None) -> Iterator[SweepRow | None]:
    # A ``None`` in the queue is the end; a ``None`` that is yielded is a sign of life.
    while True:
        try:
            row = rows.get(timeout=alive_every_s)
        except Empty:
            yield None
        else:
            if row is None:
                return
            yield row


def run_loops(loops: Sequence[ProbeLoop], stopped: Callable[[], bool], ends: float) -> None:
    """Run each loop in a thread of its own until all are done. When one raises, the others stop and this raises."""
    failed = Event()

    def run(loop: ProbeLoop) -> None:
        try:
            loop.run(lambda: stopped() or failed.is_set(), ends)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(max_workers=len(loops), thread_name_prefix="matrix-loop") as threads:
        for future in [threads.submit(run, loop) for loop in loops]:
            future.result()


@dataclass(slots=True)
class _MatrixThread:
    """The work of the thread. ``wakeup`` becomes readable when ``stopped`` becomes true."""

    plan: SweepPlan
    environment: Environment
    emit: Callable[[SweepRow], None]
    stopped: Callable[[], bool]
    wakeup: int
    ends: float = field(init=False)

    def run(self) -> None:
        """Emit every row exactly once, unless stopped."""
        self.ends = time.monotonic() + self.plan.deadline_ms / 1000
        with ExitStack() as files:
            opener = SourceOpener(self.plan, self.environment, files, self._descriptors(), self.ends)
            opener.read_host()
            # All sources are opened before the first packet: the budget must know every namespace.
            opened = list(self._open(opener))
            # A connection's round trip is the time between two calls of ours: a second thread would make it longer.
            loops = self._loops(opener, files, PING_LOOPS if self.plan.protocol is Protocol.ICMP else 1)
            timeout_s, allowed = self.plan.timeout_ms / 1000, self.plan.allowed_subnets
            names = [NameResolution(loop, opener.destination, timeout_s, allowed) for loop in loops]
            # In turns, so that rows are complete in about the order of the plan.
            for (source, resolver), place in zip(opened, cycle(range(len(loops))), strict=False):
                loops[place].add(source)
                if resolver is not None:
                    names[place].add(resolver)
            run_loops(loops, self.stopped, self.ends)

    def _loops(self, opener: SourceOpener, files: ExitStack, count: int) -> list[ProbeLoop]:
        usage_socket = files.enter_context(netlink.open_socket())
        tables = {
            version: TableBudget(
                opener.namespaces,
                partial(_usage, usage_socket, table),
                self.environment.neighbour_limit,
                self.environment.neighbour_share,
            )
            for version, table in _TABLES.items()
        }
        # The stack runs in reverse: close the sockets of the tries, then delete entries, then close the namespaces.
        for table in tables.values():
            files.callback(table.clean_up)
        budget = NeighbourBudget(opener.namespaces.values(), tables)
        # One limit for pings, connections and DNS queries together.
        rate_limiter = RateLimiter(self.plan.max_packets_per_second)
        return [self._loop(budget, rate_limiter, files) for _ in range(count)]

    def _loop(self, budget: NeighbourBudget, rate_limiter: RateLimiter, files: ExitStack) -> ProbeLoop:
        dispatcher = EpollDispatcher()
        files.callback(dispatcher.close)
        # Only to end the wait: the loop asks ``stopped`` on each turn.
        dispatcher.register(self.wakeup, lambda: None)
        loop = ProbeLoop(budget, dispatcher, rate_limiter, self.emit, self.plan.timeout_ms / 1000)
        files.callback(loop.close)
        return loop

    def _descriptors(self) -> DescriptorBudget:
        # For all sources, and for as many connections as the hard limit leaves; at least one, or nothing is measured.
        # More files than the soft limit allows are normal: 400 sources need 2,400, and the default limit is 1,024.
        needed = len(self.plan.sources) * FILES_PER_SOURCE
        pairs = sum(len(source.targets) for source in self.plan.sources)
        connections = 0 if self.plan.protocol is Protocol.ICMP else min(pairs, MAX_CONNECTIONS)
        return DescriptorBudget(max(1, _raise_file_limit(needed + connections) - needed))

    def _open(self, opener: SourceOpener) -> Iterator[tuple[ActiveSource, SourceResolver | None]]:
        for number, source in enumerate(self.plan.sources):
            if self.stopped():
                return
            # A source that cannot be entered gets a row that says so, and does not disturb the others.
            row = RowProgress(source)
            try:
                if time.monotonic() >= self.ends:
                    # A container can fill its namespace so that reading it takes all the time.
                    raise TimeoutError
                yield opener.open(number, row)
            except (OutOfReach, OSError) as error:
                row.fail_open(_reason(error))
                self.emit(row.result())


def _raise_file_limit(files: int) -> int:
    # Any process may raise its soft limit up to the hard one (getrlimit(2)).
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files + RESERVED_FILES and soft != hard:
        soft = files + RESERVED_FILES if hard == resource.RLIM_INFINITY else min(hard, files + RESERVED_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(0, soft - RESERVED_FILES)


def _usage(sock: socket.socket, table: neighbour_table.TableName) -> neighbour_table.TableUsage | None:
    try:
        return neighbour_table.read_usage(sock, table)
    except OSError:
        return None


def _reason(error: OutOfReach | OSError) -> Reason:
    if isinstance(error, OutOfReach):
        return error.reason
    if isinstance(error, TimeoutError):
        return Reason.DEADLINE
    if isinstance(error, PermissionError):
        return Reason.NAMESPACE_OUT_OF_REACH
    return reasons.of_errno(error.errno)
