"""Whether Docker's embedded DNS server can be asked in the calling thread's namespace."""

from __future__ import annotations

import socket

_SERVER = ("127.0.0.11", 53)


def is_served() -> bool | None:
    """Return whether anything takes a datagram to the embedded server; ``None`` where none can be sent.

    The server listens on ports of the kernel's choice, and NAT rules of the namespace lead port 53 there. Without them
    the kernel refuses the datagram. The datagram is empty, which the server ignores.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.connect(_SERVER)
            sock.send(b"")
            # On the loopback, the refusal is there when send returns: the second datagram reports it.
            sock.send(b"")
    except ConnectionRefusedError:
        return False
    except OSError:
        return None
    return True
