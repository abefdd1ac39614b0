"""``bridgework diagnose`` and ``bridgework explain``."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import click

from bridgework_cli import output
from bridgework_cli.commands.views import of_compose
from bridgework_cli.connection import complete_code, connected
from bridgework_cli.running import REACHABLE, UNREACHABLE
from bridgework_cli.targets import did_you_mean
from bridgework_cli.watching import watched
from bridgework_client.errors import Problem

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import Explanation, Finding, Limitation

SEVERITIES = ("blocking", "warning", "info")


@click.command("diagnose")
@connected
@click.option("--code", metavar="CODE", shell_complete=complete_code, help="Only findings with this code.")
@click.option("--compose", metavar="NAME", help="Only findings about this compose project's containers and networks.")
@click.option("--fail-on", type=click.Choice([*SEVERITIES, "never"]), default="blocking", show_default=True,
              help="The exit code is 1 if a finding is at least as severe.")  # fmt: skip
@watched
@output.output_option("table", "json", "yaml", "junit")
def command_diagnose(client: Client, code: str | None, compose: str | None, fail_on: str, output: str) -> int:
    """Look for faults in the networks of the whole engine, the most severe first."""
    pages = list(client.diagnose_engine(limit=1000).pages())
    found = [one for page in pages for one in page["items"] if code in {None, one["code"]}]
    if compose is not None:
        members = of_compose(client, compose)
        ids = {one["id"] for one in members} | {
            endpoint["network"]["id"] for one in members for endpoint in one["endpoints"]
        }
        found = [one for one in found if one["component"]["id"] in ids]
    show(found, pages[0]["limited"], output)
    grave = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on in SEVERITIES else ()
    return UNREACHABLE if any(one["severity"] in grave for one in found) else REACHABLE


def show(found: list[Finding], limited: list[Limitation], form: str) -> None:
    """Print findings in one of the forms."""
    if form == "junit":
        cases = [
            (f"{one['code']}: {one['component']['name']}", "failed" if one["severity"] == "blocking" else "passed",
             one["message"]) for one in found
        ]  # fmt: skip
        # What was not looked at is no fault, so that it fails no pipeline.
        cases += [(f"{one['code']}: {one['what']}", "skipped", output.limitation(one)) for one in limited]
        output.junit("bridgework diagnose", cases)
    elif form != "table":
        output.document({"items": found, "limited": limited}, form)
    else:
        for one in found:
            output.finding(one)
        counts = [f"{sum(one['severity'] == word for one in found)} {word}" for word in SEVERITIES]
        output.line(f"Findings: {', '.join(counts)}." if found else "No findings.")
        output.limitations(limited)


@click.command("explain")
@connected
@click.argument("code", required=False, shell_complete=complete_code)
@output.output_option("table", "json", "yaml")
def command_explain(client: Client, code: str | None, output: str) -> int:
    """Explain the CODE of a finding or of a problem; without CODE, list the codes of all findings."""
    known = {one["code"]: one for one in client.list_explanations(limit=1000)}
    if code is None:
        show_codes(list(known.values()), output)
    elif code in known:
        one = known[code]
        show_entry(one, [("Meaning", one["meaning"]), ("Severity", one["severity"]), ("Detected by", one["detection"]),
                         ("Remedy", one["remedy"]), ("Reads", one["example"])], output)  # fmt: skip
    else:
        try:
            problem = client.get_problem(code)
        except Problem as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            codes = [*known, *(one["code"] for one in client.list_problems())]
            raise click.UsageError(f"There is no code {code!r}.{did_you_mean(code, codes)}") from error
        show_entry(problem, [("Problem", f"{problem['title']} (status {problem['status']})"),
                             ("When", problem["meaning"]), ("What to do", problem["remedy"])], output)  # fmt: skip
    return REACHABLE


def show_codes(entries: list[Explanation], form: str) -> None:
    """Print the catalogue in one of the forms."""
    if form == "table":
        output.table(
            ["CODE", "SEVERITY", "MEANING"], ([one["code"], one["severity"], one["meaning"]] for one in entries)
        )
    else:
        output.document(entries, form)


def show_entry(entry: Any, lines: list[tuple[str, str]], form: str) -> None:
    """Print one entry of a catalogue in one of the forms."""
    if form != "table":
        output.document(entry, form)
        return
    output.line(output.style(entry["code"], bold=True))
    for head, text in lines:
        output.prose(f"{head:<12}{text}", "  ", " " * 14)
