"""Ctrl-C, a service manager's stop and a closed terminal, for programs that must not end halfway."""

import contextlib
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing. ``SIG_IGN`` would also hold for the programs that are started later."""


def raise_once() -> None:
    """Raise ``KeyboardInterrupt`` at the first of the signals, and ignore the others, so that cleaning up goes on.

    One Ctrl-C arrives twice where a parent passes on what the terminal has sent to the whole process group. A signal
    that is ignored already, as under ``nohup``, stays ignored.
    """
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def first(_number: int, _frame: FrameType | None) -> None:
        for number in heard:
            signal.signal(number, _ignore)
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, first)


@dataclass
class HeldBack:
    """The signals of one block: the first that came, and the program that gets them at once."""

    tell: Callable[[], None]
    came: int | None = None
    child: subprocess.Popen[Any] | None = None

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Keep the first signal, and pass on each."""
        if self.came is None:
            self.came = number
            self.tell()
        self._pass_on(number)

    def pass_on_to(self, child: subprocess.Popen[Any]) -> None:
        """Pass on what comes to a program, and what has come while it was started."""
        self.child = child
        if self.came is not None:
            self._pass_on(self.came)

    def take(self) -> bool:
        """Return whether a signal came, which is then not raised at the end of the block."""
        came, self.came = self.came, None
        return came is not None

    def _pass_on(self, number: int) -> None:
        if self.child is not None:
            with contextlib.suppress(PermissionError, ProcessLookupError):  # sudo's child hears the terminal itself
                self.child.send_signal(number)


@contextlib.contextmanager
def held_back(tell: Callable[[], None] = lambda: None) -> Iterator[HeldBack]:
    """Let the signals wait until the block has ended; then the first of them comes as if it were sent now.

    ``tell`` is called when the first signal comes: it says what the person waits for. In a thread other than the main
    one nothing is held back, because Python gives signals to the main thread alone.
    """
    held = HeldBack(tell)
    if threading.current_thread() is not threading.main_thread():
        yield held
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in heard:
        signal.signal(number, held.hear)
    try:
        yield held
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
        if held.came is not None:
            signal.raise_signal(held.came)
