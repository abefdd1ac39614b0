"""``bridgework plan`` and ``bridgework apply``: a file of changes, what they would do, and doing them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

import click

from bridgework_cli import output
from bridgework_cli.commands import whatif
from bridgework_cli.connection import connected
from bridgework_cli.running import REACHABLE, UNREACHABLE
from bridgework_client import changes

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import Difference, FirewallBackend, Plan, PlannedCall, UpgradeEngine

_SIGNS = {"POST": ("+", "green"), "PUT": ("+", "green"), "DELETE": ("-", "red")}
_OUTCOMES = {"unchanged": ("=", None), "conflict": ("!", "red")}
_SHORT: dict[str, Callable[[Any], PlannedCall]] = {
    "create_network": changes.create_network,
    "delete_network": changes.delete_network,
    "create_container": changes.create_container,
    "delete_container": changes.delete_container,
    "start": changes.start_container,
    "stop": changes.stop_container,
    "restart": changes.restart_container,
}
_RESULTS = {"done": "green", "applied": "green", "failed": "red", "undone": "yellow", "differs": "red"}
_PAIRS_SHOWN = 20
_NO_WAY = "no way to it"
_ROWS_IN_REPORT = 200
FILE_HELP = """\b
FILE is a list of changes (YAML or JSON; `-` is standard input):
  - create_network: {name: shop}
  - create_container: {name: web, image: busybox, network_mode: shop}
  - connect: {network: shop, container: db, aliases: [database]}
  - disconnect: {network: bridge, container: db}
  - start: cache                 # or stop, restart
  - delete_container: old        # or delete_network
  - {method: PUT, path: ..., body: {}}        # a call of a remedy as it is
  - upgrade_engine: {version: "29.7", firewall_backend: nftables}   # as the last one, to plan only
