"""Changes as options of ``bridgework plan`` and ``bridgework apply``, and what resolves a change that is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from bridgework_cli import output
from bridgework_cli.connection import complete_container, complete_network
from bridgework_client import changes

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import PlannedCall, PlanStep

_ROUNDS = 3
"""A plan with the calls of a remedy can be refused for another reason, which may have a remedy too."""
_PLACE = "bridgework.changes"
_ONE_NETWORK: dict[str, Any] = {"metavar": "NETWORK", "shell_complete": complete_network}
_ONE_CONTAINER: dict[str, Any] = {"metavar": "CONTAINER", "shell_complete": complete_container}
_BOTH: dict[str, Any] = {"metavar": "NETWORK CONTAINER", "nargs": 2}
_OPTIONS: tuple[tuple[str, Callable[..., PlannedCall], dict[str, Any], str], ...] = (
    ("delete-network", changes.delete_network, _ONE_NETWORK, "Plan the deletion of a network."),
    ("stop", changes.stop_container, _ONE_CONTAINER, "Plan the stop of a container."),
    ("start", changes.start_container, _ONE_CONTAINER, "Plan the start of a container."),
    ("restart", changes.restart_container, _ONE_CONTAINER, "Plan the restart of a container."),
    ("delete-container", changes.delete_container, _ONE_CONTAINER, "Plan the deletion of a container."),
    ("connect", changes.connect, _BOTH, "Plan to connect a container to a network."),
    ("disconnect", changes.disconnect, _BOTH, "Plan to disconnect a container from a network."),
)


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each kind of change. `given` returns the changes, in the order of the command line."""
    for kind, make, takes, text in reversed(_OPTIONS):
        keep = _keep(make)
        command = click.option(f"--{kind}", multiple=True, expose_value=False, callback=keep, help=text, **takes)(
            command
        )
    return command


def given() -> list[PlannedCall]:
    """Return the changes that the options of the running command name."""
    return list(click.get_current_context().meta.get(_PLACE, []))


def resolved(
    client: Client, before: list[PlannedCall], named: list[PlannedCall]
) -> tuple[list[PlannedCall], list[str]]:
    """Replace each of the ``named`` changes that would be refused after ``before`` by the calls of its remedy.

    Returns all changes, and why the engine would refuse those that were replaced.
    """
    refused: list[str] = []
    for _ in range(_ROUNDS - 1 if named else 0):
        steps = client.plan_changes({"changes": before + named})["steps"][len(before) :]
        remedies = [_remedy(step) for step in steps]
        if not any(remedies):
            break
        refused += [step["problem"]["detail"] for step in steps if step["problem"]]
        named = [one for change, calls in zip(named, remedies, strict=True) for one in calls or [change]]
    return before + named, refused


def tell(refused: list[str]) -> None:
    """Print why the plan has other changes than those that were named."""
    for one in refused:
        output.line(f"The engine would refuse this: {one} The plan has the changes that resolve it.")


def _remedy(step: PlanStep) -> list[PlannedCall]:
    """Return the changes that resolve a refused one, or none."""
    remedy: Any = step["problem"].get("remedy") if step["problem"] else None
    return list(remedy["plan"]["changes"]) if remedy and remedy["plan"] else []


def _keep(make: Callable[..., PlannedCall]) -> Callable[[click.Context, click.Parameter, tuple[Any, ...]], None]:
    """Return a callback that keeps the changes in the context: click calls back in the order of the command line."""

    def keep(context: click.Context, _: click.Parameter, values: tuple[Any, ...]) -> None:
        names = [value if isinstance(value, tuple) else (value,) for value in values]
        context.meta.setdefault(_PLACE, []).extend(make(*name) for name in names)

    return keep
