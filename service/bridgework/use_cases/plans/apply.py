"""Make the changes of a plan in order, measure what they did, and undo them if something went otherwise.

There is no record beside the engine and the audit. An audit line is written before each change and after it, so after a
crash the audit names every change that was made or was being made. The same plan can be applied again: what is done
already is left as it is, since creations have a key and the other changes are idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridgework.model.actions import Change, CreateContainer, CreateNetwork
from bridgework.model.errors import BridgeworkError, Conflict, NotFound, Remedy
from bridgework.model.snapshot import Snapshot
from bridgework.plans.inverse import of_failed
from bridgework.telemetry import deadline, progress
from bridgework.use_cases.plans.make import Plan, Step, is_gone_anyway, is_made, make_change, run_change
from bridgework.use_cases.plans.measure import MeasuredPair, measure
from bridgework.use_cases.services import Actor

A_CHANGE_S = 20
"""What a change may take, added to the request's limit once for the change and once for its undoing."""
Record = Callable[..., None]


@dataclass(frozen=True, slots=True)
class MadeStep:
    """What became of a step: ``done``, ``unchanged``, ``failed`` or ``not-made``. ``before`` is the state before it."""

    step: Step
    outcome: str
    problem: BridgeworkError | None = None
    before: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class UndoneChange:
    """A change that undoes a step, and why it failed if it did."""

    change: Change
    problem: BridgeworkError | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of an application.

    ``applied``: all changes are made, and no measured pair differs. ``differs``: all are made, and a pair differs.
    ``undone``: all changes that were made are undone. ``failed``: a change, or the undoing of one, failed.
    """

    outcome: str
    steps: tuple[MadeStep, ...]
    pairs: tuple[MeasuredPair, ...] = ()
    undone: tuple[UndoneChange, ...] = ()


def require_applicable(plan: Plan) -> None:
    """Raise ``Conflict`` when the plan cannot be made, or is to be undone on failure and has a step that cannot be."""
    if plan.conflicts:
        raise Conflict(
            code="plan-not-possible",
            detail=f"{len(plan.conflicts)} of the {len(plan.steps)} changes cannot be made: "
            + " ".join(step.problem.detail for step in plan.conflicts[:3] if step.problem is not None),
            remedy=Remedy("Make the plan without apply: each step says what is in its way."),
            facts={"steps": [plan.steps.index(step) for step in plan.conflicts]},
        )
    if plan.wanted.undo == "on-failure" and plan.without_undo:
        calls = ", ".join(f"{step.wanted.call.method} {step.wanted.call.path}" for step in plan.without_undo[:3])
        raise Conflict(
            code="plan-not-undoable",
            detail=f"The plan is to be undone when it fails, and nothing can undo {calls}: "
            + " ".join(step.not_undoable for step in plan.without_undo[:3]),
            remedy=Remedy('Leave that change out, or send "undo": "never".'),
            facts={"steps": [plan.steps.index(step) for step in plan.without_undo]},
        )


def apply_plan(actor: Actor, plan: Plan, record: Record) -> Applied:
    """Make the changes, measure, and undo if that is asked for. ``record`` writes a line of the audit."""
    deadline.extend(2 * A_CHANGE_S * len(plan.steps))
    steps = tuple(_made(actor, plan, record))
    failed = any(made.outcome == "failed" for made in steps)
    pairs: tuple[MeasuredPair, ...] = ()
    if not failed:
        progress.tell("Measuring the pairs that were to change, and a sample of the others")
        pairs = measure(actor.services, actor.services.engine.snapshot(), plan)
    differs = any(one.agrees is False for one in pairs)
    if not failed and not differs:
        return Applied("applied", steps, pairs)
    if plan.wanted.undo == "never":
        return Applied("failed" if failed else "differs", steps, pairs)
    undone = tuple(_undone(actor, plan, steps, record))
    whole = all(one.problem is None for one in undone)
    return Applied("undone" if whole else "failed", steps, pairs, undone)


def _made(actor: Actor, plan: Plan, record: Record) -> Iterator[MadeStep]:
    """Make the steps in order. After a failure the others are not made."""
    failed = False
    for index, step in enumerate(plan.steps):
        call = f"{step.wanted.call.method} {step.wanted.call.path}"
        if failed or not step.changes:
            yield MadeStep(step, "not-made" if failed else "unchanged")
            continue
        progress.tell(f"{index + 1} of {len(plan.steps)}: {call}")
        record(plan=plan.wanted.id, step=index, call=call, outcome="begun")
        before: Snapshot | None = None
        try:
            before = actor.services.engine.snapshot()
            make_change(actor, plan.wanted, index)
        except BridgeworkError as error:
            failed = not is_gone_anyway(error, plan.wanted, index)
            record(plan=plan.wanted.id, step=index, call=call, outcome=error.code)
            yield MadeStep(step, "failed", error, before) if failed else MadeStep(step, "unchanged")
            continue
        record(plan=plan.wanted.id, step=index, call=call, outcome="done")
        yield MadeStep(step, "done")


def _undone(actor: Actor, plan: Plan, steps: tuple[MadeStep, ...], record: Record) -> Iterator[UndoneChange]:
    """Undo the steps that were done and what the failed one did, the last one first."""
    for index in range(len(steps) - 1, -1, -1):
        made = steps[index]
        changes, problem = (made.step.undo or ()) if made.outcome == "done" else (), None
        if made.outcome == "failed":
            changes, problem = _of_failed(actor, plan, index, made)
        for change in changes:
            progress.tell(f"Undoing {index + 1} of {len(steps)}: {type(change).__name__}")
            undone = UndoneChange(change, problem or _undo(actor, change))
            outcome = "undone" if undone.problem is None else undone.problem.code
            record(plan=plan.wanted.id, step=index, undo=type(change).__name__, outcome=outcome)
            yield undone


def _of_failed(
    actor: Actor, plan: Plan, index: int, made: MadeStep
) -> tuple[tuple[Change, ...], BridgeworkError | None]:
    """Return what undoes the part of a step that was made before it failed, and why that is not known."""
    planned = made.step.undo or ()
    if made.before is None:
        return (), None  # not even the first read succeeded, so nothing was made
    try:
        now = actor.services.engine.snapshot()
    except BridgeworkError as error:
        return planned, error
    change = made.step.wanted.change
    if isinstance(change, CreateNetwork | CreateContainer) and not is_made(actor, plan.wanted, index, now):
        return (), None  # another client may have made a thing of that name, which is why the step failed
    return of_failed(made.before, now, change, planned), None


def _undo(actor: Actor, change: Change) -> BridgeworkError | None:
    """Make the change that undoes another; return why it failed."""
    try:
        if isinstance(change, CreateNetwork):
            # Not by the use case: it takes no labels of the service's own, and the network had some.
            actor.services.engine.create_network(change.spec)
        else:
            run_change(actor, change)
    except NotFound:
        return None  # it is gone already
    except BridgeworkError as error:
        return error
    return None
