"""gunicorn's settings, from ours. gunicorn runs as it comes, with its own ASGI worker."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from bridgework.lifetime import PROCESS
from bridgework.server.loop import Policy
from bridgework.settings import BadSettings, read_settings

try:
    _settings = read_settings()
except BadSettings as error:
    sys.exit(f"Bridgework does not start: {error}")

bind = _settings.bind
workers = _settings.workers
worker_class = "asgi"
asgi_loop = "asyncio"
asgi_lifespan = "off"
http_parser = "python"
timeout = int(_settings.request_timeout_s) + 30
graceful_timeout = 25
asgi_disconnect_grace_period = 0
"""gunicorn would keep a closed connection in memory so long, with 10 KiB. An answer goes on all the same (intake)."""
keepalive = 75
limit_request_line = 8190
limit_request_fields = 64
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True
worker_tmp_dir = "/dev/shm"

GARBAGE_AFTER = 20_000
"""Allocations before a garbage collection: the answer of a large engine makes more objects, and hardly any cycle."""


def _metrics_folder(given: Path | None) -> Path:
    """Prepare the folder of the workers' metrics before a worker begins: delete the files of an earlier run."""
    folder = given or Path(tempfile.mkdtemp(prefix="bridgework-metrics-", dir=worker_tmp_dir))
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.db"):
        old.unlink()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    return folder


_METRICS = _metrics_folder(_settings.metrics_dir) if workers > 1 else None
# Workers that are forked from this process know it by the same object.
if _settings.state_dir is not None or _settings.expectations_dir is not None:
    PROCESS.shared_folder = Path(tempfile.mkdtemp(prefix="bridgework-state-", dir=worker_tmp_dir))
_MASTER = os.getpid()


def on_starting(server: Any) -> None:
    """Stop at SIGHUP on a terminal, which is closed then. gunicorn would start new workers and stay for good.

    Under nohup, which ignores SIGHUP, and without a terminal gunicorn does as it does always.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDONLY))
        server.handle_hup = server.handle_term


def child_exit(_: Any, worker: Any) -> None:
    """Remove the live gauges of a worker that ended. Its counters stay in the totals."""
    for file in _METRICS.glob(f"gauge_live*_{worker.pid}.db") if _METRICS else ():
        file.unlink(missing_ok=True)


def on_exit(_: Any) -> None:
    """Leave nothing behind in memory."""
    if PROCESS.shared_folder is not None and os.getpid() == _MASTER:
        shutil.rmtree(PROCESS.shared_folder, ignore_errors=True)
    if _METRICS and _settings.metrics_dir is None:
        shutil.rmtree(_METRICS, ignore_errors=True)


def post_fork(_: Any, __: Any) -> None:
    """Make the worker use the event loop that limits its connections."""
    asyncio.set_event_loop_policy(Policy())


def post_worker_init(worker: Any) -> None:
    """Let streams and idle connections end when their worker has to end (SIGTERM, max_requests) or its master is gone.

    A worker waits for its connections, and its process for its threads, so an endless one would hold both.
    """
    # Python's own 5 ms is what a short request waits for each thread that computes, each time that it goes on. Beside a
    # plan and a matrix, a list took 8 to 13 times as long as alone; with 1 ms, 5 to 7 times.
    sys.setswitchinterval(0.001)
    gc.freeze()  # imported modules stay: no collection needs to visit them again
    gc.set_threshold(GARBAGE_AFTER)

    def ending() -> bool:
        return not worker.alive or worker.ppid != os.getppid()

    PROCESS.ends_when(ending)
    worker.loop.end_connections_when(ending)
