"""Which thread turns the event loop and answers what it finds there: the Leader/Followers pattern.

Handing a request to another thread, and its connection back, takes longer than most answers do. So the thread that
turns the loop, the leader, answers itself what has arrived, one request after another. A leader held up by a slow
answer is relieved: another thread leads from then on, and the first gives its connection back when it is done.
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
from concurrent import futures
from typing import Generic, Protocol, TypeVar

import structlog

HELD_UP_S = 0.004
LOOK_EVERY_MS = 5
RESTS_AFTER = 20
"""Looks in a row that found nothing in hand before the watch sleeps until something is."""
IN_A_ROW = 32
"""Requests answered before the loop is turned again."""
RETIRES_WITHIN_S = 2.0
Request = TypeVar("Request")
Outcome = TypeVar("Outcome")
_Request_contra = TypeVar("_Request_contra", contravariant=True)
log = structlog.get_logger()


class Loop(Protocol[_Request_contra, Outcome]):
    """An event loop that one thread at a time turns."""

    def turn(self, *, at_once: bool) -> None:
        """Wait for events and dispatch them; with ``at_once``, only those that are there."""
        ...

    def lasts(self, request: _Request_contra) -> bool:
        """Whether its answer may take longer than waking another thread."""
        ...

    def answer(self, request: _Request_contra) -> Outcome:
        """Answer a request; where it takes long, it goes on beside the loop."""
        ...

    def finish(self, request: _Request_contra, outcome: Outcome) -> None:
        """Take back what was answered."""
        ...

    def defer(self, call: Callable[..., None], *args: object) -> None:
        """Have the leader call this in its next turn, which begins now; from any thread."""
        ...


class Leadership(Generic[Request, Outcome]):
    """Leads a ``loop``; at most ``threads`` requests are answered at once, and one thread more then only turns it.

    ``waiting`` is filled by the loop and emptied here: only the leader touches it.
    """

    def __init__(self, loop: Loop[Request, Outcome], threads: int) -> None:
        self.waiting: deque[Request] = deque()
        self.executor = futures.ThreadPoolExecutor(max_workers=threads + 1)
        self._loop = loop
        self._threads = threads
        self._answering = 0
        self._lock = threading.RLock()
        self._term: object | None = None
        self._since_s: float | None = None
        self._leads: futures.Future[None] = futures.Future()
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
        """After a while, never longer than that, look once whether the leader is held up, and relieve it if so.

        Raises whatever broke the loop.
        """
        self._idle_looks = 0 if self._since_s is not None else self._idle_looks + 1
        self._resting = self._idle_looks > RESTS_AFTER
        rests = self._resting and self._since_s is None
        if self._bells.poll(at_most_s * 1000 if rests else LOOK_EVERY_MS):
            os.eventfd_read(self._bell)
        self._resting = False
        with self._lock:
            if self._leads.done():
                self._leads.result()
            held_up = self._since_s is not None and time.monotonic() - self._since_s > HELD_UP_S
            if held_up and self._term is not None:
                self._promote()

    def ring(self) -> None:
        """Have the watch look now; from any thread, and from a signal's handler."""
        os.eventfd_write(self._bell, 1)

    def resign(self) -> None:
        """Let nobody lead: the loop stands still soon, and answers under way are given back to nobody."""
        with self._lock:
            self._term = None
        self._loop.defer(lambda: None)

    def retire(self) -> None:
        """Resign, and wait until the loop stands still; answers under way are not waited for."""
        self.resign()
        if self._since_s is None:
            futures.wait([self._leads], RETIRES_WITHIN_S)
        self.executor.shutdown(wait=False)
        os.close(self._bell)

    def _promote(self) -> None:
        self._term = object()
        self._since_s = None
        self._leads = self.executor.submit(self._lead, self._term)

    def _lead(self, term: object) -> None:
        try:
            while self._term is term:
                self._loop.turn(at_once=self._may_answer())
                for _ in range(IN_A_ROW):
                    if not self._may_answer() or not self._answer(term):
                        break
        except BaseException:
            log.exception("loop-broken")
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
        if self.waiting and self._loop.lasts(request):
            with self._lock:
                if self._term is term:
                    self._promote()
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
