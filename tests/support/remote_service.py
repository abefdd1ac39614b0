"""The service as it runs for people: gunicorn with workers, on a port, before an engine."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from tests.support.spec_validator import validate_wire

ROOT = Path(__file__).resolve().parents[2]


class Remote:
    """A caller over HTTP, a connection for each call."""

    def __init__(self, port, name="admin"):
        self.port = port
        self.name = name

    def send(self, method, path, body=None, headers=None):
        """Status, headers, parsed body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Authorization": f"Bearer token-of-{self.name}", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            text = answer.read()
            validate_wire(method, path, answer.status, answer.getheaders(), text)
            return answer.status, dict(answer.getheaders()), json.loads(text) if text else None
        finally:
            connection.close()


@contextmanager
def served(docker_host, tokens_file, **settings):
    """A service with these settings; ended, and by force if need be, at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Without the tests' own settings, such as BRIDGEWORK_TEST_ENGINE: a service refuses a setting it does not know.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGEWORK_")}
    environment = {
        **kept,
        "DOCKER_HOST": docker_host,
        "BRIDGEWORK_BIND": f"127.0.0.1:{port}",
        "BRIDGEWORK_TOKENS_FILE": str(tokens_file),
        "BRIDGEWORK_RATE_PER_MINUTE": "1000000",
        "BRIDGEWORK_STOP_GRACE_S": "0",
        **{f"BRIDGEWORK_{name.upper()}": str(value) for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:bridgework.gunicorn_conf", "bridgework.wsgi:app"]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        remote = Remote(port)
        _await(remote, server)
        yield remote
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await(remote, server):
    end = time.monotonic() + 30
    while True:
        assert server.poll() is None, "the service ended at once"
        assert time.monotonic() < end, "the service did not come up"
        try:
            if remote.send("GET", "/livez")[0] == http.client.OK:
                return
        except ConnectionError:
            pass
        time.sleep(0.1)
