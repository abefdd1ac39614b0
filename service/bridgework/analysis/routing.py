"""Which way a packet takes from its source to an address, and who holds the address.

The routes of the source decide first. An address in a subnet of the source's own networks is reached directly, even
where another network uses the same subnet. Every other address leaves by the default route, and the host routes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from bridgework.analysis.attachment import (
    IPV4,
    IPV6,
    THE_HOST,
    Attachment,
    EngineState,
    gateway_of,
    interface_of,
    parsed,
)
from bridgework.firewall.docker.releases import facts_of
from bridgework.ipam.usage import first_address
from bridgework.model.observations import Observations
from bridgework.model.snapshot import Endpoint, Network, Pool, Snapshot

# The bridge through which containers of an overlay network reach other networks.
OVERLAY_GATEWAY = "docker_gwbridge"
# The spellings of false for a driver option: Go's ``strconv.ParseBool``, in any case.
_FALSE = frozenset({"false", "0", "f"})
_VLAN_DRIVERS = frozenset({"macvlan", "ipvlan"})

_Address = IPv4Address | IPv6Address


class Way(StrEnum):
    """How a packet leaves the source: to itself, to a network of the source, by the default route, or not at all."""

    LOCAL = "local"
    DIRECT = "direct"
    FORWARDED = "forwarded"
    NO_ROUTE = "no-route"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One address that the source may try, and how a packet gets there.

    ``attachment`` is the holder of the address; ``None`` where the engine shows no holder. ``network`` is the network
    whose subnet the address is in; ``None`` outside of the engine's networks, and for the source's own addresses.
    ``endpoint`` is the holder's endpoint in that network. ``exit`` is the network through which the packet leaves the
    source; ``None`` for the host.
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
        """Whether the address is in no network of the engine."""
        return self.attachment is None and self.network is None


def gateway_mode(network: Network, version: int) -> str:
    """Return ``nat``, ``nat-unprotected``, ``routed`` or ``isolated``; ``nat`` where the network sets no mode."""
    option = f"com.docker.network.bridge.gateway_mode_ipv{version}"
    # Docker 26 stores the option and ignores it (measured on 26.1.5).
    return "nat" if option in network.ignored_options else network.options.get(option, "nat")


def masquerades(network: Network) -> bool:
    """Whether the host puts its own address on what leaves the bridge (``enable_ip_masquerade``, on unless set off)."""
    return network.options.get("com.docker.network.bridge.enable_ip_masquerade", "true").lower() not in _FALSE


def has_host_address(network: Network, version: int) -> bool:
    """Whether the engine gives the network's bridge an address of the host."""
    # With inhibit_ipv4 the bridge has no IPv4 address, but the containers still get a default route to the address
    # that the bridge would have.
    inhibited = network.options.get("com.docker.network.bridge.inhibit_ipv4", "false").lower() not in _FALSE
    # In gateway mode isolated (Docker 28 and later) the bridge gets no address of the family.
    return gateway_mode(network, version) != "isolated" and not (inhibited and version == IPV4)


def is_vlan(network: Network) -> bool:
    """Whether the network is a macvlan or ipvlan: its endpoints are on a link of the host instead of a bridge."""
    return network.driver in _VLAN_DRIVERS


def subnet_of(pool: Pool) -> IPv4Network | IPv6Network | None:
    """Return the pool's subnet; ``None`` where the engine gives none or an invalid one."""
    return _parsed(pool.subnet)


@lru_cache(maxsize=16_384)
def _parsed(subnet: str) -> IPv4Network | IPv6Network | None:
    # Cached: each address outside of the source's networks is compared with every pool of the engine.
    try:
        return ip_network(subnet, strict=False)
    except ValueError:
        return None


def host_address_on(snapshot: Snapshot, network: Network, version: int) -> str | None:
    """Return the host's address on the network's bridge; ``None`` where it has none."""
    # A config-only network is a template: it has pools, and no bridge.
    if network.driver != "bridge" or network.config_only or not has_host_address(network, version):
        return None
    # A container's recorded gateway is the surest source: the engine computed it, and the container uses it.
    for endpoint in snapshot.endpoints_of(network):
        if endpoint.state == "active" and (recorded := gateway_of(endpoint, version)):
            return recorded
    # No endpoint shows the gateway: the bridge has the address that the pool names, else the first of the subnet.
    for pool in network.pools:
        subnet = subnet_of(pool)
        if subnet is not None and subnet.version == version:
            # The engine writes some gateways with a prefix length, such as 10.1.0.1/24.
            return (pool.gateway or first_address(pool) or "").split("/")[0] or None
    return None


