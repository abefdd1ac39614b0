"""A line of a matrix that connects: a socket for each try, all of them waited for by the one loop.

A connection is ended by a reset: an orderly end would go on exchanging packets, and make new neighbour entries, after
the matrix has cleaned up.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridgework.matrix.connect_protocols import ConnectProtocol
from bridgework.matrix.rows import Destination
from bridgework.matrix.transports import Heard
from bridgework.model.checks import Reason
from bridgework.probes.kinds import error_queue, reasons
from bridgework.probes.kinds.sockaddr import family_of

_RESET_ON_CLOSE = struct.pack("=ii", 1, 0)
_RECEIVE_BYTES = 2048


@dataclass(slots=True)
class DescriptorBudget:
    """How many sockets may yet be opened, by all lines of a matrix together."""

    free: int


@dataclass(slots=True)
class _Try:
    position: int
    sock: socket.socket
    destination: Destination
    connected: bool = False


class ConnectTransport:
    """One source's connections."""

    inside = True

    def __init__(self, conversation: ConnectProtocol, room: DescriptorBudget) -> None:
        self.silence = conversation.silence
        self._conversation, self._room = conversation, room
        self._tries: dict[int, _Try] = {}
        self._descriptors: dict[int, int] = {}

    def descriptors(self) -> Sequence[int]:
        """None but those of the tries."""
        return ()

    def send(self, position: int, destination: Destination) -> int | None:
        """Begin to connect. ``BlockingIOError`` means that too many tries are under way."""
        if self._room.free <= 0:
            raise BlockingIOError
        sock = socket.socket(family_of(destination.version), self._conversation.kind | socket.SOCK_NONBLOCK)
        try:
            error_queue.enable(sock)
            if self._conversation.kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            number = sock.connect_ex(destination.sockaddr)
            if number not in {0, errno.EINPROGRESS}:
                raise error_queue.precise(sock, OSError(number, os.strerror(number)))
        except OSError:
            sock.close()
            raise
        self._room.free -= 1
        self._tries[sock.fileno()] = _Try(position, sock, destination)
        self._descriptors[position] = sock.fileno()
        return sock.fileno()

    def receive(self, descriptor: int, at_most: int) -> Iterator[Heard]:
        """What became of this try, once it is known."""
        current = self._tries.get(descriptor)
        if current is None or at_most < 1:
            return
        try:
            done, reason = self._advance(current)
        except BlockingIOError:
            return
        except OSError as error:
            done, reason = True, reasons.failure(error_queue.precise(current.sock, error)).reason
        if done:
            yield Heard(current.position, reason)

    def _advance(self, current: _Try) -> tuple[bool, Reason | None]:
        number = current.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))
        if not current.connected:
            if not _has_peer(current.sock):
                return False, None
            current.connected = True
            if self._conversation.opening is None:
                return True, None
            current.sock.send(self._conversation.opening(current.destination))
        return True, self._conversation.take(current.sock.recv(_RECEIVE_BYTES))

    def forget(self, position: int) -> int | None:
        """Close the try's socket."""
        descriptor = self._descriptors.pop(position, None)
        if descriptor is not None:
            self._tries.pop(descriptor).sock.close()
            self._room.free += 1
        return descriptor

    def close(self) -> None:
        """Close all that is under way."""
        for position in list(self._descriptors):
            self.forget(position)


def _has_peer(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
