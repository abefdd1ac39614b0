"""The runner over helpers: what it makes of helpers that answer, fail, babble or die, and that it leaves none."""

import io
import json
import subprocess
import sys
import threading
import time

import pytest

from bridgework.model.checks import ProbeRequest, Protocol, Reason, Verdict
from bridgework.model.errors import EngineUnreachable
from bridgework.model.probe_port import Place, SweepPlan, SweepSource, SweepTarget
from bridgework.runners import helper
from bridgework.runners.helper_runner import AT_ONCE, HelperRunner
from tests.engine.probes.conftest import ROOT, NsenterLauncher

PLACE = Place("a" * 64, "web")
REQUEST = ProbeRequest(Protocol.ICMP, address="127.0.0.1")


class Lines:
    """A launcher whose helpers say what the test says."""

    def __init__(self, *said, wait_s=0.0):
        self.said, self.wait_s = said, wait_s
        self.running = self.most = self.launched = 0
        self.lock = threading.Lock()

    def launch(self, *_):
        with self.lock:
            self.launched += 1
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            time.sleep(self.wait_s)
            yield from self.said
        finally:
            with self.lock:
                self.running -= 1


def check(*said):
    return HelperRunner(Lines(*said), "why").check(PLACE, REQUEST)


def test_an_answer_needs_its_end():
    answer = '{"measurement":{"verdict":"reachable","address":"127.0.0.1","attempts":1,"successes":1}}'
    assert check(answer, "{}", '{"done":true}').verdict is Verdict.REACHABLE
    assert check(answer).reason is Reason.NAMESPACE_OUT_OF_REACH


@pytest.mark.parametrize("said", [(), ("{}",), ("Traceback …", "[1]", '"x"'), ('{"done":true}',)])
def test_a_helper_without_an_answer_is_inconclusive(said):
    measurement = check(*said)
    assert (measurement.verdict, measurement.reason) == (Verdict.INCONCLUSIVE, Reason.NAMESPACE_OUT_OF_REACH)


def test_what_the_helper_missed_is_told():
    assert check('{"error":"this job was not understood"}').detail == "this job was not understood"


def test_a_failed_engine_call_stays_an_exception():
    class Broken:
        def launch(self, *_):
            raise EngineUnreachable("engine-unreachable", "no engine")

    runner = HelperRunner(Broken(), "why")
    with pytest.raises(EngineUnreachable):
        runner.check(PLACE, REQUEST)
    with pytest.raises(EngineUnreachable):
        list(runner.sweep(plan(2)))


def plan(sources, **fields):
    targets = (SweepTarget(0, "127.0.0.1"), SweepTarget(1))
    return SweepPlan(Protocol.ICMP, tuple(SweepSource(n, PLACE, targets) for n in range(sources)), **fields)


def test_helpers_are_few_at_a_time():
    launcher = Lines("{}", wait_s=0.02)
    assert len(list(HelperRunner(launcher, "why").sweep(plan(30)))) == 30
    assert launcher.most <= AT_ONCE
    assert (launcher.launched, launcher.running) == (30, 0)


def test_closing_starts_no_more_helpers():
    launcher = Lines(*["{}"] * 3, wait_s=0.05)
    rows = HelperRunner(launcher, "why").sweep(plan(100))
    next(rows)
    rows.close()
    assert launcher.running == 0
    assert launcher.launched <= 3 * AT_ONCE


def test_past_the_deadline_no_helper_is_started():
    launcher = Lines("{}")
    rows = list(HelperRunner(launcher, "why").sweep(plan(3, deadline_ms=0)))
    assert {outcome.reason for row in rows for outcome in row.outcomes} == {Reason.DEADLINE}
    assert launcher.launched == 0


def test_helpers_of_a_closed_matrix_end(world, tmp_path):
    launcher = NsenterLauncher(tmp_path)
    sources = tuple(
        SweepSource(n, world.a.place(), (SweepTarget(0, world.far.address),) * (1 if n else 0)) for n in range(3)
    )
    rows = HelperRunner(launcher, "why").sweep(SweepPlan(Protocol.ICMP, sources, timeout_ms=60_000))
    next(rows)
    started = time.monotonic()
    rows.close()
    assert time.monotonic() - started < 20, "the time-out of a pair is a minute"
    assert launcher.started
    assert all(process.returncode is not None for process in launcher.started)


def test_the_status_is_as_given():
    status = HelperRunner(Lines(), "the engine is remote", ("CAP_SYS_ADMIN",)).status()
    assert (status.kind, status.reason, status.missing) == ("sidecar", "the engine is remote", ("CAP_SYS_ADMIN",))


@pytest.mark.parametrize("argument", ["", "no json", "[]", '{"job":"dance"}', '{"job":"check","request":{"x":1}}'])
def test_a_helper_says_what_it_does_not_understand(argument):
    output = io.StringIO()
    assert helper.main(argument, output) == 2
    assert "not understood" in json.loads(output.getvalue().splitlines()[-1])["error"]


def start_helper(**fields):
    request = {"protocol": "icmp", "address": "127.0.0.1", **fields}
    job = json.dumps({"job": "check", "request": request})
    command = [sys.executable, "-m", "bridgework.runners.helper", job]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)


def test_a_helper_that_is_done_ends_well_while_somebody_still_listens():
    with start_helper() as process:
        lines = process.stdout.read().splitlines()
        assert json.loads(lines[-1]) == {"done": True}
        assert process.wait(10) == 0


def test_a_helper_ends_in_the_middle_of_its_job_once_nobody_listens():
    with start_helper(count=50, interval_ms=1000) as process:
        assert json.loads(process.stdout.readline()) == {}, "at work"
        process.stdin.close()
        assert process.wait(10) == 1
        assert b"measurement" not in process.stdout.read()
