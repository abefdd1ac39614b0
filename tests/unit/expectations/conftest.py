import pytest

from bridgework.expectations.files import SetFiles
from bridgework.expectations.state import Bounds, Codec, StateFile
from bridgework.http.resources.assertions.schemas import AssertionSchema
from bridgework.http.resources.expectations.schemas import set_of_file
from bridgework.model.checks import CheckRequest, ContainerDestination, ProbeRequest, Protocol, Verdict
from bridgework.model.expectations import Assertion, Cause, ExpectationSet, ExpectationState, Judgement, Status

CODEC = Codec(AssertionSchema().dump, AssertionSchema().load)


@pytest.fixture
def make_store():
    """Make stores, each like that of another worker or of a service that was started again."""

    def make(folder, files=None, rows=1000, days=90, spare=None):
        return StateFile(folder, CODEC, SetFiles(files, set_of_file), Bounds(rows, days), spare)

    return make


def expectation(name="web-db", port=5432, expect=Verdict.REACHABLE):
    probe = ProbeRequest(Protocol.TCP, port=port)
    return Assertion(name, CheckRequest("web", ContainerDestination("db"), probe), expect)


def kept_set(*names, **fields):
    return ExpectationSet("shop", tuple(expectation(name) for name in names or ("web-db",)), **fields)


def judged(of, status, at="2026-01-01T00:00:00.000000Z", number=0):
    assertion = of.expectations[number]
    state = ExpectationState(status, Verdict.REACHABLE, at, at, "It was measured.", ({"code": "no-listener"},))
    return Judgement(of, assertion, state, Cause("no-listener", "Nothing listens."))


MET, VIOLATED, UNKNOWN = Status.MET, Status.VIOLATED, Status.UNKNOWN
