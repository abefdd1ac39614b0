"""Snapshots made of parts: from everything, or from the one before and what changed since.

What was derived from the one before is taken over or adjusted, so that reading after a change costs what changed and
the copying of tables, before tens of thousands of containers too.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from service.core.snapshot import Container, Endpoint, Network, Snapshot


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
    *("namespaces_folder", "sharers_by_owner"),
)


def assembled(networks: Iterable[Network], containers: Iterable[Container]) -> Snapshot:
    """A snapshot of these, in whatever order they come."""
    return Snapshot(tuple(sorted(networks, key=_place)), tuple(sorted(containers, key=_place)))


def with_networks(before: Snapshot, now: Mapping[str, Network | None]) -> Snapshot:
    """The snapshot with these networks, by full id, as they are now; ``None`` where one is gone.

    The very same where nothing differs, so that what is kept with it stays.
    """
    by_id, gone, come = _changes(before.networks_by_id, now)
    if not gone and not come:
        return before
    after = Snapshot(_exchanged(before.networks, gone, come, _place), before.containers)
    return _deriving(after, networks_by_id=by_id, **_derived(before, _OF_CONTAINERS))


def with_containers(before: Snapshot, now: Mapping[str, Container | None]) -> Snapshot:
    """The snapshot with these containers, by full id, as they are now; ``None`` where one is gone.

    The very same where nothing differs, so that what is kept with it stays.
    """
    by_id, gone, come = _changes(before.containers_by_id, now)
    if not gone and not come:
        return before
    after = Snapshot(before.networks, _exchanged(before.containers, gone, come, _place))
    members = dict(before.endpoints_by_network)
    left, joined = _by_network(gone), _by_network(come)
    for network_id in left.keys() | joined.keys():
        found = members.pop(network_id, ())
        found = _exchanged(found, left.get(network_id, ()), joined.get(network_id, ()), _place_by_container)
        if found:
            members[network_id] = found
    known = _derived(before, _OF_NETWORKS)
    return _deriving(after, containers_by_id=by_id, endpoints_by_network=members, **known)


def _changes(
    before: Mapping[str, _NamedThing], now: Mapping[str, _NamedThing | None]
) -> tuple[dict[str, _NamedThing], list[_NamedThing], list[_NamedThing]]:
    """Everything by id, what is there no more as it was, and what was not there as it is."""
    by_id = dict(before)
    differing = {key: thing for key, thing in now.items() if thing != before.get(key)}
    gone = [by_id.pop(key) for key in differing if key in by_id]
    come = {key: thing for key, thing in differing.items() if thing is not None}
    by_id.update(come)
    return by_id, gone, list(come.values())


def _exchanged(
    things: Sequence[_Thing], gone: Iterable[_Thing], come: Iterable[_Thing], place: Callable[[_Thing], tuple[str, str]]
) -> tuple[_Thing, ...]:
    """Things in the order of their places, without some and with others."""
    found = list(things)
    for thing in gone:
        del found[bisect_left(found, place(thing), key=place)]
    for thing in come:
        insort(found, thing, key=place)
    return tuple(found)


def _by_network(containers: Iterable[Container]) -> dict[str, list[Endpoint]]:
    found: dict[str, list[Endpoint]] = {}
    for container in containers:
        for endpoint in container.endpoints:
            found.setdefault(endpoint.network_id, []).append(endpoint)
    return found


def _derived(snapshot: Snapshot, names: Iterable[str]) -> dict[str, Any]:
    """What of these its cached properties have kept so far."""
    kept = vars(snapshot)
    return {name: kept[name] for name in names if name in kept}


def _deriving(snapshot: Snapshot, **known: Any) -> Snapshot:
    """The snapshot with what is known of it already, as its cached properties would keep it."""
    vars(snapshot).update(known)
    return snapshot


def _place(thing: _Named) -> tuple[str, str]:
    return thing.name, thing.id


def _place_by_container(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.container_name, endpoint.container_id
