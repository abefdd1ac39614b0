"""HTTP to an engine over its unix socket, with nothing but the standard library."""

import http.client
import socket
from pathlib import Path

ASK_SECONDS = 30.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        """Open the unix socket in the place of a TCP one."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(
    path: Path, method: str, url: str, body: bytes | None = None, content_type: str = "application/x-tar"
) -> tuple[int, bytes]:
    """Make one request to an engine and return status and body; OSError when nobody answers."""
    connection = UnixConnection(path, ASK_SECONDS)
    try:
        connection.request(method, url, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer on {path}") from error
    finally:
        connection.close()


def answers(path: Path) -> bool:
    """Whether an engine answers on a unix socket, at once."""
    try:
        return ask(path, "GET", "/_ping")[0] == http.client.OK
    except OSError:
        return False
