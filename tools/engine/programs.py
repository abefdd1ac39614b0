"""Programs of the system, and what is said to the person who waits for them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from tools.engine.interrupts import held_back

# A login through su often leaves the administrators' folders out of PATH.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])


class EngineError(Exception):
    """Says in a sentence why the engine could not be had, or not be removed."""


def say(text: str) -> None:
    """Tell the person what is happening, apart from the program's output."""
    with contextlib.suppress(OSError):  # the terminal is closed, and what must be cleaned up is cleaned up all the same
        print(text, file=sys.stderr, flush=True)


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a system program; a failure becomes a sentence with the program's own words.

    The program has a session of its own, so a Ctrl-C in the terminal reaches this process only. When it is interrupted,
    the program and what that started are killed; ``held_back`` prevents this.
    """
    environment = {**os.environ, "PATH": SEARCH_PATH, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
    child: subprocess.Popen[str] | None = None
    try:
        with held_back():  # interrupted inside of Popen, the program would run on, and not be known here
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
                start_new_session=True,
            )
        output, errors = child.communicate()
    except BaseException:
        if child is not None and child.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # a program that has just ended
                os.killpg(child.pid, signal.SIGKILL)
            child.kill()
            child.wait()
        raise
    if check and child.returncode:
        raise EngineError(f"`{' '.join(command)}` failed: {(errors or output).strip()[-1500:]}")
    return subprocess.CompletedProcess(command, child.returncode, output, errors)


def attend(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its own end: what asks this process to stop is passed on, and the program cleans up.

    ``subprocess.run`` kills its program a quarter of a second after Ctrl-C. ``options`` are those of ``Popen``.
    """
    with held_back() as held:
        child = subprocess.Popen(command, text=True, **options)
        held.pass_on_to(child)
        output, _ = child.communicate()
    return subprocess.CompletedProcess(command, child.returncode, output)


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait for a condition, no longer than the time given."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.03)
    return True


def become_root() -> None:
    """Go on as root, through sudo where that is needed and there."""
    if os.geteuid() == 0:
        return
    if not shutil.which("sudo"):
        raise EngineError("A private engine needs root, and there is no sudo here: run this as root.")
    say("A private engine needs root: going on through sudo")
    raise SystemExit(attend(["sudo", "--", sys.executable, *sys.orig_argv[1:]]).returncode)
