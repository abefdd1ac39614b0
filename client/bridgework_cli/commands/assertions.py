"""``bridgework assert``: a file of connections that must work, and of those that must not."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from bridgework_cli import output, targets
from bridgework_cli.connection import connected
from bridgework_cli.running import REACHABLE, UNREACHABLE

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import Assertion, Assertions, ExpectationSetBody

_COLOURS = {"passed": "green", "failed": "red", "error": "yellow"}


@click.command("assert")
@connected
@click.argument("file", type=click.File("r"))
@output.output_option("table", "json", "yaml", "junit")
def command_assert(client: Client, file: IO[str], output: str) -> int:
    """Check the expectations of FILE (YAML or JSON; `-` is standard input).

    \b
    Each item has a source, a destination and what you expect, which is `reachable` by default:
      - source: web
        destination: db:5432
        expect: reachable
      - name: a guest must not reach the database
        source: guest
        destination: container:db:5432
        expect: unreachable

    The items may also be the value of `expectations` in an object, as `bridgework expect apply` reads it.

    `protocol`, `timeout_ms` and the other fields of a check are those of the API. The exit code is 1 if an expectation
    fails, or if it cannot be checked.
    """
    items = read_set(file.read(), getattr(file, "name", "the file"))["expectations"]
    answer = client.check_assertions(items)
    show(answer, output)
    return REACHABLE if answer["passed"] else UNREACHABLE


def show(answer: Assertions, form: str) -> None:
    """Print the outcomes in one of the forms."""
    if form == "junit":
        cases = ((one["name"], one["outcome"], one["message"]) for one in answer["items"])
        output.junit("bridgework assert", cases)
    elif form == "table":
        for one in answer["items"]:
            output.line(f"{output.style(one['outcome'], fg=_COLOURS.get(one['outcome']), bold=True)}  {one['name']}")
            if one["outcome"] != "passed":
                output.line(f"  {one['message']}")
                if one["result"]:
                    for finding in one["result"]["findings"]:
                        output.finding(finding)
                    output.limitations(one["result"]["limited"])
        output.line(", ".join(f"{number} {word}" for word, number in answer["counts"].items()))
    else:
        output.document(answer, form)


def read_set(text: str, name: str) -> ExpectationSetBody:
    """Read a file of assertions: a list, or an object with the list as ``expectations`` and what is kept with it.

    Raises:
        click.UsageError: It is not a list of assertions. The service judges the fields of each one.
    """
    import yaml  # noqa: PLC0415 - 10 ms that only a file of YAML needs

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise click.UsageError(f"{name} is not YAML: {error}") from error
    items = document.get("expectations") if isinstance(document, dict) else document
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise click.UsageError(f"{name} is not a list of assertions, each with source, destination and expect.")
    made = [_assertion(item, f"{name}, item {number}") for number, item in enumerate(items, 1)]
    whole: Any = {**(document if isinstance(document, dict) else {}), "expectations": made}
    return whole  # type: ignore[no-any-return]  # the service checks it


def _assertion(item: dict[str, Any], place: str) -> Assertion:
    """Fill in the short forms: names as text, and a name for the report."""
    made = {"expect": "reachable", **item}
    if isinstance(made.get("destination"), str):
        if not isinstance(made.get("source"), str):
            raise click.UsageError(f"{place}: a destination as text needs a source as text.")
        try:
            written = targets.check(made["source"], made["destination"], made.get("protocol"))
        except targets.BadTarget as error:
            raise click.UsageError(f"{place}: {error}") from error
        made = {**written, **{key: value for key, value in made.items() if key not in {"source", "destination"}}}
        made.setdefault("name", f"{targets.described(written)} is {made['expect']}")
    return made  # type: ignore[return-value]  # the service checks it
