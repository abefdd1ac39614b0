"""The subnets and interfaces that the host's policy rules, routes and settings tell apart.

Each has a token. Containers for whose addresses and bridges the same tokens hold are routed alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator

from bridgework.analysis.routing import subnet_of
from bridgework.model.observations import MAIN_TABLE, Routing
from bridgework.model.snapshot import Snapshot

_OWN_ROUTES = frozenset({"local", "broadcast"})  # of the host's own addresses


def named_subnets(snapshot: Snapshot, routing: Routing) -> Iterator[tuple[str, Hashable]]:
    """Yield the subnets of policy rules and of routes, and those of networks to which the expected route is missing."""
    yield from _of_rules(routing)
    # A route to each network by its own bridge is as expected, and tells nothing apart.
    missing = {
        (str(subnet), network.bridge_name)
        for network in snapshot.networks
        for pool in network.pools
        if network.bridge_name and (subnet := subnet_of(pool)) is not None
    }
    for route in routing.routes:
        expected = route.destination, next(iter(route.interfaces), None)
        if route.table == MAIN_TABLE and route.gateway is None and expected in missing:
            missing.remove(expected)
        elif route.kind not in _OWN_ROUTES:
            yield route.destination, ("route", route.table, route.kind, route.destination)
    yield from ((cidr, "no route") for cidr, _ in missing)


def named_inside(container_id: str, routing: Routing) -> Iterator[tuple[str, Hashable]]:
    """Yield the subnets of policy rules and routes inside a container, by which its destinations may differ."""
    yield from ((cidr, (container_id, token)) for cidr, token in _of_rules(routing))
    for route in routing.routes:
        if route.kind not in _OWN_ROUTES:
            yield route.destination, (container_id, "route", route.table, route.destination)


def _of_rules(routing: Routing) -> Iterator[tuple[str, Hashable]]:
    for rule in routing.rules:
        for at, cidr in enumerate((rule.source, rule.destination)):
            if cidr is not None:
                yield cidr, ("policy rule", at, rule.priority, rule.text)


def named_interfaces(routing: Routing) -> Iterator[tuple[str, Hashable]]:
    """Yield the interfaces of policy rules, and those whose settings are not those of most others."""
    for rule in routing.rules:
        if rule.incoming is not None:
            yield rule.incoming, ("policy rule", rule.priority, rule.text)
    values = {setting.interface: (setting.forwarding, setting.rp_filter) for setting in routing.settings}
    usual = Counter(values.values()).most_common(1)
    yield from ((name, ("setting", value)) for name, value in values.items() if value != usual[0][0])
