"""A world of random networks and containers on a real engine."""

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import WIDE, Client, names_of_everything, sweep_up
from tests.support.random_plans import World
from tests.support.raw_engine import Raw

SEED = 21


@pytest.fixture
def world(engine, tokens_file, request):
    """The parameter of the fixture is the seed."""
    wide = Settings(tokens_file=tokens_file, **WIDE)
    client = Client(create_app(wide, EngineAddress(engine.docker_host)))
    before = names_of_everything(client)
    made = World(client, getattr(request, "param", SEED), Raw(engine))
    made.begin()
    yield made
    made.foreign.close()
    sweep_up(client, spare=before)
