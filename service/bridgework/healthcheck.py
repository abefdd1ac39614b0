"""Ask the service whether it lives: ``python -m bridgework.healthcheck``, for an image that has no curl.

Exits with 0 when ``/livez`` answers 200. Not ``/readyz``: an engine that is down is no reason to restart the service.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys

DEFAULT_BIND = "127.0.0.1:8080"
TIMEOUT_S = 4.0


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)


def connection_to(bind: str) -> http.client.HTTPConnection:
    """Return an unopened connection to gunicorn's ``bind``; to the loopback where ``bind`` is all addresses."""
    if bind.startswith("unix:"):
        return _Unix(bind.removeprefix("unix:"))
    host, _, port = bind.rpartition(":")
    own = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    return http.client.HTTPConnection(own, int(port), timeout=TIMEOUT_S)


def main() -> int:
    """Return the exit status."""
    connection = connection_to(os.environ.get("BRIDGEWORK_BIND") or DEFAULT_BIND)
    try:
        connection.request("GET", "/livez")
        return 0 if connection.getresponse().status == http.client.OK else 1
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
