"""What asks a program to stop: it waits while something must not end halfway, and comes once."""

import signal
import subprocess
import sys
import textwrap

import pytest

from tools.engine.interrupts import held_back


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_waits_until_the_block_has_ended(number):
    done = program(f"""
        raise_once()
        try:
            with held_back(lambda: print("waits", flush=True)):
                os.kill(os.getpid(), {int(number)})
                print("went on", flush=True)
        except KeyboardInterrupt:
            print("came", flush=True)
    """)
    assert done.stdout.split("\n") == ["waits", "went on", "came", ""]


def test_cleaning_up_is_not_interrupted_by_the_next_signal():
    done = program("""
        raise_once()
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGHUP)
            print("cleaned up", flush=True)
    """)
    assert (done.stdout, done.returncode) == ("cleaned up\n", 0)


def test_a_signal_that_is_ignored_stays_ignored():
    done = program("""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        raise_once()
        with held_back(lambda: print("told", flush=True)):
            os.kill(os.getpid(), signal.SIGHUP)
    """)
    assert (done.stdout, done.returncode) == ("", 0)


def test_a_child_gets_the_signal_and_cleans_up_before_its_parent_goes_on():
    done = program("""
        raise_once()
        child = "import os, signal, time; signal.signal(15, lambda *_: (print('cleaned up', flush=True), os._exit(3)))"
        child += "; os.kill(os.getppid(), 15); time.sleep(30)"
        try:
            attend([sys.executable, "-c", child])
        except KeyboardInterrupt:
            print("then the parent", flush=True)
    """)
    assert done.stdout == "cleaned up\nthen the parent\n"


def test_a_signal_that_was_taken_does_not_come():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with held_back() as held:
            signal.raise_signal(signal.SIGINT)
            assert held.take()
    finally:
        signal.signal(signal.SIGINT, before)


def program(text):
    head = "import os, signal, sys\nfrom tools.engine import attend, held_back, raise_once\n"
    # A shell starts its background jobs with SIGINT ignored and nohup ignores SIGHUP; a program inherits both.
    head += "signal.signal(signal.SIGINT, signal.default_int_handler); signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
    return subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(text)], capture_output=True, text=True, check=False, timeout=60
    )
