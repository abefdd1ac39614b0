"""How a listening socket stops taking connections without breaking one that it has taken.

Closing a listener resets whoever is in its queue, and between a last look and the closing somebody always comes. So the
kernel is told first to ignore new ones (a SYN without ACK, RFC 9293 3.1): those try again in a second, and are refused.
Only when the whole service ends: after a reload the same socket serves on in other workers.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from pathlib import Path
from typing import Any

_ATTACH_FILTER = 26
_LOAD_BYTE, _AND, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
_FLAGS_OFFSET, _SYN_AND_ACK, _SYN = 13, 0x12, 0x02
_PASS, _DROP = 0xFFFFFFFF, 0
_PROGRAM = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (_LOAD_BYTE, 0, 0, _FLAGS_OFFSET),
        (_AND, 0, 0, _SYN_AND_ACK),
        (_JUMP_IF_EQUAL, 0, 1, _SYN),
        (_RETURN, 0, 0, _DROP),
        (_RETURN, 0, 0, _PASS),
    )
)


def announce(listener: Any, master: int) -> bool:
    """Take no new connections from now on, unless the master still listens, as it does after a reload.

    Whether this is the socket's end, so that whoever is in its queue is lost unless it is taken.
    """
    sock: socket.socket = listener.sock
    if _holds(master, os.fstat(sock.fileno()).st_ino):
        return False
    if sock.family == socket.AF_UNIX:
        return True  # nobody can find it any more: the master removed its file
    program = ctypes.create_string_buffer(_PROGRAM, len(_PROGRAM))
    length = len(_PROGRAM) // struct.calcsize("HBBI")
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", length, ctypes.addressof(program)))
    return True


def _holds(pid: int, inode: int) -> bool:
    """Whether the process has the socket open; one that is gone has not, one that cannot be looked at may."""
    try:
        return any(_target(entry) == f"socket:[{inode}]" for entry in Path(f"/proc/{pid}/fd").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:
        return True


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""
