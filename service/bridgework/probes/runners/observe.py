"""Look around in the calling thread's namespace. Only reads; what cannot be seen stays ``None``."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from bridgework.model.observations import HostObservation, NeighbourTable, Observation, ResolverConfiguration
from bridgework.model.probe_port import Aspect
from bridgework.probes.kernel import firewall as firewall_rules
from bridgework.probes.kernel import links, listeners, netlink
from bridgework.probes.kernel.neighbour_table import table_usage

HOST_ASPECTS: tuple[Aspect, ...] = ("interfaces", "routes", "neighbour_table", "sockets", "sysctls")
LOOK_S = 5.0
"""One look ends after this time, whatever a container has filled its namespace with."""
HOST_MESSAGES = 262_144
_Found = TypeVar("_Found")
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


def inode() -> int:
    """The identity of the calling thread's network namespace."""
    return Path("/proc/thread-self/ns/net").stat().st_ino


@dataclass(slots=True)
class _Look:
    """Reads one aspect after another before ``ends``; ``cut`` collects those of which there was more than was read."""

    aspects: Sequence[Aspect]
    ends: float
    messages: int
    cut: list[Aspect] = field(default_factory=list)

    def at(self, aspect: Aspect, read: Callable[[netlink.Limit], _Found]) -> _Found | None:
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
                self.cut.append(aspect)

    def by_netlink(self, aspect: Aspect, read: Callable[[socket.socket, netlink.Limit], _Found]) -> _Found | None:
        """Over a socket of its own: one whose dump was cut short by the time is of no use for the next."""

        def over_a_socket(limit: netlink.Limit) -> _Found:
            with netlink.open_socket() as sock:
                return read(sock, limit)

        return self.at(aspect, over_a_socket)


def observe(
    aspects: Sequence[Aspect],
    resolver: ResolverConfiguration | None,
    ends: float | None = None,
    messages: int = netlink.MAX_MESSAGES,
) -> Observation:
    """What was asked for, before ``ends`` (``time.monotonic``; ``LOOK_S`` from now), so many messages of each dump.

    ``resolver`` is handed in, because it lies in files that no namespace changes.
    """
    look = _Look(aspects, time.monotonic() + LOOK_S if ends is None else ends, messages)
    of = inode()
    return Observation(
        inode=of,
        sockets=look.at("sockets", lambda limit: listeners.sockets(of if "processes" in aspects else None, limit)),
        resolver=resolver if "resolver" in aspects else None,
        sysctls=_sysctls() if "sysctls" in aspects else (),
        neighbour_table=_neighbour_table() if "neighbour_table" in aspects else None,
        interfaces=look.by_netlink("interfaces", links.interfaces),
        routes=look.by_netlink("routes", links.routes),
        neighbours=look.by_netlink("neighbours", links.neighbours),
        truncated=tuple(look.cut),
    )


def observe_host(*, firewall: bool, ends: float | None = None) -> HostObservation:
    """The same of the engine's host, with what forwards there; the firewall and the proxies only when asked for."""
    ends = time.monotonic() + LOOK_S if ends is None else ends
    observation = observe(HOST_ASPECTS, None, ends, HOST_MESSAGES)
    settings = dict(observation.sysctls)
    found = HostObservation(
        observation=observation,
        ipv4_forwarding=_switch(settings.get("net.ipv4.ip_forward")),
        ipv6_forwarding=_switch(settings.get("net.ipv6.conf.all.forwarding")),
    )
    return _with_firewall(found, ends) if firewall else found


def _with_firewall(found: HostObservation, ends: float) -> HostObservation:
    ipv4, ipv6 = (firewall_rules.chains(version) for version in (firewall_rules.IPV4, firewall_rules.IPV6))
    proxies = listeners.docker_proxies(found.observation.inode, ends)
    rules = firewall_rules.docker_rules(ipv4, ipv6, proxies)
    return replace(found, chains=ipv4, ipv6_chains=ipv6, rules=rules)


def _neighbour_table() -> NeighbourTable | None:
    usage = table_usage("arp_cache")
    return NeighbourTable(limit=usage.hard_limit, in_use=usage.entries) if usage else None


def _switch(value: str | None) -> bool | None:
    return None if value is None else value != "0"


def _sysctls() -> tuple[tuple[str, str], ...]:
    read = ((name, _read(name)) for name in SYSCTLS)
    return tuple((name, value) for name, value in read if value is not None)


def _read(name: str) -> str | None:
    try:
        return Path("/proc/sys", name.replace(".", "/")).read_text(encoding="ascii").strip()
    except OSError:
        return None
