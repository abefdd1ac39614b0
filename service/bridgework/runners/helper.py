"""The program in a helper container that shares the source's network: it does one job and prints JSON lines.

``python -m bridgework.runners.helper JOB``. A blank object now and then is a sign of life. The last line is
``{"done": true}``: without it the answer is not complete. The helper ends at once when its standard input ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TextIO

from bridgework.model.checks import ProbeRequest
from bridgework.model.probe_port import Place, SweepPlan
from bridgework.probes.kernel.namespace_files import resolver_configuration
from bridgework.probes.kernel.safe_read import opened
from bridgework.runners.codec import from_json, to_json

ALIVE_EVERY_S = 0.2
# The helper's own namespace. The engine mounts the source's resolver files into it.
HERE = Place(container_id=None, name="here")
# Several helpers run at the same time and see each other only in the kernel's count: each uses less than one runner
# would.
SHARE_OF_LIMIT = 0.75
Answer = Mapping[str, Any]


def main(argument: str, output: TextIO) -> int:
    """Do the job. Returns 0 when it was done, 2 when it was not understood."""
    lock = threading.Lock()

    def say(answer: Answer) -> None:
        with lock:
            output.write(json.dumps(answer, separators=(",", ":")) + "\n")
            output.flush()

    try:
        job = json.loads(argument)
        with _signs_of_life(say):
            for answer in JOBS[job["job"]](job):
                say(answer)
    except (KeyError, TypeError, ValueError) as error:
        say({"error": f"this job was not understood: {error}"})
        return 2
    except BrokenPipeError:
        return 0
    say({"done": True})
    return 0


@contextmanager
def _signs_of_life(say: Callable[[Answer], None]) -> Iterator[None]:
    over = threading.Event()

    def say_periodically() -> None:
        while not over.wait(ALIVE_EVERY_S):
            try:
                say({})
            except BrokenPipeError:
                os._exit(0)

    threading.Thread(target=say_periodically, daemon=True).start()
    try:
        yield
    finally:
        over.set()


# Each job imports what it needs when it starts: the runner waits for the imports.


def _check(job: Answer) -> Iterator[Answer]:
    from bridgework.runners import checking

    request = from_json(ProbeRequest, job["request"])
    yield {"measurement": to_json(checking.check(request, _resolver(HERE)))}


def _observe(job: Answer) -> Iterator[Answer]:
    from bridgework.runners import observe

    yield {"observation": to_json(observe.observe(job["aspects"], _resolver(HERE)))}


def _observe_host(job: Answer) -> Iterator[Answer]:
    from bridgework.runners import observe

    del job
    # A helper does not see the host's processes, and one of these may answer by NDP.
    yield {"host": to_json(replace(observe.observe_host(), ndp_proxies=None))}


def _read_firewall(job: Answer) -> Iterator[Answer]:
    from bridgework.probes.kernel.firewall import read_rules
    from bridgework.probes.kernel.rules_watch import RulesWatch
    from bridgework.runners.observe import MAX_OBSERVE_S

    del job
    with opened("/proc/thread-self/ns/net") as namespace:
        inode = os.fstat(namespace).st_ino
    yield {"firewall": to_json(read_rules(RulesWatch(), inode, time.monotonic() + MAX_OBSERVE_S))}


def _sweep(job: Answer) -> Iterator[Answer]:
    from bridgework.matrix.run import run_matrix
    from bridgework.matrix.source_opener import Environment

    environment = Environment(
        open_place=lambda _: opened("/proc/thread-self/ns/net"),
        # A helper is in the right namespace already, and has no right to enter one.
        enter=lambda _: None,
        resolver=_resolver,
        neighbour_share=SHARE_OF_LIMIT,
    )
    for row in run_matrix(from_json(SweepPlan, job["plan"]), environment):
        yield {"row": to_json(row)}


_resolver = partial(resolver_configuration, pids_visible=False)
JOBS: Mapping[str, Callable[[Answer], Iterator[Answer]]] = {
    "check": _check,
    "observe": _observe,
    "observe_host": _observe_host,
    "read_firewall": _read_firewall,
    "sweep": _sweep,
}


def _exit_at_end_of_input() -> None:
    # os.read, not sys.stdin.read: the interpreter would wait a second for the lock of Python's buffer when it ends.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    sys.exit(main(sys.argv[1], sys.stdout))
