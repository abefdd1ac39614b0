"""Between the service and the engine: counts the calls that pass, and can lose the answers of some of them.

``python -m tests.support.engine_proxy LISTEN ENGINE RECORD`` runs it as a program that writes each call to a file. When
it runs in the engine's network namespace, a service that asks the kernel who serves the socket finds that namespace.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import socketserver
import sys
import tempfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path

ID = re.compile(r"/[0-9a-f]{64}")
PREFIX = re.compile(r"^/v(1\.\d+)")


class _Upstream(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=60)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def setup(self):
        self.client_address = ("unix", 0)
        super().setup()
        self.upstream = _Upstream(str(self.server.proxy.engine))

    def finish(self):
        self.upstream.close()
        super().finish()

    def handle_one_request(self):
        with contextlib.suppress(ConnectionError):
            return super().handle_one_request()
        self.close_connection = True
        return None

    def relay(self):
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy.note(self.command, self.path)
        self.upstream.request(self.command, self.path, body or None, dict(self.headers))
        answer = self.upstream.getresponse()
        if proxy.loses(self.command, self.path):
            answer.read()
            self.close_connection = True
            if proxy.hangs:
                proxy.over.wait(30)
            return
        self._pass_on(answer)

    def __getattr__(self, name):
        if name.startswith("do_"):  # whatever the method
            return self.relay
        raise AttributeError(name)

    def _pass_on(self, answer):
        self.send_response_only(answer.status)
        if answer.getheader("Content-Type"):
            self.send_header("Content-Type", answer.getheader("Content-Type"))
        if answer.length is not None:
            self.send_header("Content-Length", str(answer.length))
            self.end_headers()
            self.wfile.write(answer.read())
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := answer.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: EngineProxy


class EngineProxy:
    """A context manager; ``docker_host`` is where the service finds it."""

    def __init__(self, engine_socket, *, listen=None, record=None):
        self.engine = Path(engine_socket)
        self._listen, self._record = listen, record
        self.calls = Counter()
        self.versions = set()
        self.over = threading.Event()
        self.hangs = False
        self._lost = None
        self._left = 0
        self._lock = threading.Lock()

    def __enter__(self):
        # A program that is told where to listen is ended by a signal, so it would leave a folder of its own behind.
        self._folder = None if self._listen else tempfile.TemporaryDirectory(prefix=f"bw-proxy-{os.getpid()}-")
        path = str(self._listen or f"{self._folder.name}/engine.sock")
        self._server = _Server(path, _Handler)
        self._server.proxy = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.docker_host = f"unix://{path}"
        return self

    def __exit__(self, *_):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        if self._folder:
            self._folder.cleanup()

    def lose(self, method, path, *, times=1, hang=False):
        """Let the engine do what is asked, and lose its answer: break the connection, or say nothing for ever."""
        with self._lock:
            self._lost, self._left, self.hangs = (method, re.compile(path)), times, hang

    def loses(self, method, path):
        with self._lock:
            if not self._left or self._lost[0] != method or not self._lost[1].search(path):
                return False
            self._left -= 1
            return True

    def note(self, method, path):
        with self._lock:
            if self._record is not None:
                self._record.write(f"{method} {path}\n")
                self._record.flush()
            self.versions.update(PREFIX.findall(path))
            self.calls[f"{method} {ID.sub('/{id}', PREFIX.sub('', path.partition('?')[0]))}"] += 1

    def counted(self):
        """The calls since the last time, and from now on anew."""
        with self._lock:
            found, self.calls = self.calls, Counter()
        return found


def main(listen, engine, record):
    """Serve until the process is ended."""
    with Path(record).open("a") as file, EngineProxy(engine, listen=listen, record=file):
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
