"""The service before an engine in memory, for the tests that ask it something."""

import json

import pytest
from hypothesis import settings

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import TOKENS, Client, entry
from tests.support.fake_engine import BlindRunner, FakeEngine

settings.register_profile("unit", deadline=None)  # a busy machine makes any example late
settings.load_profile("unit")


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
