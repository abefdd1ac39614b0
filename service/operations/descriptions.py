"""What the API shows of a thing beyond the thing itself, gathered from the snapshot."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from service.core.checks import Finding
from service.core.container_findings import findings_for
from service.core.evidence import NOTHING_SEEN, Evidence
from service.core.snapshot import Container, Endpoint, Network, Reference, Snapshot


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


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a change would do, in sentences; nothing was done."""

    changes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


def describe_network(snapshot: Snapshot, network: Network) -> DescribedNetwork:
    """The network as the API shows it."""
    endpoints = snapshot.endpoints_of(network)
    active = sum(endpoint.state == "active" for endpoint in endpoints)
    return DescribedNetwork(**_values(network), endpoint_count=len(endpoints), active_count=active)


def describe_container(
    snapshot: Snapshot, container: Container, evidence: Evidence = NOTHING_SEEN
) -> DescribedContainer:
    """The container as the API shows it."""
    owner = snapshot.containers_by_id.get(container.shares_with or "")
    shared = None
    if container.shares_with:
        shared = Reference(owner.id, owner.name) if owner else Reference(container.shares_with, "")
    return DescribedContainer(
        **_values(container),
        shares_network_with=shared,
        findings=findings_for(snapshot, container, evidence),
    )


def describe_endpoint(endpoint: Endpoint, findings: tuple[Finding, ...] = ()) -> DescribedEndpoint:
    """The endpoint as the API shows it."""
    return DescribedEndpoint(**_values(endpoint), findings=findings)


def _values(thing: Any) -> dict[str, Any]:
    return {field.name: getattr(thing, field.name) for field in fields(thing)}
