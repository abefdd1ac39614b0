"""Read, keep and delete sets of expectations, with the state of each expectation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bridgework.explanations.limitations import limitation
from bridgework.model.actions import Read
from bridgework.model.checks import Limitation
from bridgework.model.errors import Conflict, InputFault, NotFound, Remedy, StateUnavailable, invalid, quoted
from bridgework.model.expectations import (
    Assertion,
    ExpectationPorts,
    ExpectationSet,
    ExpectationState,
    Kept,
    Status,
    StatusChange,
)
from bridgework.policy.access import PROJECT_LABEL, Caller, require_ownership

NEVER_MEASURED = ExpectationState()


@dataclass(frozen=True, slots=True)
class SetView:
    """A set with the states of its expectations, and what its answer leaves open."""

    set: ExpectationSet
    expectations: tuple[tuple[Assertion, ExpectationState], ...]
    limited: tuple[Limitation, ...]

    def count(self, status: Status) -> int:
        """Return how many expectations have this status."""
        return Counter(state.status for _, state in self.expectations)[status]

    @property
    def since(self) -> str | None:
        """When a status last changed; ``None`` before the first measurement."""
        return max((state.since for _, state in self.expectations if state.since), default=None)


def views(ports: ExpectationPorts) -> Sequence[SetView]:
    """Return all sets by name. Raises ``StateUnavailable``."""
    limited = limits(ports)
    return [_view(ports, one, limited) for one in ports.store.sets()]


def view(ports: ExpectationPorts, name: str) -> SetView:
    """Return one set. Raises ``NotFound`` and ``StateUnavailable``."""
    return _view(ports, require(ports, name), limits(ports))


def _view(ports: ExpectationPorts, one: ExpectationSet, limited: tuple[Limitation, ...]) -> SetView:
    states = ports.store.states(one.name)
    expectations = tuple((item, states.get(item.name, NEVER_MEASURED)) for item in one.expectations)
    return SetView(one, expectations, limited)


def limits(ports: ExpectationPorts) -> tuple[Limitation, ...]:
    """Return what the answers about expectations leave open. Raises ``StateUnavailable``."""
    broken = (limitation("expectations-file-invalid", fault) for fault in ports.store.file_faults())
    return (*_limits_of_state(ports.store.kept()), *broken)


def _limits_of_state(kept: Kept) -> tuple[Limitation, ...]:
    if kept.kind == "file" and kept.problem is None:
        return ()
    return (limitation("expectations-not-kept", "changes and sets after a restart", kept.problem or ""),)


def require(ports: ExpectationPorts, name: str) -> ExpectationSet:
    """Return a set. Raises ``NotFound``."""
    found = next((one for one in ports.store.sets() if one.name == name), None)
    if found is None:
        raise NotFound(
            code="expectations-not-found",
            detail=f"There is no set of expectations {quoted(name)}.",
            remedy=Remedy("Use the name of one of the sets.", (Read("expectations"),)),
        )
    return found


def put_set(ports: ExpectationPorts, caller: Caller, wanted: ExpectationSet, *, dry_run: bool) -> tuple[SetView, bool]:
    """Keep a set for the caller's project; return it, and whether it is new.

    Raises ``Refused``, ``Conflict``, ``InvalidInput`` and ``StateUnavailable``.
    """
    before = next((one for one in ports.store.sets() if one.name == wanted.name), None)
    if before is not None:
        _require_own(caller, before)
    project = before.project if before is not None else caller.project
    wanted = ExpectationSet(wanted.name, wanted.expectations, wanted.every_s, wanted.notify, project)
    _require_webhooks(ports, wanted)
    _require_kept(ports)
    if not dry_run and wanted != before:
        ports.store.put(wanted)
    if dry_run:
        states = ports.store.states(wanted.name)
        same = set(before.expectations) if before is not None else set()
        shown = tuple((one, states.get(one.name, NEVER_MEASURED) if one in same else NEVER_MEASURED)
                      for one in wanted.expectations)  # fmt: skip
        return SetView(wanted, shown, limits(ports)), before is None
    return view(ports, wanted.name), before is None


def delete_set(ports: ExpectationPorts, caller: Caller, name: str, *, dry_run: bool) -> None:
    """Delete a set with its changes. Raises ``NotFound``, ``Refused``, ``Conflict`` and ``StateUnavailable``."""
    _require_own(caller, require(ports, name))
    _require_kept(ports)
    if not dry_run:
        ports.store.delete(name)


def change_numbers(ports: ExpectationPorts, name: str) -> Sequence[int]:
    """Return the numbers of the changes of a set, the newest first. Raises ``NotFound``."""
    return ports.store.change_numbers(require(ports, name).name)


def change(ports: ExpectationPorts, number: int) -> StatusChange | None:
    """Return a change; ``None`` where it is not kept any more."""
    return next(iter(ports.store.changes([number])), None)


def _require_own(caller: Caller, one: ExpectationSet) -> None:
    labels = {PROJECT_LABEL: one.project} if one.project is not None else {}
    require_ownership(caller, "set", one.name, labels)
    if one.file is not None:
        raise Conflict(
            code="expectations-from-file",
            detail=f"The set {one.name} is in the file {one.file}.",
            remedy=Remedy("Change the file. Or choose another name."),
        )


def _require_webhooks(ports: ExpectationPorts, wanted: ExpectationSet) -> None:
    known = ports.notifier.names()
    faults = [
        InputFault(f"/notify/{at}", "The operator's file of webhooks has no such name.")
        for at, name in enumerate(wanted.notify)
        if name not in known
    ]
    if faults:
        raise invalid("The body", faults)


def _require_kept(ports: ExpectationPorts) -> None:
    kept = ports.store.kept()
    if kept.kind == "file":
        return
    if kept.problem is not None:
        raise StateUnavailable(code="expectations-state-unavailable", detail=kept.problem)
    raise Conflict(
        code="expectations-not-kept",
        detail="This service has no folder for its state, so a set would be lost when it ends.",
        remedy=Remedy("Set BRIDGEWORK_STATE_DIR, or write the set into a file of BRIDGEWORK_EXPECTATIONS_DIR."),
    )
