"""Reads small regular files below a root that a container controls, and never leaves that root.

The path is followed name by name, with the given folder as the root of every link and ``..``, as openat2(2) does with
``RESOLVE_IN_ROOT``. That call itself is not used: where systemd restricts files with setuid bits (``RestrictSUIDSGID``,
which ``DynamicUser`` implies), it answers ENOSYS, because its flags are in memory that a filter cannot see. A link of
/proc is followed by its text, never by what the kernel has behind it.

The file is opened twice: with ``O_PATH``, which has no effect on it, and for reading only when it is a regular file.
Opening a device or a pipe can block or have effects: a container can put a watchdog device in place of its hosts file,
and opening it would start the watchdog.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

# Names and links on the way to one file. A container can nest any number; each name on the way is an open descriptor.
_MAX_STEPS = 64


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
        descriptor = _open_in_root(root, path)
        try:
            return _read(descriptor, max_bytes)
        finally:
            os.close(descriptor)
    except OSError:
        return None


def is_no_regular_file(root: int, path: str) -> bool:
    """Whether something else is there than a regular file, such as a pipe, a device or a folder."""
    try:
        descriptor = _open_in_root(root, path)
    except OSError:
        return False
    try:
        return not stat.S_ISREG(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def read_small(descriptor: int, max_bytes: int) -> bytes:
    """Read the file once (read(2)) and close it. Raises ``OSError``."""
    try:
        return os.read(descriptor, max_bytes)
    finally:
        os.close(descriptor)


def _open_in_root(root: int, path: str) -> int:
    """Return an ``O_PATH`` descriptor of what the path leads to below ``root``. Raises ``OSError``."""
    way = [root]  # the folders passed: ``..`` goes back along them, also when a folder was moved meanwhile
    left = path.split("/")[::-1]
    try:
        for _ in range(_MAX_STEPS):
            if not left:
                return os.dup(way[-1])
            name = left.pop()
            if name == "..":
                _close(way, max(1, len(way) - 1))
            elif name not in {"", "."}:
                way.append(os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=way[-1]))
            if stat.S_ISLNK(os.fstat(way[-1]).st_mode):
                target = os.readlink("", dir_fd=way[-1])
                _close(way, 1 if target.startswith("/") else len(way) - 1)
                left += target.split("/")[::-1]
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    finally:
        _close(way, 1)


def _close(way: list[int], kept: int) -> None:
    while len(way) > kept:
        os.close(way.pop())


def _read(descriptor: int, max_bytes: int) -> Text | None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    # Never more than its size: a link can lead to a file of /proc, which has size 0 and no end (/proc/kmsg).
    data = read_small(os.open(f"/proc/self/fd/{descriptor}", flags), min(status.st_size, max_bytes))
    return Text(data.decode("utf-8", errors="replace"), cut=status.st_size > max_bytes)
