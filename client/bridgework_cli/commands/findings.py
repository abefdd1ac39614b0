"""``bridgework diagnose`` and ``bridgework explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bridgework_cli import output
from bridgework_cli.connection import connected
from bridgework_cli.running import REACHABLE, UNREACHABLE

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import Explanation, Finding, Limitation

SEVERITIES = ("blocking", "warning", "info")


@click.command("diagnose")
@connected
@click.option("--code", metavar="CODE", help="Only findings with this code.")
@click.option("--fail-on", type=click.Choice([*SEVERITIES, "never"]), default="blocking", show_default=True,
              help="The exit code is 1 if a finding is at least as severe.")  # fmt: skip
@output.output_option("table", "json", "yaml", "junit")
def command_diagnose(client: Client, code: str | None, fail_on: str, output: str) -> int:
    """Look for faults in the networks of the whole engine, the most severe first."""
    pages = list(client.diagnose_engine(limit=1000).pages())
    found = [one for page in pages for one in page["items"] if code in {None, one["code"]}]
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
@click.argument("code", required=False)
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
        problem = client.get_problem(code)
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
        output.lines(click.wrap_text(text, 100, initial_indent=f"  {head:<12}", subsequent_indent=" " * 14))
