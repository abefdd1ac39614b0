"""A TCP socket for reading what a stranger says: one moment ends every wait, one number bounds every byte."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class TooMuchSaidError(Exception):
    """The other side sent more bytes than the reader wants to know of."""


class BoundedSocket(socket.socket):
    """A socket whose reads end at ``ends`` (``time.monotonic``) and after ``may_read`` bytes, also by ``makefile``.

    ``http.client`` and Python's buffered readers know time-outs for each read only, so a server that always has one
    more byte would hold them for ever.
    """

    ends: float = 0.0
    may_read: int = 0

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """See ``socket.recv_into``. Raises ``TimeoutError`` at the end, ``TooMuchSaidError`` after the last byte."""
        if self.may_read <= 0:
            raise TooMuchSaidError
        self.bound()
        read = super().recv_into(buffer, nbytes, flags)
        self.may_read -= read
        return read

    def bound(self) -> None:
        """Let the next call wait until ``ends``. Raises ``TimeoutError`` when that is past: not a millisecond more."""
        left_s = self.ends - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self.settimeout(left_s)
