"""Do one job inside a network namespace, in a thread that ends with the job.

setns(2) changes the calling thread alone. A thread that has been in a namespace never goes back to a pool, or
unrelated work would find itself there.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_Result = TypeVar("_Result")


def enter(namespace_fd: int) -> None:
    """Move the calling thread into the network namespace. Raises ``OSError`` (EPERM without CAP_SYS_ADMIN)."""
    if _LIBC.setns(namespace_fd, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def run_in_thread(job: Callable[[], _Result]) -> _Result:
    """Run the job in a fresh thread, wait for it and for the thread's end; its exception is raised here."""
    outcome: Future[_Result] = Future()

    def settle() -> None:
        try:
            outcome.set_result(job())
        except BaseException as error:
            outcome.set_exception(error)

    thread = Thread(target=settle, name="namespace")
    thread.start()
    thread.join()
    return outcome.result()


def run_inside(namespace_fd: int, job: Callable[[], _Result]) -> _Result:
    """Run the job in a fresh thread inside the namespace. Raises what ``enter`` and the job raise."""

    def enter_and_do() -> _Result:
        enter(namespace_fd)
        return job()

    return run_in_thread(enter_and_do)
