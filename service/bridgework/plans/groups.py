"""The pairs that a plan changes, counted by container, by service of Docker Compose and by network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridgework.model.checks import Verdict
from bridgework.model.snapshot import Container, Snapshot
from bridgework.plans.difference import ChangedPair

PROJECT_LABEL, SERVICE_LABEL = "com.docker.compose.project", "com.docker.compose.service"


@dataclass(frozen=True, slots=True)
class Group:
    """Pairs that have a container, a service of Docker Compose or a network in common, counted by what they become."""

    name: str
    id: str
    reachable: int
    unreachable: int
    inconclusive: int


@dataclass(frozen=True, slots=True)
class Groups:
    """The changed pairs, grouped in three ways. A pair counts for both of its ends."""

    containers: tuple[Group, ...]
    services: tuple[Group, ...]
    networks: tuple[Group, ...]


def grouped(pairs: Iterable[ChangedPair], before: Snapshot, after: Snapshot) -> Groups:
    """Count the pairs by container, by service of Docker Compose and by network that both ends are on."""
    containers: dict[tuple[str, str], Counter[Verdict]] = {}
    services: dict[tuple[str, str], Counter[Verdict]] = {}
    networks: dict[tuple[str, str], Counter[Verdict]] = {}
    for one in pairs:
        ends = [end for end in (one.pair.source, one.pair.destination) if end]
        found = [container for end in ends if (container := _either(before, after, end)) is not None]
        _count(containers, ((c.name, c.id) for c in found), one.after)
        _count(services, {(name, "") for c in found if (name := compose_name(c))}, one.after)
        _count(networks, _common(before, ends) | _common(after, ends), one.after)
    return Groups(*(_listed(groups) for groups in (containers, services, networks)))


def _either(before: Snapshot, after: Snapshot, container_id: str) -> Container | None:
    return after.containers_by_id.get(container_id) or before.containers_by_id.get(container_id)


def compose_name(container: Container) -> str:
    """Return ``project/service``; empty for a container that Docker Compose did not make."""
    service = container.labels.get(SERVICE_LABEL, "")
    project = container.labels.get(PROJECT_LABEL, "")
    return f"{project}/{service}" if service and project else service


def _common(snapshot: Snapshot, ends: list[str]) -> set[tuple[str, str]]:
    """Return the networks that both ends are on."""
    places = []
    for end in ends:
        container = snapshot.containers_by_id.get(end)
        owner = snapshot.network_owner_of(container) if container is not None else None
        places.append({(e.network_name, e.network_id) for e in (owner.endpoints if owner else ())})
    return set.intersection(*places) if len(places) > 1 else set()


def _count(groups: dict[tuple[str, str], Counter[Verdict]], keys: Iterable[tuple[str, str]], becomes: Verdict) -> None:
    for key in keys:
        groups.setdefault(key, Counter())[becomes] += 1


def _listed(groups: Mapping[tuple[str, str], Counter[Verdict]]) -> tuple[Group, ...]:
    return tuple(
        Group(name, group_id, *(groups[name, group_id][verdict] for verdict in Verdict))
        for name, group_id in sorted(groups)
    )
