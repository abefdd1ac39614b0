"""Ctrl-C, a closed terminal and a killed machine during the first `make run` and `make demo`, on a bare Debian root.

What was begun is finished or taken back, and the next start works. In a root, each start is interrupted at the first
line at which no start was interrupted before, in one of three ways in turn, until a start comes to its end. So the
lines are those that the programs print, and each start but the first is one after an interrupted start.
"""

import itertools
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.bare_root import bare_root

READY = "Bridgework is ready at "
LAST = "Ctrl-C stops the service."
"""The last line that `make run` prints by itself."""
AT_BOOT = "ls /etc/rc?.d 2>/dev/null | grep '^S..docker' || true"
PLACES = "/usr/sbin/policy-rc.d /var/lib/bridgework-installing /tmp/* /run/bridgework-* /run/netns/*"
OF_THE_ENGINE = re.compile(r"(/\S+/)?(dockerd|containerd) --|/run/(netns/)?bridgework-run-\w+$")
SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
ROOTS = 3
VARIES = re.compile(r"\b(veth|br-)?[0-9a-f]{7,}\b|[0-9]+")
"""Names and numbers that differ between two starts: of links, processes and ports, the token, and times."""


@pytest.fixture
def root():
    with bare_root() as made:
        yield made


class Lines:
    """The lines at which a start was interrupted in any of the roots. Equal lines of one start are told by number."""

    def __init__(self):
        self.interrupted = set()
        self._lock = threading.Lock()

    def new(self, output):
        """Whether no start was interrupted at the last line of this output yet. From now on, one was.

        An indented line is printed together with the line before it, unless that is the command of the demo.
        """
        plain = [VARIES.sub("0", line) for line in output]
        if not plain[-1] or (plain[-1].startswith(("  ", "- ")) and not plain[-2].startswith("$ ")):
            return False
        line = (plain[-1], plain.count(plain[-1]))
        with self._lock:
            known = line in self.interrupted
            self.interrupted.add(line)
        return not known


def interrupted_at_each_line(command, lines, check):
    """Start in one root again and again, and interrupt each start at its first new line, until there is none.

    ``check`` gets the root, what the starts before printed, and the session that has ended.
    """
    with bare_root() as root:
        before = []
        numbers = itertools.cycle(SIGNALS)
        stopped = True
        while stopped:
            session = root.start(*command)
            stopped = False
            for line in session.lines():
                if not stopped and lines.new(session.output):
                    stopped = True
                    session.send(next(numbers))
                elif line.startswith(LAST):
                    session.send(signal.SIGINT)
            session.end()
            check(root, before, session)
            before += session.output
        return session.output


def in_several_roots(command, check):
    """Interrupt at each line, in several roots at once; return the lines, and what the last start in each printed."""
    lines = Lines()
    with ThreadPoolExecutor(ROOTS) as pool:
        ends = [pool.submit(interrupted_at_each_line, command, lines, check) for _ in range(ROOTS)]
    return [line for line, _ in lines.interrupted], [end.result() for end in ends]


def nothing_is_broken(root, session):
    """No half installed package, no policy, no Docker at boot, and no Python traceback."""
    assert root.run("dpkg", "--audit") == "", session.output
    assert root.run("sh", "-c", AT_BOOT) == "", session.output
    assert "Traceback" not in "\n".join(session.output)


def left(root, but=None):
    """What is left when cleaning up has ended. A closed terminal does not tell when: all is there for some seconds."""
    for _ in range(300):
        found = root.processes() + root.run("sh", "-c", f"ls -d {PLACES} 2>/dev/null || true").splitlines()
        found = [each for each in found if not (but and but.match(each))]
        if not found:
            break
        time.sleep(0.1)
    return found


def nothing_is_left(root, _before, session):
    nothing_is_broken(root, session)
    assert left(root) == [], session.output


def no_more_than_the_engine_is_left(root, before, session):
    """Ctrl-C does not remove an engine that was started whole."""
    nothing_is_broken(root, session)
    whole = any(line.startswith(("Making the image", "The engine answers at")) for line in before + session.output)
    assert left(root, OF_THE_ENGINE if whole else None) == [], session.output


def test_make_run_at_each_line():
    lines, ends = in_several_roots(["make", "run"], no_more_than_the_engine_is_left)
    for end in ends:
        assert any(READY in line for line in end), end
    assert {"Starting dockerd", "Starting gunicorn on 0.0.0.0:0"} <= set(lines)
    assert any(line.startswith("Installing Debian packages: docker.io") for line in lines)
    assert any(line.startswith(LAST) for line in lines)


def test_make_demo_at_each_line():
    lines, ends = in_several_roots(["make", "demo"], nothing_is_left)
    for end in ends:
        assert "5 passed, 0 failed, 0 error" in end, end
    assert any(line.startswith("Installing Debian packages: docker.io") for line in lines)
    assert sum(line.startswith("$ bridgework ") for line in lines) == 12
    assert any(line.startswith("Removed the engine ") for line in lines)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("target", ["run", "demo"])
def test_while_dpkg_works(root, target, number):
    root.run("scripts/bootstrap")
    session = root.start("make", target)
    until_dpkg_unpacks(root, session)
    session.send(number)
    session.end()
    nothing_is_broken(root, session)
    assert left(root) == []
    assert root.run("which", "dockerd", "iptables", "busybox").count("\n") == 3, "it was finished"


def test_a_machine_that_loses_power_while_dpkg_works_is_repaired_by_the_next_start(root):
    root.run("scripts/bootstrap")
    session = root.start("make", "run")
    until_dpkg_unpacks(root, session)
    root.kill_everything()
    session.end()
    assert "/usr/sbin/policy-rc.d" in left(root)
    again = root.start("make", "run")
    for line in again.lines():
        if READY in line:
            again.send(signal.SIGINT)
    again.end()
    assert any(line.startswith("Finishing an installation of Debian packages") for line in again.output), again.output
    assert any(READY in line for line in again.output), again.output
    nothing_is_broken(root, again)
    root.run("make", "clean-engine")
    assert left(root) == []


def until_dpkg_unpacks(root, session):
    for line in session.lines():
        if line.startswith("Installing Debian packages: docker.io"):
            break
    for _ in range(600):
        if "--unpack" in " ".join(root.processes()):
            return
    pytest.fail("dpkg was not seen at work")
