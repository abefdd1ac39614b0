"""Expectations that are kept: sets of them, the state of each, the changes of that state, and the ports to all of it.

An expectation is *met*, *violated*, or *unknown* where it could not be checked. A change is a step from one of these to
another, with its cause. Findings are kept as the JSON of the API: they outlive the snapshot that they are about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol

from bridgework.model.checks import CheckRequest, Finding, Verdict

Json = Mapping[str, Any]
NOT_KNOWN = "not-known"
"""The cause of a change that nothing explains."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A check, and the verdict that is expected of it.

    ``unreachable`` is met only where no address of the destination is reachable.
    """

    name: str
    wanted: CheckRequest
    expect: Verdict


@dataclass(frozen=True, slots=True)
class ExpectationSet:
    """Expectations under one name.

    ``every_s`` is how often each is measured, also when nothing changes. ``notify`` names webhooks of the operator's
    file. ``file`` is the name of the file that the set is from; ``None`` for one that was made by the API. Only a set
    of the API has a ``project``: that of the caller who made it.
    """

    name: str
    expectations: tuple[Assertion, ...]
    every_s: int = 300
    notify: tuple[str, ...] = ()
    project: str | None = None
    file: str | None = None


class Status(StrEnum):
    """Whether an expectation is met."""

    MET = "met"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ExpectationState:
    """What was last known of one expectation.

    ``since`` is when the status became this one, ``measured_at`` when it was last measured, both RFC 3339 in UTC;
    ``None`` before the first measurement. ``findings`` are those of that measurement.
    """

    status: Status = Status.UNKNOWN
    verdict: Verdict | None = None
    since: str | None = None
    measured_at: str | None = None
    message: str = "It was not measured yet."
    findings: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class SignOfChange:
    """Something that changed on the host or in the engine, told by the kernel or the engine itself.

    ``kind`` is ``engine``, ``rules``, ``link``, ``address``, ``route``, ``policy-rule`` or ``setting``. ``what`` is a
    sentence. ``ids`` are the full ids of the containers and networks, or the names of the links, that it is about.
    """

    kind: str
    at: str
    what: str
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the status changed.

    ``code`` is the code of the finding that appeared or disappeared, the code of an error, or ``not-known``.
    ``component`` is the element of that finding. ``event`` is the change that made it so, ``None`` where none was seen
    that fits.
    """

    code: str
    message: str
    component: Json | None = None
    event: SignOfChange | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of one measurement of an expectation. ``cause`` explains a change of its status."""

    set: ExpectationSet
    assertion: Assertion
    state: ExpectationState
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A change of the status of one expectation. ``number`` rises with each change; ``id`` is unique everywhere."""

    number: int
    id: str
    at: str
    set: str
    expectation: str
    before: Status
    after: Status
    expect: Verdict
    verdict: Verdict | None
    message: str
    cause: Json
    findings: tuple[Json, ...] = ()
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A change that a webhook has not taken yet. ``attempts`` were made, the first at ``first_at`` (Unix time)."""

    change: StatusChange
    webhook: str
    attempts: int
    first_at: float


@dataclass(frozen=True, slots=True)
class Kept:
    """How the state is kept: in the ``file`` of the setting, or in ``memory``.

    ``problem`` says what is wrong with the file; the state is in memory, or not written, for as long as that lasts.
    """

    kind: Literal["file", "memory"]
    problem: str | None = None


class ExpectationStore(Protocol):
    """Where sets, states and changes are. Every method may be called from any thread of any worker.

    Every method raises ``StateUnavailable`` where the file cannot be read or written.
    """

    def kept(self) -> Kept:
        """Return how the state is kept. Never raises."""
        ...

    def version(self) -> object:
        """Return a value that differs after each change of a set, by whichever worker or file."""
        ...

    def sets(self) -> Sequence[ExpectationSet]:
        """Return all sets by name. Where a file and the API have the same name, the file's set is the one."""
        ...

    def file_faults(self) -> Sequence[str]:
        """Return a sentence for each file of sets that cannot be used."""
        ...

    def put(self, wanted: ExpectationSet) -> None:
        """Keep a set. An expectation that is as before keeps its state."""
        ...

    def delete(self, name: str) -> None:
        """Remove a set with its states and its changes."""
        ...

    def states(self, name: str) -> Mapping[str, ExpectationState]:
        """Return the state of each expectation of a set that was measured, by the expectation's name."""
        ...

    def record(self, judgements: Sequence[Judgement]) -> Sequence[StatusChange]:
        """Keep new states, and for each new status a change with its deliveries; return the changes.

        All of it is on the disk when this returns.
        """
        ...

    def change_numbers(self, name: str) -> Sequence[int]:
        """Return the numbers of the changes of a set, the newest first."""
        ...

    def changes(self, numbers: Sequence[int]) -> Sequence[StatusChange]:
        """Return these changes, in the order of the numbers."""
        ...

    def changes_after(self, number: int, most: int = 100) -> Sequence[StatusChange]:
        """Return changes of all sets with higher numbers, the oldest first."""
        ...

    def last_number(self) -> int:
        """Return the number of the newest change; 0 before the first."""
        ...

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Return how many changes there ever were, by set and code of the cause."""
        ...

    def deliveries(self, now: float) -> Sequence[Delivery]:
        """Return the deliveries that are due at a Unix time."""
        ...

    def delivered(self, delivery: Delivery, again_at: float | None) -> None:
        """Note an attempt: the webhook took the change, or ``again_at`` is when to try again."""
        ...

    def lead(self) -> bool:
        """Become the worker that watches, or stay it; ``False`` while another worker is."""
        ...


class Notifier(Protocol):
    """The webhooks of the operator's file."""

    def names(self) -> frozenset[str]:
        """Return the names of all webhooks."""
        ...

    def send(self, webhook: str, message_id: str, body: bytes) -> str | None:
        """Send a signed message; return ``None`` if it was taken, else why not."""
        ...


class HostWatch(Protocol):
    """Tells what changes in the network namespace of the engine's host."""

    def wait(self, seconds: float) -> Sequence[SignOfChange]:
        """Wait for the next changes at most so long, and return them; empty if there were none. Raises ``OSError``."""
        ...

    def close(self) -> None:
        """Close the handles on the namespace."""
        ...


@dataclass(frozen=True, slots=True)
class ExpectationPorts:
    """What the use cases of kept expectations work with, beside the services of a check."""

    store: ExpectationStore
    notifier: Notifier
    findings_to_json: Callable[[Sequence[Finding]], Sequence[Json]]
    change_to_json: Callable[[StatusChange], Json]
