"""Pools of long requests: each has a size, a caller has a share, and short requests always find a thread."""

import pytest

from bridgework.http.limits import RETRY_AFTER_S, Pools
from bridgework.model.errors import TooBusy
from bridgework.policy.access import Caller, Role

ONE, TWO, THREE = (Caller(name, Role.VIEWER) for name in ("one", "two", "three"))


def refusal(pools, noun, caller):
    with pytest.raises(TooBusy) as refused:
        pools.acquire(noun, caller)
    assert (refused.value.code, refused.value.retry_after_s) == (f"too-many-{noun}", RETRY_AFTER_S)
    return refused.value.detail


@pytest.mark.parametrize(("size", "share"), [(1, 1), (2, 1), (3, 2), (8, 4)])
def test_a_caller_has_half_of_a_pool_and_the_refusal_says_how_much_that_is(size, share):
    pools = Pools({"checks": size}, threads=100)
    for _ in range(share):
        pools.acquire("checks", ONE)
    assert refusal(pools, "checks", ONE) == (
        f"one already runs {share} checks, its share of the {size} that a worker runs at once."
    )
    for _ in range(size - share):
        pools.acquire("checks", TWO)
    assert refusal(pools, "checks", THREE) == f"{size} checks already run, and a worker runs no more at once."


def test_a_place_that_is_returned_can_be_taken_again():
    pools = Pools({"plans": 2}, threads=32)
    for _ in range(5):
        pools.acquire("plans", ONE)
        refusal(pools, "plans", ONE)
        pools.release("plans", ONE)


def test_pools_are_separate():
    pools = Pools({"checks": 2, "plans": 2}, threads=32)
    pools.acquire("checks", ONE)
    pools.acquire("plans", ONE)
    pools.acquire("checks", TWO)


@pytest.mark.parametrize(("threads", "most"), [(2, 1), (4, 3), (16, 12)])
def test_all_long_requests_leave_threads_for_short_ones(threads, most):
    pools = Pools({"checks": 64, "streams": 64}, threads)
    for number in range(most):
        pools.acquire("checks" if number % 2 else "streams", Caller(str(number), Role.VIEWER))
    assert refusal(pools, "checks", ONE) == (
        f"{most} long requests already run, and a worker with {threads} threads runs no more."
    )


def test_an_unknown_pool_is_an_accident_at_the_start():
    with pytest.raises(KeyError):
        Pools({"checks": 2}, threads=32).require("chekcs")
