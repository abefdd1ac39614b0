"""What a command prints: tables for people, JSON and YAML for programs, JUnit for pipelines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bridgework.client.documents import CheckResult, Finding

VERDICT_COLOURS = {"reachable": "green", "unreachable": "red", "inconclusive": "yellow"}
SEVERITY_COLOURS = {"blocking": "red", "warning": "yellow", "info": "blue"}
_NO_WRAP = 100_000
Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def output_option(*forms: str) -> Option:
    """Add ``--output`` with these forms; the first is the default."""
    return click.option(
        "-o", "--output", type=click.Choice(forms), default=forms[0], show_default=True, help="The form of the output."
    )


def document(value: Any, form: str) -> None:
    """Print a document as JSON or YAML."""
    if form == "json":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    import yaml  # noqa: PLC0415 - 10 ms that only YAML needs

    click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns. On a terminal, long cells are wrapped; in a pipe, each row is one line."""
    from rich.console import Console  # noqa: PLC0415 - 40 ms that only tables need
    from rich.table import Table  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    terminal = sys.stdout.isatty()
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for head in heads:
        made.add_column(head, overflow="fold")
    for row in rows:
        made.add_row(*(Text.from_ansi(cell) if terminal else Text(click.unstyle(cell)) for cell in row))
    console = Console(width=None if terminal else _NO_WRAP, highlight=False)
    with console.capture() as captured:
        console.print(made)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def verdict(text: str) -> str:
    """Colour a verdict."""
    return click.style(text, fg=VERDICT_COLOURS.get(text), bold=True)


def finding(one: Finding) -> None:
    """Print a finding with its remedy."""
    click.echo(
        f"  {click.style(one['severity'], fg=SEVERITY_COLOURS.get(one['severity']))}  {one['message']}", nl=False
    )
    click.echo(click.style(f"  [{one['code']}]", dim=True))
    remedy = one["remedy"]
    if remedy is None:
        return
    click.echo(f"    remedy  {remedy['summary']}")
    for call in remedy["calls"]:
        body = "" if call["body"] is None else f" {json.dumps(call['body'], ensure_ascii=False)}"
        click.echo(f"      {call['method']} {call['path']}{body}")
    for command in remedy["commands"]:
        click.echo(f"      # {command}")


def check(result: CheckResult, question: str) -> None:
    """Print the answer to a check: the verdict, the cause with its remedy, then the path and the measurement."""
    click.echo(f"{verdict(result['verdict'])}  {question}")
    for one in result["findings"]:
        finding(one)
    path = result["predicted"]["path"]
    if path:
        click.echo(f"  path  {' > '.join(_hop(hop) for hop in path)}")
    click.echo(f"  predicted {result['predicted']['verdict']}, measured {_measured(result)}")
    for tried in result["addresses"] if len(result["addresses"]) > 1 else ():
        where = f" on {tried['network']['name']}" if tried["network"] else ""
        why = f" ({tried['reason']})" if tried["reason"] else ""
        measured = f"measured {tried['measured']}" if tried["measured"] else "not measured"
        click.echo(f"  address {tried['address']}{where}: predicted {tried['predicted']}, {measured}{why}")


def _hop(hop: Any) -> str:
    text = f"{hop['kind']} {hop['name']}" + (f" of {hop['of']}" if hop["of"] else "")
    if hop["status"] == "passed":
        return text
    return click.style(f"{text} ({hop['status']})", fg="red" if hop["status"] == "stopped" else "yellow")


def _measured(result: CheckResult) -> str:
    measured = result["measured"]
    parts: list[str] = [measured["verdict"]]
    if measured["reason"]:
        parts.append(f"{measured['reason']}" + (f" ({measured['detail']})" if measured["detail"] else ""))
    if measured["address"]:
        parts.append(f"at {measured['address']}")
    if measured["rtt_ms"]:
        parts.append(f"in {measured['rtt_ms']['avg']} ms")
    return ", ".join(parts)


def junit(suite: str, cases: Iterable[tuple[str, str | None]]) -> None:
    """Print a JUnit report: each case has a name, and a sentence if it failed."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - written here, never read

    root = ET.Element("testsuite", name=suite)
    failures = 0
    for name, failed in cases:
        case = ET.SubElement(root, "testcase", name=name, classname=suite)
        if failed is not None:
            failures += 1
            ET.SubElement(case, "failure", message=failed, type="failed")
    root.set("tests", str(len(root)))
    root.set("failures", str(failures))
    root.set("errors", "0")
    ET.indent(root)
    click.echo(ET.tostring(root, encoding="unicode"))
