"""The UDP probe: one datagram, and what follows it.

An answer proves that the destination is reachable, an ICMP refusal that it is not. Silence proves nothing.
"""

from __future__ import annotations

import socket
import time

from bridgework.model.checks import Phases, ProbeRequest, Reason
from bridgework.probes.kinds import datagram
from bridgework.probes.kinds.attempts import Attempt
from bridgework.probes.kinds.kind import Connection

# Silence proves nothing: an open port may have nothing to say to one byte.
CONNECTION = Connection(socket.SOCK_DGRAM, lambda _: b"\0", silence=Reason.NO_ANSWER)


def probe(request: ProbeRequest, address: str, ends: float) -> Attempt:
    """Send ``payload_bytes`` zeros to ``request.port`` and wait until ``ends`` for any datagram back."""
    started = time.perf_counter()
    try:
        answer = datagram.exchange(
            address, request.port or 0, bytes(request.payload_bytes), ends, lambda _: True, request.flow_id
        )
    except TimeoutError:
        return Attempt(
            reason=Reason.NO_ANSWER, detail="no answer; over UDP, this does not show whether the packet arrived"
        )
    elapsed_ms = (time.perf_counter() - started) * 1000
    phases = Phases(first_byte=round(elapsed_ms, 3))
    return Attempt(rtt_ms=elapsed_ms, phases_ms=phases, detail=f"answered with {len(answer)} bytes")
