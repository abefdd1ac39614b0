"""``bridgework token new``: a new bearer token in the tokens file of a service on this machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from bridgework.printable import printable

ROLES = ("viewer", "operator", "admin")
_SPAN = re.compile(r"([1-9][0-9]{0,4})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """A time (``2027-01-31T00:00:00Z``) or a span from now (``90d``, ``12h``, ``30m``)."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Write the moment as RFC 3339 in UTC."""
        span = _SPAN.fullmatch(value)
        try:
            moment = (
                datetime.now(UTC) + timedelta(**{_UNITS[span.group(2)]: int(span.group(1))})
                if span
                else datetime.fromisoformat(value)
            )
        except ValueError:
            self.fail(f"{value!r} is neither a time nor a span such as 90d.", param, ctx)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec="seconds")


@click.group("token")
def command_token() -> None:
    """Make bearer tokens."""


@command_token.command("new")
@click.option("--name", required=True, help="Who the token is for. It is unique and stands in the audit lines.")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What the token may do.")
@click.option("--project", help="Bind the token to a project: it changes only what has that project's label.")
@click.option("--expires", type=Moment(), help="A time (2027-01-31T00:00:00Z) or a span (90d, 12h, 30m).")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), envvar="BRIDGEWORK_TOKENS_FILE", required=True,
              show_envvar=True, help="The tokens file of the service.")  # fmt: skip
def new(name: str, role: str, project: str | None, expires: str | None, file: Path) -> int:
    """Make a token, write its entry into the tokens file, and print the token once."""
    from bridgework.commands.tokens_file import BadTokensFile, add_token  # noqa: PLC0415 - it imports Flask, which the help does not need

    try:
        token = add_token(file, name, role, project, expires)
    except (BadTokensFile, OSError) as error:
        click.echo(printable(f"No token was made: {error}"), err=True)
        return 1
    click.echo(token)
    click.echo(printable(f"It is in {file} as {name} ({role}); it is shown this once."), err=True)
    return 0
