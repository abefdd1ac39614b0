"""Search connectivity: which sources reach a destination, which destinations a source reaches. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from bridgework.explanations.limitations import limitation
from bridgework.model import references
from bridgework.model.checks import Limitation, Protocol
from bridgework.model.snapshot import Container, Snapshot
from bridgework.plans.effort import Effort, query_too_large
from bridgework.plans.groups import compose_name
from bridgework.plans.reachability import Reachability
from bridgework.plans.search import Found, search
from bridgework.telemetry import deadline
from bridgework.use_cases.connectivity.namespaces import Namespaces
from bridgework.use_cases.connectivity.observe import base_observations, inodes_of
from bridgework.use_cases.networks import carries
from bridgework.use_cases.services import Services


@dataclass(frozen=True, slots=True)
class Match:
    """Which ends a rule means. Exactly one of these is set."""

    container: str | None = None
    network: str | None = None
    service: str | None = None
    label: str | None = None
    host: bool = False


@dataclass(frozen=True, slots=True)
class WantedQuery:
    """A search. ``container`` of ``None`` is the host; ``find`` is ``sources`` or ``destinations``.

    Ends that are predicted unreachable are left out but with ``include_unreachable``.
    """

    find: str
    container: str | None
    protocol: Protocol = Protocol.ICMP
    port: int | None = None
    must_not: tuple[Match, ...] = ()
    include_unreachable: bool = False


@dataclass(frozen=True, slots=True)
class QueryRun:
    """A search that has begun; ``groups`` may be iterated once."""

    wanted: WantedQuery
    snapshot: Snapshot
    reach: Reachability
    groups: Iterator[Found]
    limited: tuple[Limitation, ...]


def start_query(services: Services, snapshot: Snapshot, wanted: WantedQuery) -> QueryRun:
    """Observe, sort the containers into classes, predict the pairs, and return the groups.

    Raises ``NotFound``, ``AmbiguousReference``, and ``InvalidInput`` (``query-too-large``).
    """
    end = references.container(snapshot, wanted.container).id if wanted.container is not None else ""
    meant = [frozenset(_meant(snapshot, match)) for match in wanted.must_not]
    forbidden = frozenset().union(*meant)
    of_sources = wanted.find == "sources"
    # Only destinations listen.
    looked_at: Iterable[Container] = snapshot.containers
    if of_sources and end:
        looked_at = _in_namespace_of(snapshot, snapshot.containers_by_id[end])
    # A rule that names nothing holds always, which hides a misspelt one.
    limited = tuple(
        limitation("rule-without-ends", f"{_shown(match)} in must_not")
        for match, ends in zip(wanted.must_not, meant, strict=True)
        if not ends
    )
    namespaces = Namespaces(services, snapshot, base_observations(services, snapshot), "sockets")
    listening = {container.id for container in looked_at} if wanted.protocol.transport is not None else set()
    namespaces.look((one for one in snapshot.containers if one.id in listening), "sockets")
    namespaces.look(one for one in snapshot.containers if one.id not in listening)
    inodes: dict[str, int] = {}
    for container in snapshot.containers:
        if container.shares_with:
            inodes |= inodes_of(services, snapshot, container)
    observations = replace(namespaces.observations(), namespace_inodes=inodes)
    limited += observations.limited
    effort = Effort(deadline.require_left, query_too_large)
    reach = Reachability(snapshot, observations, [container.id for container in snapshot.containers], effort)
    groups = search(
        reach,
        end,
        wanted.protocol,
        wanted.port,
        of_sources=of_sources,
        forbidden=forbidden,
        unreachable=wanted.include_unreachable,
    )
    return QueryRun(wanted, snapshot, reach, groups, limited)


def _shown(match: Match) -> str:
    """Return the rule as text, such as ``service shop/web``."""
    name, value = next((name, value) for name, value in asdict(match).items() if value)
    return f"{name} {value}"


def _in_namespace_of(snapshot: Snapshot, container: Container) -> tuple[Container, ...]:
    owner = snapshot.network_owner_of(container)
    return (container,) if owner is None or owner is container else (container, owner)


def _meant(snapshot: Snapshot, match: Match) -> Iterator[str]:
    """Yield the ids of the ends that a match means. Raises ``NotFound`` for a missing container or network."""
    if match.host:
        yield ""
    elif match.container is not None:
        yield references.container(snapshot, match.container).id
    elif match.network is not None:
        network = references.network(snapshot, match.network)
        yield from (endpoint.container_id for endpoint in snapshot.endpoints_of(network))
    elif match.service is not None:
        yield from (one.id for one in snapshot.containers if match.service == compose_name(one))
    elif match.label is not None:
        yield from (one.id for one in snapshot.containers if carries(one.labels, (match.label,)))
