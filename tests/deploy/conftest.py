"""What deployment tests stand on: the image, built for real, and a live service behind the proxy as it is shipped."""

import os
import re
from contextlib import contextmanager

import pytest

from tests.support.api import Client
from tests.support.deployment import (
    DEPLOY,
    IMAGE,
    ROOT,
    Front,
    at_socket,
    certificate,
    docker,
    install,
    process,
    sh,
    wait_for,
)
from tools.service import COMMAND, free_port

# A story told on a container fails with the same words as at home.
pytest.register_assert_rewrite("tests.engine.test_story")


@pytest.fixture(scope="session")
def image(engine):
    """The Dockerfile's image on the tests' engine; its layers are kept for the next run."""
    install("docker", "debootstrap")
    archive = ROOT / ".bridgework" / "image" / f"test-{os.getpid()}.tar"
    try:
        sh(str(ROOT / "scripts" / "build-image"), "--base", "local", "--tag", IMAGE, "--output", str(archive))
        docker(engine, "load", "--input", str(archive))
    finally:
        archive.unlink(missing_ok=True)
    return IMAGE


@pytest.fixture(scope="session")
def live(engine, tokens_file, tmp_path_factory):
    """The service with two workers on a socket, as the systemd unit has it."""
    folder = tmp_path_factory.mktemp("live")
    settings = {
        "BRIDGEWORK_BIND": f"unix:{folder}/http.sock",
        "BRIDGEWORK_TOKENS_FILE": str(tokens_file),
        "BRIDGEWORK_WORKERS": "2",
        "BRIDGEWORK_THREADS": "8",
        "BRIDGEWORK_PROXIES": "1",
        "DOCKER_HOST": engine.docker_host,
    }
    with process(*COMMAND, log=folder / "log", env=settings):
        service = at_socket(folder / "http.sock")
        service.log = folder / "log"
        wait_for(lambda: service.status("/readyz") == 200, what="the service")
        yield service


@contextmanager
def proxy_before(service, folder):
    """nginx with the shipped configuration; only where its files lie and its port differ."""
    install("nginx", "openssl")
    _, authority = certificate(folder)
    port = free_port()
    shipped = (DEPLOY / "nginx" / "nginx.conf").read_text()
    moved = {"/run/secrets/": f"{folder}/", "8443": str(port), "/run/bridgework/http.sock": service.connect().path}
    moved |= dict.fromkeys(re.findall(r" (/[a-z]+/)(?=[a-z_.]+;)", shipped), f"{folder}/")
    here = re.sub("|".join(map(re.escape, moved)), lambda found: moved[found.group()], shipped)
    configuration = folder / "nginx.conf"
    configuration.write_text(f"daemon off;\n{'user root;' if os.geteuid() == 0 else ''}\n{here}")
    sh("nginx", "-t", "-c", str(configuration))
    with process("nginx", "-c", str(configuration), log=folder / "log"):
        made = Front(port, authority)
        wait_for(lambda: made.remote.status("/livez") != 0, what="the proxy")
        yield made


@pytest.fixture(scope="session")
def front(live, tmp_path_factory):
    """The proxy before the live service."""
    with proxy_before(live, tmp_path_factory.mktemp("proxy")) as made:
        yield made


@pytest.fixture
def front_of_nothing(tmp_path):
    """The proxy while the service is away."""
    with proxy_before(at_socket(tmp_path / "nothing.sock"), tmp_path) as made:
        yield made


@pytest.fixture
def admin(front):
    return Client(front.remote)