def is_host_address(state: EngineState, address: _Address, around: Iterable[Network]) -> bool:
    """Whether the host holds the address: on the bridge of one of ``around``, or on an interface that was observed."""
    if any(str(address) == host_address_on(state.snapshot, network, address.version) for network in around):
        return True
    # The host's other addresses, such as the one of its LAN, are known only from an observation.
    return str(address) in state.once(_addresses_of_host)


def _addresses_of_host(_: Snapshot, observations: Observations) -> frozenset[str]:
    interfaces = (observations.host.observation.interfaces or ()) if observations.host is not None else ()
    return frozenset(own.address for interface in interfaces for own in interface.addresses)


def networks_around(state: EngineState, address: _Address) -> tuple[Network, ...]:
    """Return the networks that have a pool with the address, in the order of the snapshot."""
    number = int(address)
    found = {
        at
        for (version, bits), places in state.once(_networks_by_prefix).items()
        if version == address.version
        for at in places.get(number >> bits, ())
    }
    return tuple(state.snapshot.networks[at] for at in sorted(found))


def _networks_by_prefix(snapshot: Snapshot, _: Observations) -> Mapping[tuple[int, int], Mapping[int, list[int]]]:
    """Map the version and the host bits of each subnet to its prefix, and that to the positions of its networks.

    An engine has few lengths of prefixes, so an address takes few look-ups, and not one for each of 1,000 networks.
    """
    tables: dict[tuple[int, int], dict[int, list[int]]] = {}
    for at, network in enumerate(snapshot.networks):
        for pool in network.pools:
            subnet = subnet_of(pool)
            if subnet is not None:
                bits = subnet.max_prefixlen - subnet.prefixlen
                places = tables.setdefault((subnet.version, bits), {})
                places.setdefault(int(subnet.network_address) >> bits, []).append(at)
    return tables


def holder_in(snapshot: Snapshot, network: Network, address: str) -> Endpoint | None:
    """Return the active endpoint of the network that holds the address."""
    for endpoint in snapshot.holders_by_address.get(address, ()):
        # The same address may be held in several networks that have the same subnet.
        if endpoint.network_id == network.id:
            return endpoint
    return None


def default_exit(state: EngineState, source: Attachment, version: int) -> Network | None:
    """Return the network of the source's default route: as observed, else as the engine would choose it."""
    seen = _observed_gateway(source, version, state.observations)
    networks = state.snapshot.networks_by_id
    if seen is None:
        found = chosen_exit(state.snapshot, source.endpoints, version, state.observations.engine_version)
    else:
        # The observed route decides, also where a program changed it.
        found = next((networks[e.network_id] for e in source.endpoints if gateway_of(e, version) == seen), None)
    # An overlay network has no gateway: the engine connects its containers to docker_gwbridge as well, and does not
    # list that endpoint. The default route leaves there, for IPv4 only.
    if found is None and version == IPV4 and any(_is_overlay(networks[e.network_id]) for e in source.endpoints):
        return next((n for n in state.snapshot.networks if n.name == OVERLAY_GATEWAY and n.driver == "bridge"), None)
    return found


def chosen_exit(
    snapshot: Snapshot, endpoints: Iterable[Endpoint], version: int, release: tuple[int, int]
) -> Network | None:
    """Return the network that the engine chooses for the default route of the IP version.

    ``endpoints`` are in the order of ``ordered_endpoints``, ``release`` is the engine's major and minor version.
    Source: ``selectGatewayEndpoint`` in moby's ``libnetwork/default_gateway.go``.
    """
    both_first = facts_of(release).one_exit_for_both
    first = None
    for endpoint in endpoints:
        network = snapshot.networks_by_id[endpoint.network_id]
        if not _leads_out(network, endpoint, version):
            continue
        if not both_first or _leads_out(network, endpoint, IPV4 + IPV6 - version):
            return network
        first = first or network
    return first


