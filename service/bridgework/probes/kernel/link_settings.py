"""What configures the links of the host, and its settings for router advertisements and for answers by NDP.

systemd-networkd and NetworkManager write a file for each link that they know, named by its index. The file counts only
where the program runs in the namespace that is observed, and it is read below the root of that program.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridgework.model.observations import AdvertisedLink, Interface, LinkManager, NdpProxies
from bridgework.printable import printable
from bridgework.probes.kernel.listeners import process_name, processes
from bridgework.probes.kernel.safe_read import opened, read_in_root

_MAX_FILE_BYTES = 16_384
_MAX_LINKS = 2048
# They answer neighbour solicitations themselves, by rules of their own, and the kernel has no entries for that.
_NDP_PROGRAMS = frozenset({"ndppd", "npd6", "odhcpd"})


@dataclass(frozen=True, slots=True)
class _Program:
    """A program, its folder of links, and what its file says: the configuration of the link, ``None`` if unmanaged."""

    name: str
    folder: str
    reads: Callable[[Mapping[str, str]], str | None]


def _of_networkd(values: Mapping[str, str]) -> str | None:
    # Until it has found a .network file for the link, and for links with Unmanaged=yes, NETWORK_FILE is missing or the
    # state says so (networkctl(1)).
    return values.get("NETWORK_FILE") if values.get("ADMIN_STATE") in {"configured", "configuring", "failed"} else None


def _of_network_manager(values: Mapping[str, str]) -> str | None:
    return values.get("connection-uuid", "") if values.get("managed") == "true" else None


# By the name of the process, of which the kernel keeps 15 characters (proc(5), comm).
_PROGRAMS = {
    "systemd-network": _Program("systemd-networkd", "run/systemd/netif/links", _of_networkd),
    "NetworkManager": _Program("NetworkManager", "run/NetworkManager/devices", _of_network_manager),
}


def managers(namespace_inode: int, interfaces: Sequence[Interface], ends: float) -> tuple[LinkManager, ...]:
    """Return which program configures which bridge of the namespace."""
    # Only bridges: a program that takes the address of a network away does it there.
    bridges = [interface for interface in interfaces if interface.kind == "bridge"][:_MAX_LINKS]
    managers: list[LinkManager] = []
    for number, folder in processes(namespace_inode) if bridges else ():
        program = _PROGRAMS.get(process_name(folder))
        if program is not None:
            managers += _managed(program, number, folder, bridges)
        if time.monotonic() >= ends:
            break
    return tuple(managers)


def _managed(program: _Program, pid: int, process: int, links: Sequence[Interface]) -> Iterator[LinkManager]:
    try:
        with opened("root", os.O_PATH | os.O_DIRECTORY, process) as root:
            for link in links:
                text = read_in_root(root, f"{program.folder}/{link.index}", _MAX_FILE_BYTES)
                file = program.reads(_values(text.text)) if text else None
                if file is not None:
                    yield LinkManager(link.name, program.name, pid, printable(file) or None)
    except OSError:
        return


def _values(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, sign, value in lines if sign}


def advertised_links(names: Sequence[str]) -> tuple[AdvertisedLink, ...]:
    """Return the settings of these interfaces for router advertisements (ip-sysctl)."""
    settings = ((name, _setting(name, "accept_ra"), _setting(name, "forwarding")) for name in names)
    return tuple(
        AdvertisedLink(name, accept, bool(forwarding))
        for name, accept, forwarding in settings
        if accept is not None and forwarding is not None
    )


def ndp_proxies(
    entries: Sequence[tuple[str, str | None]], namespace_inode: int, interfaces: Sequence[Interface], ends: float
) -> NdpProxies:
    """Return who answers by NDP on the links of the namespace that have an IPv6 address, besides these entries."""
    names = [
        interface.name
        for interface in interfaces
        if any(a.family == "ipv6" and a.scope == "global" for a in interface.addresses)
    ]
    programs: set[str] = set()
    for _, folder in processes(namespace_inode) if names else ():
        programs |= _NDP_PROGRAMS & {process_name(folder)}
        if time.monotonic() >= ends:
            break
    enabled = (name for name in ("all", *names[:_MAX_LINKS]) if _setting(name, "proxy_ndp"))
    return NdpProxies(tuple(entries), tuple(enabled), tuple(sorted(programs)))


def _setting(interface: str, name: str) -> int | None:
    try:
        return int(Path("/proc/sys/net/ipv6/conf", interface, name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
