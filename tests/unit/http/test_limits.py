"""Pools of long requests: each has a size, a caller has a share, and short requests always find a thread."""

import threading
import time

import pytest

from bridgework.http.limits import RETRY_AFTER_S, WAITING_FOR_EACH, Pools
from bridgework.model.errors import TooBusy
from bridgework.policy.access import Caller, Role

ONE, TWO, THREE = (Caller(name, Role.VIEWER) for name in ("one", "two", "three"))


def refusal(pools, noun, caller, wait_s=0.0):
    with pytest.raises(TooBusy) as refused:
        pools.acquire(noun, caller, wait_s)
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


class Asking(threading.Thread):
    """A request in a thread of its own, which waits for its place."""

    def __init__(self, pools, noun, caller, order):
        super().__init__(daemon=True)
        self.asked = pools, noun, caller, order
        before = pools.waiting
        self.start()
        while pools.waiting == before and self.is_alive():
            time.sleep(0.001)

    def run(self):
        pools, noun, caller, order = self.asked
        pools.acquire(noun, caller, 60)
        order.append(caller)


def test_a_place_that_is_returned_goes_to_the_first_that_waits_and_has_a_share_left():
    pools, order = Pools({"probes": 4}, threads=32), []
    for caller in (ONE, ONE, TWO, TWO):
        pools.acquire("probes", caller)
    first, second, third = (Asking(pools, "probes", caller, order) for caller in (ONE, THREE, ONE))
    pools.release("probes", TWO)
    second.join(60)
    assert order == [THREE], "one has its share already"
    pools.release("probes", ONE)
    first.join(60)
    assert order == [THREE, ONE]
    assert third.is_alive()
    pools.release("probes", ONE)
    third.join(60)
    assert order == [THREE, ONE, ONE]
    assert refusal(pools, "probes", ONE).startswith("one already runs 2 probes")


def test_a_request_that_gets_no_turn_is_refused_with_the_time_that_it_waited():
    pools = Pools({"probes": 1}, threads=32)
    pools.acquire("probes", ONE)
    assert refusal(pools, "probes", TWO, wait_s=0.1) == (
        "1 probes already run, and a worker runs no more at once. The request waited 0.1 s for its turn."
    )
    pools.release("probes", ONE)
    pools.acquire("probes", TWO)


def test_a_caller_has_half_of_the_queue():
    pools, order = Pools({"diagnoses": 2}, threads=32), []
    pools.acquire("diagnoses", ONE)
    waiting = [Asking(pools, "diagnoses", ONE, order) for _ in range(WAITING_FOR_EACH["diagnoses"])]
    assert refusal(pools, "diagnoses", ONE, wait_s=60).endswith("3 more wait for their turn, its share of the queue.")
    pools.acquire("diagnoses", TWO)
    for one in waiting:
        pools.release("diagnoses", ONE)
        one.join(60)
        assert not one.is_alive()


def test_a_pool_without_a_queue_refuses_at_once():
    pools = Pools({"checks": 1}, threads=32)
    pools.acquire("checks", ONE)
    assert "waited" not in refusal(pools, "checks", TWO)


def test_what_waits_holds_a_thread_and_probes_have_threads_of_their_own():
    pools = Pools({"diagnoses": 2, "probes": 8, "checks": 8}, threads=4)
    for caller in (ONE, TWO):
        for _ in range(4):
            pools.acquire("probes", caller)
    pools.acquire("diagnoses", ONE)
    waiting = [Asking(pools, "diagnoses", ONE, []) for _ in range(2)]
    assert refusal(pools, "checks", TWO).startswith("3 long requests already run")
    for one in waiting:
        pools.release("diagnoses", ONE)
        one.join(60)
    pools.acquire("checks", TWO)
