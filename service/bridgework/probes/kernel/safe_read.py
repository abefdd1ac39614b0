"""Reads small regular files below a root that a container controls, and never leaves that root.

openat2(2) with ``RESOLVE_IN_ROOT`` (Linux 5.6) uses the given folder as the root of every link and ``..``. The file is
opened twice: with ``O_PATH``, which has no effect on it, and for reading only when it is a regular file. Opening a
device or a pipe can block or have effects: a container can put a watchdog device in place of its hosts file, and
opening it would start the watchdog.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

_SYS_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10
_RESOLVE_NO_MAGICLINKS = 0x02
_LIBC = ctypes.CDLL(None, use_errno=True)


class Text(NamedTuple):
    """The text that was read; ``cut`` says that the file is longer."""

    text: str
    cut: bool


def open_folder(path: str, folder: int | None = None) -> int:
    """Return an ``O_PATH`` descriptor of a folder, by its path or by its name in another. Raises ``OSError``."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)


@contextmanager
def opened(path: str, flags: int = os.O_RDONLY, folder: int | None = None) -> Iterator[int]:
    """Open a descriptor, by path or by name in a folder, and close it on leaving. Raises ``OSError``."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_in_root(root: int, path: str, max_bytes: int) -> Text | None:
    """Return up to ``max_bytes`` of the file; ``None`` when it cannot be read. ``root`` is a descriptor."""
    try:
        found = _openat2(root, path)
        try:
            return _read(found, max_bytes)
        finally:
            os.close(found)
    except OSError:
        return None


def is_no_regular_file(root: int, path: str) -> bool:
    """Whether something else is there than a regular file, such as a pipe, a device or a folder."""
    try:
        found = _openat2(root, path)
    except OSError:
        return False
    try:
        return not stat.S_ISREG(os.fstat(found).st_mode)
    finally:
        os.close(found)


def read_small(descriptor: int, max_bytes: int) -> bytes:
    """Read the file once (read(2)) and close it. Raises ``OSError``."""
    try:
        return os.read(descriptor, max_bytes)
    finally:
        os.close(descriptor)


def _openat2(folder: int, path: str) -> int:
    how = struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    arguments = (ctypes.c_int(folder), ctypes.c_char_p(os.fsencode(path)), how, ctypes.c_size_t(len(how)))
    descriptor: int = _LIBC.syscall(ctypes.c_long(_SYS_OPENAT2), *arguments)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


def _read(found: int, max_bytes: int) -> Text | None:
    status = os.fstat(found)
    if not stat.S_ISREG(status.st_mode):
        return None
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    # Never more than its size: a link can lead to a file of /proc, which has size 0 and no end (/proc/kmsg).
    data = read_small(os.open(f"/proc/self/fd/{found}", flags), min(status.st_size, max_bytes))
    return Text(data.decode("utf-8", errors="replace"), cut=status.st_size > max_bytes)
