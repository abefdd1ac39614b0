"""The compose files: valid, and brought up for real on the tests' engine, proxy and all, in both ways of probing."""

import http.client
import io
import json
import re
import shutil
import socket
import ssl
import tarfile
from pathlib import Path

import pytest

from bridgework.probes.kernel.setns import run_inside
from tests.support.api import Client, check, run
from tests.support.deployment import DEPLOY, ROOT, Remote, certificate, docker, install, sh, sweep_up_but, wait_for
from tools import engine as private_engine

FILES = [DEPLOY / "docker-compose.yml", DEPLOY / "docker-compose.namespace.yml"]
PAGE = ROOT / "docs" / "deployment.md"
PROXY = "bridgework-test-nginx:latest"
PORT = 8443
OWN = {"bridgework-bridgework-1", "bridgework-proxy-1", "bridgework_default"}


def image_of_nginx():
    """Debian's nginx and the libraries it loads, as an archive: what stands in for the image that needs a registry."""
    nginx = Path(private_engine.run("sh", "-c", "command -v nginx || echo /usr/sbin/nginx").stdout.strip())
    libraries = [word for word in sh("ldd", str(nginx)).split() if word.startswith("/")]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        for path in {str(nginx), *libraries}:
            archive.add(path, arcname=path.lstrip("/"))
        for folder in ("etc/nginx", "run/secrets", "tmp", "var/log/nginx"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            archive.addfile(entry)
    return buffer.getvalue()


class InEngine(http.client.HTTPSConnection):
    """TLS to a port that is published in the engine's own network."""

    def __init__(self, engine, context):
        super().__init__("localhost", PORT, timeout=30)
        self.engine = engine
        self.context = context

    def connect(self):
        with self.engine.namespace.open() as namespace:
            plain = run_inside(namespace.fileno(), lambda: socket.create_connection(("127.0.0.1", PORT), timeout=30))
        self.sock = self.context.wrap_socket(plain, server_hostname="localhost")


def install_secrets(folder, tokens_file):
    """Put the files where docs/deployment.md says, by its own lines, which give them their owners and modes."""
    shutil.copy(tokens_file, folder / "tokens.json")
    certificate(folder)
    lines = re.findall(r"^# (install .* )deploy/secrets(/\S*)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) == 2
    for command, place in lines:
        sh("sh", "-c", f"{command}{folder}/secrets{place}", cwd=folder)
    return folder / "secrets"


@pytest.fixture(scope="module")
def stack(engine, image, tokens_file, tmp_path_factory):
    """How compose is called, and how the service is asked through the proxy."""
    install("docker-compose", "nginx", "openssl")
    make = f"/images/create?fromSrc=-&repo={PROXY.partition(':')[0]}&tag=latest&changes=ENV%20PATH%3D/usr/sbin"
    status, body = private_engine.ask(engine.socket, "POST", make, image_of_nginx())
    assert status == 200, body
    secrets = install_secrets(tmp_path_factory.mktemp("host"), tokens_file)
    environment = {
        "DOCKER_HOST": engine.docker_host,
        "DOCKER_GID": str(engine.socket.stat().st_gid),
        "DOCKER_SOCKET": str(engine.socket),
        "BRIDGEWORK_IMAGE": image,
        "PROXY_IMAGE": PROXY,
        "PORT": str(PORT),
        "SECRETS": str(secrets),
    }

    def compose(*arguments, files=FILES[:1]):
        chosen = [word for file in files for word in ("--file", str(file))]
        return sh("docker-compose", *chosen, *arguments, env=environment)

    context = ssl.create_default_context(cafile=str(secrets / "tls.crt"))
    yield compose, Remote(lambda: InEngine(engine, context))
    compose("down", "--volumes", "--timeout", "2", files=FILES)


@pytest.mark.parametrize("files", [FILES[:1], FILES])
def test_they_are_valid(files):
    install("docker-compose")
    chosen = [word for file in files for word in ("--file", str(file))]
    found = json.loads(sh("docker-compose", *chosen, "config", "--format", "json", env={"DOCKER_GID": "999"}))
    assert set(found["services"]) == {"bridgework", "proxy"}
    assert "ports" not in found["services"]["bridgework"]
    for service in found["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize(("way", "files"), [("sidecar", FILES[:1]), ("namespace", FILES)])
def test_they_come_up_and_work(engine, stack, way, files):
    compose, remote = stack
    compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", "60", files=files)
    wait_for(lambda: remote.status("/readyz") == 200, what="the proxy")
    client = Client(remote)
    assert client.get("/readyz")["probe_runner"]["kind"] == way
    run(client, "left")
    run(client, "right")
    assert check(client, "left", "right")["verdict"] == "reachable"
    sweep_up_but(client, OWN)
    state = json.loads(docker(engine, "inspect", "bridgework-bridgework-1"))[0]
    assert state["State"]["Health"]["Status"] == "healthy"
    assert state["HostConfig"]["NetworkMode"] == "none"
