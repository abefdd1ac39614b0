"""``bridgework fix``: apply the remedy of a finding, after showing it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from bridgework_cli import output, targets
from bridgework_cli.commands import plan
from bridgework_cli.commands.check import exit_code
from bridgework_cli.connection import complete_container, connected
from bridgework_cli.running import REACHABLE, UNREACHABLE
from bridgework_client.errors import Problem

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import CheckRequest, Finding


@click.command("fix")
@connected
@click.argument("source", required=False, shell_complete=complete_container)
@click.argument("destination", required=False, shell_complete=complete_container)
@click.option("-p", "--protocol", type=click.Choice(targets.PROTOCOLS), help="As in `bridgework check`.")
@click.option("--code", metavar="CODE", help="Only a finding with this code.")
@click.option("--on", "component", metavar="NAME", help="Only a finding about this network or container.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before the calls are sent.")
@click.option("--dry-run", is_flag=True, help="Show the calls and send none.")
def command_fix(
    client: Client,
    source: str | None,
    destination: str | None,
    protocol: str | None,
    code: str | None,
    component: str | None,
    yes: bool,
    dry_run: bool,
) -> int:
    """Apply the remedy of a finding: of a check from SOURCE to DESTINATION, or of the engine's diagnosis.

    The command shows the calls of the remedy and what they would change, and asks before it sends them. After a check
    it checks again, and the exit code is that of the new check.
    """
    if source is None:
        found = list(client.diagnose_engine(limit=1000))
        body = None
    elif destination is None:
        raise click.UsageError("Name a destination too, or leave out both to fix a finding of the diagnosis.")
    else:
        try:
            body = targets.check(source, destination, protocol)
        except targets.BadTarget as error:
            raise click.UsageError(str(error)) from error
        result = client.check_connectivity(body)
        if result["verdict"] == "reachable":
            output.line(f"{output.verdict('reachable')}  {targets.described(body)}")
            return REACHABLE
        found = result["findings"]
    return _fix(client, chosen(found, code, component), body, yes=yes, dry_run=dry_run)


def chosen(found: list[Finding], code: str | None, component: str | None) -> Finding:
    """Choose the one finding that has calls and is meant.

    Raises:
        click.UsageError: There is none, or there are several and the first is no clear choice.
    """
    meant = [one for one in found if code in {None, one["code"]} and component in {None, one["component"]["name"]}]
    sendable = [one for one in meant if one["remedy"] and one["remedy"]["calls"]]
    if not sendable:
        for one in meant:
            output.finding(one)
        raise click.UsageError(
            "No finding that you mean has a remedy by calls." if meant else "There is no such finding."
        )
    if len(sendable) > 1 and len({json.dumps(one["remedy"]) for one in sendable}) > 1:
        for one in sendable:
            output.line(f"--code {one['code']} --on {one['component']['name']}: {one['message']}")
        raise click.UsageError("Several findings have a remedy: choose one by --code and --on.")
    return sendable[0]


def _foreseen(client: Client, wanted: Any) -> bool:
    """Show what the calls would change, and say whether they are possible; yes where no plan can hold them."""
    if wanted is None:
        return True
    try:
        made = client.plan_changes(wanted)
    except Problem as problem:
        # Podman makes the changes, and cannot plan them.
        if problem.code != "engine-lacks-function":
            raise
        return True
    plan.show_effect(made)
    for step in made["steps"]:
        if step["problem"]:
            output.line(f"In the way of {output.one_line(step['call'])}: {step['problem']['detail']}")
    return made["possible"]


def _fix(client: Client, finding: Finding, body: CheckRequest | None, *, yes: bool, dry_run: bool) -> int:
    output.finding(finding)
    remedy: Any = finding["remedy"]
    calls = remedy["calls"]
    if not _foreseen(client, remedy["plan"]) or dry_run:
        return UNREACHABLE
    if not yes:
        click.confirm(f"Send {len(calls)} calls?" if len(calls) > 1 else "Send this call?", abort=True)
    for call in calls:
        client.send(call)
        output.line(f"{output.style('done', fg='green')}  {call['method']} {call['path']}")
    if body is None:
        return REACHABLE
    result = client.check_connectivity(body)
    output.check(result, targets.described(body))
    return exit_code(result)
