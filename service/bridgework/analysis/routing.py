"""Where an address lies, as a packet of the source would find out: its own namespace, a network it is on, the way out.

Routing comes before holding: a container on network A reaches an address of A directly, whoever else uses that
subnet; everything else leaves by the default route, and the host decides. Total: what is no address has no goal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from bridgework.analysis.attachment import (
    IPV4,
    THE_HOST,
    Attachment,
    EngineState,
    gateway_of,
    interface_of,
)
from bridgework.ipam.usage import first_address
from bridgework.model.observations import Observations
from bridgework.model.snapshot import Endpoint, Network, Pool, Snapshot

OVERLAY_GATEWAY = "docker_gwbridge"
"""The bridge by which containers of an overlay network leave their node."""
_FALSE = frozenset({"false", "0", "f"})
"""How the engine reads a false option (Go's ``ParseBool``, case ignored)."""
_VLAN_DRIVERS = frozenset({"macvlan", "ipvlan"})

_Address = IPv4Address | IPv6Address


class Way(StrEnum):
    """How the packet leaves the source."""

    LOCAL = "local"
    DIRECT = "direct"
    FORWARDED = "forwarded"
    NO_ROUTE = "no-route"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One address to reach. ``standing`` is whose it is: ``None`` where nobody known holds it.

    ``network`` is the network the address lies in (``None`` for outside, and for the source itself), ``endpoint`` the
    holder's place in it. ``exit`` is the network by which the packet leaves the source, ``None`` for the host.
    """

    address: str
    version: int
    way: Way
    attachment: Attachment | None = None
    endpoint: Endpoint | None = None
    network: Network | None = None
    exit: Network | None = None

    @property
    def is_host(self) -> bool:
        """Whether the address is one of the host's."""
        return self.attachment is not None and self.attachment.is_host

    @property
    def is_outside(self) -> bool:
        """Whether it lies in no network of the engine."""
        return self.attachment is None and self.network is None


def gateway_mode(network: Network, version: int) -> str:
    """``nat``, ``nat-unprotected``, ``routed``, ``isolated``; ``nat`` where the network or its engine knows none.

    Docker 26 keeps the option and ignores it (measured on 26.1.5).
    """
    option = f"com.docker.network.bridge.gateway_mode_ipv{version}"
    return "nat" if option in network.ignored_options else network.options.get(option, "nat")


def masquerades(network: Network) -> bool:
    """Whether the host puts its own address on what leaves the bridge (``enable_ip_masquerade``, on unless set off)."""
    return network.options.get("com.docker.network.bridge.enable_ip_masquerade", "true").lower() not in _FALSE


def has_host_address(network: Network, version: int) -> bool:
    """Whether the engine gives the network's bridge an address of the host.

    Not in gateway mode ``isolated``, and no IPv4 address with ``inhibit_ipv4``: the containers still get a default
    route to the address that nobody holds.
    """
    inhibited = network.options.get("com.docker.network.bridge.inhibit_ipv4", "false").lower() not in _FALSE
    return gateway_mode(network, version) != "isolated" and not (inhibited and version == IPV4)


def is_vlan(network: Network) -> bool:
    """Whether its endpoints hang on a link of the host instead of a bridge."""
    return network.driver in _VLAN_DRIVERS


def subnet_of(pool: Pool) -> IPv4Network | IPv6Network | None:
    """The pool's subnet; ``None`` where it is none."""
    return _parsed(pool.subnet)


@lru_cache(maxsize=16_384)
def _parsed(subnet: str) -> IPv4Network | IPv6Network | None:
    """Kept, since every address outside of the source's networks is looked for in every pool."""
    try:
        return ip_network(subnet, strict=False)
    except ValueError:
        return None


def host_address_on(snapshot: Snapshot, network: Network, version: int) -> str | None:
    """The host's address on the network's bridge: the pool's gateway, or the first address where none is named."""
    if network.driver != "bridge" or network.config_only or not has_host_address(network, version):
        return None
    for endpoint in snapshot.endpoints_of(network):
        if endpoint.state == "active" and (recorded := gateway_of(endpoint, version)):
            return recorded
    for pool in network.pools:
        subnet = subnet_of(pool)
        if subnet is not None and subnet.version == version:
            return (pool.gateway or first_address(pool) or "").split("/")[0] or None
    return None


def is_host_address(state: EngineState, address: _Address, around: Iterable[Network]) -> bool:
    """Whether it is one of the host's: of a bridge in whose subnet it lies (``around``), or seen on an interface."""
    if any(str(address) == host_address_on(state.snapshot, network, address.version) for network in around):
        return True
    interfaces = (state.observations.host.observation.interfaces or ()) if state.observations.host is not None else ()
    return any(str(address) == own.address for interface in interfaces for own in interface.addresses)


def networks_around(snapshot: Snapshot, address: _Address) -> tuple[Network, ...]:
    """The networks with a pool that the address lies in."""
    return tuple(
        network
        for network in snapshot.networks
        if any((subnet := subnet_of(pool)) is not None and address in subnet for pool in network.pools)
    )


def holder_in(snapshot: Snapshot, network: Network, address: str) -> Endpoint | None:
    """The active endpoint of the network that holds the address."""
    for endpoint in snapshot.holders_by_address.get(address, ()):
        if endpoint.network_id == network.id:
            return endpoint
    return None


def default_exit(state: EngineState, source: Attachment, version: int) -> Network | None:
    """The network by which a container's default route leaves: as observed, else as the engine would choose."""
    seen = _observed_gateway(source, version, state.observations)
    overlay = False
    for endpoint in source.endpoints:
        network = state.snapshot.networks_by_id[endpoint.network_id]
        gateway = gateway_of(endpoint, version)
        if seen is not None:
            if gateway == seen:
                return network
        elif gateway and not network.internal and gateway_mode(network, version) != "isolated":
            return network
        overlay = overlay or (network.driver == "overlay" and not network.internal)
    if overlay and version == IPV4:
        return next((n for n in state.snapshot.networks if n.name == OVERLAY_GATEWAY and n.driver == "bridge"), None)
    return None


def _observed_gateway(source: Attachment, version: int, observations: Observations) -> str | None:
    """The gateway of the default route inside, ``""`` for none; ``None`` where routes were not seen."""
    observation = observations.inside.get(source.owner.id) if source.owner else None
    if observation is None or observation.routes is None:
        return None
    default = "0.0.0.0/0" if version == IPV4 else "::/0"
    return next((r.gateway or "" for r in observation.routes if r.destination == default), "")


def locate(state: EngineState, source: Attachment, address: str) -> Candidate | None:
    """The address as a goal of the source; ``None`` if it is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    text, version = str(parsed), parsed.version
    if parsed.is_loopback or any(text in endpoint.addresses for endpoint in source.endpoints):
        return Candidate(text, version, Way.LOCAL, source)
    if source.is_host:
        return _from_host(state, parsed)
    near = _connected(state.snapshot, source, parsed)
    if near is not None:
        return _held(state, Candidate(text, version, Way.DIRECT, network=near, exit=near))
    leaves = default_exit(state, source, version)
    way = Way.NO_ROUTE if leaves is None else Way.FORWARDED
    return _settled(state, Candidate(text, version, way, exit=leaves))


def _connected(snapshot: Snapshot, source: Attachment, address: _Address) -> Network | None:
    """The network of the source whose subnet holds the address; the narrowest, should there be several."""
    found: list[tuple[int, str]] = []
    for endpoint in source.endpoints:
        interface = interface_of(endpoint, address.version)
        if interface is not None and address in interface.network:
            found.append((interface.network.prefixlen, endpoint.network_id))
    return snapshot.networks_by_id[max(found, key=lambda pair: pair[0])[1]] if found else None


def _from_host(state: EngineState, address: _Address) -> Candidate:
    text = str(address)
    if is_host_address(state, address, networks_around(state.snapshot, address)):
        return Candidate(text, address.version, Way.LOCAL, THE_HOST)
    candidate = _settled(state, Candidate(text, address.version, Way.FORWARDED))
    if candidate.network is not None and host_address_on(state.snapshot, candidate.network, address.version):
        return Candidate(text, address.version, Way.DIRECT, candidate.attachment, candidate.endpoint, candidate.network)
    return candidate


def _settled(state: EngineState, candidate: Candidate) -> Candidate:
    """Find the holder of an address that lies on no network of the source."""
    address = ip_address(candidate.address)
    around = networks_around(state.snapshot, address)
    if is_host_address(state, address, around):
        return Candidate(candidate.address, candidate.version, candidate.way, THE_HOST, exit=candidate.exit)
    held = [n for n in around if holder_in(state.snapshot, n, candidate.address)]
    for network in (*held, *around):
        placed = Candidate(candidate.address, candidate.version, candidate.way, network=network, exit=candidate.exit)
        return _held(state, placed)
    return candidate


def _held(state: EngineState, candidate: Candidate) -> Candidate:
    """Add who holds the address in its network: the host, a container, or nobody."""
    network = candidate.network
    if network is None:
        return candidate
    if candidate.address == host_address_on(state.snapshot, network, candidate.version):
        return Candidate(candidate.address, candidate.version, candidate.way, THE_HOST, None, network, candidate.exit)
    endpoint = holder_in(state.snapshot, network, candidate.address)
    attachment = state.attachment_of(endpoint.container_id) if endpoint else None
    return Candidate(candidate.address, candidate.version, candidate.way, attachment, endpoint, network, candidate.exit)
