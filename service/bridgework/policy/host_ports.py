"""Clashes of published ports on the host.

Two ports clash when they have number and protocol in common, and an address. That is the kernel's rule for two sockets.
Measured on Docker 26.1.5, 28.5.2 and 29.7.2, with and without userland proxy: every pair of "", ``0.0.0.0``, ``::``,
``127.0.0.1``, ``127.0.0.2``, ``::1`` and an address of an interface, of two containers and of a container and a
program.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from bridgework.model.observations import MAPPED, ListeningSocket
from bridgework.model.snapshot import Container, Network, PublishedPort, Snapshot

# The wildcards. Docker publishes on "::" for IPv6 alone, so "0.0.0.0" and "::" do not clash.
_FAMILIES = {"": {4, 6}, "0.0.0.0": {4}, "::": {6}}

_DEFAULT_BINDING = "com.docker.network.bridge.host_binding_ipv4"
_WITHOUT_PORTS = frozenset({"macvlan", "ipvlan", "host", "null"})


def clash(port: PublishedPort, other: PublishedPort) -> bool:
    """Return whether the two exclude each other. The engine chooses a port without a number among the free ones."""
    if port.host_port is None or (port.host_port, port.protocol) != (other.host_port, other.protocol):
        return False
    return overlap(port.host_ip, other.host_ip)


def overlap(address: str, other: str) -> bool:
    """Return whether two host addresses, or wildcards, have an address in common."""
    if not _families(address) & _families(other):
        return False
    return address in _FAMILIES or other in _FAMILIES or ip_address(address) == ip_address(other)


def _families(host_ip: str) -> set[int]:
    """Return the IP versions; none for text that is no address, which the engine may have stored for another client."""
    try:
        return _FAMILIES.get(host_ip) or {ip_address(host_ip).version}
    except ValueError:
        return set()


def is_loopback_binding(port: PublishedPort) -> bool:
    """Return whether the port is published on a loopback address, so that only the host itself reaches it."""
    try:
        return bool(port.host_ip) and ip_address(port.host_ip).is_loopback
    except ValueError:
        return False


def publisher_of(snapshot: Snapshot, port: PublishedPort) -> Container | None:
    """Return the container that publishes the port now, or a port that clashes with it."""
    if port.host_port is None:
        return None
    publishers = snapshot.publishers_by_port.get((port.host_port, port.protocol), ())
    return next((publisher for publisher, taken in publishers if clash(port, taken)), None)


def claims(ports: Iterable[PublishedPort], networks: Iterable[Network]) -> tuple[PublishedPort, ...]:
    """Return the ports as the engine would publish them for a container on these networks.

    There are none where all networks are internal, macvlan or ipvlan. A port without an address gets the network's
    default binding. Measured on 26.1.5, 28.5.2 and 29.7.2.
    """
    publishing = [network for network in networks if not network.internal and network.driver not in _WITHOUT_PORTS]
    if not publishing:
        return ()
    # The engine chooses which of several networks publishes, so networks with different defaults count as without one.
    defaults = {network.options.get(_DEFAULT_BINDING, "") for network in publishing}
    default = defaults.pop() if len(defaults) == 1 else ""
    if default == "0.0.0.0":  # the default bridge's own option: the engine publishes on "::" too
        return tuple(ports)
    return tuple(replace(port, host_ip=port.host_ip or default) for port in ports)


def claims_of(snapshot: Snapshot, container: Container) -> tuple[PublishedPort, ...]:
    """Return the ports that the container publishes whenever it runs."""
    # A container that was created in mode none, and connected later, keeps the mode and publishes (26.1.5, measured).
    if container.host_mode or container.shares_with is not None:
        return ()
    networks = (snapshot.networks_by_id.get(endpoint.network_id) for endpoint in container.endpoints)
    return claims(container.configured_ports, [network for network in networks if network is not None])


def held_by(socket: ListeningSocket) -> PublishedPort:
    """Return the port that a socket of the host takes."""
    # A socket bound to "::" takes IPv4 too, unless it is IPv6-only (ipv6(7), IPV6_V6ONLY).
    takes_all = socket.address == "*" or (socket.address == "::" and not socket.ipv6_only)
    host_ip = "" if takes_all else socket.address.removeprefix(MAPPED)
    return PublishedPort(0, socket.protocol, host_ip, socket.port)
