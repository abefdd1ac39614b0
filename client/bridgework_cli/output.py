"""What a command prints: tables for people, JSON and YAML for programs, JUnit for pipelines.

A container can have a label that clears a terminal or reverses a line. So every line is printed by ``line``, which
escapes what is not printable, and only ``style`` makes sequences for the terminal.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bridgework_client.documents import Call, CheckResult, Finding, Limitation, PlanAddress, TriedAddress

VERDICT_COLOURS = {"reachable": "green", "unreachable": "red", "inconclusive": "yellow"}
SEVERITY_COLOURS = {"blocking": "red", "warning": "yellow", "info": "blue"}
_NO_WRAP = 100_000
_NARROWEST = 40
_ESCAPE = os.urandom(8).hex()
"""Stands for the terminal's escape character until ``line`` prints it. Text of others cannot contain it: it is chosen
when the command starts."""
Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def output_option(*forms: str) -> Option:
    """Add ``--output`` with these forms; the first is the default."""
    return click.option(
        "-o", "--output", type=click.Choice(forms), default=forms[0], show_default=True, help="The form of the output."
    )


def style(text: str, **look: Any) -> str:
    """Give a text a colour or weight by the arguments of ``click.style``, for ``line`` or ``table`` to print."""
    return click.style(printable(text), **look).replace("\x1b", _ESCAPE)


def line(text: str = "", *, err: bool = False) -> None:
    """Print one line, with an escape for each character of it that is not printable."""
    click.echo(_safe(text), err=err)


def prose(text: str, indent: str = "", hang: str | None = None) -> None:
    """Print a sentence behind ``indent``. On a terminal it is wrapped, and its further lines are behind ``hang``.

    What a person copies, such as a call or a command, is printed by ``line``.
    """
    if sys.stdout.isatty():
        width = max(shutil.get_terminal_size().columns - 1, _NARROWEST)
        click.echo(click.wrap_text(_safe(text), width, indent, indent if hang is None else hang))
    else:
        line(f"{indent}{text}")


def lines(text: str, *, err: bool = False) -> None:
    """Print a text of several lines."""
    for one in text.rstrip("\n").split("\n"):
        line(one, err=err)


def printable(text: str) -> str:
    """Return the text with an escape for each character that a terminal would act on or not show, as ``ls -b`` does."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _safe(text: str) -> str:
    return printable(text).replace(_ESCAPE, "\x1b")


def document(value: Any, form: str) -> None:
    """Print a document as JSON or YAML, which parsers read as the service gave it."""
    dumped = _dumped(value, form, ascii_only=False)
    # Both forms have escapes of their own, and write characters beyond ASCII as they are if they are told to: U+009B,
    # which starts a terminal's command, and U+202E, which reverses the line, among them.
    clean = all(map(str.isprintable, dumped.split("\n")))
    click.echo(dumped if clean else _dumped(value, form, ascii_only=True), nl=False)


