"""Changes as values, for ``Client.plan_changes`` and ``Client.send``: the calls of the API, without sending them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridgework_client.transport import Request, Transport

if TYPE_CHECKING:
    from bridgework_client.documents import ContainerCreate, EndpointConnect, NetworkCreate, PlannedCall

_DELETE, _POST, _PUT = "DELETE", "POST", "PUT"


def create_network(body: NetworkCreate) -> PlannedCall:
    """Create a network."""
    return _call(_POST, "/v1/networks", body)


def delete_network(network: str) -> PlannedCall:
    """Delete a network."""
    return _call(_DELETE, Transport.path("/v1/networks/{}", network))


def connect(network: str, container: str, body: EndpointConnect | None = None) -> PlannedCall:
    """Connect a container to a network."""
    return _call(_PUT, Transport.path("/v1/networks/{}/endpoints/{}", network, container), body or {})


def disconnect(network: str, container: str, *, force: bool | None = None) -> PlannedCall:
    """Disconnect a container from a network."""
    return _call(_DELETE, Transport.path("/v1/networks/{}/endpoints/{}", network, container), force=force)


def create_container(body: ContainerCreate) -> PlannedCall:
    """Create a container."""
    return _call(_POST, "/v1/containers", body)


def delete_container(container: str, *, force: bool | None = None) -> PlannedCall:
    """Delete a container; with ``force`` also one that runs."""
    return _call(_DELETE, Transport.path("/v1/containers/{}", container), force=force)


def start_container(container: str) -> PlannedCall:
    """Start a container."""
    return _call(_POST, Transport.path("/v1/containers/{}/start", container))


def stop_container(container: str) -> PlannedCall:
    """Stop a container."""
    return _call(_POST, Transport.path("/v1/containers/{}/stop", container))


def restart_container(container: str) -> PlannedCall:
    """Restart a container."""
    return _call(_POST, Transport.path("/v1/containers/{}/restart", container))


def _call(method: Any, path: str, body: Any = None, **query: bool | None) -> PlannedCall:
    target = Request(method, path, query=query).target("")
    made: PlannedCall = {"method": method, "path": target}
    return made if body is None else {**made, "body": body}
