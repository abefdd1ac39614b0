"""``bridgework reach``: who can reach a container, or what a container can reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import click

from bridgework_cli import output, targets
from bridgework_cli.commands.exposure import at, decided_by
from bridgework_cli.commands.views import COMPOSE_LABEL
from bridgework_cli.connection import complete_container, connected
from bridgework_cli.watching import watched

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import Exposure, Limitation, QueryGroup, QueryRequest, QueryResult

PROTOCOLS = ("tcp", "udp", "icmp")
VERDICTS = ("reachable", "inconclusive", "unreachable")


class Row(NamedTuple):
    """A row of the table: ``place`` is a Compose project, the host or the LAN."""

    verdict: str
    place: str
    ends: str
    port: str
    by: str


@click.command("reach")
@connected
@click.argument("target", shell_complete=complete_container)
@click.option("--from", "outwards", is_flag=True, help="Show what TARGET can reach instead.")
@click.option("-p", "--protocol", type=click.Choice(PROTOCOLS), default="tcp", show_default=True)
@click.option("--open", "only_open", is_flag=True, help="Leave out what is unreachable.")
@watched
@output.output_option("table", "json", "yaml")
def command_reach(client: Client, target: str, outwards: bool, protocol: str, only_open: bool, output: str) -> None:
    """Show who can reach TARGET: containers, the host and the LAN, by every address, and what stops the others.

    TARGET is a container or `host`, with a port (`db:5432`) or without one, which means all ports that are known. The
    answer is predicted from the engine's state and the rules in force. Nothing is sent.
    """
    try:
        name, port = targets.end(target)
    except targets.BadTarget as error:
        raise click.UsageError(str(error)) from error
    body: QueryRequest = {
        "find": "destinations" if outwards else "sources",
        "of": {"host": True} if name == "host" else {"container": name},
        "protocol": protocol,  # type: ignore[typeddict-item]  # click checks it
        "include_unreachable": not only_open,
    }
    if port is not None:
        body["port"] = port
    answer = client.search_connectivity(body)
    outside: list[Exposure] = []
    limited: list[Limitation] = list(answer["limited"])
    if not outwards and name != "host" and protocol != "icmp":
        outside, more = _outside(client, name, protocol, port)
        limited += [one for one in more if one not in limited]
    if only_open:
        outside = [row for row in outside if row["verdict"] != "unreachable"]
    projects = {one["id"] or "": one["labels"].get(COMPOSE_LABEL, "") for one in client.list_containers(limit=1000)}
    show(answer, outside, limited, projects, output)


def _outside(client: Client, name: str, protocol: str, port: int | None) -> tuple[list[Exposure], list[Limitation]]:
    """Return the rows for neighbours of the host, and what they leave open."""
    pages = list(client.list_exposure(limit=1000, container=[name], origin=["lan"]).pages())
    rows = [
        row
        for page in pages
        for row in page["items"]
        if row["protocol"] == protocol and port in {None, row["container_port"]}
    ]
    return rows, pages[0]["limited"]


def show(
    answer: QueryResult, outside: list[Exposure], limited: list[Limitation], projects: Mapping[str, str], form: str
) -> None:
    """Print who reaches whom in one of the forms; ``projects`` are the Compose projects by container id."""
    if form != "table":
        output.document({"groups": answer["groups"], "outside": outside, "limited": limited}, form)
        return
    rows = [row for group in answer["groups"] for row in _of_group(group, projects)]
    rows += [
        Row(row["verdict"], "LAN", row["origin"]["name"], str(row["container_port"]), f"{at(row)}: {decided_by(row)}")
        for row in outside
    ]
    rows.sort(key=lambda row: (VERDICTS.index(row.verdict), row.place, row.port))
    output.table(
        ["VERDICT", "WHERE", "NAME", "PORT", "BY"],
        ([output.verdict(row.verdict), row.place, row.ends, row.port, row.by] for row in rows),
    )
    output.limitations(limited)


def _of_group(group: QueryGroup, projects: Mapping[str, str]) -> Iterable[Row]:
    names: dict[str, list[str]] = {}
    for end in group["ends"]:
        place = "host" if end["kind"] == "host" else projects.get(end["id"]) or "-"
        names.setdefault(place, []).append(end["name"])
    port = "-" if group["port"] is None else str(group["port"])
    for place, ends in names.items():
        yield Row(group["verdict"], place, ", ".join(ends), port, _why(group))


def _why(group: QueryGroup) -> str:
    """Name the addresses that lead there, or the step that stops the packet with its cause."""
    if group["verdict"] == "reachable":
        leading = [one for one in group["addresses"] if one["predicted"] == "reachable"]
        return ", ".join(
            one["address"] + (f" on {one['network']['name']}" if one["network"] else "") for one in leading
        )
    step = next((hop for hop in group["path"] if hop["status"] != "passed"), None)
    place = f" at {step['kind']} {step['name']}" if step else ""
    cause = group["reason"] or next((one["code"] for one in group["findings"] if one["severity"] == "blocking"), "")
    return f"{cause}{place}".strip()
