"""The work of a matrix's thread: open everything, run the loop, clean up whatever happened.

A source that cannot be stood in gets a row that says so; it never spoils the others.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from bridgework.matrix.connect_transport import DescriptorBudget
from bridgework.matrix.epoll_dispatcher import EpollDispatcher
from bridgework.matrix.name_resolution import NameResolution, SourceResolver
from bridgework.matrix.neighbour_budget import NeighbourBudget
from bridgework.matrix.neighbour_entries import NeighbourBudgets
from bridgework.matrix.neighbour_routes import EntryPrediction
from bridgework.matrix.probe_loop import ActiveSource, ProbeLoop
from bridgework.matrix.rate_limiter import RateLimiter
from bridgework.matrix.rows import RowProgress
from bridgework.matrix.source_opener import Environment, SourceOpener
from bridgework.model.checks import Protocol, Reason
from bridgework.model.probe_port import SweepPlan, SweepRow
from bridgework.probes.kernel import neighbour_table, netlink, rlimit
from bridgework.probes.kinds import reasons

_TABLES: dict[int, neighbour_table.TableName] = {reasons.IPV4: "arp_cache", reasons.IPV6: "ndisc_cache"}
FILES_PER_SOURCE = 6
MAX_CONNECTIONS = 16_384


class MatrixThread:
    """One run. ``emit`` takes the rows, ``stopped`` is asked often, ``waker`` is readable once it says yes."""

    def __init__(
        self,
        plan: SweepPlan,
        environment: Environment,
        emit: Callable[[SweepRow], None],
        stopped: Callable[[], bool],
        waker: int,
    ) -> None:
        self._plan, self._grounds, self._emit = plan, environment, emit
        self._stopped, self._waker = stopped, waker
        self._ends = time.monotonic() + plan.deadline_ms / 1000

    def run(self) -> None:
        """Emit every row exactly once, unless stopped."""
        with ExitStack() as files:
            usage_socket = files.enter_context(netlink.open_socket())
            entrance = SourceOpener(self._plan, self._grounds, files, self._room(), self._ends)
            entrance.open_host()
            opened = list(self._open(entrance))
            ledgers = self._ledgers(entrance, usage_socket)
            for budget in ledgers.values():
                files.callback(budget.settle)
            pace, timeout_s = RateLimiter(self._plan.max_packets_per_second), self._plan.timeout_ms / 1000
            watcher = EpollDispatcher()
            files.callback(watcher.close)
            watcher.watch(self._waker, lambda: None)
            loop = ProbeLoop(
                NeighbourBudgets(EntryPrediction(entrance.spaces.values()), ledgers),
                watcher,
                self._emit,
                pace,
                timeout_s,
            )
            files.callback(loop.close)
            names = NameResolution(loop, entrance.destination, timeout_s, self._plan.allowed_subnets)
            for lane, resolver in opened:
                loop.add(lane)
                if resolver is not None:
                    names.add(resolver)
            loop.run(self._stopped, self._ends)

    def _room(self) -> DescriptorBudget:
        """Files for every source, and for connections as many as the system's hard limit leaves."""
        sources = len(self._plan.sources) * FILES_PER_SOURCE
        if self._plan.protocol is Protocol.ICMP:
            return DescriptorBudget(rlimit.make_room(sources) - sources)
        pairs = sum(len(source.targets) for source in self._plan.sources)
        return DescriptorBudget(max(1, rlimit.make_room(sources + min(pairs, MAX_CONNECTIONS)) - sources))

    def _ledgers(self, entrance: SourceOpener, usage_socket: socket.socket) -> dict[int, NeighbourBudget]:
        limit = self._grounds.neighbour_limit
        return {
            version: NeighbourBudget(entrance.spaces, partial(_usage, usage_socket, table), limit)
            for version, table in _TABLES.items()
        }

    def _open(self, entrance: SourceOpener) -> Iterator[tuple[ActiveSource, SourceResolver | None]]:
        for number, source in enumerate(self._plan.sources):
            if self._stopped():
                return
            if time.monotonic() >= self._ends:
                # What the sources before this one have filled their namespaces with took all the time.
                late = RowProgress(source)
                late.give_up(Reason.DEADLINE)
                self._emit(late.whole())
                continue
            opened = entrance.open_lane(number, source)
            if not isinstance(opened, ActiveSource):
                self._emit(opened.whole())
            elif any(target.address is None and target.name is not None for target in source.targets):
                yield opened, self._open_desk(entrance, opened)
            else:
                yield opened, None

    @staticmethod
    def _open_desk(entrance: SourceOpener, lane: ActiveSource) -> SourceResolver | None:
        resolver = entrance.open_desk(lane)
        if resolver is None:
            for position, target in enumerate(lane.row.source.targets):
                if target.address is None:
                    lane.row.finish(position, Reason.NAMESPACE_OUT_OF_REACH)
        return resolver


def _usage(sock: socket.socket, table: neighbour_table.TableName) -> neighbour_table.TableUsage | None:
    try:
        return neighbour_table.read_usage(sock, table)
    except OSError:
        return None
