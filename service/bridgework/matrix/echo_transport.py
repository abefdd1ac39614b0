"""The transport for pings: one raw socket for each IP version of a source."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Sequence

from bridgework.matrix.datagram_batch import DatagramBatch
from bridgework.matrix.rows import ProbeResult
from bridgework.model.checks import Reason
from bridgework.probes.kinds import echo, raw_icmp
from bridgework.probes.kinds.reasons import IPV4
from bridgework.probes.kinds.sockaddr import Destination

_RECEIVE_BYTES = 2048
# The row's number stands behind the random token: the identifiers of 65,536 rows and of two matrices can be equal.
_ROW_NUMBER = struct.Struct("!I")
_HEADER = struct.Struct("!BBHHH")


class EchoTransport:
    """One source's pings."""

    # A raw socket stays in the namespace where it was opened, so pings can be sent from anywhere.
    opens_sockets = False
    silence = Reason.TIMED_OUT

    def __init__(self, number: int, token: bytes, versions: Sequence[int]) -> None:
        # The identifier tells the rows of one matrix apart, the sequence number is the position.
        self._identifier = (int.from_bytes(token[:2], "big") + number) % 0x10000
        self._payload = (token + _ROW_NUMBER.pack(number)).ljust(echo.TOKEN_BYTES, b"\0")
        # Packets differ in type and sequence number only, so their checksums are this sum plus those two words: 0.9 µs
        # for each packet, and 4.1 µs when the whole packet is summed.
        packet = echo.request(6, self._identifier, 0, self._payload)
        self._sum = sum(struct.unpack(f"!{len(packet) // 2}H", packet)) - (echo.REQUEST_TYPE[6] << 8)
        self._destinations: dict[int, Destination] = {}
        self._sockets = {version: raw_icmp.open_echo_socket(version, self._identifier) for version in versions}
        self._by_descriptor = {sock.fileno(): (version, sock) for version, sock in self._sockets.items()}

    def descriptors(self) -> Sequence[int]:
        """Return one descriptor for each IP version."""
        return tuple(self._by_descriptor)

    def send(self, position: int, destination: Destination) -> int:
        """Send one echo request."""
        sock = self._sockets[destination.version]
        sock.sendto(self._request(position, destination), destination.sockaddr)
        return sock.fileno()

    def add_to(self, batch: DatagramBatch, position: int, destination: Destination) -> bool:
        """Add one echo request to a batch; return whether the batch takes it."""
        descriptor = self._sockets[destination.version].fileno()
        return batch.add(descriptor, self._request(position, destination), destination.structure)

    def _request(self, position: int, destination: Destination) -> bytes:
        version = destination.version
        kind = echo.REQUEST_TYPE[version]
        # The kernel computes the checksum of ICMPv6 (RFC 3542, section 3.1), and that of IPv4 is ours to compute.
        checksum = echo.fold(self._sum + (kind << 8) + position) if version == IPV4 else 0
        self._destinations[position] = destination
        return _HEADER.pack(kind, 0, checksum, self._identifier, position) + self._payload

    def receive(self, descriptor: int, at_most: int) -> Iterator[ProbeResult]:
        """Yield the answers to our requests and the ICMP errors about them."""
        version, sock = self._by_descriptor[descriptor]
        for _ in range(at_most):
            # An error of the socket is about no single try.
            try:
                datagram, sender = sock.recvfrom(_RECEIVE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue
            message = echo.parse(version, datagram)
            destination = self._destinations.get(message.sequence) if message else None
            if message and destination and message.identifier == self._identifier:
                # Every raw socket of a namespace receives every reply: one to another program's ping is no answer.
                source = echo.source_of(version, datagram, sender[0])
                if echo.is_about(message, destination.packed, self._payload, source):
                    yield ProbeResult(message.sequence, message.reason)

    def forget(self, position: int) -> int | None:
        """Ignore later answers."""
        # A late answer would otherwise count for a position whose time-out has been reported.
        self._destinations.pop(position, None)
        return None

    def close(self) -> None:
        """Close the sockets."""
        for sock in self._sockets.values():
            sock.close()


def new_token() -> bytes:
    """Return random bytes that mark the pings of one matrix."""
    return secrets.token_bytes(8)