def _leads_out(network: Network, endpoint: Endpoint, version: int) -> bool:
    # The engine records a gateway for an internal or isolated network as well, but sets no default route to it.
    return bool(gateway_of(endpoint, version) and not network.internal and gateway_mode(network, version) != "isolated")


def _is_overlay(network: Network) -> bool:
    return network.driver == "overlay" and not network.internal


def _observed_gateway(source: Attachment, version: int, observations: Observations) -> str | None:
    """Return the gateway of the default route inside, ``""`` for none; ``None`` where routes were not observed."""
    observation = observations.inside.get(source.owner.id) if source.owner else None
    if observation is None or observation.routes is None:
        return None
    # An empty text differs from None: the routes were observed, and there is no default route.
    default = "0.0.0.0/0" if version == IPV4 else "::/0"
    return next((r.gateway or "" for r in observation.routes if r.destination == default), "")


def locate(state: EngineState, source: Attachment, address: str) -> Candidate | None:
    """Return the way from the source to the address, and its holder; ``None`` for a text that is no address."""
    found = parsed(address)
    if found is None:
        return None
    # The normal spelling, so that fd00::0001 and fd00::1 are the same address.
    text, version = str(found), found.version
    # A packet to an own address never leaves the namespace: the kernel delivers it over lo.
    if found.is_loopback or any(text in endpoint.addresses for endpoint in source.endpoints):
        return Candidate(text, version, Way.LOCAL, source)
    if source.is_host:
        return _from_host(state, found)
    near = _connected(state.snapshot, source, found)
    if near is not None:
        return _held(state, Candidate(text, version, Way.DIRECT, network=near, exit=near))
    leaves = default_exit(state, source, version)
    way = Way.NO_ROUTE if leaves is None else Way.FORWARDED
    return _settled(state, Candidate(text, version, way, exit=leaves))


def _connected(snapshot: Snapshot, source: Attachment, address: _Address) -> Network | None:
    """Return the source's network whose subnet has the address; of several, the one with the longest prefix."""
    found: list[tuple[int, str]] = []
    for endpoint in source.endpoints:
        interface = interface_of(endpoint, address.version)
        if interface is not None and address in interface.network:
            # The kernel uses the route with the longest prefix.
            found.append((interface.network.prefixlen, endpoint.network_id))
    return snapshot.networks_by_id[max(found, key=lambda pair: pair[0])[1]] if found else None


def _from_host(state: EngineState, address: _Address) -> Candidate:
    text = str(address)
    if is_host_address(state, address, networks_around(state, address)):
        return Candidate(text, address.version, Way.LOCAL, THE_HOST)
    candidate = _settled(state, Candidate(text, address.version, Way.FORWARDED))
    # With an address on the network's bridge the host is in the subnet, and needs no forwarding.
    if candidate.network is not None and host_address_on(state.snapshot, candidate.network, address.version):
        return replace(candidate, way=Way.DIRECT)
    return candidate


def _settled(state: EngineState, candidate: Candidate) -> Candidate:
    """Find the holder of an address that is on no network of the source."""
    address = ip_address(candidate.address)
    around = networks_around(state, address)
    if is_host_address(state, address, around):
        return replace(candidate, attachment=THE_HOST)
    # Several networks may have the subnet: one where a container holds the address comes first.
    held = [n for n in around if holder_in(state.snapshot, n, candidate.address)]
    return _held(state, replace(candidate, network=next(iter((*held, *around)), None)))


def _held(state: EngineState, candidate: Candidate) -> Candidate:
    """Add the holder of the address in its network: the host, a container, or none."""
    network = candidate.network
    if network is None:
        return candidate
    # The bridge itself holds this address, so it is not among the endpoints.
    if candidate.address == host_address_on(state.snapshot, network, candidate.version):
        return replace(candidate, attachment=THE_HOST)
    endpoint = holder_in(state.snapshot, network, candidate.address)
    attachment = state.attachment_of(endpoint.container_id) if endpoint else None
    return replace(candidate, attachment=attachment, endpoint=endpoint)
