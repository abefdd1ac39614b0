"""One datagram out, one accepted datagram back, on a connected UDP socket; and DNS questions by that means.

Connected, so that the kernel hands us an ICMP refusal as an error (ip(7)) and drops strangers' datagrams.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Generator
from typing import TypeVar

import dns.exception
import dns.flags
import dns.message
import dns.query

from service.probes import errqueue
from service.probes.resolver import Answer, Query
from service.probes.sockaddr import family_of, numeric

DNS_PORT = 53
_RECEIVE_BYTES = 65_536
_Result = TypeVar("_Result")


def datagram(address: str, port: int, payload: bytes, timeout_s: float, accept: Callable[[bytes], bool]) -> bytes:
    """The first datagram that ``accept`` takes. Raises ``TimeoutError`` on silence, ``OSError`` on a refusal."""
    ends = time.monotonic() + timeout_s
    version, sockaddr = numeric(address, port)
    with socket.socket(family_of(version), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        errqueue.enable(sock)
        sock.connect(sockaddr)
        sock.send(payload)
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        while (left_s := ends - time.monotonic()) > 0 and poll.poll(left_s * 1000):
            answer = _receive(sock)
            if answer is not None and accept(answer):
                return answer
    raise TimeoutError


def _receive(sock: socket.socket) -> bytes | None:
    try:
        return sock.recv(_RECEIVE_BYTES)
    except BlockingIOError:
        return None
    except OSError as error:
        raise errqueue.precise(sock, error) from error


def ask(query: Query, timeout_s: float) -> Answer:
    """The server's answer, over TCP when the datagram was truncated; ``None`` when it stayed silent or refused."""
    wire = query.message.to_wire()
    ends = time.monotonic() + timeout_s
    try:
        if not query.use_tcp:
            got = datagram(query.server, DNS_PORT, wire, timeout_s, lambda data: is_answer(query.message, data))
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
