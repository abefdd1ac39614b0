"""Sockets that wait for somebody, by sock_diag(7), with their processes where visible.

Not from ``/proc/net``: there the kernel walks its table of all connections, milliseconds for each namespace. Not by
``pyroute2``'s ``DiagSocket``: it takes a refusal for an empty answer.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bridgework.model.observations import ListeningSocket
from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.namespace_files import process_folder
from bridgework.probes.kernel.netlink import Limit
from bridgework.probes.kernel.printable import printable
from bridgework.probes.kernel.safe_read import read_small

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
_MAX_NAME_BYTES = 64
Owner = tuple[int, str]


def sockets(namespace_inode: int | None, limit: Limit | None = None) -> tuple[ListeningSocket, ...] | None:
    """TCP in LISTEN and UDP bound but unconnected; ``None`` where the kernel does not say.

    With the namespace's inode their processes are named too, for which at most 4,096 processes are looked through,
    until the limit's end. Raises ``TimeoutError`` when not even the sockets were told by then.
    """
    limit = limit or Limit()
    try:
        with netlink.open_socket(_NETLINK_SOCK_DIAG) as sock:
            found = [one for protocol in WAITING for family in _FAMILIES for one in _ask(sock, protocol, family, limit)]
    except TimeoutError:
        raise
    except OSError:
        return None
    inodes = {inode for inode, _ in found}
    owners = _owners(inodes, namespace_inode, limit.ends) if found and namespace_inode else {}
    return tuple(_owned(waiting, owners.get(inode)) for inode, waiting in found)


def _ask(
    sock: socket.socket, protocol: str, family: socket.AddressFamily, limit: Limit
) -> Iterator[tuple[int, ListeningSocket]]:
    """The waiting sockets, each with its inode (linux/inet_diag.h)."""
    number, state = WAITING[protocol]
    # The kernel adds INET_DIAG_SKV6ONLY unasked to every IPv6 socket in LISTEN or CLOSE (net/ipv4/inet_diag.c, 4.6).
    for body in netlink.dump(sock, _SOCK_DIAG_BY_FAMILY, _REQUEST.pack(family, number, 1 << state), limit):
        port, packed = _SOCKET.unpack_from(body)
        address = socket.inet_ntop(family, packed[: _ADDRESS_BYTES[family]])
        only = any(netlink.attributes(body, _ATTRIBUTES_AT).get(_INET_DIAG_SKV6ONLY, b""))
        waiting = ListeningSocket(protocol, _FAMILIES[family], address, port, ipv6_only=only)
        yield _INODE.unpack_from(body)[0], waiting


def _owned(waiting: ListeningSocket, owner: Owner | None) -> ListeningSocket:
    return waiting if owner is None else replace(waiting, pid=owner[0], process=owner[1])


def _owners(inodes: set[int], namespace_inode: int, ends: float) -> dict[int, Owner]:
    """The processes of these sockets. One that ends, or whose number is taken over, is left out."""
    owners: dict[int, Owner] = {}
    for number, folder in _processes(namespace_inode):
        held = {inode for inode in _held(folder, ends) if inode in inodes and inode not in owners}
        if held:
            owners.update(dict.fromkeys(held, (number, _name(folder))))
        if len(owners) == len(inodes) or time.monotonic() >= ends:
            break
    return owners


def docker_proxies(namespace_inode: int, ends: float) -> int | None:
    """How many docker-proxy processes the namespace has; ``None`` where none was found and not all was in sight.

    A helper container shares the host's network and sees its own processes only. So none counts as none only where the
    engine itself was seen among them.
    """
    proxies, engine_seen = 0, False
    for _, folder in _processes(namespace_inode):
        name = _name(folder)
        proxies += name == "docker-proxy"
        engine_seen = engine_seen or name == "dockerd"
        if time.monotonic() >= ends:
            return proxies or None
    return proxies if engine_seen else proxies or None


def _processes(namespace_inode: int) -> Iterator[tuple[int, int]]:
    """The processes of the namespace: the number of each, and its folder, which is open until the next."""
    for number in itertools.islice(
        (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()), MAX_PROCESSES
    ):
        with process_folder(number) as folder:
            if folder is not None and _is_in(folder, namespace_inode):
                yield number, folder


def _is_in(process: int, namespace_inode: int) -> bool:
    try:
        return os.stat("ns/net", dir_fd=process).st_ino == namespace_inode
    except OSError:
        return False


def _held(process: int, ends: float) -> Iterator[int]:
    """The inodes of its sockets. A process may hold a million descriptors."""
    try:
        folder = os.open("fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process)
    except OSError:
        return
    try:
        with os.scandir(folder) as entries:
            for entry in itertools.islice(entries, MAX_DESCRIPTORS):
                target = os.readlink(entry.name, dir_fd=folder)
                if target.startswith("socket:["):
                    yield int(target[8:-1])
                if time.monotonic() >= ends:
                    return
    except OSError:
        return
    finally:
        os.close(folder)


def _name(process: int) -> str:
    """Its name (``comm`` of proc(5)), not from ``stat``, where a name with a bracket in it ends the field early."""
    try:
        name = read_small(os.open("comm", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process), _MAX_NAME_BYTES)
        return printable(name.removesuffix(b"\n").decode(errors="replace")) or "?"
    except OSError:
        return "?"
