"""What deployment tests have in common: Debian's programs, the image, services of several kinds and how to ask them."""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse, create_environ
from werkzeug.wrappers import Request

from tools import engine as private_engine

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
IMAGE = "bridgework:test"
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
PACKAGE_OF = {"docker": "docker-cli", "docker-compose": "docker-compose", "nginx": "nginx", "promtool": "prometheus"}


def install(*programs):
    """Debian's packages of these programs, where they are missing; no service of theirs is started."""
    packages = [PACKAGE_OF.get(name, name) for name in programs if shutil.which(name, path=PATH) is None]
    if packages:
        apt = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300")
        private_engine.run(*apt, "update")
        with private_engine.no_services_started():
            private_engine.run(*apt, "install", "--yes", "--no-install-recommends", *packages)


def sh(*command, check=True, **kwargs):
    """A program's output; a failure shows it."""
    environment = {**os.environ, "PATH": PATH, **kwargs.pop("env", {})}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, **kwargs)
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout if check else done


def docker(engine, *arguments, **kwargs):
    return sh("docker", "--host", engine.docker_host, *arguments, **kwargs)


def wait_for(condition, seconds=30, what="it"):
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not come about within {seconds} s"
        time.sleep(0.1)


# -- asking ------------------------------------------------------------------------------------------------------


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


@dataclass
class Remote:
    """A service somewhere else, in the form that ``conftest.Client`` drives."""

    connect: Callable[[], Any]
    log: Path | None = None

    def test_client(self):
        return self

    def open(self, path, method="GET", headers=None, data=None, content_type=None):
        connection = self.connect()
        sent = {**(headers or {}), **({"Content-Type": content_type} if content_type else {})}
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            body = answer.read()
            asked = Request(create_environ(path, method=method))
            return TestResponse([body], f"{answer.status} {answer.reason}", Headers(answer.getheaders()), asked)
        finally:
            connection.close()

    def status(self, path):
        """The status, or 0 when nobody answers."""
        try:
            return self.open(path).status_code
        except (OSError, http.client.HTTPException):
            return 0


def at_socket(path):
    return Remote(lambda: UnixConnection(path))


# -- the image ---------------------------------------------------------------------------------------------------


def rights_of_the_namespace_way():
    """As the compose file has them, so that what is tested is what is shipped."""
    service = yaml.safe_load((DEPLOY / "docker-compose.namespace.yml").read_text())["services"]["bridgework"]
    return service["cap_add"]


def sidecar_way(engine):
    return ["--group-add", str(engine.socket.stat().st_gid), "--env", f"BRIDGEWORK_PROBE_IMAGE={IMAGE}"]


def namespace_way(*, without=None):
    capabilities = [name for name in rights_of_the_namespace_way() if name != without]
    return ["--user", "0:0", "--pid", "host", *(f"--cap-add={name}" for name in capabilities)]


@contextmanager
def container_of(engine, tokens_file, *options, name="bridgework"):
    """The image, running as the compose file runs it; yields how to ask it."""
    folder = engine.runtime / name
    folder.mkdir(exist_ok=True)
    folder.chmod(0o1777)
    docker(
        engine, "run", "--detach", "--name", name,
        "--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
        "--pids-limit", "256", "--memory", "512m",
        "--volume", f"{engine.socket}:/var/run/docker.sock",
        "--volume", f"{folder}:/run/bridgework",
        "--volume", f"{tokens_file}:/run/secrets/tokens.json:ro",
        "--env", "BRIDGEWORK_BIND=unix:/run/bridgework/http.sock",
        "--env", "BRIDGEWORK_TOKENS_FILE=/run/secrets/tokens.json",
        "--env", "BRIDGEWORK_STOP_GRACE_S=0",
        *options, IMAGE,
    )  # fmt: skip
    remote = at_socket(folder / "http.sock")
    try:
        wait_for(lambda: remote.status("/readyz") == 200, what=name)
        yield remote
    finally:
        docker(engine, "rm", "--force", name)
        (folder / "http.sock").unlink(missing_ok=True)


def sweep_up_but(client, spared):
    """Remove every container and custom network that a story made, but not the service itself."""
    for container in client.get("/v1/containers?limit=1000")["items"]:
        if container["name"] not in spared:
            client.call("DELETE", f"/v1/containers/{container['id']}?force=true")
    for network in client.get("/v1/networks?type=custom&limit=1000")["items"]:
        if network["name"] in spared:
            continue
        client.call("DELETE", f"/v1/networks/{network['id']}?force=true")


# -- processes ---------------------------------------------------------------------------------------------------


@contextmanager
def process(*command, log, env=None, seconds=10):
    """A program that runs as long as the block."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "PATH": PATH, **(env or {})}, cwd=ROOT
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(seconds)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def certificate(folder):
    """A key and a certificate for localhost."""
    key, crt = folder / "tls.key", folder / "tls.crt"
    sh(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-keyout", str(key), "-out", str(crt), "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
    )  # fmt: skip
    return key, crt


@dataclass
class Front:
    """A proxy with TLS before a service."""

    port: int
    authority: Path

    @property
    def context(self):
        return ssl.create_default_context(cafile=str(self.authority))

    @property
    def remote(self):
        return self.asked_from(None)

    def asked_from(self, address):
        """The same, from another address of the loopback."""
        return Remote(
            lambda: http.client.HTTPSConnection(
                "localhost", self.port, context=self.context, timeout=10, source_address=address and (address, 0)
            )
        )
