"""Networks, endpoints and containers as answers show them: as they are, and as a change would leave them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from bridgework.diagnosis.container_findings import findings_for
from bridgework.model.checks import Finding
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.observations import NOTHING_SEEN
from bridgework.model.snapshot import DEFAULT_BRIDGE, Container, Endpoint, EndpointState, Network, Reference, Snapshot


@dataclass(frozen=True)
class DescribedNetwork(Network):
    """A network with the number of its endpoints, those of stopped containers included."""

    endpoint_count: int = 0


@dataclass(frozen=True)
class DescribedContainer(Container):
    """A container with the findings about its configuration, and the container whose network it shares."""

    shares_network_with: Reference | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class DescribedEndpoint(Endpoint):
    """An endpoint with the findings of the connect that made it."""

    findings: tuple[Finding, ...] = ()


def describe_network(snapshot: Snapshot, network: Network) -> DescribedNetwork:
    """Describe a network."""
    return DescribedNetwork(**_values(network), endpoint_count=len(snapshot.endpoints_of(network)))


def describe_container(snapshot: Snapshot, container: Container) -> DescribedContainer:
    """Describe a container, with the findings that the snapshot alone gives."""
    shared = None
    if container.shares_with:
        owner = snapshot.containers_by_id.get(container.shares_with)
        shared = Reference(container.shares_with, owner.name if owner else "")
    findings = findings_for(snapshot, container, NOTHING_SEEN)
    return DescribedContainer(**_values(container), shares_network_with=shared, findings=findings)


def describe_endpoint(endpoint: Endpoint, findings: tuple[Finding, ...] = ()) -> DescribedEndpoint:
    """Describe an endpoint."""
    return DescribedEndpoint(**_values(endpoint), findings=findings)


def planned_network(spec: NetworkSpec, source: Network | None) -> DescribedNetwork:
    """Describe the network that a create would make, without its id, its time and what the engine chooses.

    A network with ``config_from`` has the configuration and the labels of its source.
    """
    given = source or spec
    return DescribedNetwork(
        id="",
        created_at="",
        scope=spec.scope or ("swarm" if spec.driver == "overlay" else "local"),
        ipv4_enabled=given.ipv4_enabled is not False,
        **_picked(spec, "name", "driver", "internal", "attachable", "ingress", "config_only", "config_from"),
        **_picked(given, "ipv6_enabled", "ipam_driver", "ipam_options", "pools", "options", "labels"),
    )


def planned_container(snapshot: Snapshot, spec: ContainerSpec, *, start: bool) -> DescribedContainer:
    """Describe the container that a create would make. ``spec.networks`` is keyed by full ids."""
    endpoint_specs = dict(spec.networks)
    if not endpoint_specs and spec.network_mode == DEFAULT_BRIDGE:
        endpoint_specs = {network.id: EndpointSpec() for network in snapshot.networks if network.is_default_bridge}
    container = Container(
        id="",
        state="running" if start else "created",
        created_at="",
        exit_code=None,
        hostname=spec.hostname or "",
        shares_with=spec.network_mode.partition(":")[2] if spec.network_mode.startswith("container:") else None,
        published_ports=spec.published_ports if start else (),
        configured_ports=spec.published_ports,
        **_picked(spec, "name", "image", "command", "network_mode", "labels", "restart_policy"),
        **_picked(spec, "dns", "dns_search", "dns_options", "extra_hosts", "sysctls"),
    )
    endpoints = tuple(
        planned_endpoint(snapshot.networks_by_id[key], container, spec) for key, spec in endpoint_specs.items()
    )
    return describe_container(snapshot, replace(container, endpoints=endpoints))


def with_state(container: Container, state: str) -> Container:
    """Return the container as a change of its state would leave it."""
    changed = replace(container, state=state)
    place: EndpointState = "active" if changed.running else "configured"
    return replace(changed, endpoints=tuple(replace(endpoint, state=place) for endpoint in container.endpoints))


def planned_endpoint(network: Network, container: Container, spec: EndpointSpec) -> Endpoint:
    """Return the endpoint that a connect would make, with the requested addresses."""
    return Endpoint(
        network_id=network.id,
        network_name=network.name,
        container_id=container.id,
        container_name=container.name,
        state="active" if container.running else "configured",
        gateway_priority=spec.gateway_priority or 0,
        configured_ipv4=spec.ipv4_address,
        configured_ipv6=spec.ipv6_address,
        **_picked(spec, "ipv4_address", "ipv6_address", "link_local_addresses", "mac_address"),
        **_picked(spec, "aliases", "driver_options"),
    )


def _values(thing: Any) -> dict[str, Any]:
    return {field.name: getattr(thing, field.name) for field in fields(thing)}


def _picked(thing: object, *names: str) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}
