"""A whole matrix, row by row: who opens what, in which thread, and how it ends.

One thread enters each namespace once, opens its sockets, and then runs one loop over all of them; rows come out
through a queue as soon as they are whole. Closing the iterator wakes the thread, which closes everything and ends.
Nothing is started for a pair, neither a process nor a container.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from threading import Event

from bridgework.matrix.run import MatrixThread
from bridgework.matrix.source_opener import Environment
from bridgework.model.probe_port import SweepPlan, SweepRow


def sweep(plan: SweepPlan, environment: Environment) -> Iterator[SweepRow | None]:
    """Measure the plan. Rows come in the order in which they become whole, each source's exactly once.

    ``None`` among them is a sign of life, where the plan asks for it.
    """
    rows: SimpleQueue[SweepRow | None] = SimpleQueue()
    with ExitStack() as stack:
        waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        stack.callback(os.close, waker)
        thread = stack.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="sweep"))
        stopped = Event()
        stack.callback(os.eventfd_write, waker, 1)
        stack.callback(stopped.set)
        future = thread.submit(MatrixThread(plan, environment, rows.put, stopped.is_set, waker).run)
        future.add_done_callback(lambda _: rows.put(None))
        while True:
            try:
                row = rows.get(timeout=plan.alive_every_s)
            except Empty:
                yield None
                continue
            if row is None:
                break
            yield row
        future.result()
