"""Reads what a namespace holds, in the calling thread. What cannot be read stays ``None``."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bridgework.model.observations import (
    HostObservation,
    NdpProxies,
    NeighbourTable,
    Observation,
    ResolverConfiguration,
)
from bridgework.model.probe_port import Aspect
from bridgework.probes.kernel import conntrack, firewall, link_settings, links, listeners, netlink, xfrm
from bridgework.probes.kernel.neighbour_table import table_usage
from bridgework.probes.resolver import embedded_dns
from bridgework.probes.routes import tables

HOST_ASPECTS: tuple[Aspect, ...] = (
    "interfaces", "routes", "neighbours", "neighbour_table", "sockets", "sysctls", "frame_rules", "xfrm",
)  # fmt: skip
# One observation ends after this time, whatever a container has put into its namespace.
MAX_OBSERVE_S = 5.0
HOST_MESSAGES = 262_144
SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.icmp_echo_ignore_all",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv6.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
)
_Found = TypeVar("_Found")


@dataclass(slots=True)
class _Reader:
    """Reads one aspect after another before ``ends``. ``truncated`` are those of which the namespace holds more."""

    aspects: Sequence[Aspect]
    ends: float
    messages: int
    truncated: list[Aspect] = field(default_factory=list)

    def read(self, aspect: Aspect, read: Callable[[netlink.Limit], _Found]) -> _Found | None:
        if aspect not in self.aspects:
            return None
        limit = netlink.Limit(self.ends, self.messages)
        try:
            return read(limit)
        except TimeoutError:
            limit.reached = True
            return None
        finally:
            if limit.reached:
                self.truncated.append(aspect)

    def dump(self, aspect: Aspect, read: Callable[[socket.socket, netlink.Limit], _Found]) -> _Found | None:
        def over_new_socket(limit: netlink.Limit) -> _Found:
            # A socket for each dump: after a time-out the rest of that dump is still in it.
            with netlink.open_socket() as sock:
                return read(sock, limit)

        return self.read(aspect, over_new_socket)


def observe(
    aspects: Sequence[Aspect],
    resolver: ResolverConfiguration | None,
    ends: float | None = None,
    messages: int = netlink.MAX_MESSAGES,
) -> Observation:
    """Read the aspects before ``ends`` (``time.monotonic``; default: in 5 s), up to ``messages`` of each dump.

    The caller reads ``resolver``: the files do not depend on the network namespace.
    """
    reader = _Reader(aspects, time.monotonic() + MAX_OBSERVE_S if ends is None else ends, messages)
    inode = Path("/proc/thread-self/ns/net").stat().st_ino
    owners_in = inode if "processes" in aspects else None
    return Observation(
        inode=inode,
        sockets=reader.read("sockets", lambda limit: listeners.sockets(owners_in, limit)),
        resolver=resolver if "resolver" in aspects else None,
        own_rules=firewall.has_own_rules() if "own_rules" in aspects else None,
        sysctls=_sysctls() if "sysctls" in aspects else (),
        neighbour_table=_neighbour_table() if "neighbour_table" in aspects else None,
        interfaces=reader.dump("interfaces", links.interfaces),
        routes=reader.dump("routes", links.routes),
        neighbours=reader.dump("neighbours", links.neighbours),
        routing=reader.dump("routing", tables.routing),
        embedded_dns=embedded_dns.is_served() if "embedded_dns" in aspects else None,
        firewall=firewall.inner_rules(reader.ends) if "firewall" in aspects else None,
        frame_rules=firewall.frame_rules() if "frame_rules" in aspects else None,
        xfrm=reader.read("xfrm", xfrm.blocking_policies),
        truncated=tuple(reader.truncated),
    )


def observe_host(ends: float | None = None) -> HostObservation:
    """Read the engine's host, without its firewall."""
    ends = time.monotonic() + MAX_OBSERVE_S if ends is None else ends
    observation = observe(HOST_ASPECTS, None, ends, HOST_MESSAGES)
    settings = dict(observation.sysctls)
    return HostObservation(
        observation=observation,
        ipv4_forwarding=_switch(settings.get("net.ipv4.ip_forward")),
        ipv6_forwarding=_switch(settings.get("net.ipv6.conf.all.forwarding")),
        forwarding_entries=_dumped(links.forwarding_entries, ends),
        managers=link_settings.managers(observation.inode, observation.interfaces or (), ends),
        advertised_links=link_settings.advertised_links(_dumped(links.advertised, ends)),
        flows=conntrack.udp_flows(netlink.Limit(ends, conntrack.MAX_FLOWS)),
        conntrack=conntrack.table(),
        proxies=listeners.docker_proxies(observation.inode, ends),
        ndp_proxies=_ndp_proxies(observation, ends),
    )


def _dumped(read: Callable[[socket.socket, netlink.Limit], tuple[_Found, ...]], ends: float) -> tuple[_Found, ...]:
    """Return what ``read`` gives before ``ends``; nothing where the kernel refuses or takes too long."""
    try:
        with netlink.open_socket() as sock:
            return read(sock, netlink.Limit(ends, HOST_MESSAGES))
    except OSError:
        return ()


def _ndp_proxies(observation: Observation, ends: float) -> NdpProxies | None:
    limit = netlink.Limit(ends, HOST_MESSAGES)
    try:
        with netlink.open_socket() as sock:
            entries = links.ndp_proxies(sock, limit)
    except OSError:
        return None
    # A part of the entries would show addresses as unanswered that are answered.
    if limit.reached:
        return None
    return link_settings.ndp_proxies(entries, observation.inode, observation.interfaces or (), ends)


def _neighbour_table() -> NeighbourTable | None:
    usage = table_usage("arp_cache")
    return NeighbourTable(limit=usage.hard_limit, in_use=usage.entries) if usage else None


def _switch(value: str | None) -> bool | None:
    return None if value is None else value != "0"


def _sysctls() -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name in SYSCTLS if (value := _read(name)) is not None)


def _read(name: str) -> str | None:
    try:
        return Path("/proc/sys", name.replace(".", "/")).read_text(encoding="ascii").strip()
    except OSError:
        return None
