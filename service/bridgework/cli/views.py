"""``bridgework networks``, ``containers`` and ``topology``: what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridgework.cli import output
from bridgework.cli.connection import connected

if TYPE_CHECKING:
    from bridgework.client import Client
    from bridgework.client.documents import Container, Endpoint, Network, PublishedPort

_MEDIA_TYPES = {"dot": "text/vnd.graphviz", "mermaid": "text/vnd.mermaid", "svg": "image/svg+xml"}


@click.command("networks")
@connected
@click.option("--project", metavar="NAME", help="Only those of this project.")
@click.option("--driver", metavar="NAME", multiple=True, help="Only those of this driver.")
@output.output_option("table", "json", "yaml")
def command_networks(client: Client, project: str | None, driver: tuple[str, ...], output: str) -> None:
    """List the networks with their subnets."""
    show_networks(list(client.list_networks(limit=1000, project=_filter(project), driver=driver)), output)


@click.command("containers")
@connected
@click.option("--network", metavar="NAME", multiple=True, help="Only those in this network.")
@click.option("--project", metavar="NAME", help="Only those of this project.")
@output.output_option("table", "json", "yaml")
def command_containers(client: Client, network: tuple[str, ...], project: str | None, output: str) -> None:
    """List the containers with their addresses and published ports."""
    show_containers(list(client.list_containers(limit=1000, network=network, project=_filter(project))), output)


@click.command("topology")
@connected
@click.option("--network", metavar="NAME", help="Only this network and its containers.")
@click.option("--project", metavar="NAME", help="Only this project.")
@click.option("--links", is_flag=True, help="Show the veths on the host too.")
@output.output_option("table", "json", "yaml", *_MEDIA_TYPES)
def command_topology(client: Client, network: str | None, project: str | None, links: bool, output: str) -> None:
    """Show which container is in which network: as a table, as JSON, or as a picture (svg, dot, mermaid)."""
    if output in _MEDIA_TYPES:
        media_type = _MEDIA_TYPES[output]
        click.echo(client.get_topology_as(media_type, network=network, project=project, links=links))  # type: ignore[arg-type]  # of the table
        return
    show_topology(client, network, project, links, output)


def _filter(project: str | None) -> list[str] | None:
    return None if project is None else [project]


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


def show_topology(client: Client, network: str | None, project: str | None, links: bool, form: str) -> None:
    """Print the topology in one of the forms."""
    topology = client.get_topology(network=network, project=project, links=links)
    if form != "table":
        output.document(topology, form)
        return
    names = {node["id"]: f"{node['kind']} {node['name']}" for node in topology["nodes"]}
    output.table(["FROM", "EDGE", "TO"], (
        [names.get(edge["source"], edge["source"]), edge["kind"], names.get(edge["target"], edge["target"])]
        for edge in topology["edges"]
    ))  # fmt: skip
