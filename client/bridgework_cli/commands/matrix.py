"""``bridgework matrix``: all pairs of some containers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from bridgework_cli import output
from bridgework_cli.commands.views import of_compose
from bridgework_cli.connection import complete_container, connected
from bridgework_cli.running import REACHABLE, UNREACHABLE
from bridgework_cli.targets import PROTOCOLS
from bridgework_cli.watching import watched

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import Matrix, MatrixRequest, Undecided

# Pairs of one reason and prediction that are printed.
MOST_PAIRS = 8
# Pairs whose addresses are printed.
_MOST_ADDRESSES = 20
_SIGNS = {"reachable": "yes", "unreachable": "NO", "inconclusive": "?", "self": "-"}
_COLOURS = {"yes": "green", "NO": "red", "?": "yellow"}


@click.command("matrix")
@connected
@click.argument("containers", nargs=-1, shell_complete=complete_container)
@click.option("--network", metavar="NAME", help="All containers of this network.")
@click.option("--compose", metavar="NAME", help="All running containers of this compose project.")
@click.option("--all", "everything", is_flag=True, help="All running containers.")
@click.option("-p", "--protocol", type=click.Choice(PROTOCOLS), help="tcp with --port, otherwise icmp.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port of each destination.")
@click.option("--by-name", is_flag=True, help="Resolve the name of each destination in the source.")
@watched
@output.output_option("table", "json", "yaml", "junit")
def command_matrix(
    client: Client,
    containers: tuple[str, ...],
    network: str | None,
    compose: str | None,
    everything: bool,
    protocol: str | None,
    port: int | None,
    by_name: bool,
    output: str,
) -> int:
    """Measure which of CONTAINERS reaches which; or those of a network, of a compose project, or all.

    Each row is a source, each column a destination. The exit code is 1 if a pair is not reachable.
    """
    if sum((bool(containers), network is not None, compose is not None, everything)) != 1:
        raise click.UsageError("Name containers, or use --network, --compose or --all.")
    if compose is not None:
        containers = tuple(one["name"] for one in of_compose(client, compose) if one["state"] == "running")
    body: MatrixRequest = {}
    if containers:
        body["containers"] = list(containers)
    elif network is not None:
        body["network"] = network
    else:
        body["all"] = True
    if protocol or port:
        body["protocol"] = protocol or "tcp"  # type: ignore[typeddict-item]  # click checks it
    if port:
        body["port"] = port
    if by_name:
        body["by"] = "name"
    answer = measured(client, body)
    show(answer, output)
    summary = answer["summary"]
    return REACHABLE if summary["reachable"] == summary["pairs"] else UNREACHABLE


def measured(client: Client, body: MatrixRequest) -> Matrix:
    """Measure it; on a terminal, a bar shows how many rows are done."""
    if not sys.stderr.isatty():
        return client.measure_matrix(body)
    lines = client.measure_matrix_lines(body)
    start: Any = next(lines)
    answer: Any = {"containers": start["containers"], "verdicts": [], "rtt_ms": [], "undecided": []}
    rows: dict[int, Any] = {}
    with click.progressbar(length=start["rows_total"], label="Measuring", file=sys.stderr) as bar:
        for line in _advancing(lines, bar):
            if line["type"] == "row":
                rows[line["index"]] = line
            elif line["type"] == "end":
                answer |= {key: value for key, value in line.items() if key != "type"}
    for index in range(len(start["containers"])):
        answer["verdicts"].append(rows[index]["verdicts"])
        answer["rtt_ms"].append(rows[index]["rtt_ms"])
        answer["undecided"] += rows[index]["undecided"]
    return answer  # type: ignore[no-any-return]  # put together from lines


def _advancing(lines: Iterator[Any], bar: Any) -> Iterator[Any]:
    for line in lines:
        if line["type"] == "row":
            bar.update(1)
        yield line


def show(answer: Matrix, form: str) -> None:
    """Print the matrix in one of the forms."""
    names = [one["name"] for one in answer["containers"]]
    if form == "junit":
        why = {(one["source"], at): one for one in answer["undecided"] for at in one["destinations"]}
        output.junit("bridgework matrix", (
            (f"{names[row]} -> {names[column]}", output.outcome(word), _sentence(word, why.get((row, column))))
            for row, words in enumerate(answer["verdicts"])
            for column, word in enumerate(words)
            if word != "self"
        ))  # fmt: skip
    elif form != "table":
        output.document(answer, form)
    else:
        output.table(
            ["", *names], ([name, *map(_sign, row)] for name, row in zip(names, answer["verdicts"], strict=True))
        )
        summary = answer["summary"]
        output.line(
            f"{summary['pairs']} pairs: {summary['reachable']} reachable, {summary['unreachable']} unreachable, "
            f"{summary['inconclusive']} inconclusive, {summary['surprises']} not as predicted"
        )
        _show_undecided(answer, names)
        for gap in answer["partial"]:
            output.line(f"The node {gap['node']} is missing: {gap['reason']}")
        for pair in answer["addresses"][:_MOST_ADDRESSES]:
            output.line(f"{pair['source']['name']} -> {pair['destination']['name']}:")
            output.addresses(pair["addresses"])
        differing, listed = summary["addresses_differ"], len(answer["addresses"])
        if differing > _MOST_ADDRESSES:
            output.line(f"... and {differing - _MOST_ADDRESSES:,} more (-o json has {listed} of {differing:,})")
        for surprise in answer["surprises"]:
            output.line()
            output.line(f"{surprise['source']['name']} -> {surprise['destination']['name']}: "
                       f"predicted {surprise['predicted']}, measured {surprise['measured']}")  # fmt: skip
            for finding in surprise["findings"]:
                output.finding(finding)


def _sentence(word: str, undecided: Undecided | None) -> str:
    if undecided is None:
        return f"The verdict is {word}."
    return f"The verdict is {word} ({undecided['reason']}), predicted {undecided['predicted']}."


def _show_undecided(answer: Matrix, names: list[str]) -> None:
    """Print why pairs are inconclusive, what is predicted for them, and what to change."""
    pairs: dict[str, dict[str, list[str]]] = {}
    for one in answer["undecided"]:
        found = (f"{names[one['source']]} -> {names[at]}" for at in one["destinations"])
        pairs.setdefault(one["reason"], {}).setdefault(one["predicted"], []).extend(found)
    for limit in answer["limited"]:
        output.line()
        output.limitations([limit])
        # The limitation of the pairs comes before one with the same code of what was not looked at.
        for predicted, some in sorted(pairs.pop(limit["code"], {}).items()):
            more = f" and {len(some) - MOST_PAIRS:,} more (-o json has all)" if len(some) > MOST_PAIRS else ""
            output.line(f"  predicted {predicted}: {', '.join(some[:MOST_PAIRS])}{more}")


def _sign(verdict: str) -> str:
    sign = _SIGNS.get(verdict, verdict)
    return output.style(sign, fg=_COLOURS.get(sign))
