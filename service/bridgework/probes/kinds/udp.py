"""Probe by UDP: one datagram, and what can be known from what follows.

An answer proves that it reaches, an ICMP refusal that it does not; silence proves nothing and is ``no-answer``.
"""

from __future__ import annotations

import time

from bridgework.model.checks import Phases, ProbeRequest, Reason
from bridgework.probes.kinds import datagram
from bridgework.probes.kinds.attempts import Attempt
from bridgework.probes.kinds.reasons import failure


def probe(request: ProbeRequest, address: str, ends: float) -> Attempt:
    """Send ``payload_bytes`` zeros to ``request.port`` and wait until ``ends`` for any datagram back."""
    started = time.perf_counter()
    payload = bytes(request.payload_bytes)
    try:
        answer = datagram.exchange(address, request.port or 0, payload, ends, lambda _: True)
    except TimeoutError:
        return Attempt(reason=Reason.NO_ANSWER, detail="silence: UDP does not tell whether anybody listens")
    except OSError as error:
        return failure(error)
    elapsed_ms = (time.perf_counter() - started) * 1000
    phases = Phases(first_byte=round(elapsed_ms, 3))
    return Attempt(rtt_ms=elapsed_ms, phases_ms=phases, detail=f"answered with {len(answer)} bytes")
