"""The largest packet that passes where larger ones are lost without an ICMP error: a path MTU black hole.

Pings that must not be fragmented find it, by bisection. They are sent only after a probe that a black hole would make
silent: a large ping that must not be fragmented, or an HTTP request whose connection opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bridgework.model.checks import Measurement, ProbeRequest, Protocol, Reason, Verdict

Send = Callable[[ProbeRequest], Measurement]
# Bytes of IP and ICMP headers before a ping's payload (RFC 791, 792, 8200, 4443).
_HEADERS_IPV4, _HEADERS_IPV6 = 28, 48
_ETHERNET_MTU = 1500
_SMALL_BYTES = 56
# Nine pings decide between 56 and 1472 bytes. At most that many wait for the whole time-out.
_NEAR_BYTES = 4
# A link of the kernel takes packets that are larger than its MTU by a VLAN tag (is_skb_forwardable). On the way back,
# where a router refuses them by the exact MTU, they would be lost.
_VLAN_TAG_BYTES = 4
_UNIT_BYTES = 8
_LONGEST_WAIT_MS = 2000


def black_hole(send: Send, probe: ProbeRequest, measurement: Measurement) -> int | None:
    """Return the path MTU in bytes, rounded down; ``None`` where nothing was lost that is explained by it."""
    address = measurement.address
    if address is None or not _may_be_one(probe, measurement):
        return None
    headers = _HEADERS_IPV6 if ":" in address else _HEADERS_IPV4
    # As long as the probe itself waited, because a busy machine answers late and a late ping would count as lost.
    wait_ms = min(probe.timeout_ms, _LONGEST_WAIT_MS)
    echo = ProbeRequest(Protocol.ICMP, address=address, count=1, timeout_ms=wait_ms, dont_fragment=True)
    largest = probe.payload_bytes if probe.protocol is Protocol.ICMP else _ETHERNET_MTU - headers
    first = send(replace(echo, payload_bytes=largest, count=2))
    if first.reason is Reason.MESSAGE_TOO_LONG and probe.protocol is Protocol.HTTP and first.path_mtu_bytes:
        # The source's own link is smaller: no packet of the source is larger than that.
        largest = first.path_mtu_bytes - headers
        first = send(replace(echo, payload_bytes=largest, count=2))
    if first.reason is not Reason.TIMED_OUT or largest <= _SMALL_BYTES:
        return None
    if send(replace(echo, payload_bytes=_SMALL_BYTES, count=2)).verdict is not Verdict.REACHABLE:
        return None
    passed, lost = _SMALL_BYTES, largest
    while lost - passed > _NEAR_BYTES:
        middle = (passed + lost) // 2
        answer = send(replace(echo, payload_bytes=middle))
        if answer.reason is Reason.MESSAGE_TOO_LONG:
            return None  # something on the path does tell: discovery works
        passed, lost = (middle, lost) if answer.verdict is Verdict.REACHABLE else (passed, middle)
    return (passed + headers - _VLAN_TAG_BYTES) // _UNIT_BYTES * _UNIT_BYTES


def _may_be_one(probe: ProbeRequest, measurement: Measurement) -> bool:
    if measurement.reason is not Reason.TIMED_OUT:
        return False
    if probe.protocol is Protocol.ICMP:
        return probe.dont_fragment and probe.payload_bytes > _SMALL_BYTES
    return probe.protocol is Protocol.HTTP and measurement.phases_ms.connect is not None
