"""What behaviour tests stand on: one real engine for the session, a service before it, proof that nothing is left."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from bridgework.app import create_app
from bridgework.engine.connection import EngineAddress
from bridgework.policy.access import Role
from bridgework.settings import Settings
from private_engine import PrivateEngine, ask
from spec_validator import pytest_sessionfinish, pytest_testnodedown, validate, watch_clients

TOKENS = {
    "admin": ("admin", None),
    "operator": ("operator", None),
    "viewer": ("viewer", None),
    "alpha": ("operator", "alpha"),
    "beta": ("operator", "beta"),
    "alpha-admin": ("admin", "alpha"),
}

ENGINE_PROGRAMS = Path(os.environ["BRIDGEWORK_TEST_ENGINE"]) if os.environ.get("BRIDGEWORK_TEST_ENGINE") else None
"""A folder with the programs of the engine to test; without it, the machine's own engine (see tests/engines)."""


def in_namespace(engine, *command):
    """Run a program in the engine's network namespace."""
    return subprocess.run(
        ["nsenter", f"--net={engine.namespace}", *command], check=True, capture_output=True, text=True
    )


def neighbour_limit():
    """The kernel's limit of ARP entries; its file, gc_thresh3, is there in the first network namespace alone."""
    told = subprocess.run(["ip", "ntable", "show", "name", "arp_cache"], check=True, capture_output=True, text=True)
    return int(re.search(r"thresh3 (\d+)", told.stdout)[1])


def lives(process):
    """Whether a process runs, or only waits for init to take note of its end."""
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def left_behind():
    """Name what this process's tests left on the machine: all that they make there has the process id in its name."""
    namespaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in namespaces.splitlines()] + [line.split()[1] for line in links.splitlines()]
    return [name for name in names if str(os.getpid()) in re.findall(r"[0-9]+", name)]


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind():
    yield
    for _ in range(50):
        if not left_behind():
            return
        time.sleep(0.2)
    assert left_behind() == []


@pytest.fixture(scope="session", autouse=True)
def _every_answer_is_held_against_the_document():
    with pytest.MonkeyPatch.context() as monkeypatch:
        watch_clients(monkeypatch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _services_do_not_see_the_tests_own_setting():
    """A service refuses to start with a ``BRIDGEWORK_`` variable that it does not know."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("BRIDGEWORK_TEST_ENGINE", raising=False)
        yield


@pytest.fixture(scope="session")
def engine():
    """A real engine of the tests' own."""
    directory = Path(tempfile.mkdtemp(prefix="bridgework-tests-"))
    try:
        name = f"bridgework-tests-{os.getpid()}"
        with PrivateEngine(directory / "engine", name, programs=ENGINE_PROGRAMS) as made:
            yield made
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def api_version(engine):
    """The newest API version that the engine speaks, as ``(1, 45)`` (see tests/engine_versions.py)."""
    answer = json.loads(ask(engine.socket, "GET", "/version")[1])
    return tuple(int(part) for part in answer["ApiVersion"].split("."))


@pytest.fixture(scope="session")
def tokens_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokens.json"
    path.write_text(json.dumps({"tokens": [entry(name, *what) for name, what in TOKENS.items()]}))
    return path


def entry(name, role, project, expires_at=None):
    digest = hashlib.sha256(f"token-of-{name}".encode()).hexdigest()
    return {"name": name, "role": role, "project": project, "sha256": digest, "expires_at": expires_at}


@dataclass
class Client:
    """A caller of the service, in this process: the whole WSGI application, without the socket."""

    app: object
    name: str = "admin"

    def call(self, method, path, body=None, *, status=None, headers=None, **kwargs):
        """Send, check the status when one is expected, answer the parsed body (or the response's text)."""
        response = self.send(method, path, body, headers=headers, **kwargs)
        if status is not None:
            assert response.status_code == status, response.get_data(as_text=True)
        return response.get_json() if (response.mimetype or "").endswith("json") else response.get_data(as_text=True)

    def send(self, method, path, body=None, *, headers=None, **kwargs):
        sent = {"Authorization": f"Bearer token-of-{self.name}", **(headers or {})}
        if body is not None:
            kwargs["data"] = json.dumps(body)
            kwargs["content_type"] = "application/json"
        client = self.app.test_client()
        response = client.open(path, method=method, headers=sent, **kwargs)
        if not isinstance(client, FlaskClient):  # a service elsewhere, in the same form (tests/deploy)
            validate(response, method, path)
        return response

    def get(self, path, **kwargs):
        return self.call("GET", path, status=200, **kwargs)

    def post(self, path, body=None, status=200, **kwargs):
        return self.call("POST", path, body, status=status, **kwargs)

    def put(self, path, body, status=201, **kwargs):
        return self.call("PUT", path, body, status=status, **kwargs)

    def delete(self, path, status=204, **kwargs):
        return self.call("DELETE", path, status=status, **kwargs)

    def send_remedy(self, remedy):
        """Exactly the calls that a finding gives, in their order."""
        for step in remedy["calls"]:
            response = self.send(step["method"], step["path"], step["body"])
            assert response.status_code < 300, (step, response.get_data(as_text=True))

    def as_(self, name):
        return Client(self.app, name)


@pytest.fixture(scope="session")
def app(engine, tokens_file):
    return create_app(Settings(tokens_file=tokens_file, stop_grace_s=1), EngineAddress(engine.docker_host))


@pytest.fixture
def api(app):
    """An admin's client; whatever the test made is gone afterwards."""
    client = Client(app)
    yield client
    sweep_up(client)


def sweep_up(client):
    """Remove every container and custom network, by id."""
    for container in client.get("/v1/containers?limit=1000")["items"]:
        client.call("DELETE", f"/v1/containers/{container['id']}?force=true")
    for network in client.get("/v1/networks?type=custom&limit=1000")["items"]:
        client.call("DELETE", f"/v1/networks/{network['id']}?force=true")


def container(name, *, command=("sleep", "600"), **fields):
    """A create body; busybox's shells wait for no SIGTERM, so tests stop with a grace of nothing."""
    return {"name": name, "image": "busybox", "command": list(command), **fields}


def run(api, name, **fields):
    """A running container."""
    return api.post("/v1/containers", container(name, **fields), status=201)


def check(api, source, destination, **fields):
    """A check between containers by name, or of ``{"name": …}`` and the like."""
    target = {"container": destination} if isinstance(destination, str) else destination
    start = {"container": source} if source != "host" else {"host": True}
    return api.post("/v1/connectivity/checks", {"source": start, "destination": target, **fields})


def codes(findings):
    return [finding["code"] for finding in findings]


__all__ = ["Role", "check", "codes", "container", "pytest_sessionfinish", "pytest_testnodedown", "run"]
