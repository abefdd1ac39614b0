"""A TCP socket with bounded reads: a container may answer with any number of bytes, at any pace."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class AnswerTooLongError(Exception):
    """The other side sent more than ``may_read`` bytes."""


class BoundedSocket(socket.socket):
    """A socket whose reads end at ``ends`` (``time.monotonic``) and after ``may_read`` bytes, also by ``makefile``.

    ``http.client`` and Python's buffered readers have a time-out for each read only: a server that sends one byte
    before each time-out would hold them for ever.
    """

    def __init__(self, sock: socket.socket, ends: float, may_read: int) -> None:
        # Takes over the descriptor of ``sock``, which is of no use afterwards.
        super().__init__(fileno=sock.detach())
        self.ends, self.may_read = ends, may_read

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """Read like ``socket.recv_into``. Raises ``TimeoutError`` and ``AnswerTooLongError`` at the bounds."""
        if self.may_read <= 0:
            raise AnswerTooLongError
        self.bound()
        read = super().recv_into(buffer, nbytes, flags)
        self.may_read -= read
        return read

    def bound(self) -> None:
        """Let the next call wait until ``ends`` at most. Raises ``TimeoutError`` when ``ends`` is past."""
        left_s = self.ends - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self.settimeout(left_s)
