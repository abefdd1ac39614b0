"""Sends the queries of a resolver's steps, in the calling thread's namespace."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import dns.exception
import dns.flags
import dns.message

from bridgework.probes.kinds import datagram
from bridgework.probes.kinds.sockaddr import destination_of
from bridgework.probes.kinds.stream import BoundedSocket
from bridgework.probes.kinds.tcp import connect
from bridgework.probes.resolver.steps import MAX_ADDRESSES, Answers, Queries, Query

DNS_PORT = 53
_Result = TypeVar("_Result")
_COUNTS = struct.Struct("!4x4H")
_LENGTH = struct.Struct("!H")
_MAX_MESSAGE_BYTES = 0xFFFF


def drive(steps: Generator[Queries, Answers, _Result], ends: float) -> _Result:
    """Run a resolver's steps and return their result. After ``ends`` (``time.monotonic``) no query is sent."""
    try:
        queries = next(steps)
        while True:
            now = time.monotonic()
            answers = ask(queries, min(now + queries[0].timeout_s, ends)) if now < ends else (None,) * len(queries)
            queries = steps.send(answers)
    except StopIteration as stop:
        result: _Result = stop.value
        return result


def ask(queries: Queries, ends: float) -> Answers:
    """Ask one server all queries at the same time. Silence and a refusal are ``None``.

    A datagram that was truncated is asked for again over TCP.
    """
    received: Sequence[bytes | None] = [None] * len(queries)
    if not queries[0].use_tcp:
        messages = [query.message for query in queries]
        try:
            received = datagram.exchange_all(
                queries[0].server, DNS_PORT, [message.to_wire() for message in messages], ends, _matches(messages)
            )
        except OSError:
            return (None,) * len(queries)
    return tuple(_answer(query, data, ends) for query, data in zip(queries, received, strict=True))


def _matches(messages: list[dns.message.QueryMessage]) -> Callable[[bytes], int | None]:
    def position(data: bytes) -> int | None:
        return next((number for number, message in enumerate(messages) if is_answer(message, data)), None)

    return position


def _answer(query: Query, data: bytes | None, ends: float) -> dns.message.Message | None:
    try:
        if not query.use_tcp:
            if data is None:
                return None
            answer = read_answer(data)
            if not answer.flags & dns.flags.TC:
                return answer
        data = _ask_over_tcp(query.server, query.message.to_wire(), ends)
        return read_answer(data) if is_answer(query.message, data) else None
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
