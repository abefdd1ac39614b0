"""The service before an engine in memory, for the tests that ask it something."""

import functools
import json
import os

import pytest
from hypothesis import settings

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import TOKENS, Client, entry
from tests.support.fake_engine import BlindRunner, FakeEngine
from tests.support.scripted_server import Scripted

# A busy machine makes any example late, so there is no deadline. A quarter of hypothesis's examples takes a quarter of
# its time. `make test-all PARTS=random` sets HYPOTHESIS_PROFILE=thorough. `make check` sets `repeatable`: a gate on
# coverage should not depend on which examples were drawn.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def tokens_in(folder):
    path = folder / "tokens.json"
    path.write_text(json.dumps({"tokens": [entry(name, *what) for name, what in TOKENS.items()]}))
    return path


def client_of(tokens, engine=None, **settings):
    """A caller of an application of its own, whose engine is within reach as ``client.engine``."""
    engine = engine or FakeEngine()
    given = Settings(tokens_file=tokens, **settings)
    client = Client(create_app(given, EngineAddress("unix:///nowhere"), engine=engine, runner=BlindRunner()))
    client.engine = engine
    return client


@pytest.fixture
def tokens(tmp_path):
    return tokens_in(tmp_path)


@pytest.fixture
def make(tokens):
    """Make a client whose application has other settings."""
    return functools.partial(client_of, tokens)


@pytest.fixture
def client(make):
    return make()


@pytest.fixture(scope="session")
def shared_application(tmp_path_factory):
    folder = tmp_path_factory.mktemp("application")
    return client_of(tokens_in(folder), rate_per_minute=1_000_000, state_dir=folder)


@pytest.fixture
def shared_client(shared_application):
    """A client of one application, before an engine as new; for tests that leave nothing else in the application.

    Making an application takes 12 ms.
    """
    shared_application.engine.reset()
    return shared_application


@pytest.fixture
def scripted():
    """Start servers that answer what a test tells them."""
    made = []

    def one(*connections, **how):
        made.append(Scripted(*connections, **how))
        return made[-1]

    yield one
    for server in made:
        server.close()
