"""Sockets that wait for somebody, by sock_diag(7), with their processes where visible.

Not from ``/proc/net``: there the kernel walks its table of all connections, milliseconds for each namespace. Not by
``pyroute2``'s ``DiagSocket``: it takes a refusal for an empty answer.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from service.core.observations import ListeningSocket
from service.probes import netlink

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_TCP_CLOSE, _TCP_LISTEN = 7, 10
WAITING = {"tcp": (socket.IPPROTO_TCP, _TCP_LISTEN), "udp": (socket.IPPROTO_UDP, _TCP_CLOSE)}
"""The state of a socket that waits: the kernel calls an unconnected UDP socket closed."""
_REQUEST = struct.Struct("=BBxxI48x")
_SOCKET = struct.Struct("!4xH2x16s")
_INODE = struct.Struct("=68xI")
_ATTRIBUTES_AT, _INET_DIAG_SKV6ONLY = 72, 11
_ADDRESS_BYTES = {socket.AF_INET: 4, socket.AF_INET6: 16}
MAX_PROCESSES = 4096
MAX_DESCRIPTORS = 4096
Owner = tuple[int, str]


def sockets(namespace_inode: int | None) -> tuple[ListeningSocket, ...] | None:
    """TCP in LISTEN and UDP bound but unconnected; ``None`` where the kernel does not say.

    With the namespace's inode their processes are named too, for which at most 4,096 processes are looked through.
    """
    try:
        with netlink.open_socket(_NETLINK_SOCK_DIAG) as sock:
            found = [one for protocol in WAITING for family in _FAMILIES for one in _ask(sock, protocol, family)]
    except OSError:
        return None
    owners = _owners({inode for inode, _ in found}, namespace_inode) if found and namespace_inode else {}
    return tuple(_owned(waiting, owners.get(inode)) for inode, waiting in found)


def _ask(sock: socket.socket, protocol: str, family: socket.AddressFamily) -> Iterator[tuple[int, ListeningSocket]]:
    """The waiting sockets, each with its inode (linux/inet_diag.h)."""
    number, state = WAITING[protocol]
    # The kernel adds INET_DIAG_SKV6ONLY unasked to every IPv6 socket in LISTEN or CLOSE (net/ipv4/inet_diag.c, 4.6).
    for body in netlink.dump(sock, _SOCK_DIAG_BY_FAMILY, _REQUEST.pack(family, number, 1 << state)):
        port, packed = _SOCKET.unpack_from(body)
        address = socket.inet_ntop(family, packed[: _ADDRESS_BYTES[family]])
        only = any(netlink.attributes(body, _ATTRIBUTES_AT).get(_INET_DIAG_SKV6ONLY, b""))
        waiting = ListeningSocket(protocol, _FAMILIES[family], address, port, ipv6_only=only)
        yield _INODE.unpack_from(body)[0], waiting


def _owned(waiting: ListeningSocket, owner: Owner | None) -> ListeningSocket:
    return waiting if owner is None else replace(waiting, pid=owner[0], process=owner[1])


def _owners(inodes: set[int], namespace_inode: int) -> dict[int, Owner]:
    owners: dict[int, Owner] = {}
    for process in _processes(namespace_inode):
        held = {inode for inode in _held(process) if inode in inodes and inode not in owners}
        if held:
            owner = (int(process.name), _name(process))
            owners.update(dict.fromkeys(held, owner))
        if len(owners) == len(inodes):
            break
    return owners


def _processes(namespace_inode: int) -> Iterator[Path]:
    numbered = (process for process in Path("/proc").iterdir() if process.name.isdigit())
    for process in itertools.islice(numbered, MAX_PROCESSES):
        try:
            if (process / "ns/net").stat().st_ino == namespace_inode:
                yield process
        except OSError:
            continue


def _held(process: Path) -> Iterator[int]:
    try:
        for descriptor in itertools.islice((process / "fd").iterdir(), MAX_DESCRIPTORS):
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                yield int(target[8:-1])
    except OSError:
        return


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "?"
