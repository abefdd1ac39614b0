"""A plan or query that takes too many predictions, or too long, ends with a problem of its own."""

import pytest

from bridgework.model.errors import InvalidInput
from bridgework.model.observations import NOTHING_SEEN
from bridgework.plans import effort
from bridgework.plans.difference import World, difference
from bridgework.plans.effort import Effort
from tests.support.worlds import container, network, world

CONNECT = {"changes": [{"method": "POST", "path": "/v1/containers/alpha-run/stop", "body": None}]}


def two_worlds(count):
    front, back = network("front"), network("back", "10.2.0.0/24")
    before = [container(f"c{n}", (front, f"10.1.0.{n + 2}"), exposed_ports=("80/tcp",)) for n in range(count)]
    after = [container(f"c{n}", (back, f"10.2.0.{n + 2}"), exposed_ports=("80/tcp",)) for n in range(count)]
    return [World(world(front, back, *containers), NOTHING_SEEN) for containers in (before, after)]


def test_the_number_of_predictions_is_bounded(monkeypatch):
    monkeypatch.setattr(effort, "MAX_PREDICTIONS", 3)
    with pytest.raises(InvalidInput, match="more than 3 predictions") as refused:
        difference(*two_worlds(4), Effort())
    assert refused.value.code == "plan-too-large"


def test_the_number_of_pairs_is_bounded(monkeypatch):
    monkeypatch.setattr(effort, "MAX_PAIRS", 40)
    with pytest.raises(InvalidInput, match="more than 40 pairs") as refused:
        difference(*two_worlds(40), Effort())
    assert refused.value.code == "plan-too-large"


def test_the_time_is_asked_for_again_and_again():
    asked = []
    work = Effort(lambda: asked.append(1))
    for _ in range(10_000):
        work.pair()
    pairs = len(asked)
    for _ in range(1_000):
        work.prediction()
    assert (pairs, len(asked) - pairs) == (9, 15)


def test_containers_that_are_alike_are_predicted_once():
    """Ten more of the same kind take no more predictions."""
    used = []
    for count in (10, 20):
        work = Effort()
        found = difference(*two_worlds(count), work)
        assert found.pairs == ()
        used.append(work.predictions)
    assert used[1] == used[0]


def test_a_plan_that_is_too_large_is_refused_with_the_number(make, monkeypatch):
    monkeypatch.setattr(effort, "MAX_PAIRS", 2)
    problem = make().as_("viewer").call("POST", "/v1/plans", CONNECT, status=422)
    assert problem["code"] == "plan-too-large"
    assert "more than 2 pairs" in problem["detail"]
    assert problem["remedy"]["summary"]


@pytest.mark.parametrize("accepts", ["application/json", "application/x-ndjson"])
@pytest.mark.parametrize(("name", "what"), [("MAX_PAIRS", "pairs"), ("MAX_PREDICTIONS", "predictions")])
def test_a_query_that_is_too_large_is_refused_with_the_number(make, monkeypatch, name, what, accepts):
    """Also as lines: the answer has not begun."""
    monkeypatch.setattr(effort, name, 0)
    query = {"find": "sources", "of": {"container": "alpha-run"}}
    asked = make().as_("viewer").call
    problem = asked("POST", "/v1/connectivity/queries", query, status=422, headers={"Accept": accepts})
    assert problem["code"] == "query-too-large"
    assert f"more than 0 {what}" in problem["detail"]
    assert "change" not in problem["detail"] + problem["remedy"]["summary"]
    assert problem["remedy"]["summary"]


def test_a_query_ends_at_the_limit_of_the_request(make, monkeypatch):
    monkeypatch.setattr(effort, "_AT_ONCE", 1)
    query = {"find": "sources", "of": {"container": "alpha-run"}}
    problem = make(request_timeout_s=1e-6).as_("viewer").call("POST", "/v1/connectivity/queries", query, status=504)
    assert problem["code"] == "time-limit-reached"


def test_a_plan_ends_at_the_limit_of_the_request(make):
    client = make(request_timeout_s=1e-6)
    problem = client.as_("viewer").call("POST", "/v1/plans", CONNECT, status=504)
    assert problem["code"] == "time-limit-reached"
    assert "1e-06 s" in problem["detail"]
    assert client.engine.changes == []
