"""The sets of ipset(8) in a network namespace, by netlink (linux/netfilter/ipset/ip_set.h).

The kernel has no number that counts changes of a set, as nf_tables has one for its rules, and an entry with a time-out
goes by itself. So the state of the rules contains a digest of the sets that rules name.
"""

from __future__ import annotations

import errno
import hashlib
import re
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address

from bridgework.model.observations import FirewallChain, IpSet
from bridgework.probes.kernel import netlink

_LIST = (6 << 8) | 7  # NFNL_SUBSYS_IPSET, IPSET_CMD_LIST
_NFGENMSG = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
# The version that every kernel since 2.6.39 speaks (IPSET_PROTOCOL_MIN).
_PROTOCOL = b"\x06"
_VERSIONS = {int(socket.AF_INET): 4, int(socket.AF_INET6): 6}
# Attributes of a message.
_OF_PROTOCOL, _OF_NAME, _OF_TYPE, _OF_FAMILY, _OF_HEAD, _OF_ENTRIES = 1, 2, 3, 5, 7, 8
# Attributes of a set's head and of an entry.
_IP, _CIDR, _PORT, _TIMEOUT, _PROTO, _FLAGS = 1, 3, 4, 6, 7, 8
_BITMASK, _NAME, _NETMASK, _IP2, _CIDR2, _IFACE = 12, 18, 20, 20, 21, 23
_PHYSDEV, _NOMATCH, _COUNTERS = 2, 4, 8
_ICMP = {1: "icmp", 58: "icmpv6"}
_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp", 136: "udplite"}
_NAMED = re.compile(r"--match-set (\S+)")
_LISTS = "list:set"


def named_by(chains: Iterable[FirewallChain]) -> frozenset[str]:
    """Return the names of the sets that rules compare."""
    texts = (text for chain in chains for *_, text in chain.rules if "--match-set" in text)
    return frozenset(name for text in texts for name in _NAMED.findall(text))


def read(sock: socket.socket, names: Iterable[str]) -> tuple[IpSet, ...]:
    """Return the sets with these names that exist, and the members of those that are lists. Raises ``OSError``."""
    sets: dict[str, IpSet] = {}
    to_read = sorted(names)
    while to_read:
        name = to_read.pop()
        made = None if name in sets else _set_of(name, _messages(sock, name))
        if made is not None:
            sets[name] = made
            to_read += made.entries if made.kind == _LISTS else ()
    return tuple(sets[name] for name in sorted(sets))


def digest(sock: socket.socket, names: Iterable[str]) -> str:
    """Return a text that differs after every change of the sets; time-outs that run down do not change it."""
    hashed = hashlib.blake2b(digest_size=16)
    for name in sorted(names):
        for message in _messages(sock, name):
            head, entries = netlink.attributes(message.get(_OF_HEAD, b"")), message.get(_OF_ENTRIES, b"")
            counts = _TIMEOUT in head or _flags(head) & _COUNTERS
            # Without time-outs and counters the bytes are the same while the set is. 10,000 entries take 1 ms so.
            parts = "\n".join(_entries(message)).encode() if counts else entries
            hashed.update(message.get(_OF_TYPE, b"") + parts)
    return hashed.hexdigest()


def _messages(sock: socket.socket, name: str) -> list[Mapping[int, bytes]]:
    """Return the messages about one set; a large one comes in several. None where there is no such set."""
    attributes = netlink.attribute(_OF_PROTOCOL, _PROTOCOL) + netlink.attribute(_OF_NAME, name.encode() + b"\0")
    try:
        bodies = netlink.dump(sock, _LIST, _NFGENMSG + attributes)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return []
        raise
    return [netlink.attributes(body, len(_NFGENMSG)) for body in bodies]


def _set_of(name: str, messages: list[Mapping[int, bytes]]) -> IpSet | None:
    if not messages:
        return None
    first = messages[0]
    kind = first.get(_OF_TYPE, b"").rstrip(b"\0").decode(errors="replace")
    if _BITMASK in netlink.attributes(first.get(_OF_HEAD, b"")):
        kind += " with a bitmask"
    entries = tuple(entry for message in messages for entry in _entries(message))
    return IpSet(name, kind, _VERSIONS.get(first.get(_OF_FAMILY, b"\0")[0]), entries)


def _entries(message: Mapping[int, bytes]) -> Iterator[str]:
    head = netlink.attributes(message.get(_OF_HEAD, b""))
    # With a netmask the kernel compares that part of an address alone.
    mask = head[_NETMASK][:1] if _NETMASK in head else None
    for body in netlink.nested(message.get(_OF_ENTRIES, b"")):
        yield _text(netlink.attributes(body), mask)


def _text(entry: Mapping[int, bytes], mask: bytes | None) -> str:
    """Return an entry as ``ipset save`` prints it, without its time-out, counters and comment."""
    parts = [_address(entry[_IP], entry.get(_CIDR, mask))] if _IP in entry else []
    if _PORT in entry:
        parts.append(_port(int.from_bytes(entry[_PORT][:2]), entry[_PROTO][0] if _PROTO in entry else None))
    flags = _flags(entry)
    # Attribute 20 is the second address of an entry, and the netmask of a head.
    if _IP2 in entry:
        parts.append(_address(entry[_IP2], entry.get(_CIDR2)))
    if _IFACE in entry:
        name = entry[_IFACE].rstrip(b"\0").decode(errors="replace")
        parts.append(f"physdev:{name}" if flags & _PHYSDEV else name)
    if _NAME in entry:
        parts.append(entry[_NAME].rstrip(b"\0").decode(errors="replace"))
    return ",".join(parts) + (" nomatch" if flags & _NOMATCH else "")


def _address(nested: bytes, length: bytes | None) -> str:
    packed = next(iter(netlink.attributes(nested).values()))
    address = ip_address(packed)
    return f"{address}/{length[0]}" if length is not None and length[0] != address.max_prefixlen else str(address)


def _port(port: int, protocol: int | None) -> str:
    if protocol is None:
        return str(port)
    if protocol in _ICMP:
        return f"{_ICMP[protocol]}:{port >> 8}/{port & 0xFF}"
    return f"{_PROTOCOLS.get(protocol, protocol)}:{port}"


def _flags(attributes: Mapping[int, bytes]) -> int:
    return int.from_bytes(attributes.get(_FLAGS, b"")[:4])
