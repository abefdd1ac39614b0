"""What runs inside a helper container that shares the source's network: one job, answered in JSON lines.

``python -m bridgework.probes.runners.helper`` with the job as its argument. Its standard input stays open while the
runner is there: at its end the helper ends at once, in the middle of its job. Each job imports what it needs
when it begins, since the runner waits for it.

It stands in the namespace already, so it enters nothing; the container's resolver files are the source's. A blank
object now and then is a sign of life. The last line is ``{"done": true}``: without it, the answer is not whole.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from bridgework.model.checks import ProbeRequest
from bridgework.model.probe_port import Place, SweepPlan
from bridgework.probes.kernel.namespace_files import resolver_configuration
from bridgework.probes.runners.codec import from_json, to_json

ALIVE_EVERY_S = 0.2
HERE = Place(container_id=None, name="here")
SHARE_OF_LIMIT = 0.75
"""Several helpers run side by side and see only each other's effect: each stops earlier than one runner alone would."""

Say = Callable[[Mapping[str, Any]], None]


def main(argument: str, output: TextIO) -> int:
    """Do the job; 0 when it was done, 2 when it was not understood."""
    lock = threading.Lock()

    def say(answer: Mapping[str, Any]) -> None:
        with lock:
            output.write(json.dumps(answer, separators=(",", ":")) + "\n")
            output.flush()

    try:
        job = json.loads(argument)
        work = JOBS[job["job"]]
        with _alive(say):
            work(job, say)
    except (KeyError, TypeError, ValueError) as error:
        say({"error": f"this job was not understood: {error}"})
        return 2
    except BrokenPipeError:
        return 0
    say({"done": True})
    return 0


@contextmanager
def _alive(say: Say) -> Iterator[None]:
    over = threading.Event()

    def breathe() -> None:
        while not over.wait(ALIVE_EVERY_S):
            try:
                say({})
            except BrokenPipeError:
                os._exit(0)

    threading.Thread(target=breathe, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _check(job: Mapping[str, Any], say: Say) -> None:
    from bridgework.probes.runners import checking

    request = from_json(ProbeRequest, job["request"])
    configuration = resolver_configuration(HERE, pids_visible=False)
    say({"measurement": to_json(checking.check(request, configuration))})


def _observe(job: Mapping[str, Any], say: Say) -> None:
    from bridgework.probes.runners import observe

    configuration = resolver_configuration(HERE, pids_visible=False)
    say({"observation": to_json(observe.observe(job["aspects"], configuration))})


def _observe_host(job: Mapping[str, Any], say: Say) -> None:
    from bridgework.probes.runners import observe

    say({"host": to_json(observe.observe_host(firewall=job["firewall"]))})


def _sweep(job: Mapping[str, Any], say: Say) -> None:
    from bridgework.matrix.neighbour_budget import ASSUMED_USAGE, limit_of
    from bridgework.matrix.run import run_matrix
    from bridgework.matrix.source_opener import Environment
    from bridgework.probes.kernel.neighbour_table import table_usage

    usage = table_usage("arp_cache") or ASSUMED_USAGE
    environment = Environment(
        open_place=_open_here,
        enter=_stay,
        resolver=lambda _: resolver_configuration(HERE, pids_visible=False),
        neighbour_limit=int(limit_of(usage) * SHARE_OF_LIMIT),
    )
    for row in run_matrix(from_json(SweepPlan, job["plan"]), environment):
        say({"row": to_json(row)})


@contextmanager
def _open_here(_: Place) -> Iterator[int]:
    descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _stay(_: int) -> None:
    """A helper is where it should be, and may not enter anything."""


JOBS: Mapping[str, Callable[[Mapping[str, Any], Say], None]] = {
    "check": _check,
    "observe": _observe,
    "observe_host": _observe_host,
    "sweep": _sweep,
}


def run() -> int:
    """Do the job of the first argument while somebody waits for it."""
    threading.Thread(target=_end_when_nobody_waits, daemon=True).start()
    return main(sys.argv[1], sys.stdout)


def _end_when_nobody_waits() -> None:
    """Past Python's own buffer, whose lock the end of the interpreter would wait for, for a second."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(run())