The fields are those of the API."""


@click.command("plan", epilog=FILE_HELP)
@connected
@click.argument("file", type=click.File("r"), required=False)
@whatif.change_options
@click.option(
    "--upgrade", metavar="VERSION", help="Plan an upgrade of Docker to this version, such as 29.7, after FILE."
)
@click.option("--firewall-backend", type=click.Choice(("iptables", "nftables")),
              help="With this firewall backend of the daemon.")  # fmt: skip
@output.output_option("table", "json", "yaml", "junit", "markdown")
def command_plan(
    client: Client, file: IO[str] | None, upgrade: str | None, firewall_backend: FirewallBackend | None, output: str
) -> int:
    """Show what changes would do, without doing them: those of FILE, or those that the options name.

    The plan says what each change would do, which containers would reach each other or no longer, what would open or
    close at the host, and which findings would appear or disappear. The exit code is 1 if a change is in conflict.

    Where the engine would refuse a change that an option names, the plan has the changes that resolve it. For example,
    --delete-network disconnects the containers first.

    With --upgrade or --firewall-backend, FILE can be left out: the plan says what another release of Docker, or the
    other backend, would open or close on this host. The exit code is then 1 if a pair or a row of the exposure changes.
    """
    before = read(file.read(), file.name) if file is not None else []
    changes, refused = whatif.resolved(client, before, whatif.given())
    wanted: UpgradeEngine = {}
    if upgrade is not None:
        wanted["version"] = upgrade
    if firewall_backend is not None:
        wanted["firewall_backend"] = firewall_backend
    if wanted:
        changes.append({"upgrade_engine": wanted})
    if not changes:
        raise click.UsageError("Name a FILE of changes, a change such as --stop, or --upgrade.")
    made = client.plan_changes({"changes": changes})
    if output == "table":
        whatif.tell(refused)
    show(made, output)
    difference = made["difference"]
    is_quiet = made["upgrade"] is None or not (difference["pairs_total"] or difference["exposure_total"])
    return REACHABLE if made["possible"] and is_quiet else UNREACHABLE


@click.command("apply", epilog=FILE_HELP)
@connected
@click.argument("file", type=click.File("r"), required=False)
@whatif.change_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask before the changes are made.")
@click.option("--keep", is_flag=True, help="Keep the changes when one fails or does not do what was planned.")
def command_apply(client: Client, file: IO[str] | None, yes: bool, keep: bool) -> int:
    """Make the changes of FILE, or those that the options name, after showing the plan.

    The service makes the changes in their order, and measures whether they did what was planned. If a change fails or
    a pair differs, it undoes all of them. Nothing is changed if the plan has a conflict, or if the state changes while
    you read the plan. The exit code is 1 if the changes are not made, or do not do what was planned.
    """
    before = read(file.read(), file.name) if file is not None else []
    wanted, refused = whatif.resolved(client, before, whatif.given())
    if not wanted:
        raise click.UsageError("Name a FILE of changes, or a change such as --stop.")
    made, etag = client.plan(wanted)
    whatif.tell(refused)
    show(made, "table")
    if not made["possible"]:
        return UNREACHABLE
    if all(step["outcome"] == "unchanged" for step in made["steps"]):
        return REACHABLE
    if not yes:
        click.confirm("Make these changes?", abort=True)
    return show_applied(client.apply(wanted, etag, undo="never" if keep else "on-failure"))


def show_applied(plan: Plan) -> int:
    """Print what became of the changes, and return the exit code."""
    applied = plan["applied"]
    if applied is None:
        return UNREACHABLE
    for step, result in zip(plan["steps"], applied["steps"], strict=True):
        output.line(f"{_coloured(result['outcome'])}  {step['call']['method']} {step['call']['path']}")
        if result["problem"]:
            output.line(f"      {result['problem']['detail']}  [{result['problem']['code']}]")
    for pair in applied["pairs"]:
        if pair["agrees"] is False:
            output.line(f"  {_pair(pair)}: planned {output.verdict(pair['predicted'])}, "
                       f"measured {output.verdict(pair['measured'])}")  # fmt: skip
            for finding in pair["findings"]:
                output.line(f"      {finding['message']}  [{finding['code']}]")
    for one in applied["undone"]:
        output.line(f"{_coloured('failed' if one['problem'] else 'undone')}  {output.one_line(one['call'])}")
    agreeing = sum(pair["agrees"] is True for pair in applied["pairs"])
    output.line(
        f"{_coloured(applied['outcome'])}: {agreeing} of {len(applied['pairs'])} measured pairs are as planned."
    )
    return REACHABLE if applied["outcome"] == "applied" else UNREACHABLE


def _coloured(outcome: str) -> str:
    return output.style(outcome, fg=_RESULTS.get(outcome), bold=True)


def _pair(pair: Any) -> str:
    port = "" if pair["port"] is None else f" {pair['port']}"
    return f"{pair['source']['name']} -> {pair['destination']['name']} ({pair['protocol']}{port})"


def show(plan: Plan, form: str) -> None:
    """Print a plan in one of the forms."""
    if form == "junit":
        output.junit("bridgework plan", _cases(plan))
        return
    if form == "markdown":
        output.lines("\n".join(map(output.printable, _markdown(plan))))
        return
    if form != "table":
        output.document(plan, form)
        return
    for step in plan["steps"]:
        sign, colour = _OUTCOMES.get(step["outcome"]) or _SIGNS.get(step["call"]["method"], ("~", "yellow"))
        output.line(f"  {output.style(sign, fg=colour, bold=True)} {output.one_line(step['call'])}")
        if step["problem"]:
            output.line(f"      {step['problem']['detail']}  [{step['problem']['code']}]")
        if step["not_undoable_because"]:
            output.line(f"      Nothing can undo this: {step['not_undoable_because']}")
    upgrade = plan["upgrade"]
    if upgrade is not None:
        backend, known = upgrade["firewall_backend"], upgrade["answered_as"]
        output.line(f"Before the upgrade to Docker {upgrade['version']} with {backend}, answered as Docker {known}:")
        if not plan["difference"]["pairs_total"] and not plan["difference"]["exposure_total"]:
            output.line("No pair and no row of the exposure changes.")
    show_effect(plan)
    words = ("changes", "unchanged", "conflict")
    counts = {word: sum(step["outcome"] == word for step in plan["steps"]) for word in words}
    undo = "" if plan["undoable"] else " It cannot be undone completely."
    if upgrade is not None and not plan["steps"]:
        return
    output.line(
        f"Plan: {counts['changes']} to change, {counts['unchanged']} unchanged, {counts['conflict']} in conflict.{undo}"
    )


def show_effect(plan: Plan) -> None:
    """Print what the changes would do together."""
    _show_difference(plan["difference"])
    for head, found in (("Appears", plan["appearing_findings"]), ("Disappears", plan["disappearing_findings"])):
        for one in found:
            output.line(f"{head}: {one['severity']}  {one['message']}  [{one['code']}]")
    for note in plan["notes"]:
        output.line(f"Note: {note['message']}  [{note['code']}]")
        if note["remedy"]:
            output.line(f"  remedy  {note['remedy']}")
        for link in note["references"]:
            output.line(f"  see  {link}")
    output.limitations(plan["limited"])


def _cases(plan: Plan) -> Iterator[tuple[str, str, str | None]]:
    """Yield a case for each change, pair and row of the exposure; what changes is failed."""
    for step in plan["steps"]:
        problem = step["problem"]
        yield output.one_line(step["call"]), "failed" if problem else "passed", problem["detail"] if problem else None
    for what, before, after in _changes(plan["difference"]):
        word = "error" if "inconclusive" in {before, after} else "failed"
        yield what, word, f"{before} before, {after} after"
    difference = plan["difference"]
    if not difference["pairs_total"] and not difference["exposure_total"]:
        yield "no pair and no row of the exposure changes", "passed", None


def _changes(difference: Difference) -> Iterator[tuple[str, str, str]]:
    for pair in difference["pairs"]:
        yield _pair(pair), pair["before"], pair["after"]
    for row in difference["exposure"]:
        yield _row(row), row["before"] or _NO_WAY, row["after"] or _NO_WAY


def _row(row: Any) -> str:
    origin = row["origin"]
    place = "host" if origin["kind"] == "host" else f"{origin['kind']} {origin['name']}"
    address = f"[{row['address']}]" if ":" in row["address"] else row["address"]
    return (
        f"{row['container']['name']}:{row['container_port']}/{row['protocol']} from {place} at {address}:{row['port']}"
    )


def _markdown(plan: Plan) -> Iterator[str]:
    """Yield the lines of a report for a ticket."""
    upgrade = plan["upgrade"]
    if upgrade is not None:
        yield f"## Before the upgrade to Docker {_cell(upgrade['version'])} ({upgrade['firewall_backend']})"
        yield ""
    for step in plan["steps"]:
        yield f"- {step['outcome']}: {_cell(output.one_line(step['call']))}"
    yield from _markdown_changes(plan["difference"])
    for head, found in (("Appears", plan["appearing_findings"]), ("Disappears", plan["disappearing_findings"])):
        yield from (f"- {head}: {_cell(one['message'])} ({one['code']})" for one in found)
    for note in plan["notes"]:
        links = " ".join(f"<{link}>" for link in note["references"])
        yield f"- {_cell(note['message'])} {_cell(note['remedy'] or '')} {links}".rstrip()
    yield from (f"- Left open: {_cell(one['what'])}: {_cell(one['why'])}" for one in plan["limited"])


def _markdown_changes(difference: Difference) -> Iterator[str]:
    total = difference["pairs_total"] + difference["exposure_total"]
    rows = list(_changes(difference))
    yield f"{total} pairs and rows of the exposure change." if total else "No pair and no row of the exposure changes."
    yield ""
    if rows:
        yield "| what | before | after |"
        yield "|---|---|---|"
    yield from (f"| {_cell(what)} | {before} | {after} |" for what, before, after in rows[:_ROWS_IN_REPORT])
    if len(rows) > _ROWS_IN_REPORT or total > len(rows):
        yield ""
        yield "More rows are in the JSON form (`-o json`)."
    if rows:
        yield ""


def _cell(text: str) -> str:
    """Escape what Markdown would read as more than text."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def _show_difference(difference: Difference) -> None:
    if difference["pairs_total"]:
        output.line(f"Pairs that change: {difference['pairs_total']}")
    for pair in difference["pairs"][:_PAIRS_SHOWN]:
        why = f" ({pair['reason']})" if pair["reason"] else ""
        assumed = ", if a program listens there" if pair["assumes_listener"] else ""
        output.line(f"  {_pair(pair)}: "
                   f"{output.verdict(pair['before'])} -> {output.verdict(pair['after'])}{why}{assumed}")  # fmt: skip
        for at in pair["addresses"] if len(pair["addresses"]) > 1 else ():
            output.line(f"    {output.address(at)}: {at['before'] or _NO_WAY} -> {at['after'] or _NO_WAY}")
    if difference["pairs_total"] > min(len(difference["pairs"]), _PAIRS_SHOWN):
        output.line("  ... (see all of them with -o json)")
    if difference["exposure_total"]:
        output.line(f"Rows of the exposure that change: {difference['exposure_total']}")
    for row in difference["exposure"][:_PAIRS_SHOWN]:
        why = f" ({row['reason']})" if row["reason"] else ""
        before, after = (output.verdict(row[when] or _NO_WAY) for when in ("before", "after"))
        output.line(f"  {_row(row)}: {before} -> {after}{why}")
    if difference["exposure_total"] > min(len(difference["exposure"]), _PAIRS_SHOWN):
        output.line("  ... (see all of them with -o json)")
    for one in difference["outside"]:
        where = f"{one['host_ip']}:{one['host_port'] or 'any port'}"
        output.line(f"At the host: {where} -> {one['container']['name']}:{one['container_port']}/{one['protocol']} "
                   f"becomes {output.verdict(one['becomes'])}")  # fmt: skip