def _dumped(value: Any, form: str, *, ascii_only: bool) -> str:
    if form == "json":
        return json.dumps(value, indent=2, ensure_ascii=ascii_only) + "\n"
    import yaml  # noqa: PLC0415 - 10 ms that only YAML needs

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=not ascii_only))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns. On a terminal, long cells are wrapped; in a pipe, each row is one line."""
    from rich.console import Console  # noqa: PLC0415 - 40 ms that only tables need
    from rich.table import Table  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    terminal = sys.stdout.isatty()
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for head in heads:
        made.add_column(Text(_safe(head)), overflow="fold")
    for row in map(_safe_cells, rows):
        made.add_row(*(Text.from_ansi(cell) if terminal else Text(click.unstyle(cell)) for cell in row))
    console = Console(width=None if terminal else _NO_WRAP, highlight=False)
    with console.capture() as captured:
        console.print(made)
    for printed in captured.get().splitlines():
        click.echo(printed.rstrip())


def _safe_cells(row: Sequence[str]) -> list[str]:
    return [_safe(cell) for cell in row]


def verdict(text: str) -> str:
    """Colour a verdict."""
    return style(text, fg=VERDICT_COLOURS.get(text), bold=True)


def finding(one: Finding) -> None:
    """Print a finding with its remedy."""
    severity = style(one["severity"], fg=SEVERITY_COLOURS.get(one["severity"]))
    code = style(f"  [{one['code']}]", dim=True)
    prose(f"{severity}  {one['message']}{code}", "  ", " " * (len(one["severity"]) + 4))
    remedy = one["remedy"]
    if remedy is None:
        return
    prose(f"remedy  {remedy['summary']}", "    ", " " * 12)
    for call in remedy["calls"]:
        line(f"      {one_line(call)}")
    for command in remedy["commands"]:
        line(f"      # {command}")


def limitations(limited: Iterable[Limitation]) -> None:
    """Print what an answer leaves open, why, and what to change."""
    for one in limited:
        prose(limitation(one), "", "  ")
        if one["remedy"]:
            prose(f"remedy  {one['remedy']}", "  ", " " * 10)


def limitation(one: Limitation) -> str:
    """Write what is left open and why in one line."""
    return f"Left open: {one['what']} ({one['code']}): {one['why']}"


def one_line(call: Call) -> str:
    """Write a call in one line."""
    body = f" {json.dumps(call['body'], ensure_ascii=False)}" if call["body"] else ""
    return f"{call['method']} {call['path']}{body}"


def check(result: CheckResult, question: str) -> None:
    """Print the answer to a check: the verdict, the cause with its remedy, then the path and the measurement."""
    line(f"{verdict(result['verdict'])}  {question}")
    for one in result["findings"]:
        finding(one)
    path = result["predicted"]["path"]
    if path:
        prose(f"path  {' > '.join(_hop(hop) for hop in path)}", "  ", " " * 8)
    prose(f"predicted {result['predicted']['verdict']}, measured {_measured(result)}", "  ", " " * 4)
    if len(result["addresses"]) > 1:
        addresses(result["addresses"])
    limitations(result["limited"])


def addresses(tried: Iterable[TriedAddress]) -> None:
    """Print the addresses of a destination, each with its prediction and its measurement."""
    for one in tried:
        why = f" ({one['reason']})" if one["reason"] else ""
        measured = f"measured {one['measured']}" if one["measured"] else "not measured"
        prose(f"{address(one)}: predicted {one['predicted']}, {measured}{why}", "  ", " " * 4)


def address(one: TriedAddress | PlanAddress) -> str:
    """Write an address with its network."""
    return f"address {one['address']}" + (f" on {one['network']['name']}" if one["network"] else "")


def _hop(hop: Any) -> str:
    text = f"{hop['kind']} {hop['name']}" + (f" of {hop['of']}" if hop["of"] else "")
    if hop["status"] == "passed":
        return text
    return style(f"{text} ({hop['status']})", fg="red" if hop["status"] == "stopped" else "yellow")


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


Case = tuple[str, str, str | None]
"""A case of a report: its name, ``passed``, ``failed``, ``error`` or ``skipped``, and a sentence if it did not pass."""


def outcome(verdict: str) -> str:
    """Return how a report counts a verdict: an inconclusive one is an error, since nothing was found out."""
    return "error" if verdict == "inconclusive" else "passed" if verdict == "reachable" else "failed"


def junit(suite: str, cases: Iterable[Case]) -> None:
    """Print a JUnit report.

    A failed case has the element ``failure``, one that could not be decided ``error``, and one that was not looked at
    ``skipped``.
    """
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - written here, never read

    root = ET.Element("testsuite", name=suite)
    counts = {"failed": 0, "error": 0, "skipped": 0}
    for name, word, sentence in cases:
        case = ET.SubElement(root, "testcase", name=printable(name), classname=suite)
        if word in counts:
            counts[word] += 1
            tag = "failure" if word == "failed" else word
            ET.SubElement(case, tag, message=printable(sentence or ""), type=word)
    root.set("tests", str(len(root)))
    root.set("failures", str(counts["failed"]))
    root.set("errors", str(counts["error"]))
    root.set("skipped", str(counts["skipped"]))
    ET.indent(root)
    click.echo(ET.tostring(root, encoding="unicode"))
