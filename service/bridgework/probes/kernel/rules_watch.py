"""Tells whether the firewall of a namespace changed, from any thread and without entering the namespace again.

nf_tables counts its transactions: every change of a rule, by ``nft`` or by iptables-nft, gives a new generation id. The
tables of iptables-legacy and the sets of ipset have no such number, so their binary form is hashed without its
counters. Sockets and open files of ``/proc/sys`` stay in the namespace in which they were opened.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from bridgework.model.observations import IpSet
from bridgework.probes.kernel import ip_sets, netlink
from bridgework.probes.kernel.safe_read import open_folder

SWITCHES = (
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
)
"""The switches that decide whether a packet meets the rules at all: forwarding and br_netfilter."""

NETLINK_NETFILTER = 12
_NFT_GETGEN, _GENERATION_ID = (10 << 8) | 16, 1
_NFT_GETTABLE, _NFT_GETCHAIN, _NFT_GETRULE, _NFT_GETSET, _NFT_GETSETELEM = ((10 << 8) | n for n in (1, 4, 7, 10, 13))
# Attributes of a table, chain, rule or set, and the flag of a set without a name (linux/netfilter/nf_tables.h).
_OF_TABLE, _SET_NAME, _SET_FLAGS, _ANONYMOUS = 1, 2, 3, 0x1
# A counter among the expressions of a rule or of a set's element: its name, then its attributes of bytes and packets.
_COUNTER = re.compile(rb"\x0c\0\x01\0counter\0\x1c\0\x02[\0\x80]\x0c\0\x01\0.{8}\x0c\0\x02\0.{8}", re.DOTALL)
_NFGENMSG = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
_LEGACY_NAMES = (("ip_tables_names", socket.AF_INET), ("ip6_tables_names", socket.AF_INET6))
_IPV4 = 4
_LEVELS = {socket.AF_INET: socket.IPPROTO_IP, socket.AF_INET6: socket.IPPROTO_IPV6}
# IPT_SO_GET_INFO and IPT_SO_GET_ENTRIES (linux/netfilter_ipv4/ip_tables.h); those of IPv6 have the same numbers.
_GET_INFO, _GET_ENTRIES = 64, 65
# Offsets in struct ipt_getinfo: of valid_hooks, of num_entries and of size.
_INFO_BYTES, _INFO_HOOKS_AT, _INFO_COUNT_AT, _INFO_SIZE_AT = 84, 32, 76, 80
_VALUE_BYTES, _NAMES_BYTES = 16, 256
_NAME_BYTES, _ENTRIES_AT = 32, 40
# Offsets in struct ipt_entry and ip6t_entry: of next_offset, and of the counters of packets and bytes.
_NEXT_AT, _COUNTERS_AT, _COUNTERS_BYTES = (
    {socket.AF_INET: 90, socket.AF_INET6: 142},
    {socket.AF_INET: 96, socket.AF_INET6: 152},
    16,
)
_LIBC = ctypes.CDLL(None, use_errno=True)


class RulesWatch:
    """Handles on one namespace, opened by a thread that is in it. ``process`` is one of its processes in /proc."""

    def __init__(self, process: str = "thread-self") -> None:
        """Open the handles. What is not there or not allowed is left out."""
        self._lock = Lock()
        self._handles = contextlib.ExitStack()
        self._netfilter: socket.socket | None = None
        self._sets: frozenset[str] = frozenset()
        self._switches: dict[str, int] = {}
        with contextlib.suppress(OSError):
            self._netfilter = self._handles.enter_context(netlink.open_socket(NETLINK_NETFILTER))
        for name in SWITCHES:
            with contextlib.suppress(OSError):
                opened = os.open(f"/proc/sys/{name.replace('.', '/')}", os.O_RDONLY | os.O_CLOEXEC)
                self._switches[name] = opened
                self._handles.callback(os.close, opened)
        self._legacy = {family: self._raw_socket(family) for family in _LEVELS}
        self._names: dict[str, int] = {}
        self._proc = open_folder(f"/proc/{process}/net")
        self._handles.callback(os.close, self._proc)

    def _raw_socket(self, family: socket.AddressFamily) -> socket.socket | None:
        with contextlib.suppress(OSError):
            return self._handles.enter_context(socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW))
        return None

    def close(self) -> None:
        """Close the handles, so that the namespace can go. The state is ``None`` from then on."""
        with self._lock:
            self._netfilter = None
            self._switches.clear()
            self._names.clear()
            self._handles.close()

    def switches(self) -> tuple[tuple[str, str], ...]:
        """Return the values of the switches that exist."""
        with self._lock:
            return tuple(self._values())

    def _values(self) -> Iterator[tuple[str, str]]:
        for name, handle in self._switches.items():
            yield name, os.pread(handle, _VALUE_BYTES, 0).strip().decode("ascii")

    def follow_sets(self, names: frozenset[str]) -> tuple[IpSet, ...] | None:
        """Return the sets of ipset with these names, which the state tells from now on; ``None`` where refused."""
        try:
            with self._lock:
                if self._netfilter is None:
                    raise PermissionError
                sets = ip_sets.read(self._netfilter, names)
                # A list has members, which change by themselves. A set that is not there yet may be made.
                self._sets = names | {ip_set.name for ip_set in sets}
                return sets
        except OSError:
            return None

    def state(self) -> str | None:
        """Return a text that differs after every change of a rule or switch; ``None`` where the kernel refuses."""
        try:
            with self._lock:
                parts = (self._generation(), *self._legacy_digests(), *self._set_digests())
                return " ".join((*parts, *map("=".join, self._values())))
        except OSError:
            return None

    def _generation(self) -> str:
        if self._netfilter is None:
            raise PermissionError
        body = netlink.ask(self._netfilter, _NFT_GETGEN, _NFGENMSG)
        return netlink.attributes(body, len(_NFGENMSG))[_GENERATION_ID].hex()

    def _set_digests(self) -> Iterator[str]:
        if self._sets and self._netfilter is not None:
            yield f"sets {ip_sets.digest(self._netfilter, self._sets)}"

    def _legacy_digests(self) -> Iterator[str]:
        for file, family in _LEGACY_NAMES:
            if file not in self._names:
                try:
                    # The file exists only once the module is loaded.
                    self._names[file] = os.open(file, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
                except OSError:
                    continue
                self._handles.callback(os.close, self._names[file])
            for table in sorted(os.pread(self._names[file], _NAMES_BYTES, 0).decode("ascii").split()):
                yield f"{family.name} {table} {_digest(self._legacy[family], table)}"


def table_digest(sock: socket.socket, family: int, table: str, ends: float) -> bytes:
    """Return a digest of a table of nf_tables, which differs after every change of its chains, rules and sets.

    Counted packets are no change. ``family`` is the number of the table's family. Raises ``OSError``.
    """
    head, name = struct.pack("=BBH", family, 0, 0), table.encode() + b"\0"
    asked = head + netlink.attribute(_OF_TABLE, name)
    # The host's own rules, all of which nft prints too.
    limit = netlink.Limit(ends, sys.maxsize)
    digest = hashlib.blake2b(asked, digest_size=16)
    filtered = [(_NFT_GETRULE, asked)]
    # Of these the kernel lists those of all tables.
    for kind in (_NFT_GETTABLE, _NFT_GETCHAIN, _NFT_GETSET):
        for body in netlink.dump(sock, kind, head, limit):
            parts = netlink.attributes(body, len(head))
            if parts.get(_OF_TABLE) != name:
                continue
            # The answer's own head has the number of the last transaction, whichever table that was about.
            digest.update(body[len(head) :])
            # The set of one rule, as in "tcp dport { 80, 443 }", never changes: another one has another handle.
            if kind == _NFT_GETSET and not struct.unpack(">I", parts.get(_SET_FLAGS, bytes(4)))[0] & _ANONYMOUS:
                filtered.append((_NFT_GETSETELEM, asked + netlink.attribute(_SET_NAME, parts[_SET_NAME])))
    for kind, request in filtered:
        for body in netlink.dump(sock, kind, request, limit):
            digest.update(_COUNTER.sub(b"", body[len(head) :]))
    return digest.digest()


def has_legacy_rules(version: int) -> bool:
    """Return whether a table of iptables-legacy in the calling thread's namespace has rules for IPv4 or IPv6.

    A table without rules stays until the namespace ends, so its existence alone says nothing. ``False`` where the
    kernel refuses to say.
    """
    file, family = _LEGACY_NAMES[version != _IPV4]
    with contextlib.suppress(OSError):
        tables = Path("/proc/thread-self/net", file).read_text(encoding="ascii").split()
        if tables:
            with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
                return any(_rules_in(_info(sock, table)) for table in tables)
    return False


def _rules_in(info: bytes) -> bool:
    """Return whether there are entries beside the policy of each hook and the entry that ends the table."""
    hooks = struct.unpack_from("=I", info, _INFO_HOOKS_AT)[0]
    return bool(struct.unpack_from("=I", info, _INFO_COUNT_AT)[0] > hooks.bit_count() + 1)


def _info(sock: socket.socket, table: str) -> bytes:
    return _getsockopt(sock, _GET_INFO, table.encode().ljust(_NAME_BYTES, b"\0").ljust(_INFO_BYTES, b"\0"))


def _digest(sock: socket.socket | None, table: str) -> str:
    """Return a hash of a legacy table. Raises ``OSError``: EAGAIN where it changes meanwhile, EPERM if forbidden."""
    if sock is None:
        raise PermissionError
    name = table.encode().ljust(_NAME_BYTES, b"\0")
    size = struct.unpack_from("=I", _info(sock, table), _INFO_SIZE_AT)[0]
    asked = (name + struct.pack("=I", size)).ljust(_ENTRIES_AT + size, b"\0")
    entries = bytearray(_getsockopt(sock, _GET_ENTRIES, asked)[_ENTRIES_AT:])
    family = socket.AddressFamily(sock.family)
    at = 0
    while at < size:
        counters = at + _COUNTERS_AT[family]
        entries[counters : counters + _COUNTERS_BYTES] = bytes(_COUNTERS_BYTES)
        # At least one byte further: an entry of length 0 would be read for ever.
        at += max(struct.unpack_from("=H", entries, at + _NEXT_AT[family])[0], 1)
    return hashlib.blake2b(entries, digest_size=16).hexdigest()


def _getsockopt(sock: socket.socket, option: int, value: bytes) -> bytes:
    """Ask with a value of its own, which Python's ``getsockopt`` cannot send."""
    buffer = ctypes.create_string_buffer(value, len(value))
    length = ctypes.c_uint(len(value))
    level = _LEVELS[socket.AddressFamily(sock.family)]
    if _LIBC.getsockopt(sock.fileno(), level, option, buffer, ctypes.byref(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return buffer.raw
