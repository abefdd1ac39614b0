"""Do one job inside a network namespace, in a thread that ends with the job.

setns(2) changes the calling thread alone. A thread that has been in a namespace never goes back to a pool, or
unrelated work would find itself there.
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
MAX_LEFT_BEHIND = 64
"""Threads that were waited for in vain and have not ended yet, at most, in a worker."""
_LEFT_BEHIND: list[Thread] = []
_LOCK = Lock()
_Result = TypeVar("_Result")


class HeldUpError(Exception):
    """The job did not end in time."""


class TooManyHeldUpError(HeldUpError):
    """The job was not begun: too many jobs before it have not ended yet."""


def enter(namespace_fd: int) -> None:
    """Move the calling thread into the network namespace. Raises ``OSError`` (EPERM without CAP_SYS_ADMIN)."""
    if _LIBC.setns(namespace_fd, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def run_in_thread(job: Callable[[], _Result], ends: float | None = None) -> _Result:
    """Run the job in a fresh thread, wait for it and for the thread's end; its exception is raised here.

    A job should end by itself before ``ends`` (``time.monotonic``). Where it does not, ``HeldUpError`` is raised and
    its thread is left behind: a system call may wait for as long as a container wants, for example to read a file of a
    file system that a program in the container serves.
    """
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
    """Run the job in a fresh thread inside the namespace. Raises what ``run_in_thread``, ``enter`` and the job do."""
    # The thread's own: the caller may close its descriptor, and its number be another's, before a late thread enters.
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
