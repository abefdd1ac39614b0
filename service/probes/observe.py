"""Look around in the calling thread's namespace. Only reads; what cannot be seen stays ``None``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from service.core.observations import HostObservation, NeighbourTable, Observation, ResolverConfiguration
from service.core.ports import Aspect
from service.probes import firewall as firewall_rules
from service.probes import links, listening, netlink
from service.probes.neighbour_table import table_usage

HOST_ASPECTS: tuple[Aspect, ...] = ("interfaces", "routes", "neighbour_table", "sockets", "sysctls")
_BY_NETLINK = frozenset({"interfaces", "routes", "neighbours"})
SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.icmp_echo_ignore_all",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv6.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables",
)


def inode() -> int:
    """The identity of the calling thread's network namespace."""
    return Path("/proc/thread-self/ns/net").stat().st_ino


def observe(aspects: Sequence[Aspect], resolver: ResolverConfiguration | None) -> Observation:
    """What was asked for; ``resolver`` is handed in, because it lies in files that no namespace changes."""
    found = Observation(
        inode=inode(),
        sockets=listening.sockets(inode() if "processes" in aspects else None) if "sockets" in aspects else None,
        resolver=resolver if "resolver" in aspects else None,
        sysctls=_sysctls() if "sysctls" in aspects else (),
        neighbour_table=_neighbour_table() if "neighbour_table" in aspects else None,
    )
    return _with_links(found, aspects) if _BY_NETLINK & set(aspects) else found


def _with_links(found: Observation, aspects: Sequence[Aspect]) -> Observation:
    with netlink.open_socket() as sock:
        return replace(
            found,
            interfaces=links.interfaces(sock) if "interfaces" in aspects else None,
            routes=links.routes(sock) if "routes" in aspects else None,
            neighbours=links.neighbours(sock) if "neighbours" in aspects else None,
        )


def observe_host(*, firewall: bool) -> HostObservation:
    """The same of the engine's host, with what forwards there; the firewall's chains only when asked for."""
    observation = observe(HOST_ASPECTS, None)
    settings = dict(observation.sysctls)
    return HostObservation(
        observation=observation,
        ipv4_forwarding=_switch(settings.get("net.ipv4.ip_forward")),
        ipv6_forwarding=_switch(settings.get("net.ipv6.conf.all.forwarding")),
        chains=firewall_rules.chains() if firewall else None,
    )


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
