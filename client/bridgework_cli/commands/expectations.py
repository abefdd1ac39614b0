"""``bridgework expect``: sets of expectations that the service keeps, and their changes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from bridgework_cli import output
from bridgework_cli.commands.assertions import read_set
from bridgework_cli.connection import connected
from bridgework_cli.running import REACHABLE, UNREACHABLE

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import ExpectationChange, ExpectationSet

_COLOURS = {"met": "green", "violated": "red", "unknown": "yellow"}


@click.group("expect")
def command_expect() -> None:
    """Keep expectations about connectivity, and see each change with its cause."""


@command_expect.command("apply")
@connected
@click.argument("file", type=click.File("r"))
@click.option("--name", metavar="NAME", help="The name of the set; without it, the name of the file.")
@click.option("--every", "every_s", metavar="SECONDS", type=click.IntRange(5, 86_400),
              help="How often each expectation is measured when nothing changes.")  # fmt: skip
@click.option("--notify", metavar="WEBHOOK", multiple=True, help="A webhook of the service's file. Can be repeated.")
@click.option("--dry-run", is_flag=True, help="Check the file, and change nothing.")
def expect_apply(
    client: Client, file: IO[str], name: str | None, every_s: int | None, notify: tuple[str, ...], dry_run: bool
) -> None:
    """Keep the expectations of FILE as a set, in place of a set of the same name.

    FILE is that of `bridgework assert`. It may also be an object with `expectations`, `every_s` and `notify`.
    """
    named = getattr(file, "name", "-")
    if name is None and named in {"-", "<stdin>"}:
        raise click.UsageError("Standard input has no name: give the set one by --name.")
    body: Any = read_set(file.read(), named)
    if every_s is not None:
        body["every_s"] = every_s
    if notify:
        body["notify"] = list(notify)
    made = client.put_expectations(name or Path(named).stem, body, dry_run=dry_run or None)
    count = len(made["expectations"])
    output.line(f"{made['name']}: {count} expectation{'s' if count != 1 else ''} {'would be ' if dry_run else ''}kept.")
    output.limitations(made["limited"])


@command_expect.command("list")
@connected
@output.output_option("table", "json", "yaml")
def expect_list(client: Client, output: str) -> None:
    """List the sets of expectations."""
    list_sets(list(client.list_expectations()), output)


def list_sets(sets: list[Any], form: str) -> None:
    """Print sets in one of the forms."""
    if form != "table":
        output.document(sets, form)
        return
    heads = ("NAME", "MET", "VIOLATED", "UNKNOWN", "SINCE", "FROM")
    rows = [
        (one["name"], str(one["met"]), str(one["violated"]), str(one["unknown"]), one["since"] or "",
         one["file"] or one["project"] or "")
        for one in sets
    ]  # fmt: skip
    output.table(heads, rows)


@command_expect.command("show")
@connected
@click.argument("name")
@output.output_option("table", "json", "yaml")
def expect_show(client: Client, name: str, output: str) -> int:
    """Show the expectations of the set NAME. The exit code is 1 if one is not met."""
    found = client.get_expectations(name)
    show(found, output)
    return UNREACHABLE if found["violated"] or found["unknown"] else REACHABLE


def show(found: ExpectationSet, form: str) -> None:
    """Print a set in one of the forms."""
    if form != "table":
        output.document(found, form)
        return
    for one in found["expectations"]:
        since = f"  since {one['since']}" if one["since"] else ""
        output.line(f"{_status(one['status'])}  {one['name']}{since}")
        if one["status"] != "met":
            output.line(f"  {one['message']}")
            for finding in one["findings"]:
                output.finding(finding)
    output.limitations(found["limited"])
    output.line(f"{found['met']} met, {found['violated']} violated, {found['unknown']} unknown")


@command_expect.command("changes")
@connected
@click.argument("name")
@click.option("--count", "-n", type=click.IntRange(min=1), default=20, show_default=True, help="Number of changes.")
@output.output_option("table", "json", "yaml")
def expect_changes(client: Client, name: str, count: int, output: str) -> None:
    """Show the last changes of the set NAME, the newest first."""
    changes = list(itertools.islice(client.list_expectation_changes(name, limit=min(count, 1000)), count))
    show_changes(changes, output)


def show_changes(changes: list[ExpectationChange], form: str) -> None:
    """Print changes in one of the forms."""
    if form != "table":
        output.document(changes, form)
        return
    for one in changes:
        for text in described(one):
            output.line(text)


@command_expect.command("watch")
@connected
@click.argument("name", required=False)
@click.option(
    "--count", "-n", type=click.IntRange(min=1), help="End after so many changes; without it, go on for ever."
)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True,
              help="The form of the output; json is one document a line.")  # fmt: skip
def expect_watch(client: Client, name: str | None, count: int | None, output: str) -> None:
    """Show the changes of all sets, or of the set NAME, as they happen."""
    events: Any = client.follow_events(type="expectation", resume=True)
    told = (event["change"] for event in events if event["type"] == "expectation")
    changes = (change for change in told if name in {None, change["set"]})
    for one in itertools.islice(changes, count):
        show_change(one, output)


def show_change(change: ExpectationChange, form: str) -> None:
    """Print a change in one of the forms."""
    for text in [json.dumps(change)] if form == "json" else described(change):
        output.line(text)


def described(change: ExpectationChange) -> list[str]:
    """Write a change: when, what, and why."""
    cause = change["cause"]
    event = cause["event"]
    lines = [f"{change['at'][:23]:<24} {_status(change['after'])}  {change['set']}: {change['expectation']}"]
    lines.append(f"  cause   {cause['message']}  [{cause['code']}]")
    if event is not None:
        lines.append(f"  event   {event['at'][11:23]} {event['message']}")
    remedies = (one["remedy"] for one in change["findings"] if one["code"] == cause["code"] and one["remedy"])
    lines += [f"  remedy  {remedy['summary']}" for remedy in itertools.islice(remedies, 1)]
    return lines


def _status(status: str) -> str:
    return output.style(status, fg=_COLOURS.get(status), bold=True)
