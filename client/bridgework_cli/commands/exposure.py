"""``bridgework exposure``: which ports of containers are reachable from where, and by which rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridgework_cli import output
from bridgework_cli.commands.views import of_compose
from bridgework_cli.connection import complete_container, connected
from bridgework_cli.watching import watched

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import Exposure, ExposureOriginKind, FirewallRule, Limitation, Verdict

ORIGINS = ("lan", "host", "network")
VERDICTS = ("reachable", "inconclusive", "unreachable")


@click.command("exposure")
@connected
@click.argument("container", nargs=-1, shell_complete=complete_container)
@click.option("--from", "origin", type=click.Choice(ORIGINS), multiple=True,
              help="Only from the LAN, from the host, or from other networks. Repeat it for several.")  # fmt: skip
@click.option("--network", metavar="NAME", multiple=True, help="Only ports of containers in this network.")
@click.option("--compose", metavar="NAME", help="Only ports of containers of this compose project.")
@click.option("--project", metavar="NAME", multiple=True, help="Only ports of this project of Bridgework.")
@click.option("--published/--unpublished", default=None,
              help="Only published ports at the host, or only ports at the containers' own addresses.")  # fmt: skip
@click.option("--verdict", type=click.Choice(VERDICTS), multiple=True, default=VERDICTS[:2], show_default=True,
              help="Only these verdicts.")  # fmt: skip
@watched
@output.output_option("table", "json", "yaml")
def command_exposure(
    client: Client,
    container: tuple[str, ...],
    origin: tuple[ExposureOriginKind, ...],
    network: tuple[str, ...],
    compose: str | None,
    project: tuple[str, ...],
    published: bool | None,
    verdict: tuple[Verdict, ...],
    output: str,
) -> None:
    """Show which ports are reachable from the LAN, from the host and from each network, and by which rules.

    With CONTAINER only the ports of these containers. A published port is asked for at the host. Each port is also
    asked for at the container's own address, which a neighbour on the LAN reaches that has a route by the host. The
    answer is predicted from the rules in force; nothing is sent.
    """
    if compose is not None:
        container = (*container, *(one["name"] for one in of_compose(client, compose)))
    pages = list(
        client.list_exposure(
            limit=1000,
            container=container,
            origin=origin,
            network=network,
            project=project,
            published=published,
            verdict=verdict,
        ).pages()
    )
    show([one for page in pages for one in page["items"]], pages[0]["limited"], output)


def show(items: list[Exposure], limited: list[Limitation], form: str) -> None:
    """Print the exposure in one of the forms."""
    if form != "table":
        output.document({"items": items, "limited": limited}, form)
        return
    output.table(["PORT", "FROM", "AT", "VERDICT", "BY"], (
        [f"{one['container']['name']}:{one['container_port']}/{one['protocol']}", _origin(one),
         at(one), output.verdict(one["verdict"]), decided_by(one)] for one in items
    ))  # fmt: skip
    output.limitations(limited)


def _origin(one: Exposure) -> str:
    origin = one["origin"]
    return "host" if origin["kind"] == "host" else f"{origin['kind']} {origin['name']}"


def at(one: Exposure) -> str:
    """Write the address and the port that a client asks for."""
    address = f"[{one['address']}]" if ":" in one["address"] else one["address"]
    return f"{address}:{one['port']}"


def decided_by(one: Exposure) -> str:
    """Say which rules decide, by their owners and chains; their texts are in the other forms."""
    if one["verdict"] != "reachable":
        stopped = f" ({_rule(one['stopped_by'])})" if one["stopped_by"] else ""
        routed = f" ({one['finding']['code']})" if one["finding"] else ""
        return f"{one['reason']}{stopped}{routed}"
    rules = "docker-proxy" if one["by_proxy"] else ", ".join(map(_rule, one["rules"])) or "no rule"
    past = f"; past {_rule(one['host_firewall'])}" if one["past_host_firewall"] and one["host_firewall"] else ""
    unheard = "" if one["listening"] is not False else "; no program listens"
    return f"{rules}{past}{unheard}"


def _rule(rule: FirewallRule) -> str:
    owner = f"{rule['owner']} " if rule["owner"] else ""
    what = "" if rule["rule"] else " policy"
    return f"{owner}{rule['chain']}{what} {rule['effect']}"