def read(text: str, name: str) -> list[PlannedCall]:
    """Read a file of changes.

    Raises:
        click.UsageError: An item is none of the forms. The service judges the fields.
    """
    import yaml  # noqa: PLC0415 - 10 ms that only a file of YAML needs

    try:
        items = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise click.UsageError(f"{name} is not YAML: {error}") from error
    if not isinstance(items, list):
        raise click.UsageError(f"{name} is not a list of changes.")
    return [_change(item, f"{name}, item {number}") for number, item in enumerate(items, 1)]


def _change(item: Any, place: str) -> PlannedCall:
    if isinstance(item, dict) and "method" in item:
        return item  # type: ignore[return-value]  # the service checks it
    if not isinstance(item, dict) or len(item) != 1:
        raise click.UsageError(
            f"{place}: a change is one of {', '.join([*_SHORT, 'connect', 'disconnect', 'upgrade_engine'])}, or a call."
        )
    ((kind, given),) = item.items()
    if kind == "upgrade_engine" and isinstance(given, dict):
        return {"upgrade_engine": given}  # type: ignore[typeddict-item]  # the service checks it
    if kind in {"connect", "disconnect"}:
        return _endpoint(kind, given, place)
    wants = dict if kind in {"create_network", "create_container"} else str
    if kind not in _SHORT or not isinstance(given, wants):
        raise click.UsageError(
            f"{place}: {kind!r} is no change, or its value is not {'an object' if wants is dict else 'a name'}."
        )
    return _SHORT[kind](given)


def _endpoint(kind: str, given: Any, place: str) -> PlannedCall:
    if not isinstance(given, dict) or not {"network", "container"} <= given.keys():
        raise click.UsageError(f"{place}: {kind} needs a network and a container.")
    settings: Any = {key: value for key, value in given.items() if key not in {"network", "container"}}
    if kind == "connect":
        return changes.connect(given["network"], given["container"], settings)
    if settings.keys() - {"force"}:
        raise click.UsageError(f"{place}: disconnect takes network, container and force.")
    return changes.disconnect(given["network"], given["container"], **settings)
