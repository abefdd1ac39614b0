"""The fixtures that all tests share: one real engine for each process, and the service before it."""

import gc
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import TOKENS, WIDE, Client, entry, names_of_everything, sweep_up
from tests.support.engine import ENGINE_PROGRAMS, folder_in_memory, left_behind
from tests.support.spec_validator import pytest_sessionfinish, pytest_testnodedown, watch_clients
from tools.engine import PrivateEngine, ask

__all__ = ["pytest_sessionfinish", "pytest_testnodedown"]

# A container's start runs six programs written in Go; without garbage collection below 256 MiB each, and with the
# engine's data in memory, it takes 15 % less processor time (200 and 170 ms measured).
os.environ.setdefault("GOGC", "off")
os.environ.setdefault("GOMEMLIMIT", "256MiB")

QUICK = ("tests/unit/", "tests/engine/")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what ``make test`` leaves out: whatever is in another folder, and what must run alone or for long."""
    for item in items:
        if not item.nodeid.startswith(QUICK) or {"quiet", "long"} & {mark.name for mark in item.iter_markers()}:
            item.add_marker("slow")
    # xdist hands out whole files in this order: the largest ones first, so that no worker has one left at the end.
    items.sort(key=place_in_the_run)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Spare Python's garbage collector the tests themselves and all modules; they stay until the end.

    Going through them took 23 s in one run of ``make test``, over all processes.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def place_in_the_run(item):
    """Tests with an engine before the others, large files before small ones; within a file nothing changes."""
    return item.nodeid.startswith("tests/unit/"), -item.path.stat().st_size, str(item.path)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind(request):
    yield
    if all(item.nodeid.startswith("tests/unit/") for item in request.session.items):
        return  # a machine that runs only these need not have iproute2
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
    directory = Path(tempfile.mkdtemp(prefix="bridgework-tests-", dir=folder_in_memory()))
    try:
        name = f"bridgework-tests-{os.getpid()}"
        with PrivateEngine(directory / "engine", name, programs=ENGINE_PROGRAMS) as made:
            yield made
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def api_version(engine):
    """The newest API version that the engine speaks, as ``(1, 45)`` (see tests/support/engine_versions.py)."""
    answer = json.loads(ask(engine.socket, "GET", "/version")[1])
    return tuple(int(part) for part in answer["ApiVersion"].split("."))


@pytest.fixture(scope="session")
def tokens_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokens.json"
    path.write_text(json.dumps({"tokens": [entry(name, *what) for name, what in TOKENS.items()]}))
    return path


@pytest.fixture(scope="session")
def app(engine, tokens_file):
    settings = Settings(tokens_file=tokens_file, stop_grace_s=1, **WIDE)
    return create_app(settings, EngineAddress(engine.docker_host))


@pytest.fixture
def api(app):
    """An admin's client; what the test made is gone afterwards, and what was there before stays."""
    client = Client(app)
    before = names_of_everything(client)
    yield client
    sweep_up(client, spare=before)


@pytest.fixture(scope="module")
def module_api(app):
    """An admin's client for what all tests of a module share; it is gone after the last of them."""
    client = Client(app)
    yield client
    sweep_up(client)
