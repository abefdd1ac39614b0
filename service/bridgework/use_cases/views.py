"""What the API shows of a thing beyond the thing itself, gathered from the snapshot."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from bridgework.diagnosis.container_findings import findings_for
from bridgework.model.checks import Finding
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.observations import NOTHING_SEEN, Observations
from bridgework.model.snapshot import DEFAULT_BRIDGE, Container, Endpoint, EndpointState, Network, Reference, Snapshot


@dataclass(frozen=True)
class DescribedNetwork(Network):
    """A network with the number of its endpoints, active and configured."""

    endpoint_count: int = 0
    active_count: int = 0


@dataclass(frozen=True)
class DescribedContainer(Container):
    """A container with whose network it shares and what is to be said of it."""

    shares_network_with: Reference | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class DescribedEndpoint(Endpoint):
    """An endpoint with what is to be said of it."""

    findings: tuple[Finding, ...] = ()


def describe_network(snapshot: Snapshot, network: Network) -> DescribedNetwork:
    """The network as the API shows it."""
    endpoints = snapshot.endpoints_of(network)
    active = sum(endpoint.state == "active" for endpoint in endpoints)
    return DescribedNetwork(**_values(network), endpoint_count=len(endpoints), active_count=active)


def describe_container(
    snapshot: Snapshot, container: Container, observations: Observations = NOTHING_SEEN
) -> DescribedContainer:
    """The container as the API shows it."""
    owner = snapshot.containers_by_id.get(container.shares_with or "")
    shared = None
    if container.shares_with:
        shared = Reference(owner.id, owner.name) if owner else Reference(container.shares_with, "")
    return DescribedContainer(
        **_values(container),
        shares_network_with=shared,
        findings=findings_for(snapshot, container, observations),
    )


def describe_endpoint(endpoint: Endpoint, findings: tuple[Finding, ...] = ()) -> DescribedEndpoint:
    """The endpoint as the API shows it."""
    return DescribedEndpoint(**_values(endpoint), findings=findings)


def planned_network(spec: NetworkSpec, source: Network | None) -> DescribedNetwork:
    """Return the network that a create would make, for a dry run: without its id, its time, and what the engine picks.

    A network with ``config_from`` has the configuration of its source and no labels of its own.
    """
    given = source or spec
    return DescribedNetwork(
        id="",
        name=spec.name,
        driver=spec.driver,
        scope=spec.scope or ("swarm" if spec.driver == "overlay" else "local"),
        created_at="",
        internal=spec.internal,
        attachable=spec.attachable,
        ingress=spec.ingress,
        ipv4_enabled=given.ipv4_enabled is not False,
        ipv6_enabled=given.ipv6_enabled,
        config_only=spec.config_only,
        config_from=spec.config_from,
        ipam_driver=given.ipam_driver,
        ipam_options=given.ipam_options,
        pools=given.pools,
        options=given.options,
        labels=given.labels,
    )


def planned_container(snapshot: Snapshot, spec: ContainerSpec, *, start: bool) -> DescribedContainer:
    """Return the container that a create would make, for a dry run. ``spec.networks`` is keyed by full ids."""
    wished = dict(spec.networks)
    if not wished and spec.network_mode == DEFAULT_BRIDGE:
        wished = {network.id: EndpointSpec() for network in snapshot.networks if network.is_default_bridge}
    shares = spec.network_mode.partition(":")[2] if spec.network_mode.startswith("container:") else None
    container = Container(
        id="",
        name=spec.name,
        image=spec.image,
        state="running" if start else "created",
        created_at="",
        exit_code=None,
        hostname=spec.hostname or "",
        command=spec.command,
        network_mode=spec.network_mode,
        shares_with=shares,
        published_ports=spec.published_ports if start else (),
        configured_ports=spec.published_ports,
        labels=spec.labels,
        dns=spec.dns,
        dns_search=spec.dns_search,
        dns_options=spec.dns_options,
        extra_hosts=spec.extra_hosts,
        sysctls=spec.sysctls,
        restart_policy=spec.restart_policy,
    )
    endpoints = tuple(
        planned_endpoint(snapshot.networks_by_id[key], container, endpoint) for key, endpoint in wished.items()
    )
    return describe_container(snapshot, replace(container, endpoints=endpoints))


def with_state(container: Container, state: str) -> Container:
    """Return the container as a change of its state would leave it, for a dry run."""
    changed = replace(container, state=state)
    place: EndpointState = "active" if changed.running else "configured"
    return replace(changed, endpoints=tuple(replace(endpoint, state=place) for endpoint in container.endpoints))


def planned_endpoint(network: Network, container: Container, spec: EndpointSpec) -> Endpoint:
    """Return the endpoint that a connect would make, for a dry run: with the addresses that were asked for."""
    return Endpoint(
        network_id=network.id,
        network_name=network.name,
        container_id=container.id,
        container_name=container.name,
        state="active" if container.running else "configured",
        ipv4_address=spec.ipv4_address,
        ipv6_address=spec.ipv6_address,
        mac_address=spec.mac_address,
        aliases=spec.aliases,
        driver_options=spec.driver_options,
        gateway_priority=spec.gateway_priority or 0,
        configured_ipv4=spec.ipv4_address,
        configured_ipv6=spec.ipv6_address,
        link_local_addresses=spec.link_local_addresses,
    )


def _values(thing: Any) -> dict[str, Any]:
    return {field.name: getattr(thing, field.name) for field in fields(thing)}
