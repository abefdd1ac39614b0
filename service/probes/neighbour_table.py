"""How full the kernel's neighbour tables are, over all namespaces together.

``gc_thresh3`` (ip-sysctl, "neigh/default") bounds the entries of every namespace as one; ``RTM_GETNEIGHTBL`` tells the
limits and the number in use from within any of them, where the files below /proc exist only in the first namespace.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from service.probes import rtnetlink

TableName = Literal["arp_cache", "ndisc_cache"]
_RTM_GETNEIGHTBL = 66
_RTGENMSG = struct.Struct("=Bxxx")
_NDTA_NAME, _NDTA_THRESH1, _NDTA_THRESH2, _NDTA_THRESH3, _NDTA_CONFIG = 1, 2, 3, 4, 5
_ENTRIES_IN_CONFIG = struct.Struct("=HHI")


@dataclass(frozen=True, slots=True)
class TableUsage:
    """Numbers of entries: in use, and where the kernel collects (softly), presses, and refuses new ones."""

    entries: int
    collect_from: int
    soft_limit: int
    hard_limit: int


def table_usage(name: TableName) -> TableUsage | None:
    """The table's usage now; ``None`` when the kernel does not say."""
    try:
        with rtnetlink.open_socket() as sock:
            for body in rtnetlink.dump(sock, _RTM_GETNEIGHTBL, _RTGENMSG.pack(0)):
                usage = _usage(rtnetlink.attributes(body, _RTGENMSG.size), name)
                if usage is not None:
                    return usage
    except OSError:
        return None
    return None


def _usage(found: dict[int, bytes], name: TableName) -> TableUsage | None:
    if found.get(_NDTA_NAME, b"").rstrip(b"\0") != name.encode() or _NDTA_THRESH3 not in found:
        return None
    thresholds = [struct.unpack("=I", found[kind])[0] for kind in (_NDTA_THRESH1, _NDTA_THRESH2, _NDTA_THRESH3)]
    return TableUsage(_ENTRIES_IN_CONFIG.unpack_from(found[_NDTA_CONFIG])[2], *thresholds)
