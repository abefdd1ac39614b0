"""What Podman's Docker-compatible API lacks. It accepts many of these fields silently and does nothing with them.

Measured on Podman 5.4.2: for example, ``ConfigOnly`` makes an ordinary network, and an unknown option only writes a
warning into the answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.errors import NotSupported, Remedy

DRIVERS = frozenset({"bridge", "macvlan", "ipvlan"})
OPTIONS = frozenset(
    {"com.docker.network.bridge.name", "com.docker.network.driver.mtu", "parent", "macvlan_mode", "ipvlan_mode"}
)


def lacking(what: str) -> NotSupported:
    """Return the error for a function that Podman lacks; ``what`` completes "Podman has no …"."""
    return NotSupported(
        code="engine-lacks-function",
        detail=f"Podman has no {what}.",
        remedy=Remedy("Leave it out, or use a Docker engine."),
    )


def rootless() -> NotSupported:
    """Return the error for a Podman without root: its networks are in a namespace of its user's."""
    return NotSupported(
        code="engine-lacks-function",
        detail="This Podman runs without root: its networks are in a namespace of its user's, which is not read.",
        remedy=Remedy("Use the socket of Podman as root: /run/podman/podman.sock."),
    )


def require_supported(spec: NetworkSpec | EndpointSpec | ContainerSpec) -> None:
    """Raise ``NotSupported`` for the first field that Podman would accept and ignore."""
    what = next(_lacked(spec), None)
    if what is not None:
        raise lacking(what)


def _lacked(spec: NetworkSpec | EndpointSpec | ContainerSpec) -> Iterator[str]:
    if isinstance(spec, NetworkSpec):
        yield from _of_network(spec)
    elif isinstance(spec, EndpointSpec):
        yield from _of_endpoint(spec)
    else:
        for endpoint in spec.networks.values():
            yield from _of_endpoint(endpoint)


def _of_network(spec: NetworkSpec) -> Iterator[str]:
    if spec.config_only or spec.config_from:
        yield "configuration networks (config_only, config_from)"
    if spec.driver not in DRIVERS:
        yield f"network driver {spec.driver}"
    if spec.ipv4_enabled is False:
        yield "network without IPv4 (ipv4_enabled)"
    if spec.attachable:
        yield "attachable networks"
    if spec.ingress or spec.scope == "swarm":
        yield "swarm"
    if spec.ipam_driver != "default" or spec.ipam_options:
        yield "IPAM drivers and IPAM options of Docker"
    if any(pool.auxiliary_addresses for pool in spec.pools):
        yield "auxiliary addresses"
    yield from (f"driver option {name}" for name in spec.options if name not in OPTIONS)


def _of_endpoint(spec: EndpointSpec) -> Iterator[str]:
    if spec.gateway_priority is not None:
        yield "gateway priority"
    if spec.link_local_addresses:
        yield "link-local addresses of an endpoint"
    yield from (f"driver option {name} of an endpoint" for name in spec.driver_options)
