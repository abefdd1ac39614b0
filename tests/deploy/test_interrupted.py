"""Ctrl-C, a closed terminal and a killed machine during the first `make run` and `make demo`, on a bare Debian root.

What was begun is finished or taken back, and the next start works. Each test is one root: the start is interrupted at
the first line that was not interrupted before, until it comes to its end.
"""

import itertools
import re
import signal
import time

import pytest

from tests.support.bare_root import bare_root

READY = "Bridgework is ready at "
AT_BOOT = "ls /etc/rc?.d 2>/dev/null | grep '^S..docker' || true"
PLACES = "/usr/sbin/policy-rc.d /var/lib/bridgework-installing /tmp/* /run/bridgework-* /run/netns/*"
SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


@pytest.fixture
def root():
    with bare_root() as made:
        yield made


def step(line):
    """The line without what differs between two starts, if it tells of a step of the start.

    Of the demo's commands, which all wait in the same place, the first and those about the first fault are taken.
    """
    if re.match(
        r"(Starting|Installing|Making|No engine|The engine|Three projects|1\. |\$ .*(containers|web-1 api))", line
    ):
        return re.sub(r"\d+", "0", line)
    return None


def interrupt(root, done, command, number):
    """Start, interrupt at the first step that is not in ``done``, and return the session; None at the end."""
    session = root.start(*command)
    for line in session.lines():
        name = step(line)
        if name and READY not in line and name not in done:
            done.append(name)
            session.send(number)
            break
        if READY in line:
            break
    else:
        return session, None
    if READY in line:
        session.send(signal.SIGINT)
        name = None
    session.end()
    return session, name


def nothing_is_broken(root, session):
    """No half installed package, no policy, no Docker at boot, and no Python traceback."""
    assert root.run("dpkg", "--audit") == "", session.output
    assert root.run("sh", "-c", AT_BOOT) == "", session.output
    assert "Traceback" not in "\n".join(session.output)


def left(root):
    """What is left two seconds after the end at the latest: the kernel ends processes that were killed by and by."""
    for _ in range(20):
        found = root.processes() + root.run("sh", "-c", f"ls -d {PLACES} 2>/dev/null || true").splitlines()
        if not found:
            break
        time.sleep(0.1)
    return found


def test_make_run_at_each_line(root):
    done = []
    for number in itertools.cycle(SIGNALS):
        session, at = interrupt(root, done, ["make", "run"], number)
        nothing_is_broken(root, session)
        if "The engine answers at" not in "\n".join(session.output) and not whole(root):
            assert left(root) == [], (at, session.output)
        if at is None:
            break
    assert READY in "\n".join(session.output), session.output
    assert {"Starting dockerd", "Starting gunicorn on 0.0.0.0:0"} <= set(done)
    assert any(name.startswith("Installing Debian packages: docker.io") for name in done)
    root.run("make", "clean-engine")
    assert left(root) == []


def whole(root):
    """Whether the engine of an earlier start runs: Ctrl-C does not remove it."""
    return "dockerd" in " ".join(root.processes())


def test_make_demo_at_each_line(root):
    done = []
    for number in itertools.cycle(SIGNALS):
        session, at = interrupt(root, done, ["make", "demo"], number)
        nothing_is_broken(root, session)
        assert left(root) == [], (at, session.output)
        if at is None:
            break
    assert "5 passed, 0 failed, 0 error" in session.output, session.output
    assert sum(name.startswith("$ bridgework") for name in done) == 3


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
