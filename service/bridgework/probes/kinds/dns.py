"""The DNS probe: one question to the server at the destination.

Any answer to the question is a success, "no such name" too; SERVFAIL and REFUSED are ``unexpected-answer``. A truncated
answer is an answer: the probe does not repeat the question over TCP.
"""

from __future__ import annotations

import socket
import time

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from bridgework.model.checks import Phases, ProbeRequest, Reason
from bridgework.probes.kinds import datagram
from bridgework.probes.kinds.attempts import Attempt
from bridgework.probes.kinds.kind import Connection
from bridgework.probes.resolver.exchange import DNS_PORT, is_answer, read_answer

ROOT = "."
_ANSWERS = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


def probe(request: ProbeRequest, address: str, ends: float) -> Attempt:
    """Ask for the A record of ``dns_question``; without one, for the root's NS. ``status`` is the RCODE (RFC 1035)."""
    try:
        query = _query(request.dns_question)
    except dns.exception.DNSException as error:
        return Attempt(reason=Reason.NAME_UNKNOWN, detail=f"{request.dns_question} is not a DNS name: {error}")
    started = time.perf_counter()
    port = request.port or DNS_PORT
    data = datagram.exchange(address, port, query.to_wire(), ends, lambda got: is_answer(query, got), request.flow_id)
    return judge(read_answer(data), (time.perf_counter() - started) * 1000)


def _query(question: str | None) -> dns.message.QueryMessage:
    if question is None:
        return dns.message.make_query(ROOT, dns.rdatatype.NS)
    return dns.message.make_query(question, dns.rdatatype.A)


def judge(answer: dns.message.Message, elapsed_ms: float) -> Attempt:
    """Turn an answer that came after ``elapsed_ms`` into an attempt."""
    code = answer.rcode()
    text = dns.rcode.to_text(code)
    if code not in _ANSWERS:
        return Attempt(reason=Reason.UNEXPECTED_ANSWER, detail=f"answered {text}", status=int(code))
    records = sum(len(rrset) for rrset in answer.answer)
    return Attempt(
        rtt_ms=elapsed_ms,
        phases_ms=Phases(first_byte=round(elapsed_ms, 3)),
        detail=f"answered {text} with {records} records",
        status=int(code),
    )


def _judge_bytes(data: bytes) -> Reason | None:
    try:
        return judge(read_answer(data), 0.0).reason
    except dns.exception.DNSException:
        return Reason.UNEXPECTED_ANSWER


CONNECTION = Connection(socket.SOCK_DGRAM, lambda _: _query(None).to_wire(), _judge_bytes)
