"""Sends the queries of a resolver's steps, in the calling thread's namespace."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Generator
from typing import TypeVar

import dns.exception
import dns.flags
import dns.message

from bridgework.probes.kinds import datagram
from bridgework.probes.kinds.sockaddr import destination_of
from bridgework.probes.kinds.stream import BoundedSocket
from bridgework.probes.kinds.tcp import connect
from bridgework.probes.resolver.steps import MAX_ADDRESSES, Answer, Query

DNS_PORT = 53
_Result = TypeVar("_Result")
_COUNTS = struct.Struct("!4x4H")
_LENGTH = struct.Struct("!H")
_MAX_MESSAGE_BYTES = 0xFFFF


def drive(steps: Generator[Query, Answer, _Result], ends: float) -> _Result:
    """Run a resolver's steps and return their result. After ``ends`` (``time.monotonic``) no query is sent."""
    answer: Answer = None
    try:
        query = next(steps)
        while True:
            now = time.monotonic()
            answer = ask(query, min(now + query.timeout_s, ends)) if now < ends else None
            query = steps.send(answer)
    except StopIteration as stop:
        result: _Result = stop.value
        return result


def ask(query: Query, ends: float) -> Answer:
    """Return the server's answer, over TCP when the datagram was truncated; ``None`` on silence and on a refusal."""
    wire = query.message.to_wire()
    try:
        if not query.use_tcp:
            got = datagram.exchange(query.server, DNS_PORT, wire, ends, lambda data: is_answer(query.message, data))
            answer = read_answer(got)
            if not answer.flags & dns.flags.TC:
                return answer
        got = _ask_over_tcp(query.server, wire, ends)
        return read_answer(got) if is_answer(query.message, got) else None
    except (OSError, dns.exception.DNSException):
        return None


def _ask_over_tcp(server: str, wire: bytes, ends: float) -> bytes:
    destination = destination_of(server, DNS_PORT)
    sock = BoundedSocket(destination.socket(socket.SOCK_STREAM), ends, _LENGTH.size + _MAX_MESSAGE_BYTES)
    with connect(sock, destination.sockaddr, ends):
        sock.bound()
        sock.sendall(_LENGTH.pack(len(wire)) + wire)
        # Unbuffered: a buffered reader would wait for more bytes than the message has.
        with sock.makefile("rb", buffering=0) as stream:
            (length,) = _LENGTH.unpack(_read(stream, _LENGTH.size))
            return _read(stream, length)


def _read(stream: socket.SocketIO, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = stream.read(size - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return bytes(data)


def read_answer(data: bytes) -> dns.message.Message:
    """Read the question and the first ``MAX_ADDRESSES`` records of an answer. Raises ``DNSException``."""
    if len(data) < _COUNTS.size:
        raise dns.message.ShortHeader
    questions, answers, _, _ = _COUNTS.unpack_from(data)
    if questions > 1:
        raise dns.exception.FormError
    # A hostile server can send 5,000 records in 64 KiB, whose names of 127 labels are pointers into the message:
    # reading them took 3 s. With lower numbers in the header the reader stops earlier, and skips the last two sections.
    counts = struct.pack("!4H", questions, min(answers, MAX_ADDRESSES), 0, 0)
    head, rest = data[:4] + counts, data[_COUNTS.size :]
    return dns.message.from_wire(head + rest, ignore_trailing=True, raise_on_truncation=False)


def is_answer(query: dns.message.Message, data: bytes) -> bool:
    """Return whether these bytes are a well-formed answer to this query."""
    try:
        return query.is_response(read_answer(data))
    except dns.exception.DNSException:
        return False
