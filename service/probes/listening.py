"""Sockets that wait for somebody, from ``/proc/thread-self/net`` (proc(5)), with their processes where visible.

``/proc/net`` would be the view of the process's first thread, not that of the one that entered the namespace.
"""

from __future__ import annotations

import ipaddress
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from service.core.observations import ListeningSocket

_TABLES = (("tcp", "ipv4"), ("tcp6", "ipv6"), ("udp", "ipv4"), ("udp6", "ipv6"))
_TCP_LISTEN, _UDP_UNCONNECTED = "0A", "07"
_NET = Path("/proc/thread-self/net")
_WORD_BYTES = 4
MAX_PROCESSES = 4096
MAX_DESCRIPTORS = 4096
Owner = tuple[int, str]


def sockets(namespace_inode: int | None) -> tuple[ListeningSocket, ...]:
    """TCP in LISTEN and UDP bound but unconnected.

    With the namespace's inode their processes are named too, for which at most 4,096 processes are looked through.
    """
    found = [(inode, sock) for table, family in _TABLES for inode, sock in _table(table, family)]
    owners = _owners({inode for inode, _ in found}, namespace_inode) if found and namespace_inode else {}
    return tuple(_owned(sock, owners.get(inode)) for inode, sock in found)


def _owned(sock: ListeningSocket, owner: Owner | None) -> ListeningSocket:
    if owner is None:
        return sock
    return ListeningSocket(sock.protocol, sock.family, sock.address, sock.port, process=owner[1], pid=owner[0])


def _table(table: str, family: str) -> Iterator[tuple[str, ListeningSocket]]:
    try:
        text = (_NET / table).read_text(encoding="ascii")
    except OSError:
        return
    yield from parse(text, table.rstrip("6"), family)


def parse(text: str, protocol: str, family: str) -> Iterator[tuple[str, ListeningSocket]]:
    """The waiting sockets of one such table, each with its socket's inode."""
    wanted = _TCP_LISTEN if protocol == "tcp" else _UDP_UNCONNECTED
    for line in text.splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        if state == wanted:
            address, _, port = local.partition(":")
            yield rest[5], ListeningSocket(protocol, family, decode_address(address), int(port, 16))


def decode_address(text: str) -> str:
    """The kernel prints 32-bit words in the machine's byte order."""
    raw = bytes.fromhex(text)
    if sys.byteorder == "little":
        words = (raw[at : at + _WORD_BYTES] for at in range(0, len(raw), _WORD_BYTES))
        raw = b"".join(word[::-1] for word in words)
    return str(ipaddress.ip_address(raw))


def _owners(inodes: set[str], namespace_inode: int) -> dict[str, Owner]:
    owners: dict[str, Owner] = {}
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


def _held(process: Path) -> Iterator[str]:
    try:
        for descriptor in itertools.islice((process / "fd").iterdir(), MAX_DESCRIPTORS):
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]
    except OSError:
        return


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "?"
