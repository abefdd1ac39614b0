"""DNS questions asked over the wire, in the calling thread's namespace: a resolver's steps, carried out."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TypeVar

import dns.exception
import dns.flags
import dns.message
import dns.query

from service.probes import datagram
from service.probes.resolver import Answer, Query

DNS_PORT = 53
_Result = TypeVar("_Result")


def ask(query: Query, timeout_s: float) -> Answer:
    """The server's answer, over TCP when the datagram was truncated; ``None`` when it stayed silent or refused."""
    wire = query.message.to_wire()
    ends = time.monotonic() + timeout_s
    try:
        if not query.use_tcp:
            got = datagram.exchange(
                query.server, DNS_PORT, wire, timeout_s, lambda data: is_answer(query.message, data)
            )
            answer = dns.message.from_wire(got, ignore_trailing=True, raise_on_truncation=False)
            if not answer.flags & dns.flags.TC:
                return answer
        return dns.query.tcp(query.message, query.server, timeout=max(ends - time.monotonic(), 0.001))
    except (OSError, EOFError, dns.exception.DNSException):
        return None


def is_answer(query: dns.message.Message, data: bytes) -> bool:
    """Whether these bytes are a well-formed answer to this very question."""
    try:
        return query.is_response(dns.message.from_wire(data, ignore_trailing=True, raise_on_truncation=False))
    except dns.exception.DNSException:
        return False


def drive(steps: Generator[Query, Answer, _Result], timeout_s: float) -> _Result:
    """Run a resolver's steps in the calling thread's namespace; past ``timeout_s`` every query counts as silence."""
    ends = time.monotonic() + timeout_s
    answer: Answer = None
    try:
        query = next(steps)
        while True:
            left_s = min(query.timeout_s, ends - time.monotonic())
            answer = ask(query, left_s) if left_s > 0 else None
            query = steps.send(answer)
    except StopIteration as stop:
        result: _Result = stop.value
        return result
