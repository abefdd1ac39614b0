"""The transport over connected sockets, for all but pings: one socket for each try, none of which blocks."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridgework.matrix.datagram_batch import DatagramBatch
from bridgework.matrix.rows import ProbeResult
from bridgework.model.checks import Reason
from bridgework.probes.kinds import error_queue
from bridgework.probes.kinds.attempts import failure
from bridgework.probes.kinds.kind import Connection
from bridgework.probes.kinds.sockaddr import Destination

_LINGER_0_S = struct.pack("=ii", 1, 0)
# The answers' beginnings decide, so one read is enough.
_RECEIVE_BYTES = 2048


@dataclass(slots=True)
class DescriptorBudget:
    """The sockets that all transports of a matrix may still open together."""

    free: int


@dataclass(slots=True)
class _Try:
    position: int
    sock: socket.socket
    destination: Destination
    connected: bool = False


class ConnectTransport:
    """One source's connections."""

    opens_sockets = True

    def __init__(self, protocol: Connection, budget: DescriptorBudget) -> None:
        self.silence = protocol.silence
        self._protocol, self._budget = protocol, budget
        self._tries: dict[int, _Try] = {}
        self._descriptors: dict[int, int] = {}

    def descriptors(self) -> Sequence[int]:
        """Return none: only the sockets of the tries are watched."""
        return ()

    def send(self, position: int, destination: Destination) -> int:
        """Start to connect. Raises ``BlockingIOError`` when too many tries are in flight."""
        # Each try needs a descriptor, and EMFILE would stop other requests of this worker.
        if self._budget.free <= 0:
            raise BlockingIOError
        sock = destination.socket(self._protocol.kind | socket.SOCK_NONBLOCK)
        try:
            self._connect(sock, destination)
        except OSError:
            sock.close()
            raise
        self._budget.free -= 1
        self._tries[sock.fileno()] = _Try(position, sock, destination)
        self._descriptors[position] = sock.fileno()
        return sock.fileno()

    def add_to(self, _batch: DatagramBatch, _position: int, _destination: Destination) -> bool:
        """Return False: each try has a socket of its own, so a batch has nothing to save."""
        return False

    def _connect(self, sock: socket.socket, destination: Destination) -> None:
        error_queue.enable(sock)
        if self._protocol.kind == socket.SOCK_STREAM:
            # Close by a reset (socket(7), SO_LINGER 0): an orderly close exchanges packets after the matrix has
            # cleaned up, which would make new neighbour entries.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0_S)
        number = sock.connect_ex(destination.sockaddr)
        # A connection over the loopback can be made at once; others are in progress.
        if number not in {0, errno.EINPROGRESS}:
            # An errno alone does not tell a prohibition from an unreachable host; the error queue does (ip(7)).
            raise error_queue.precise(sock, OSError(number, os.strerror(number)))

    def receive(self, descriptor: int, at_most: int) -> Iterator[ProbeResult]:
        """Yield the result of this try, once it is known."""
        current = self._tries.get(descriptor)
        if current is None or at_most < 1:
            return
        try:
            done, reason = self._advance(current)
        except BlockingIOError:
            return
        except OSError as error:
            done, reason = True, failure(error_queue.precise(current.sock, error)).reason
        if done:
            yield ProbeResult(current.position, reason)

    def _advance(self, current: _Try) -> tuple[bool, Reason | None]:
        # Each event can allow several steps: a connection that was just made may have its answer already.
        number = current.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))
        if not current.connected:
            # SO_ERROR is 0 also while the connection is being made; only a connected socket has a peer.
            if not _has_peer(current.sock):
                return False, None
            current.connected = True
            if self._protocol.request is None:
                return True, None
            current.sock.send(self._protocol.request(current.destination))
        return True, self._protocol.judge(current.sock.recv(_RECEIVE_BYTES))

    def forget(self, position: int) -> int | None:
        """Close the try's socket and return its former descriptor."""
        descriptor = self._descriptors.pop(position, None)
        if descriptor is not None:
            self._tries.pop(descriptor).sock.close()
            self._budget.free += 1
        return descriptor

    def close(self) -> None:
        """Close all sockets."""
        for position in list(self._descriptors):
            self.forget(position)


def _has_peer(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
