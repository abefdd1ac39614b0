"""How full the kernel's neighbour tables are, over all namespaces together.

``gc_thresh3`` (ip-sysctl, "neigh/default") bounds the entries of all namespaces as one. ``RTM_GETNEIGHTBL`` tells the
limits and the number in use inside any namespace; the files below /proc exist only in the first one.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Literal

from bridgework.probes.kernel import netlink

TableName = Literal["arp_cache", "ndisc_cache"]
_FAMILIES = {"arp_cache": socket.AF_INET, "ndisc_cache": socket.AF_INET6}
_RTM_GETNEIGHTBL = 66
_RTGENMSG = struct.Struct("=Bxxx")
_NDTA_NAME, _NDTA_THRESH2, _NDTA_THRESH3, _NDTA_CONFIG, _NDTA_STATS = 1, 3, 4, 5, 7
# struct ndt_config: two lengths, the entries, and the milliseconds since the last forced collection.
_CONFIG = struct.Struct("=HHII")
# struct ndt_stats: eleven counters since the start of the machine; the last one counts entries that were refused.
_STATS = struct.Struct("=11Q")
FULL = 0.95
COLLECTION_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class TableUsage:
    """Numbers of entries: in use, ``gc_thresh2`` and ``gc_thresh3``.

    ``entries`` counts every entry. The two limits bound only the entries that the kernel's collector may take: not
    permanent ones, and not those that a routing daemon maintains (``NTF_EXT_LEARNED``). No file and no message tells
    that number. ``since_collection_s`` tells something about it: a new entry above ``gc_thresh2`` starts a forced
    collection, unless the last one was less than ``COLLECTION_EVERY_S`` ago (neigh_alloc in net/core/neighbour.c).
    ``refused`` is how many entries the kernel has refused to make since the machine started.
    """

    entries: int
    soft_limit: int
    hard_limit: int
    since_collection_s: float = 0.0
    refused: int = 0


def table_usage(name: TableName) -> TableUsage | None:
    """Return the table's usage now; ``None`` when the kernel does not tell."""
    try:
        with netlink.open_socket() as sock:
            return read_usage(sock, name)
    except OSError:
        return None


def is_full(name: TableName) -> bool:
    """Return whether the kernel refuses new entries now, or nearly does."""
    usage = table_usage(name)
    return usage is not None and usage.entries >= usage.hard_limit * FULL


def read_usage(sock: socket.socket, name: TableName) -> TableUsage | None:
    """Return the table's usage over an open rtnetlink socket, in some tens of microseconds. Raises ``OSError``."""
    for body in netlink.dump(sock, _RTM_GETNEIGHTBL, _RTGENMSG.pack(_FAMILIES[name])):
        attributes = netlink.attributes(body, _RTGENMSG.size)
        # The kernel also lists the parameters of each interface under the table's name, without the thresholds.
        if attributes.get(_NDTA_NAME, b"").rstrip(b"\0") == name.encode() and _NDTA_THRESH3 in attributes:
            soft, hard = (struct.unpack("=I", attributes[kind])[0] for kind in (_NDTA_THRESH2, _NDTA_THRESH3))
            _, _, entries, since_ms = _CONFIG.unpack_from(attributes[_NDTA_CONFIG])
            stats = attributes.get(_NDTA_STATS, b"")
            refused = _STATS.unpack_from(stats)[-1] if len(stats) >= _STATS.size else 0
            return TableUsage(entries, soft, hard, since_ms / 1000, refused)
    return None
