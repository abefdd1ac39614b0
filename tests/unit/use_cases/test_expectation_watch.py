"""The watch over kept expectations, with a clock, signs and measurements of the test's own."""

import time
from types import SimpleNamespace

import pytest

from bridgework.model.checks import CheckRequest, ContainerDestination, Prediction, ProbeRequest, Protocol, Verdict
from bridgework.model.expectations import Assertion, ExpectationSet, ExpectationState, SignOfChange, Status
from bridgework.use_cases.expectations import watch as module
from bridgework.use_cases.expectations.cause import Seen
from bridgework.use_cases.expectations.judge import Measured

ASSERTION = Assertion(
    "web reaches db", CheckRequest("web", ContainerDestination("db"), ProbeRequest(Protocol.ICMP)), Verdict.REACHABLE
)
HOST = {"kind": "host", "id": "host", "name": "host"}
DROPS = {"code": "user-firewall-drop", "severity": "blocking", "message": "A rule drops it.", "component": HOST}
RULE = SignOfChange("rules", "t", "iptables (process 7) added 1 firewall rule (filter).", ("iptables", "7"))
PREDICTING_S = 2.0
MEASURED = {
    Verdict.REACHABLE: Measured(ExpectationState(Status.MET, Verdict.REACHABLE), Seen(Verdict.REACHABLE, [], "")),
    Verdict.UNREACHABLE: Measured(
        ExpectationState(Status.VIOLATED, Verdict.UNREACHABLE),
        Seen(Verdict.UNREACHABLE, [{**DROPS, "evidence": {}, "remedy": None}], ""),
    ),
}


class Host:
    """A host on which a program closes the way, as soon as the way was measured to be open."""

    verdict = Verdict.REACHABLE
    clock = 1000.0
    pending: tuple[SignOfChange, ...] = ()

    def __init__(self):
        self.changes = []

    # -- the clock
    def monotonic(self):
        return self.clock

    def sleep(self, seconds):
        self.clock += seconds

    # -- the signs
    def gather(self, _):
        time.sleep(0.001)  # the measurements run in threads
        signs, self.pending = self.pending, ()
        return signs

    def wake(self):
        pass

    # -- the store of the sets
    def lead(self):
        return True

    def version(self):
        return 1

    def sets(self):
        return [ExpectationSet("shop", (ASSERTION,))]

    def states(self, _):
        return {ASSERTION.name: MEASURED[Verdict.REACHABLE].state}

    def record(self, judgements):
        self.changes += [one for one in judgements if one.cause is not None]
        if self.verdict is Verdict.REACHABLE:
            self.verdict, self.pending = Verdict.UNREACHABLE, (RULE,)


@pytest.fixture
def host(monkeypatch):
    host = Host()

    def predict_many(*_):
        host.clock += PREDICTING_S
        return [Prediction(host.verdict)]

    monkeypatch.setattr(module, "time", host)
    monkeypatch.setattr(module, "Signs", lambda *_: host)
    monkeypatch.setattr(module, "deliver", lambda *_: None)
    monkeypatch.setattr(module, "predict_many", predict_many)
    monkeypatch.setattr(module, "measure", lambda *_: MEASURED[host.verdict])
    return host


def test_an_event_is_named_however_long_the_predictions_take(host):
    engine = SimpleNamespace(snapshot=lambda: None)
    ports = SimpleNamespace(store=host, findings_to_json=list)
    turns = iter(range(10_000))
    module.Watch(SimpleNamespace(engine=engine), ports).run(lambda: bool(host.changes) or next(turns, None) is None)
    [change] = host.changes
    assert (change.cause.code, change.cause.event) == ("user-firewall-drop", RULE)
