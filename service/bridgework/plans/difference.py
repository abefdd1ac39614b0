"""The difference in reachability between two states of the engine.

Only pairs with an end that changed are compared: a container that differs between the two snapshots, or that shares the
network of one that does. The verdict of any other pair reads nothing that changed.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bridgework.analysis.address_choice import Reach
from bridgework.analysis.attachment import IPV4, IPV6
from bridgework.analysis.candidate_addresses import located
from bridgework.ipam.usage import overlaps
from bridgework.model.checks import Verdict
from bridgework.model.observations import Observations
from bridgework.model.snapshot import Container, PublishedPort, Reference, Snapshot
from bridgework.plans.effort import Effort
from bridgework.plans.reachability import PING, Pair, Reachability, Service, host_services, services_of
from bridgework.policy.host_ports import is_loopback_binding

DETAILED_PAIRS = 1000
"""The pairs of which each address is told, the first ones: two predictions of about 0.1 ms for each pair."""


@dataclass(frozen=True, slots=True)
class ChangedAddress:
    """An address of a pair's destination, and its verdicts; ``None`` where the source has no way to it then."""

    address: str
    ip_version: int
    network: Reference | None
    before: Verdict | None
    after: Verdict | None


@dataclass(frozen=True, slots=True)
class ChangedPair:
    """A pair whose verdict changes. ``assumed`` says that the verdict after holds only if a program listens there.

    ``reason`` is the code of what makes the verdict after inconclusive, or else the one before; empty if neither is.
    """

    pair: Pair
    before: Verdict
    after: Verdict
    assumed: bool = False
    reason: str = ""
    addresses: tuple[ChangedAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """A port of the host that becomes reachable, or unreachable, from outside of the host."""

    container: Reference
    port: PublishedPort
    opens: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """All pairs that change, in the order of their ends' names, and the ports that open or close at the host."""

    pairs: tuple[ChangedPair, ...]
    openings: tuple[Opening, ...]
    affected: frozenset[str]


@dataclass(frozen=True, slots=True)
class World:
    """One state: the snapshot and what was observed. ``assumed`` are the containers whose listeners are assumed."""

    snapshot: Snapshot
    observations: Observations
    assumed: frozenset[str] = frozenset()


def difference(
    before: World,
    after: World,
    effort: Effort | None = None,
    affected: frozenset[str] | None = None,
    known: KnownWorlds | None = None,
    detailed: int = DETAILED_PAIRS,
) -> Difference:
    """Return what changes between two states. Raises ``InvalidInput`` when that is more than ``effort`` allows.

    ``affected`` are the containers whose reachability may differ, where more are than the snapshots show. ``known``
    keeps what was predicted of a world, by the ids of its parts, for another one with the same containers.
    ``detailed`` is the number of pairs of which each address is told.
    """
    if affected is None:
        affected = affected_containers(before.snapshot, after.snapshot)
    compared = _Comparison(before, after, affected, effort or Effort(), known) if affected else None
    again = made_again(before.snapshot, after.snapshot)
    found = _joined(compared.changed_pairs() if compared else (), again)
    names = {**_names(before.snapshot), **_names(after.snapshot)}
    pairs = sorted(
        found, key=lambda one: (names.get(one.pair.source, ""), names.get(one.pair.destination, ""), one.pair)
    )
    if compared is not None:
        was = {new: old for old, new in again.items()}
        pairs[:detailed] = (compared.with_addresses(one, was) for one in pairs[:detailed])
    return Difference(tuple(pairs), tuple(_openings(before.snapshot, after.snapshot)), affected)


def made_again(before: Snapshot, after: Snapshot) -> Mapping[str, str]:
    """Map the ids of containers and networks that are deleted and made again with their name to the new ids.

    That is the only way to publish a port of a container that exists, so the two count as one.
    """
    return {
        old.id: alike[0].id
        for olds, left, names in (
            (before.containers, after.containers_by_id, after.containers_by_name),
            (before.networks, after.networks_by_id, after.networks_by_name),
        )
        for old in olds
        if old.id not in left and len(alike := names.get(old.name, ())) == 1
    }


def _joined(pairs: Iterable[ChangedPair], again: Mapping[str, str]) -> Iterator[ChangedPair]:
    """Join what an end loses by its deletion with what it gets when it is made again."""
    if not again:
        yield from pairs
        return
    lost: dict[Pair, ChangedPair] = {}
    others: dict[Pair, ChangedPair] = {}
    for one in pairs:
        source, destination = (again.get(end, end) for end in (one.pair.source, one.pair.destination))
        pair = replace(one.pair, source=source, destination=destination)
        (others if pair == one.pair else lost)[pair] = one
    for pair, one in others.items():
        # A container that does not exist yet, or no longer, reaches nothing and is not reached.
        was = lost.pop(pair, one)
        if was.before is not one.after:
            yield replace(one, before=was.before, reason=one.reason or was.reason)
    yield from (replace(one, pair=pair) for pair, one in lost.items())


def affected_containers(before: Snapshot, after: Snapshot) -> frozenset[str]:
    """Return the containers whose reachability may differ."""
    changed = {
        container_id
        for one, other in ((before, after), (after, before))
        for container_id, container in one.containers_by_id.items()
        if other.containers_by_id.get(container_id) is not container
        and other.containers_by_id.get(container_id) != container
    }
    # A new network may have a subnet that another network has too; then addresses of both lead elsewhere.
    networks = [n for n in after.networks if n.id not in before.networks_by_id]
    networks += [n for n in before.networks if n.id not in after.networks_by_id]
    for network in networks:
        others = [n for n in (*before.networks, *after.networks) if n.id != network.id]
        met = {one.id for one in overlaps([pool.subnet for pool in network.pools], others, ())}
        changed |= {
            e.container_id for s in (before, after) for i in met for e in s.endpoints_by_network.get(i or "", ())
        }
    # Programs in host mode share one namespace: what one of them listens at answers for the others as well.
    worlds = (before, after)
    if any(_is_in_host_mode(one, one.containers_by_id.get(i)) for one in worlds for i in changed):
        changed |= {c.id for one in worlds for c in one.containers if c.host_mode}
    # Sharers follow the namespace of their owner, over several steps.
    while True:
        more = {c.id for s in (before, after) for i in changed for c in s.sharers_by_owner.get(i, ())} - changed
        if not more:
            return frozenset(changed)
        changed |= more


def _is_in_host_mode(snapshot: Snapshot, container: Container | None) -> bool:
    """Whether the container has the host's namespace, of its own or by way of another container."""
    owner = snapshot.network_owner_of(container) if container is not None else None
    return owner is not None and owner.host_mode


KnownWorlds = dict[tuple[int, int], Reachability]
"""What was predicted of a world, by the ids of its snapshot and of its observations."""


class _Comparison:
    """Both states, and the containers in groups: those of one group have the same class and networks in both states.

    All containers of a group have the same verdict, to and from any container outside of their own namespace. So one of
    them is compared for all: 10,000 containers on 1,000 networks are about 1,000 groups.
    """

    def __init__(
        self,
        before: World,
        after: World,
        affected: frozenset[str],
        effort: Effort,
        known: KnownWorlds | None = None,
    ) -> None:
        self._worlds, self._affected = (before, after), sorted(affected)
        self._assumed = after.assumed
        there = after.snapshot.containers_by_id
        self._assumes_on_host = any(_is_in_host_mode(after.snapshot, there.get(i)) for i in after.assumed)
        self.ids = sorted(before.snapshot.containers_by_id.keys() | after.snapshot.containers_by_id.keys())
        kept = known if known is not None else {}
        for world in self._worlds:
            # Both live as long as what was predicted of them, so no other objects get their ids.
            key = id(world.snapshot), id(world.observations)
            if key not in kept:
                kept[key] = Reachability(world.snapshot, world.observations, self.ids, effort)
        self._first, self._second = (kept[id(world.snapshot), id(world.observations)] for world in self._worlds)
        self._groups: dict[tuple[Service, bool], Collection[list[str]]] = {}
        self._services: dict[str, tuple[Service, ...]] = {}

    def changed_pairs(self) -> Iterator[ChangedPair]:
        """Yield each changed pair once."""
        affected = frozenset(self._affected)
        for destination in self._affected:
            for service in self.services(destination):
                yield from self._pairs_to(destination, service)
        others, own = _host_services(self._worlds, affected)
        # The ports of the host that affected containers publish: from everywhere. The others: from affected containers.
        for service in sorted(own):
            yield from self._pairs_to("", service)
        destinations = self._destinations(affected)
        for source in self._affected:
            if self._place(self._first, source) != self._place(self._second, source):
                yield from self._compared(Pair(source, "", service) for service in sorted(others - own))
            yield from self._from(source, destinations)

    def _groups_of(self, service: Service, *, at_host: bool) -> Collection[list[str]]:
        """Return the containers, those together that are alike as sources of the service in both states."""
        found = self._groups.get((service, at_host))
        if found is None:
            groups: dict[tuple[int, int], list[str]] = {}
            both = (state.classes_of(service, at_host=at_host).group_of for state in (self._first, self._second))
            for container_id, first, second in zip(self.ids, *both, strict=True):
                groups.setdefault((first, second), []).append(container_id)
            found = self._groups[service, at_host] = groups.values()
        return found

    def _destinations(self, affected: frozenset[str]) -> Mapping[Service, Collection[list[str]]]:
        """Map each service to the other containers that have it, those together that are alike in both states."""
        found: dict[Service, dict[Hashable, list[str]]] = {}
        for at, destination in enumerate(self.ids):
            for service in () if destination in affected else self.services(destination):
                kinds = tuple(
                    (state.classes_of(service).group_of[at], state.kind_of_destination(destination, at, service))
                    for state in (self._first, self._second)
                )
                found.setdefault(service, {}).setdefault(kinds, []).append(destination)
        return {service: groups.values() for service, groups in found.items()}

    def with_addresses(self, found: ChangedPair, was: Mapping[str, str]) -> ChangedPair:
        """Add the addresses of the destination with their verdicts in both states. ``was`` maps to ids before."""
        now = found.pair
        then = replace(
            now, source=was.get(now.source, now.source), destination=was.get(now.destination, now.destination)
        )
        pairs = ((self._first, then), (self._second, now))
        before, after = ({one.address: one for one in state.own_prediction(pair).addresses} for state, pair in pairs)
        return replace(
            found,
            addresses=tuple(
                ChangedAddress(
                    one.address,
                    one.ip_version,
                    one.network,
                    before[address].predicted if address in before else None,
                    after[address].predicted if address in after else None,
                )
                for address, one in {**before, **after}.items()
            ),
        )

    def _place(self, state: Reachability, source: str) -> Hashable:
        """Return what a port of the host depends on that the source does not publish itself."""
        attachment = state.state.attachment_of(source)
        addresses = Reach(state.state, (IPV4, IPV6)).host_addresses(attachment)
        candidates = located(state.state, attachment, addresses)
        leaves = tuple(one.exit.id if one.exit is not None else None for one in candidates)
        return attachment.condition, attachment.container is not None and attachment.container.paused, addresses, leaves

    def services(self, container_id: str) -> tuple[Service, ...]:
        """Return the services of a container in either state."""
        found = self._services.get(container_id)
        if found is None:
            both = (
                service
                for world in self._worlds
                if (container := world.snapshot.containers_by_id.get(container_id)) is not None
                for service in services_of(world.snapshot, container, world.observations)
            )
            found = self._services[container_id] = tuple(dict.fromkeys(both))
        return found

    def _pairs_to(self, destination: str, service: Service) -> Iterator[ChangedPair]:
        """Compare all sources to one destination."""
        near = self._near(destination)
        # The host reaches its own published ports; a container is no destination of its own.
        alone = sorted({"", *near} - ({destination} if destination else set()))
        yield from self._compared(Pair(source, destination, service) for source in alone)
        for members in self._groups_of(service, at_host=self._is_at_host(destination)):
            far = [member for member in members if member not in near and member != destination]
            yield from self._alike([Pair(source, destination, service) for source in far])

    def _from(self, source: str, destinations: Mapping[Service, Iterable[list[str]]]) -> Iterator[ChangedPair]:
        """Compare one source to the destinations, none of which is affected."""
        near = self._near(source)
        for service, groups in destinations.items():
            for members in groups:
                for some in ([d for d in members if d not in near], *([d] for d in members if d in near)):
                    yield from self._alike([Pair(source, destination, service) for destination in some])

    def _is_at_host(self, destination: str) -> bool:
        """Whether the destination is the host, or a container in its namespace, in either state."""
        states = (self._first, self._second)
        return not destination or any(state.state.attachment_of(destination).is_host for state in states)

    def _near(self, container_id: str) -> set[str]:
        """Return the containers that share the container's namespace in either state, itself included."""
        at = self._first.position.get(container_id)
        if at is None:
            return set()
        return {self.ids[i] for state in (self._first, self._second) for i in state.classes.same_namespace(at)}

    def _alike(self, pairs: list[Pair]) -> Iterator[ChangedPair]:
        """Compare pairs that all have the verdict of the first one, in both states."""
        changed = next(self._compared(pairs[:1]), None)
        if changed is None:
            return
        yield changed
        for pair in pairs[1:]:
            yield ChangedPair(pair, changed.before, changed.after, self._is_assumed(pair), changed.reason)

    def _compared(self, pairs: Iterable[Pair]) -> Iterator[ChangedPair]:
        for pair in pairs:
            before, after = self._first.verdict(pair), self._second.verdict(pair)
            if before is not after:
                reason = self._second.reason(pair) or self._first.reason(pair)
                yield ChangedPair(pair, before, after, self._is_assumed(pair), reason)

    def _is_assumed(self, pair: Pair) -> bool:
        """Whether it is assumed that a program listens at the destination after the plan."""
        if pair.service == PING or not self._assumed:
            return False
        snapshot = self._second.snapshot
        if self._assumes_on_host and _is_in_host_mode(snapshot, snapshot.containers_by_id.get(pair.destination)):
            return True
        return not _owners(snapshot, pair).isdisjoint(self._assumed)


def _host_services(worlds: Iterable[World], affected: frozenset[str]) -> tuple[set[Service], set[Service]]:
    """Return the ports of the host that all other containers publish, and those that affected ones do."""
    found: tuple[set[Service], set[Service]] = (set(), set())
    for world in worlds:
        for container in world.snapshot.containers:
            found[container.id in affected].update(host_services(container))
    return found


def _owners(snapshot: Snapshot, pair: Pair) -> set[str]:
    """Return the containers whose program would answer."""
    if pair.destination:
        container = snapshot.containers_by_id.get(pair.destination)
        owner = snapshot.network_owner_of(container) if container is not None else None
        return {pair.destination, owner.id if owner is not None else pair.destination}
    key = pair.service.port or 0, pair.service.protocol.value
    return {container.id for container, _ in snapshot.publishers_by_port.get(key, ())}


def _openings(before: Snapshot, after: Snapshot) -> Iterator[Opening]:
    again = made_again(before, after)
    gone, come = _open_ports(before, again), _open_ports(after, {})
    yield from (Opening(come[key], key[1], opens=True) for key in come if key not in gone)
    yield from (Opening(gone[key], key[1], opens=False) for key in gone if key not in come)


def _open_ports(snapshot: Snapshot, again: Mapping[str, str]) -> Mapping[tuple[str, PublishedPort], Reference]:
    """Return the ports that are published at an address which other hosts can reach."""
    return {
        (again.get(container.id, container.id), port): Reference(container.id, container.name)
        for container in snapshot.containers
        if container.running
        for port in container.published_ports
        if not is_loopback_binding(port)
    }


def _names(snapshot: Snapshot) -> dict[str, str]:
    return {container.id: container.name for container in snapshot.containers}
