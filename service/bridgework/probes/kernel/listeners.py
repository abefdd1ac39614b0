"""Listening sockets (sock_diag(7)), with their processes where those are visible.

Not read from ``/proc/net``: the kernel would walk its table of all connections, which takes milliseconds for each
namespace.
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
from typing import Any

from bridgework.model.observations import ListeningSocket, ProxyProcess
from bridgework.printable import printable
from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.namespace_files import process_folder
from bridgework.probes.kernel.netlink import Limit
from bridgework.probes.kernel.safe_read import opened, read_small

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_TCP_CLOSE, _TCP_LISTEN = 7, 10
# The kernel calls an unconnected UDP socket closed.
LISTENING = {"tcp": (socket.IPPROTO_TCP, _TCP_LISTEN), "udp": (socket.IPPROTO_UDP, _TCP_CLOSE)}
_REQUEST = struct.Struct("=BBxxI48x")
_SOCKET = struct.Struct("!4xH2x16s")
# The interface of SO_BINDTODEVICE, the connections that wait, their limit, and the inode.
_MORE = struct.Struct("=40xI12xII4xI")
_ATTRIBUTES_AT, _INET_DIAG_SKV6ONLY = 72, 11
_ADDRESS_BYTES = {socket.AF_INET: 4, socket.AF_INET6: 16}
MAX_PROCESSES = 4096
MAX_DESCRIPTORS = 4096
_MAX_NAME_BYTES, _MAX_ARGUMENTS_BYTES = 64, 4096


def sockets(namespace_inode: int | None, limit: Limit | None = None) -> tuple[ListeningSocket, ...] | None:
    """Return TCP sockets in LISTEN and UDP sockets without a peer; ``None`` where the kernel refuses.

    With ``namespace_inode`` their processes are named too, from at most ``MAX_PROCESSES`` and until the limit's end.
    Raises ``TimeoutError`` when the sockets themselves were not read by then.
    """
    limit = limit or Limit()
    try:
        with netlink.open_socket(_NETLINK_SOCK_DIAG) as sock:
            listening = [
                inode_and_socket
                for protocol in LISTENING
                for family in _FAMILIES
                for inode_and_socket in _ask(sock, protocol, family, limit)
            ]
    except TimeoutError:
        raise
    except OSError:
        return None
    inodes = {inode for inode, _ in listening}
    owners = _owners(inodes, namespace_inode, limit.ends) if listening and namespace_inode else {}
    return tuple(replace(listener, **owners.get(inode, {})) for inode, listener in listening)


def _ask(
    sock: socket.socket, protocol: str, family: socket.AddressFamily, limit: Limit
) -> Iterator[tuple[int, ListeningSocket]]:
    """Yield the listening sockets, each with its inode (linux/inet_diag.h)."""
    number, state = LISTENING[protocol]
    # The kernel always adds INET_DIAG_SKV6ONLY to IPv6 sockets in LISTEN or CLOSE (net/ipv4/inet_diag.c, since 4.6).
    for body in netlink.dump(sock, _SOCK_DIAG_BY_FAMILY, _REQUEST.pack(family, number, 1 << state), limit):
        port, packed = _SOCKET.unpack_from(body)
        address = socket.inet_ntop(family, packed[: _ADDRESS_BYTES[family]])
        only = any(netlink.attributes(body, _ATTRIBUTES_AT).get(_INET_DIAG_SKV6ONLY, b""))
        device, waiting, backlog, inode = _MORE.unpack_from(body)
        listener = ListeningSocket(protocol, _FAMILIES[family], address, port, ipv6_only=only)
        if device:
            listener = replace(listener, interface=_interface_name(device))
        # Of UDP, these are bytes. Fewer than the limit decide nothing, and our own probes change them.
        if protocol == "tcp" and waiting > backlog:
            listener = replace(listener, waiting=waiting, backlog=backlog)
        yield inode, listener


def _interface_name(index: int) -> str:
    try:
        return printable(socket.if_indextoname(index))
    except OSError:
        return str(index)


def _owners(inodes: set[int], namespace_inode: int, ends: float) -> dict[int, dict[str, Any]]:
    """Return ``pid`` and ``process`` by socket, without processes that end meanwhile."""
    owners: dict[int, dict[str, Any]] = {}
    for number, folder in processes(namespace_inode):
        own = {inode for inode in _socket_inodes(folder, ends) if inode in inodes and inode not in owners}
        if own:
            owner = {"pid": number, "process": process_name(folder)}
            owners.update((inode, owner) for inode in own)
        if len(owners) == len(inodes) or time.monotonic() >= ends:
            break
    return owners


def docker_proxies(namespace_inode: int, ends: float) -> tuple[ProxyProcess, ...] | None:
    """Return the docker-proxy processes of the namespace; ``None`` when this cannot be known."""
    # A helper container in the host's network sees its own processes only. So "none" is believed only where the engine
    # itself was among the processes.
    proxies: list[ProxyProcess] = []
    engine_seen = False
    for number, folder in processes(namespace_inode):
        name = process_name(folder)
        if name == "docker-proxy":
            proxies.append(_proxy(number, folder))
        engine_seen = engine_seen or name == "dockerd"
        if time.monotonic() >= ends:
            return tuple(proxies) or None
    return tuple(proxies) if engine_seen else tuple(proxies) or None


def _proxy(number: int, process: int) -> ProxyProcess:
    """Read the arguments of a docker-proxy; what cannot be read stays empty."""
    try:
        line = read_small(os.open("cmdline", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process), _MAX_ARGUMENTS_BYTES)
    except OSError:
        line = b""
    words = [printable(word.decode(errors="replace")) for word in line.split(b"\0")]
    given = {name.lstrip("-"): value for name, value in itertools.pairwise(words) if name.startswith("-")}
    ports = [int(text) if (text := given.get(name, "")).isdecimal() else 0 for name in ("host-port", "container-port")]
    return ProxyProcess(
        number, given.get("proto", ""), given.get("host-ip", ""), ports[0], given.get("container-ip", ""), ports[1]
    )


def processes(namespace_inode: int) -> Iterator[tuple[int, int]]:
    """Yield the number of each process in the namespace, and its folder, which is open until the next one."""
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    for number in itertools.islice(numbers, MAX_PROCESSES):
        with process_folder(number) as folder:
            if folder is not None and _is_in(folder, namespace_inode):
                yield number, folder


def _is_in(process: int, namespace_inode: int) -> bool:
    try:
        return os.stat("ns/net", dir_fd=process).st_ino == namespace_inode
    except OSError:
        return False


def _socket_inodes(process: int, ends: float) -> Iterator[int]:
    """Yield the inodes of its sockets, from at most ``MAX_DESCRIPTORS``: a process can have a million."""
    try:
        with opened("fd", os.O_RDONLY | os.O_DIRECTORY, process) as folder, os.scandir(folder) as entries:
            for entry in itertools.islice(entries, MAX_DESCRIPTORS):
                target = os.readlink(entry.name, dir_fd=folder)
                if target.startswith("socket:["):
                    yield int(target[8:-1])
                if time.monotonic() >= ends:
                    return
    except OSError:
        return


def process_name(process: int) -> str:
    """Return its name (``comm`` of proc(5))."""
    # Not from ``stat``, where the name is between brackets and may contain one.
    try:
        name = read_small(os.open("comm", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process), _MAX_NAME_BYTES)
        return printable(name.removesuffix(b"\n").decode(errors="replace")) or "?"
    except OSError:
        return "?"
