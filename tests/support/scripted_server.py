"""A server that answers what a test tells it, connection by connection, and keeps what it was asked."""

import contextlib
import json
import socket
import threading

CLOSE = b""
"""Close the connection without an answer."""


def answer(status, document=None, *, media_type="application/json", **headers):
    body = b"" if document is None else json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", f"Content-Type: {media_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def problem(status, code, **headers):
    document = {"status": status, "code": code, "title": code, "detail": f"{code}, it says."}
    return answer(status, document, media_type="application/problem+json", **headers)


def stream(*lines, media_type="application/x-ndjson"):
    """An answer whose end is the end of the connection."""
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {media_type}\r\n\r\n"
    return head.encode() + "".join(f"{line}\n" for line in lines).encode()


class Scripted:
    """``answers`` is a list of connections; each is a list of answers, and the connection is closed after the last."""

    def __init__(self, *connections, listener=None):
        self.requests = []
        self._socket = listener or socket.create_server(("127.0.0.1", 0))
        self._open = self._socket
        self._connections = connections
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self):
        for answers in self._connections:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # the test is over
                return
            self._open = connection
            with connection, connection.makefile("rb") as incoming:
                for one in answers:
                    request = read_request(incoming)
                    if request is None:
                        break
                    self.requests.append(request)
                    connection.sendall(one)

    def close(self):
        for waiting in (self._socket, self._open):
            with contextlib.suppress(OSError):
                waiting.shutdown(socket.SHUT_RDWR)  # ends the accept, or the read, that waits
        self._thread.join()
        self._socket.close()


def read_request(incoming):
    first = incoming.readline().decode()
    if not first:
        return None
    method, target, _ = first.split(" ")
    headers = {}
    while line := incoming.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = incoming.read(int(headers.get("content-length", 0)))
    return method, target, headers, json.loads(body) if body else None
