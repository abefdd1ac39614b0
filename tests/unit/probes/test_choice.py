"""Which runner is in force: decided by one thread, while the last decision serves the others."""

import threading
from concurrent.futures import ThreadPoolExecutor

from bridgework.model.probe_port import RunnerStatus
from bridgework.runners import auto_runner
from bridgework.runners.auto_runner import AutoRunner


class Namespace:
    """A runner whose look at itself takes as long as the test says."""

    def __init__(self):
        self.looks = 0
        self.looking, self.ended = threading.Event(), threading.Event()
        self.ended.set()

    def status(self):
        self.looks += 1
        self.looking.set()
        assert self.ended.wait(20)
        return RunnerStatus("namespace", f"look {self.looks}")


def test_a_decision_holds_for_its_time(monkeypatch):
    namespace = Namespace()
    runner = AutoRunner(namespace, None)
    assert [runner.status().reason, runner.status().reason] == ["look 1", "look 1"]
    monkeypatch.setattr(auto_runner, "DECISION_HOLDS_S", -1)
    assert runner.status().reason == "look 2"


def test_nobody_waits_for_a_new_decision_while_there_is_an_old_one(monkeypatch):
    namespace = Namespace()
    runner = AutoRunner(namespace, None)
    assert runner.status().reason == "look 1"
    monkeypatch.setattr(auto_runner, "DECISION_HOLDS_S", -1)
    namespace.looking.clear()
    namespace.ended.clear()
    with ThreadPoolExecutor(2) as others:
        deciding = others.submit(runner.status)
        assert namespace.looking.wait(20)
        other = others.submit(runner.status)
        try:
            assert other.result(5).reason == "look 1"
        finally:
            namespace.ended.set()
        assert deciding.result(20).reason == "look 2"


def test_the_first_decision_is_waited_for():
    namespace = Namespace()
    namespace.ended.clear()
    runner = AutoRunner(namespace, None)
    with ThreadPoolExecutor(2) as others:
        both = [others.submit(runner.status) for _ in range(2)]
        assert namespace.looking.wait(20)
        namespace.ended.set()
        assert [one.result(20).reason for one in both] == ["look 1", "look 1"]
