"""Datagrams of one socket that one system call sends: sendmmsg(2), which Python's ``socket`` does not have."""

from __future__ import annotations

import ctypes
import errno
import socket

_ADDRESS_BYTES = 28  # struct sockaddr_in6, the longer one; the kernel takes a longer length for sockaddr_in too


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Header(ctypes.Structure):
    """``struct msghdr``."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vector", ctypes.c_void_p),
        ("vector_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Message(ctypes.Structure):
    """``struct mmsghdr``."""

    _fields_ = [("header", _Header), ("sent_bytes", ctypes.c_uint)]


sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg


class DatagramBatch:
    """Up to ``room`` datagrams of ``size`` bytes each, all of one socket."""

    def __init__(self, room: int, size: int) -> None:
        self._room, self._size, self._count = room, size, 0
        self._descriptor = -1
        self._datagrams = bytearray(room * size)
        self._names = bytearray(room * _ADDRESS_BYTES)
        self._vectors, self._messages = (_Vector * room)(), (_Message * room)()
        datagrams = ctypes.addressof((ctypes.c_char * len(self._datagrams)).from_buffer(self._datagrams))
        names = ctypes.addressof((ctypes.c_char * len(self._names)).from_buffer(self._names))
        for slot, (vector, message) in enumerate(zip(self._vectors, self._messages, strict=True)):
            vector.base, vector.length = datagrams + slot * size, size
            header = message.header
            header.name, header.name_length = names + slot * _ADDRESS_BYTES, _ADDRESS_BYTES
            header.vector, header.vector_length = ctypes.addressof(vector), 1

    def add(self, descriptor: int, datagram: bytes, address: bytes) -> bool:
        """Add a datagram to a ``struct sockaddr``; return whether it is in, which needs room and the same socket."""
        if self._count == self._room or (self._count and descriptor != self._descriptor):
            return False
        self._descriptor = descriptor
        start, name = self._count * self._size, self._count * _ADDRESS_BYTES
        self._datagrams[start : start + self._size] = datagram
        self._names[name : name + len(address)] = address
        self._count += 1
        return True

    def send(self) -> dict[int, int]:
        """Send all, forget them, and return the error number of each that was not sent, by its place in the batch.

        EAGAIN stands for those that the kernel has no room for now.
        """
        failed: dict[int, int] = {}
        done, count, self._count = 0, self._count, 0
        while done < count:
            rest = ctypes.byref(self._messages, done * ctypes.sizeof(_Message))
            sent = sendmmsg(self._descriptor, rest, count - done, socket.MSG_DONTWAIT)
            if sent > 0:
                done += sent
                continue
            number = ctypes.get_errno()
            if number == errno.EAGAIN:
                failed.update(dict.fromkeys(range(done, count), number))
                break
            # The error is the first datagram's; those after it are tried.
            failed[done] = number
            done += 1
        return failed
