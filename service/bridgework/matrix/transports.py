"""What a matrix sends through: a ``Transport`` is one source's way out, opened inside its namespace.

``EchoTransport`` pings over one raw socket for each IP version. It never waits: the loop calls it on an event.
"""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from bridgework.matrix.rows import Destination
from bridgework.model.checks import Reason
from bridgework.probes.kinds import echo, raw_icmp
from bridgework.probes.kinds.reasons import IPV4

_RECEIVE_BYTES = 2048
_ROW_NUMBER = struct.Struct("!I")
_HEADER = struct.Struct("!BBHHH")


class Heard(NamedTuple):
    """What became of the try towards a position; ``reason`` is ``None`` for a success."""

    position: int
    reason: Reason | None


class Transport(Protocol):
    """One source's way out. ``inside`` says that every ``send`` must be made inside the namespace."""

    inside: bool
    silence: Reason

    def descriptors(self) -> Sequence[int]:
        """Those to be watched for as long as the line is open."""
        ...

    def send(self, position: int, destination: Destination) -> int | None:
        """Try once. Returns a new descriptor to watch. Raises ``BlockingIOError`` for "later", ``OSError`` for "no"."""
        ...

    def receive(self, descriptor: int, at_most: int) -> Iterator[Heard]:
        """What the descriptor has to say, in at most so many datagrams."""
        ...

    def forget(self, position: int) -> int | None:
        """The try towards this position is over. Returns the descriptor that was closed with it."""
        ...

    def close(self) -> None:
        """Close everything."""
        ...


class EchoTransport:
    """Pings. The identifier tells the rows of one matrix apart, the sequence number is the position."""

    inside = False
    silence = Reason.TIMED_OUT

    def __init__(self, number: int, token: bytes, versions: Sequence[int]) -> None:
        self._identifier = (int.from_bytes(token[:2], "big") + number) % 0x10000
        self._payload = (token + _ROW_NUMBER.pack(number)).ljust(echo.TOKEN_BYTES, b"\0")
        bare = echo.request(6, self._identifier, 0, self._payload)
        self._sum = sum(struct.unpack(f"!{len(bare) // 2}H", bare)) - (echo.REQUEST_TYPE[6] << 8)
        self._asked: dict[int, Destination] = {}
        self._sockets = {version: raw_icmp.open_echo_socket(version, self._identifier) for version in versions}
        self._by_descriptor = {sock.fileno(): (version, sock) for version, sock in self._sockets.items()}

    def descriptors(self) -> Sequence[int]:
        """One for each IP version."""
        return tuple(self._by_descriptor)

    def send(self, position: int, destination: Destination) -> int | None:
        """Send one echo request."""
        version = destination.version
        kind = echo.REQUEST_TYPE[version]
        checksum = echo.fold(self._sum + (kind << 8) + position) if version == IPV4 else 0
        packet = _HEADER.pack(kind, 0, checksum, self._identifier, position) + self._payload
        self._asked[position] = destination
        self._sockets[version].sendto(packet, destination.sockaddr)
        return None

    def receive(self, descriptor: int, at_most: int) -> Iterator[Heard]:
        """The answers and errors that are about our own requests."""
        version, sock = self._by_descriptor[descriptor]
        for _ in range(at_most):
            try:
                datagram, sender = sock.recvfrom(_RECEIVE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue
            heard = echo.parse(version, datagram)
            if heard is not None and self._concerns_us(heard, version, datagram, sender[0]):
                yield Heard(heard.sequence, heard.reason)

    def _concerns_us(self, heard: echo.Heard, version: int, datagram: bytes, sender: str) -> bool:
        asked = self._asked.get(heard.sequence)
        if asked is None or heard.identifier != self._identifier:
            return False
        if heard.reason is not None:
            return heard.destination == asked.packed and self._payload.startswith(heard.payload[: len(self._payload)])
        if heard.payload != self._payload:
            return False
        if version == IPV4:
            return datagram[12:16] == asked.packed
        return socket.inet_pton(socket.AF_INET6, sender.partition("%")[0]) == asked.packed

    def forget(self, position: int) -> int | None:
        """A later answer no longer counts."""
        self._asked.pop(position, None)
        return None

    def close(self) -> None:
        """Close the sockets."""
        for sock in self._sockets.values():
            sock.close()


def new_token() -> bytes:
    """Random bytes that mark the pings of one matrix."""
    return secrets.token_bytes(8)
