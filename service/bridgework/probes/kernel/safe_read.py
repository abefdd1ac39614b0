"""Read a small regular file below a root that somebody else controls, without being led out of it.

openat2(2) with ``RESOLVE_IN_ROOT`` (Linux 5.6) treats the given folder as the root of every link and ``..``. The file
is opened in two steps: first with ``O_PATH``, which opens nothing, and only when it is a regular file for reading. To
open a device or a pipe may block or do something: a container may have a watchdog's device in the place of its hosts
file, and a process outside of the container's device control group would start it by opening it.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from typing import NamedTuple

_SYS_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10
_RESOLVE_NO_MAGICLINKS = 0x02
_LIBC = ctypes.CDLL(None, use_errno=True)


class Text(NamedTuple):
    """What was read; ``cut`` says that the file goes on."""

    text: str
    cut: bool


def open_folder(path: str, folder: int | None = None) -> int:
    """A descriptor that stands for a folder, by its path or by its name in another. Raises ``OSError``."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)


def read_in_root(root: int, path: str, max_bytes: int) -> Text | None:
    """The file's text, at most ``max_bytes`` of it; ``None`` when it cannot be read. ``root`` is a descriptor."""
    try:
        found = _openat2(root, path)
        try:
            return _read(found, max_bytes)
        finally:
            os.close(found)
    except OSError:
        return None


def read_small(descriptor: int, max_bytes: int) -> bytes:
    """What one read(2) gives of a file, which is then closed. Raises ``OSError``."""
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
    said = os.fstat(found)
    if not stat.S_ISREG(said.st_mode):
        return None
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    # No more than its size: a link may lead to a file of /proc (/proc/kmsg), whose size is 0 and which has no end.
    data = read_small(os.open(f"/proc/self/fd/{found}", flags), min(said.st_size, max_bytes))
    return Text(data.decode("utf-8", errors="replace"), cut=said.st_size > max_bytes)
