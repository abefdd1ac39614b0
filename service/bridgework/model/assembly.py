"""Snapshots from all networks and containers, or from the snapshot before and what changed since.

The indexes (by id, by name, by network) are adjusted. So after a change a look-up costs what changed and the copying of
tables, also with tens of thousands of containers.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


_Thing = TypeVar("_Thing")
_NamedThing = TypeVar("_NamedThing", bound=_Named)
_OF_NETWORKS = ("networks_by_id", "networks_by_name")
_OF_CONTAINERS = (
    *("containers_by_id", "containers_by_name", "endpoints_by_network", "holders_by_address"),
    *("_holders_by_name", "namespaces_folder", "publishers_by_port", "sharers_by_owner"),
)


def assembled(networks: Iterable[Network], containers: Iterable[Container]) -> Snapshot:
    """Return a snapshot of these networks and containers, in any order."""
    return Snapshot(tuple(sorted(networks, key=_place)), tuple(sorted(containers, key=_place)))


def with_networks(before: Snapshot, now: Mapping[str, Network | None]) -> Snapshot:
    """Return the snapshot with these networks, by full id, as they are now; ``None`` where one is gone."""
    gone, come = _changes(before.networks_by_id, now)
    return _deriving(
        Snapshot(_exchanged(before.networks, gone, come, _place), before.containers),
        networks_by_id=_by_id(before.networks_by_id, gone, come),
        networks_by_name=_regrouped(before.networks_by_name, _named(gone), _named(come), _place),
        **_derived(before, _OF_CONTAINERS),
    )


def with_containers(before: Snapshot, now: Mapping[str, Container | None]) -> Snapshot:
    """Return the snapshot with these containers, by full id, as they are now; ``None`` where one is gone."""
    gone, come = _changes(before.containers_by_id, now)
    members = _regrouped(before.endpoints_by_network, _endpoints(gone), _endpoints(come), _place_of_container)
    return _deriving(
        Snapshot(before.networks, _exchanged(before.containers, gone, come, _place)),
        containers_by_id=_by_id(before.containers_by_id, gone, come),
        containers_by_name=_regrouped(before.containers_by_name, _named(gone), _named(come), _place),
        endpoints_by_network=members,
        **_derived(before, _OF_NETWORKS),
    )


def _changes(
    before: Mapping[str, _NamedThing], now: Mapping[str, _NamedThing | None]
) -> tuple[list[_NamedThing], list[_NamedThing]]:
    """Return the old values of everything in ``now``, and the new ones."""
    gone = [before[key] for key in now if key in before]
    return gone, [thing for thing in now.values() if thing is not None]


def _by_id(
    before: Mapping[str, _NamedThing], gone: Iterable[_NamedThing], come: Iterable[_NamedThing]
) -> dict[str, _NamedThing]:
    after = dict(before)
    for thing in gone:
        del after[thing.id]
    after.update((thing.id, thing) for thing in come)
    return after


def _exchanged(
    things: Sequence[_Thing], gone: Iterable[_Thing], come: Iterable[_Thing], place: Callable[[_Thing], tuple[str, str]]
) -> tuple[_Thing, ...]:
    """Return the sorted things without ``gone`` and with ``come``."""
    found = list(things)
    for thing in gone:
        del found[bisect_left(found, place(thing), key=place)]
    for thing in come:
        insort(found, thing, key=place)
    return tuple(found)


def _regrouped(
    before: Mapping[str, tuple[_Thing, ...]],
    gone: Iterable[tuple[str, _Thing]],
    come: Iterable[tuple[str, _Thing]],
    place: Callable[[_Thing], tuple[str, str]],
) -> dict[str, tuple[_Thing, ...]]:
    """Return the groups without ``gone`` and with ``come``, each sorted; no group is empty."""
    after = dict(before)
    for key, thing in gone:
        left = _exchanged(after.pop(key), (thing,), (), place)
        if left:
            after[key] = left
    for key, thing in come:
        after[key] = _exchanged(after.get(key, ()), (), (thing,), place)
    return after


def _named(things: Iterable[_NamedThing]) -> Iterator[tuple[str, _NamedThing]]:
    return ((thing.name, thing) for thing in things)


def _endpoints(containers: Iterable[Container]) -> Iterator[tuple[str, Endpoint]]:
    return ((endpoint.network_id, endpoint) for container in containers for endpoint in container.endpoints)


def _derived(snapshot: Snapshot, names: Iterable[str]) -> dict[str, Any]:
    """Return those of the named cached properties that the snapshot has computed so far."""
    kept = vars(snapshot)
    return {name: kept[name] for name in names if name in kept}


def _deriving(snapshot: Snapshot, **known: Any) -> Snapshot:
    """Fill cached properties of the snapshot, and return it."""
    vars(snapshot).update(known)
    return snapshot


def _place(thing: _Named) -> tuple[str, str]:
    return thing.name, thing.id


def _place_of_container(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.container_name, endpoint.container_id
