"""``bridgework events``: the changes of networks and containers as they happen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from bridgework_cli import output
from bridgework_cli.connection import complete_container, connected

if TYPE_CHECKING:
    from bridgework_client import Client


@click.command("events")
@connected
@click.option("--follow", "-f", is_flag=True, help="Go on for ever; without it, end after --count events.")
@click.option("--count", "-n", type=click.IntRange(min=1), default=1, show_default=True, help="Number of events.")
@click.option("--type", "kind", type=click.Choice(["network", "container"]), help="Only events of this kind.")
@click.option("--network", metavar="NAME", help="Only events of this network.")
@click.option("--container", metavar="NAME", help="Only events of this container.", shell_complete=complete_container)
@click.option("--project", metavar="NAME", help="Only events of this project.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True,
              help="The form of the output; json is one document a line.")  # fmt: skip
def command_events(client: Client, follow: bool, count: int, kind: str | None, output: str, **filters: Any) -> None:
    """Show changes of networks and containers as they happen.

    With --follow, the command continues after a lost connection where it was. A `gap` says that events may be missing.
    """
    for number, event in enumerate(client.follow_events(type=kind, resume=follow, **filters), 1):
        show(event, output)
        if not follow and number == count:
            return


def show(event: Any, form: str) -> None:
    """Print an event in one of the forms, in one line."""
    output.line(json.dumps(event) if form == "json" else _described(event))


def _described(event: Any) -> str:
    if event["type"] == "gap":
        return f"{'-':<24}  gap: events may be missing ({event['reason']})"
    if event["type"] == "engine":
        return f"{'-':<24}  engine {event['state']}" + (f": {event['detail']}" if event["detail"] else "")
    text = f"{event['time'][:23]:<24}  {event['type']} {event['action']} {event['name']}"
    other = event.get("container")
    if event["type"] == "network" and other:
        text += f" {other['name'] or other['id'][:12]}"
    if event.get("exit_code") is not None:
        text += f" (exit code {event['exit_code']})"
    return text
