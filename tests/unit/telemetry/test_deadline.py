"""A request's end: what is left of it, what extends it, and that there may be none."""

import time

import pytest

from bridgework.model.errors import TookTooLong
from bridgework.telemetry import deadline


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(deadline.time, "monotonic", lambda: now[0])
    yield now
    deadline.lift()


def test_the_nearer_end_counts(clock):
    deadline.begin(10)
    assert deadline.left(3) == 3
    clock[0] += 8
    assert deadline.left(3) == 2
    clock[0] += 8
    assert deadline.left(3) == 0


def test_what_takes_long_by_itself_extends_it(clock):
    deadline.begin(10)
    deadline.extend(5)
    clock[0] += 12
    assert deadline.left(30) == 3


def test_without_an_end_there_is_all_one_wants(clock):
    deadline.extend(5)
    clock[0] += 1000
    assert deadline.left(3) == 3
    deadline.begin(1)
    deadline.lift()
    assert deadline.left(3) == 3


def test_a_computation_ends_when_nothing_is_left(clock):
    deadline.require_left()
    deadline.begin(10)
    deadline.extend(5)
    clock[0] += 14
    deadline.require_left()
    clock[0] += 1
    with pytest.raises(TookTooLong, match="longer than the 15 s") as ended:
        deadline.require_left()
    assert ended.value.code == "time-limit-reached"


def test_a_request_was_asked_when_it_arrived_and_the_next_one_not():
    before_ns = time.monotonic_ns()
    deadline.arrived(5)
    assert deadline.asked_at_ns() == 5
    deadline.lift()
    assert deadline.asked_at_ns() >= before_ns
