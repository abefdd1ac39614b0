"""The service before an engine in memory, for the tests that ask it something."""

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


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"tokens": [entry(name, *what) for name, what in TOKENS.items()]}))
    return path


@pytest.fixture
def make(tokens):
    """An application with other settings, its engine within reach as ``client.engine``."""

    def one(engine=None, **settings):
        engine = engine or FakeEngine()
        given = Settings(tokens_file=tokens, **settings)
        client = Client(create_app(given, EngineAddress("unix:///nowhere"), engine=engine, runner=BlindRunner()))
        client.engine = engine
        return client

    return one


@pytest.fixture
def client(make):
    return make()


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
