"""``bridgework open``: the console in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import click

from bridgework_cli import output, targets
from bridgework_cli.connection import address, complete_container
from bridgework_cli.running import REACHABLE

if TYPE_CHECKING:
    from bridgework_client.documents import CheckRequest


@click.command("open")
@click.option("--url", metavar="URL", help="The service: http://host:port or https://host.")
@click.option("--profile", metavar="NAME", help="A service of the profile file ~/.config/bridgework/config.toml.")
@click.option("--print", "only_print", is_flag=True, help="Print the link and start no browser.")
@click.argument("source", required=False, shell_complete=complete_container)
@click.argument("destination", required=False, shell_complete=complete_container)
def command_open(
    url: str | None, profile: str | None, only_print: bool, source: str | None, destination: str | None
) -> int:
    """Open the console in a browser, with the check from SOURCE to DESTINATION filled in if you name both.

    The link is printed too, so that you can send it to others. It holds the question and no token.
    """
    service = address(url, profile).url.rstrip("/")
    if service.startswith("unix:"):
        raise click.UsageError("A browser cannot reach a service at a Unix socket. Give the address of one by --url.")
    if source is not None and destination is None:
        raise click.UsageError("Name a destination too, or leave out both.")
    link = f"{service}/console"
    if source is not None and destination is not None:
        try:
            link += f"#{urlencode(_words(targets.check(source, destination)))}"
        except targets.BadTarget as error:
            raise click.UsageError(str(error)) from error
    output.line(link)
    if not only_print:
        click.launch(link)
    return REACHABLE


def _words(body: CheckRequest) -> dict[str, str]:
    """Return a check as the words of a link to the console."""
    [(kind, value)] = body["destination"].items()
    words = {
        "from": body["source"].get("container") or "host",
        "to": "host" if kind == "host" else f"{kind}:{value}",
        "protocol": body.get("protocol", "icmp"),
    }
    if body.get("port"):
        words["port"] = str(body["port"])
    if body.get("path"):
        words["path"] = str(body["path"])
    return words
