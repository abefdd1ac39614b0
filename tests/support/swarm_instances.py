"""An instance of the service for each node, inside the node's own namespace; a caller's socket is opened there too."""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bridgework.probes.kernel.setns import enter
from tests.support.spec_validator import validate_wire
from tests.support.swarm_lab import SwarmNode, until
from tools.service import running

PORT = 8080
TOKENS = {"admin": "admin", "peer": "viewer"}


class NamespaceConnection(http.client.HTTPConnection):
    """HTTP from within a network namespace: a socket belongs to the one it was opened in."""

    def __init__(self, namespace, address):
        super().__init__(address, PORT, timeout=60)
        self.namespace = namespace

    def connect(self):
        with ThreadPoolExecutor(1) as pool:  # a thread of its own, which ends where it went
            self.sock = pool.submit(self._opened).result()

    def _opened(self):
        with self.namespace.open("rb") as handle:
            enter(handle.fileno())
        return socket.create_connection((self.host, self.port), self.timeout)


@dataclass
class Instance:
    """One instance and its process."""

    node: SwarmNode
    log: Path
    process: subprocess.Popen | None = None

    def send(self, method, path, body=None, **headers):
        """Status and body of one request by the admin."""
        return self.send_and(method, path, body, lambda: None, **headers)

    def send_and(self, method, path, body, then, **headers):
        """The same; something happens once it is sent, and before it is answered."""
        sent = {"Authorization": "Bearer token-of-admin", **{k.replace("_", "-"): v for k, v in headers.items()}}
        data = None
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body), "application/json"
        connection = NamespaceConnection(self.node.engine.namespace, self.node.address)
        try:
            connection.request(method, path, data, sent)
            then()
            answer = connection.getresponse()
            read = answer.read()
            validate_wire(method, path, answer.status, answer.getheaders(), read)
            return answer.status, read
        finally:
            connection.close()

    def pause(self):
        """Stop it where it stands: connections are taken, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self):
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in (self.process.pid, *map(int, children)):
            os.kill(pid, number)

    def get(self, path, **headers):
        """The answer to a GET that succeeds."""
        return self._good(*self.send("GET", path, **headers))

    def post(self, path, body, **headers):
        """The answer to a POST that succeeds."""
        return self._good(*self.send("POST", path, body, **headers))

    def check(self, source, destination, **fields):
        """A check from a container."""
        to = {"container": destination} if isinstance(destination, str) else destination
        return self.post("/v1/connectivity/checks", {"source": {"container": source}, "destination": to, **fields})

    def _good(self, status, body):
        assert status == http.client.OK, (status, body, self.log.read_text()[-2000:])
        return json.loads(body)


def tokens_document():
    """The tokens file of every instance."""
    entries = [
        {"name": name, "role": role, "project": None, "expires_at": None,
         "sha256": hashlib.sha256(f"token-of-{name}".encode()).hexdigest()}
        for name, role in TOKENS.items()
    ]  # fmt: skip
    return json.dumps({"tokens": entries})


@contextlib.contextmanager
def instance_on(node, peers, folder):
    """The service beside one engine, told of its peers; stopped at the end."""
    folder.mkdir()
    tokens, token = folder / "tokens.json", folder / "peer-token"
    tokens.write_text(tokens_document())
    token.write_text("token-of-peer\n")
    log = folder / "service.log"
    settings = {
        "bind": f"{node.address}:{PORT}", "tokens_file": tokens, "peers": peers, "peer_token_file": token,
    }  # fmt: skip
    inside = ("nsenter", f"--net={node.engine.namespace}", "--")
    with running(node.engine.docker_host, log, settings, inside) as process:
        instance = Instance(node, log, process)
        until(lambda: instance.send("GET", "/readyz")[0] == http.client.OK, "a ready instance", 30)
        yield instance
