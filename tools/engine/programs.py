"""Programs of the system, and what is said to the person who waits for them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

# A login through su often leaves the administrators' folders out of PATH.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])


class EngineError(Exception):
    """Says in a sentence why the engine could not be had, or not be removed."""


def say(text: str) -> None:
    """Tell the person what is happening, apart from the program's output."""
    print(text, file=sys.stderr, flush=True)


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a system program; a failure becomes a sentence with the program's own words."""
    environment = {**os.environ, "PATH": SEARCH_PATH, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
    )
    if check and done.returncode:
        raise EngineError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done


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
    raise SystemExit(subprocess.call(["sudo", "--", sys.executable, *sys.orig_argv[1:]]))
