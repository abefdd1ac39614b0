"""Leader/Followers: who answers, who is relieved, and when the loop stands still."""

import queue
import threading
import time

import pytest

from bridgework.leader import HELD_UP_S, IN_A_ROW, Leadership

PATIENCE_S = 5


class Broken(Exception):
    pass


class Loop:
    """A loop over queues: what is put into ``arriving`` waits to be answered by calling it."""

    def __init__(self):
        self.arriving = queue.SimpleQueue()
        self.deferred = queue.SimpleQueue()
        self.finished = queue.SimpleQueue()
        self.turned_by = []
        self.at_once = []
        self.broken = False
        self.leadership = None

    def turn(self, *, at_once):
        if self.broken:
            raise Broken
        self.turned_by.append(threading.get_ident())
        self.at_once.append(at_once)
        if not at_once:
            time.sleep(0.001)
        while not self.deferred.empty():
            call, arguments = self.deferred.get()
            call(*arguments)
        while not self.arriving.empty():
            self.leadership.waiting.append(self.arriving.get())

    def lasts(self, request):
        return getattr(request, "lasts", False)

    def answer(self, request):
        return request(), threading.get_ident()

    def finish(self, _, outcome):
        self.finished.put((*outcome, threading.get_ident()))

    def defer(self, call, *arguments):
        self.deferred.put((call, arguments))


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def watched(loop):
    """Leads the loop with two threads, watched as a worker's main thread does."""
    loop.leadership = leadership = Leadership(loop, threads=2)
    over = threading.Event()

    def watch():
        while not over.is_set():
            leadership.watch(0.05)

    watch_thread = threading.Thread(target=watch)
    leadership.begin()
    watch_thread.start()
    yield loop
    over.set()
    watch_thread.join()
    leadership.retire()


def watch_long(leadership):
    for _ in range(1000):
        leadership.watch(0.01)


def outcome(loop):
    return loop.finished.get(timeout=PATIENCE_S)


def held(event, answer):
    def request():
        event.wait(PATIENCE_S)
        return answer

    return request


def test_quick_answers_are_given_in_turn_by_the_thread_that_turns_the_loop(watched):
    for number in range(3 * IN_A_ROW):
        watched.arriving.put(lambda number=number: number)
    found = [outcome(watched) for _ in range(3 * IN_A_ROW)]
    assert [answer for answer, _, _ in found] == list(range(3 * IN_A_ROW))
    assert len({thread for _, *threads in found for thread in threads} | set(watched.turned_by)) == 1


def test_the_loop_is_turned_between_many_requests_without_waiting(watched):
    for _ in range(3 * IN_A_ROW):
        watched.arriving.put(lambda: None)
    for _ in range(3 * IN_A_ROW):
        outcome(watched)
    assert True in watched.at_once


def test_a_leader_that_is_held_up_is_relieved_and_gives_back_later(watched):
    let_go = threading.Event()
    watched.arriving.put(held(let_go, "slow"))
    watched.arriving.put(lambda: "quick")
    answer, by, in_loop = outcome(watched)
    assert (answer, by) == ("quick", in_loop)
    let_go.set()
    slow, slow_by, slow_in_loop = outcome(watched)
    assert slow == "slow"
    assert slow_by != slow_in_loop == in_loop


def test_nobody_waits_for_what_is_known_to_last(loop):
    """Without a watch nobody is relieved: the leader itself hands the loop over before it begins."""
    loop.leadership = Leadership(loop, threads=2)
    let_go = threading.Event()
    slow = held(let_go, "slow")
    slow.lasts = True
    loop.arriving.put(slow)
    loop.arriving.put(lambda: "quick")
    loop.leadership.begin()
    assert outcome(loop)[0] == "quick"
    let_go.set()
    assert outcome(loop)[0] == "slow"
    loop.leadership.retire()


def test_what_lasts_keeps_the_lead_while_nobody_waits(loop):
    loop.leadership = Leadership(loop, threads=2)

    def alone():
        return "alone"

    alone.lasts = True
    loop.arriving.put(alone)
    loop.leadership.begin()
    assert outcome(loop)[0] == "alone"
    assert len(set(loop.turned_by)) == 1
    loop.leadership.retire()


def test_no_more_are_answered_at_once_than_there_are_threads(watched):
    let_go = [threading.Event() for _ in range(3)]
    begun = queue.SimpleQueue()

    def request(number):
        begun.put(number)
        let_go[number].wait(PATIENCE_S)
        return number

    for number in range(3):
        watched.arriving.put(lambda number=number: request(number))
    assert [begun.get(timeout=PATIENCE_S) for _ in range(2)] == [0, 1]
    turns = len(watched.turned_by)
    time.sleep(HELD_UP_S * 10)
    assert begun.empty()
    assert len(watched.turned_by) > turns, "the loop is turned while every thread answers"
    let_go[1].set()
    assert begun.get(timeout=PATIENCE_S) == 2
    for event in let_go:
        event.set()
    assert {outcome(watched)[0] for _ in range(3)} == {0, 1, 2}


def test_a_watch_that_rests_is_woken_by_the_next_request(watched):
    time.sleep(0.3)
    let_go = threading.Event()
    began = time.monotonic()
    watched.arriving.put(held(let_go, "slow"))
    watched.arriving.put(lambda: "quick")
    assert outcome(watched)[0] == "quick"
    assert time.monotonic() - began < PATIENCE_S
    let_go.set()
    outcome(watched)


def test_a_broken_loop_ends_the_watch(loop):
    loop.leadership = leadership = Leadership(loop, threads=2)
    leadership.begin()
    loop.broken = True
    with pytest.raises(Broken):
        watch_long(leadership)
    leadership.retire()


@pytest.mark.usefixtures("watched")
def test_after_resigning_the_loop_stands_still_and_nothing_is_given_back(loop):
    let_go = threading.Event()
    begun = threading.Event()

    def request():
        begun.set()
        let_go.wait(PATIENCE_S)

    loop.arriving.put(request)
    assert begun.wait(PATIENCE_S)
    loop.leadership.resign()
    time.sleep(0.05)
    turns = len(loop.turned_by)
    let_go.set()
    time.sleep(0.05)
    assert len(loop.turned_by) == turns
    assert loop.finished.empty()
