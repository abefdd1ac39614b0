"""The work of a matrix's thread: open everything, run the loop, clean up whatever happened.

A source that cannot be stood in gets a row that says so; it never spoils the others.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from service.core.ports import SweepPlan, SweepRow
from service.probes import descriptors, neighbour_table, reasons, rtnetlink
from service.probes.entrance import Entrance, Grounds
from service.probes.ledger import Ledger
from service.probes.pace import Pace
from service.probes.routing import Routing
from service.probes.sweep_loop import Lane, Loop

_TABLES: dict[int, neighbour_table.TableName] = {reasons.IPV4: "arp_cache", reasons.IPV6: "ndisc_cache"}
FILES_PER_SOURCE = 6


class Stage:
    """One run. ``emit`` takes the rows, ``stopped`` is asked often, ``waker`` is readable once it says yes."""

    def __init__(
        self,
        plan: SweepPlan,
        grounds: Grounds,
        emit: Callable[[SweepRow], None],
        stopped: Callable[[], bool],
        waker: int,
    ) -> None:
        self._plan, self._grounds, self._emit = plan, grounds, emit
        self._stopped, self._waker = stopped, waker
        self._ends = time.perf_counter() + plan.deadline_ms / 1000

    def run(self) -> None:
        """Emit every row exactly once, unless stopped."""
        descriptors.make_room(len(self._plan.sources) * FILES_PER_SOURCE)
        with ExitStack() as files:
            usage_socket = files.enter_context(rtnetlink.open_socket())
            entrance = Entrance(self._plan, self._grounds, files)
            entrance.open_host()
            lanes = list(self._open(entrance))
            ledgers = {
                version: Ledger(entrance.spaces, partial(_usage, usage_socket, table), self._grounds.neighbour_limit)
                for version, table in _TABLES.items()
            }
            for ledger in ledgers.values():
                files.callback(ledger.settle)
            pace = Pace(self._plan.max_packets_per_second)
            routing = Routing(entrance.spaces.values())
            loop = Loop(routing, ledgers, self._emit, pace, self._plan.timeout_ms / 1000)
            files.callback(loop.close)
            loop.watch(self._waker, lambda: None)
            for lane in lanes:
                loop.add(lane)
            loop.run(self._stopped, self._ends)

    def _open(self, entrance: Entrance) -> Iterator[Lane]:
        for number, source in enumerate(self._plan.sources):
            if self._stopped():
                return
            opened = entrance.open_lane(number, source)
            if isinstance(opened, Lane):
                yield opened
            else:
                self._emit(opened.whole())


def _usage(sock: socket.socket, table: neighbour_table.TableName) -> neighbour_table.TableUsage | None:
    try:
        return neighbour_table.read_usage(sock, table)
    except OSError:
        return None
