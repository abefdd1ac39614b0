"""``bridgework networks``, ``containers`` and ``topology``: what there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from bridgework_cli import output
from bridgework_cli.connection import connected
from bridgework_cli.targets import did_you_mean
from bridgework_cli.watching import watched

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import Container, Endpoint, Network, PublishedPort, Topology

Command = Callable[..., Any]
_MEDIA_TYPES = {"dot": "text/vnd.graphviz", "mermaid": "text/vnd.mermaid", "svg": "image/svg+xml"}


COMPOSE_LABEL = "com.docker.compose.project"


def filters(command: Command) -> Command:
    """Add the filters that networks, containers and the topology have in common."""
    for option in (
        click.option("--compose", metavar="NAME", help="Only those of this compose project."),
        click.option("--label", metavar="KEY[=VALUE]", help="Only those with this label."),
        click.option("--project", metavar="NAME", help="Only those of this project of Bridgework."),
    ):
        command = option(command)
    return command


def chosen_label(label: str | None, compose: str | None) -> str | None:
    """Return the label to filter by; a compose project is a label too."""
    if label and compose:
        raise click.UsageError("Use --label or --compose, not both.")
    return label or (f"{COMPOSE_LABEL}={compose}" if compose else None)


def of_compose(client: Client, name: str) -> list[Container]:
    """Return the containers of a compose project.

    Raises:
        UsageError: No container belongs to it.
    """
    members = list(client.list_containers(limit=1000, label=[f"{COMPOSE_LABEL}={name}"]))
    if members:
        return members
    projects = {one["labels"].get(COMPOSE_LABEL, "") for one in client.list_containers(limit=1000)} - {""}
    raise click.UsageError(f"No container belongs to the compose project {name!r}.{did_you_mean(name, projects)}")


@click.command("networks")
@connected
@filters
@click.option("--driver", metavar="NAME", multiple=True, help="Only those of this driver.")
@watched
@output.output_option("table", "json", "yaml")
def command_networks(
    client: Client, project: str | None, label: str | None, compose: str | None, driver: tuple[str, ...], output: str
) -> None:
    """List the networks with their subnets."""
    labels = _filter(chosen_label(label, compose))
    found = client.list_networks(limit=1000, project=_filter(project), label=labels, driver=driver)
    show_networks(list(found), output)


@click.command("containers")
@connected
@click.option("--network", metavar="NAME", multiple=True, help="Only those in this network.")
@filters
@watched
@output.output_option("table", "json", "yaml")
def command_containers(
    client: Client, network: tuple[str, ...], project: str | None, label: str | None, compose: str | None, output: str
) -> None:
    """List the containers with their addresses and published ports."""
    labels = _filter(chosen_label(label, compose))
    found = client.list_containers(limit=1000, network=network, project=_filter(project), label=labels)
    show_containers(list(found), output)


@click.command("topology")
@connected
@click.option("--network", metavar="NAME", help="Only this network and its containers.")
@filters
@click.option("--links", is_flag=True, help="Show the veths on the host too.")
@output.output_option("table", "json", "yaml", *_MEDIA_TYPES)
def command_topology(
    client: Client,
    network: str | None,
    project: str | None,
    label: str | None,
    compose: str | None,
    links: bool,
    output: str,
) -> None:
    """Show which container is in which network: as a table, as JSON, or as a picture (svg, dot, mermaid)."""
    which: Any = {"network": network, "project": project, "label": chosen_label(label, compose), "links": links}
    if output in _MEDIA_TYPES:
        media_type = _MEDIA_TYPES[output]
        picture = client.get_topology_as(media_type, **which)  # type: ignore[arg-type]  # of the table
        show_picture(picture)
    else:
        show_topology(client.get_topology(**which), output)


def show_picture(text: str) -> None:
    """Print a picture as its text."""
    output.lines(text)


def _filter(value: str | None) -> list[str] | None:
    return None if value is None else [value]


def show_networks(items: list[Network], form: str) -> None:
    """Print networks in one of the forms."""
    if form != "table":
        output.document(items, form)
        return
    output.table(["NAME", "DRIVER", "SUBNETS", "ENDPOINTS", "INTERNAL"], (
        [one["name"], one["driver"], ", ".join(pool["subnet"] for pool in one["ipam"]["pools"]) or "-",
         str(one["endpoint_count"]), "yes" if one["internal"] else "no"] for one in items
    ))  # fmt: skip


def show_containers(items: list[Container], form: str) -> None:
    """Print containers in one of the forms."""
    if form != "table":
        output.document(items, form)
        return
    output.table(["NAME", "STATE", "IMAGE", "NETWORKS", "PORTS"], (
        [one["name"], one["state"], one["image"], _networks(one),
         ", ".join(map(_port, one["published_ports"])) or "-"] for one in items
    ))  # fmt: skip


def _networks(one: Container) -> str:
    if one["shares_network_with"]:
        return f"that of {one['shares_network_with']['name']}"
    return ", ".join(map(_endpoint, one["endpoints"])) or one["network_mode"]


def _endpoint(one: Endpoint) -> str:
    address = one["ipv4_address"] or one["ipv6_address"]
    return one["network"]["name"] + (f" {address}" if address else "")


def _port(one: PublishedPort) -> str:
    host = f"[{one['host_ip']}]" if ":" in one["host_ip"] else one["host_ip"]
    return f"{host}:{one['host_port']}->{one['container_port']}/{one['protocol']}"


def show_topology(topology: Topology, form: str) -> None:
    """Print the topology in one of the forms."""
    if form != "table":
        output.document(topology, form)
        return
    names = {node["id"]: f"{node['kind']} {node['name']}" for node in topology["nodes"]}
    output.table(["FROM", "EDGE", "TO"], (
        [names.get(edge["source"], edge["source"]), edge["kind"], names.get(edge["target"], edge["target"])]
        for edge in topology["edges"]
    ))  # fmt: skip
    # The caller chose to leave the links out.
    output.limitations(one for one in topology["limited"] if one["code"] != "links-not-asked")
