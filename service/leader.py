"""Which thread turns the event loop and answers what it finds there: the Leader/Followers pattern.

Handing a request to another thread, and its connection back, takes longer than most answers do. So the thread that turns
the loop, the leader, answers itself what has arrived, one request after another. A leader held up by a slow answer is
relieved: another thread leads from then on, and the first gives its connection back when it is done.
(Schmidt, Stal, Rohnert and Buschmann, "Pattern-Oriented Software Architecture 2".)

Knows neither HTTP nor gunicorn: the ``Loop`` says what a turn, an answer and its end are.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Protocol

import structlog

HELD_UP_S = 0.004
LOOK_EVERY_MS = 5
RESTS_AFTER = 20
"""Looks in a row that found nothing in hand before the watch sleeps until something is."""
RETIRES_WITHIN_S = 2.0
log = structlog.get_logger()


class Loop[Request, Outcome](Protocol):
    """An event loop that one thread at a time turns."""

    def turn(self, *, at_once: bool) -> None:
        """Wait for events and dispatch them; with ``at_once``, only those that are there."""
        ...

    def answer(self, request: Request) -> Outcome:
        """Answer a request; may take long, and then goes on beside the loop."""
        ...

    def finish(self, request: Request, outcome: Outcome) -> None:
        """Take back what was answered; called by the leader."""
        ...

    def defer(self, call: Callable[..., None], *args: object) -> None:
        """Have the leader call this in its next turn, which begins now."""
        ...

    def fail(self) -> None:
        """The loop cannot go on."""
        ...


class Leadership[Request, Outcome]:
    """At most ``threads`` requests are answered at once; ``executor`` must hold one thread more, which then only turns.

    ``waiting`` is filled by the loop and emptied here. Only the leader touches it, and the loop.
    """

    def __init__(self, loop: Loop[Request, Outcome], executor: Executor, threads: int) -> None:
        self.waiting: deque[Request] = deque()
        self._loop = loop
        self._executor = executor
        self._threads = threads
        self._answering = 0
        self._lock = threading.Lock()
        self._term: object | None = None
        self._since_s: float | None = None
        self._leads: Future[None] | None = None
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._bells = select.poll()
        self._bells.register(self._bell, select.POLLIN)
        self._idle_looks = 0
        self._resting = False

    def begin(self) -> None:
        """Have a first thread lead."""
        with self._lock:
            self._promote()

    def watch(self, at_most_s: float) -> None:
        """Look once whether the leader is held up, and then relieve it. Waits a while before, never longer than that."""
        self._idle_looks = 0 if self._since_s is not None else self._idle_looks + 1
        self._resting = self._idle_looks > RESTS_AFTER
        rests = self._resting and self._since_s is None
        if self._bells.poll(at_most_s * 1000 if rests else LOOK_EVERY_MS):
            os.eventfd_read(self._bell)
        self._resting = False
        with self._lock:
            if self._since_s is not None and time.monotonic() - self._since_s > HELD_UP_S:
                self._promote()

    def ring(self) -> None:
        """Let the watch look now; safe in a signal's handler."""
        os.eventfd_write(self._bell, 1)

    def retire(self) -> None:
        """Let nobody lead: the loop stands still afterwards; answers under way go on and are given back to nobody."""
        with self._lock:
            self._term = None
            leads = None if self._since_s is not None else self._leads
        self._loop.defer(lambda: None)
        if leads is not None:
            leads.exception(RETIRES_WITHIN_S)

    def close(self) -> None:
        """Give the bell back."""
        os.close(self._bell)

    def _promote(self) -> None:
        self._term = object()
        self._since_s = None
        self._leads = self._executor.submit(self._lead, self._term)

    def _lead(self, term: object) -> None:
        try:
            while self._term is term:
                self._loop.turn(at_once=self._may_answer())
                while self._may_answer() and self._answer(term):
                    pass
        except BaseException:
            log.exception("loop-broken")
            self._loop.fail()
            self.ring()
            raise

    def _may_answer(self) -> bool:
        return bool(self.waiting) and self._answering < self._threads

    def _answer(self, term: object) -> bool:
        """Answer one request; whether this thread still leads afterwards."""
        request = self.waiting.popleft()
        self._answering += 1
        self._since_s = time.monotonic()
        if self._resting:
            self.ring()
        outcome = self._loop.answer(request)
        with self._lock:
            leads = self._term is term
            if leads:
                self._since_s = None
        if leads:
            self._finished(request, outcome)
        else:
            self._loop.defer(self._finished, request, outcome)
        return leads

    def _finished(self, request: Request, outcome: Outcome) -> None:
        self._answering -= 1
        self._loop.finish(request, outcome)
