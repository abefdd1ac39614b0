"""Runs one job inside a network namespace, in a thread that ends with the job.

setns(2) changes the calling thread only. So such a thread never returns to a pool: unrelated work would run there.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
# Threads in a worker that did not end in time and still run.
MAX_LEFT_BEHIND = 64
_LEFT_BEHIND: list[Thread] = []
_LOCK = Lock()
_Result = TypeVar("_Result")


class HeldUpError(Exception):
    """The job did not end in time."""


class TooManyHeldUpError(HeldUpError):
    """The job was not started: too many jobs before it have not ended yet."""


def enter(namespace_fd: int) -> None:
    """Move the calling thread into the network namespace. Raises ``OSError`` (EPERM without CAP_SYS_ADMIN)."""
    if _LIBC.setns(namespace_fd, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def run_in_thread(job: Callable[[], _Result], ends: float | None = None) -> _Result:
    """Run the job in a new thread, wait for the thread's end and return the result or raise the job's exception.

    Raises:
        HeldUpError: the job did not end before ``ends`` (``time.monotonic``); its thread runs on.
    """
    # A thread cannot be ended, and a system call can wait for as long as a container wants: for example a read of a
    # file in a file system that a program in the container serves (FUSE).
    with _LOCK:
        _LEFT_BEHIND[:] = [thread for thread in _LEFT_BEHIND if thread.is_alive()]
        if len(_LEFT_BEHIND) >= MAX_LEFT_BEHIND:
            raise TooManyHeldUpError
    outcome: Future[_Result] = Future()

    def settle() -> None:
        try:
            outcome.set_result(job())
        except BaseException as error:
            outcome.set_exception(error)

    thread = Thread(target=settle, name="namespace", daemon=True)
    thread.start()
    thread.join(None if ends is None else max(0.0, ends - time.monotonic()))
    if not outcome.done():
        with _LOCK:
            _LEFT_BEHIND.append(thread)
        raise HeldUpError
    return outcome.result()


def run_inside(namespace_fd: int, job: Callable[[], _Result], ends: float | None = None) -> _Result:
    """Run the job in a new thread inside the namespace. Raises like ``run_in_thread``, ``enter`` and the job."""
    # A descriptor of the thread's own: before a late thread enters, the caller may close its one and reuse the number.
    own_fd = os.dup(namespace_fd)

    def enter_and_do() -> _Result:
        try:
            enter(own_fd)
        finally:
            os.close(own_fd)
        return job()

    try:
        return run_in_thread(enter_and_do, ends)
    except TooManyHeldUpError:
        os.close(own_fd)
        raise
