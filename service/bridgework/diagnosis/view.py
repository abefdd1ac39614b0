"""The input of every rule of the diagnosis: the sorted snapshot, with the indexes that keep the rules linear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_address

from bridgework.analysis.attachment import EngineState
from bridgework.ipam.intervals import Interval, bits_of, is_within, merged, parse
from bridgework.ipam.usage import PREFIX_LENGTHS, available_subnets
from bridgework.model.assembly import assembled
from bridgework.model.observations import EngineObservations, Interface, Observation, Route
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, Snapshot
from bridgework.topology.host_links import HostLinks, host_links

VLAN_DRIVERS = frozenset({"macvlan", "ipvlan"})
_NAMED = 5
_USUAL_LENGTH = 24


@dataclass(frozen=True)
class View:
    """The examined engine. Networks, containers and endpoints are sorted by name, then id."""

    snapshot: Snapshot
    engine: EngineObservations

    @classmethod
    def of(cls, snapshot: Snapshot, engine: EngineObservations) -> View:
        """Sort the endpoints too, so that the findings do not depend on the order in which the engine lists things."""
        containers = (
            replace(c, endpoints=tuple(sorted(c.endpoints, key=lambda e: (e.network_name, e.network_id))))
            for c in snapshot.containers
        )
        return cls(assembled(snapshot.networks, containers), engine)

    @cached_property
    def state(self) -> EngineState:
        """What the analysis reads: one for all rules, so that each thing is derived once."""
        return EngineState(self.snapshot, self.engine.observations)

    @cached_property
    def pools(self) -> tuple[tuple[Interval, tuple[Network, Pool]], ...]:
        """Every pool of a network that is not config-only, if it can be parsed."""
        return tuple(
            (interval, (network, pool))
            for network in self.snapshot.networks
            if not network.config_only
            for pool in network.pools
            if (interval := parse(pool.subnet)) is not None
        )

    @cached_property
    def links(self) -> HostLinks | None:
        """The host's interfaces; ``None`` where they were not seen."""
        host = self.engine.observations.host
        seen = host.observation.interfaces if host else None
        return host_links(self.snapshot, seen) if seen is not None else None

    @cached_property
    def bridge_names(self) -> Mapping[str, Network]:
        """The kernel's name of each bridge network."""
        return {network.bridge_name: network for network in self.snapshot.networks if network.bridge_name}

    @cached_property
    def foreign_routes(self) -> tuple[tuple[Interval, Route], ...]:
        """Routes of the host that are neither a default route nor a bridge network's own."""
        host = self.engine.observations.host
        routes = (host.observation.routes if host else None) or ()
        return tuple(
            (interval, route)
            for route in sorted(routes, key=lambda r: (r.destination, r.interface or ""))
            if route.interface not in self.bridge_names
            and (interval := parse(route.destination)) is not None
            and interval.size < 1 << bits_of(interval.version)
        )

    @cached_property
    def occupied(self) -> list[Interval]:
        """What a new network may not overlap, merged."""
        return merged([*(interval for interval, _ in self.pools), *(interval for interval, _ in self.foreign_routes)])

    @cached_property
    def docker_space(self) -> list[Interval]:
        """All subnets of Docker's networks, merged."""
        return merged(interval for interval, _ in self.pools)

    def in_docker_space(self, address: str) -> bool:
        """Return whether an address lies in any subnet of a network."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return is_within(int(parsed), parsed.version, self.docker_space)

    @cached_property
    def _free_subnets(self) -> dict[int, str | None]:
        return {}

    def free_subnet(self, prefix_len: int) -> str | None:
        """Return the first subnet of that length that overlaps nothing."""
        if prefix_len not in self._free_subnets:
            taken = [*(pool.subnet for _, (_, pool) in self.pools), *(r.destination for _, r in self.foreign_routes)]
            self._free_subnets[prefix_len] = next(iter(available_subnets(prefix_len, 1, taken)), None)
        return self._free_subnets[prefix_len]

    def observation(self, container: Container) -> Observation | None:
        """Return what was seen inside a running container; ``None`` where nothing was."""
        return self.engine.observations.inside.get(container.id) if container.running else None

    def active(self, network: Network) -> list[Endpoint]:
        """Return the network's active endpoints."""
        return [endpoint for endpoint in self.snapshot.endpoints_of(network) if endpoint.state == "active"]

    def networks_of(self, container: Container) -> list[Network]:
        """Return the existing networks that a container is on."""
        known = self.snapshot.networks_by_id
        return [known[endpoint.network_id] for endpoint in container.endpoints if endpoint.network_id in known]

    def unused(self) -> Iterator[Network]:
        """Yield the local custom networks that nothing uses, not even a stopped container or another network."""
        templates = {network.config_from for network in self.snapshot.networks if network.config_from}
        for network in self.snapshot.networks:
            listed = self.engine.network_endpoint_ids.get(network.id)
            if network.builtin or network.scope != "local" or network.name in templates or listed:
                continue
            if not self.snapshot.endpoints_of(network):
                yield network


def length_like(cidr: str, *, wider_by: int = 0) -> int:
    """Return the prefix length of a subnet, within the lengths that ``available_subnets`` searches."""
    interval = parse(cidr)
    if interval is None:
        return _USUAL_LENGTH
    length = bits_of(interval.version) - (interval.size.bit_length() - 1) - wider_by
    shortest, longest = PREFIX_LENGTHS[interval.version]
    return min(max(length, shortest), longest)


def enumerate_names(names: Iterable[str], limit: int = _NAMED) -> str:
    """Return ``a, b, c and 4 more``."""
    listed = list(names)
    more = len(listed) - limit
    return ", ".join(listed[:limit]) + (f" and {more} more" if more > 0 else "")


def interface_is_down(interface: Interface | None) -> bool:
    """Return whether the kernel reports the interface as down; ``unknown``, as for a loopback, is not down."""
    return interface is not None and interface.state.lower() in {"down", "lowerlayerdown"}
