"""What is inside a container's network namespace, and on the engine's host: the paths that only read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.paging import page
from bridgework.http.resources.inside.schemas import (
    ContainerDnsSchema,
    ContainerPortPageSchema,
    HostInterfacePageSchema,
    InsideInterfacePageSchema,
    NeighbourPageSchema,
    RoutePageSchema,
    SocketPageSchema,
)
from bridgework.http.schemas.answers import plain
from bridgework.http.schemas.queries import PageQuery
from bridgework.model.observations import Route
from bridgework.use_cases import inside, inside_names

RESOURCE = Resource("containers", "See what is inside a container's network namespace, and on the host.")
_OUT_OF_REACH = {409: "namespace-out-of-reach"}
_NOT_FOUND = {400: "ambiguous-reference", 404: "container-not-found"}
_LOOKING = {**_NOT_FOUND, 409: "container-not-running namespace-out-of-reach"}
_Item = TypeVar("_Item")


def _page_of_part(
    context: RequestContext,
    part: inside.Part[_Item],
    key: Callable[[_Item], tuple[str, str]],
    described: Callable[[_Item], Any] = lambda item: item,
) -> dict[str, Any]:
    return {**page(sorted(part.items, key=key), context, key, described), "truncated": part.truncated}


def _with_surroundings(view: inside.InterfaceView | inside.HostLinkView) -> dict[str, Any]:
    """Return the fields of an interface together with those of what it is connected to."""
    return {**plain(view.interface), **plain(view)}


def _number(number: int | None) -> str:
    """Return text that sorts as the number does."""
    return f"{number or 0:010d}"


def _route_key(route: Route) -> tuple[str, str]:
    return f"{route.family} {route.destination}", f"{_number(route.metric)} {route.interface} {route.gateway}"


@RESOURCE.get("/v1/containers/{container}/interfaces", InsideInterfacePageSchema, query=PageQuery(), problems=_LOOKING)
def list_container_interfaces(context: RequestContext) -> ViewResult:
    """List the interfaces inside a container.

    These are the interfaces that `ip -s addr` shows inside the container. For a veth, the answer also names its peer on
    the host and the bridge that the peer is a port of. In host mode the interfaces are those of the host.
    """
    views = inside.interfaces(context.services, context.snapshot, context.path["container"])
    return ViewResult(
        _page_of_part(context, views, lambda view: (_number(view.interface.index), ""), _with_surroundings)
    )


@RESOURCE.get("/v1/containers/{container}/routes", RoutePageSchema, query=PageQuery(), problems=_LOOKING)
def list_container_routes(context: RequestContext) -> ViewResult:
    """List the routes inside a container.

    These are the unicast routes of the main routing table. A route with several next hops is listed once for each.
    """
    return ViewResult(
        _page_of_part(context, inside.routes(context.services, context.snapshot, context.path["container"]), _route_key)
    )


@RESOURCE.get("/v1/containers/{container}/neighbours", NeighbourPageSchema, query=PageQuery(), problems=_LOOKING)
def list_container_neighbours(context: RequestContext) -> ViewResult:
    """List the neighbours inside a container.

    These are the entries of the ARP and NDP tables. Reading the tables adds no entry to them.
    """
    neighbours = inside.neighbours(context.services, context.snapshot, context.path["container"])
    return ViewResult(_page_of_part(context, neighbours, lambda neighbour: (neighbour.interface, neighbour.address)))


@RESOURCE.get("/v1/containers/{container}/sockets", SocketPageSchema, query=PageQuery(), problems=_LOOKING)
def list_container_sockets(context: RequestContext) -> ViewResult:
    """List the listening sockets inside a container.

    Each socket has its bind address. Docker's embedded DNS server at 127.0.0.11 is listed too.
    """
    sockets = inside.sockets(context.services, context.snapshot, context.path["container"])
    return ViewResult(
        _page_of_part(
            context, sockets, lambda s: (f"{s.protocol} {_number(s.port)} {s.family}", f"{s.address} {s.pid}")
        )
    )


@RESOURCE.get("/v1/containers/{container}/dns", ContainerDnsSchema, problems=_LOOKING)
def get_container_dns(context: RequestContext) -> ViewResult:
    """Show how a container resolves names.

    The answer holds the resolver configuration and the hosts file, the servers that Docker's embedded DNS server
    forwards to, and every name that the container can resolve, with its addresses.
    """
    return ViewResult(inside_names.dns(context.services, context.snapshot, context.path["container"]))


@RESOURCE.get("/v1/containers/{container}/ports", ContainerPortPageSchema, query=PageQuery(), problems=_NOT_FOUND)
def list_container_ports(context: RequestContext) -> ViewResult:
    """List the ports of a container.

    The list holds ports that are published, configured or exposed, each with the sockets that listen on it. A container
    that shares the network of another container has the ports of that container. A stopped container has its configured
    ports.
    """
    ports = inside_names.ports(context.services, context.snapshot, context.path["container"])
    return ViewResult(page(ports, context, lambda port: (_number(port.container_port), port.protocol)))


@RESOURCE.get("/v1/host/interfaces", HostInterfacePageSchema, query=PageQuery(), problems=_OUT_OF_REACH)
def list_host_interfaces(context: RequestContext) -> ViewResult:
    """List the interfaces of the engine's host.

    The list holds bridges with their ports, veths with the container and the network that they serve, all other
    interfaces, and the routes. A bridge that Docker made and no network owns is marked as an orphan.
    """
    view = inside.host_view(context.services, context.snapshot)
    part = inside.Part(view.links, view.truncated)
    links = _page_of_part(context, part, lambda link: (_number(link.interface.index), ""), _with_surroundings)
    return ViewResult({**links, "routes": sorted(view.routes, key=_route_key)})
