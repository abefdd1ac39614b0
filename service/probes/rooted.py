"""Read a small regular file below a root that somebody else controls, without being led out of it.

openat2(2) with ``RESOLVE_IN_ROOT`` (Linux 5.6) treats the given folder as the root of every link and ``..``; the file
is opened without blocking and read only when it is a regular one, so a pipe in its place cannot hold us.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct

_SYS_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10
_RESOLVE_NO_MAGICLINKS = 0x02
_LIBC = ctypes.CDLL(None, use_errno=True)


def read_in_root(root: str, path: str, max_bytes: int) -> str | None:
    """The file's text, at most ``max_bytes`` of it; ``None`` when it cannot be read."""
    try:
        folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _read(_openat2(folder, path), max_bytes)
    except OSError:
        return None
    finally:
        os.close(folder)


def _openat2(folder: int, path: str) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    how = struct.pack("=QQQ", flags, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    arguments = (ctypes.c_int(folder), ctypes.c_char_p(os.fsencode(path)), how, ctypes.c_size_t(len(how)))
    descriptor: int = _LIBC.syscall(ctypes.c_long(_SYS_OPENAT2), *arguments)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


def _read(descriptor: int, max_bytes: int) -> str | None:
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return (file.read(max_bytes) or b"").decode("utf-8", errors="replace")
