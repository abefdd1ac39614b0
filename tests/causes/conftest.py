"""The estate of the faults, made once for each process."""

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.causes.world import World
from tests.support.api import WIDE, Client, sweep_up
from tests.support.neighbour import ADDRESS, ADDRESS6, neighbour_of


@pytest.fixture(scope="module")
def world(engine, tokens_file):
    """Faults are made and taken back in it, one after another."""
    allowed = [f"{ADDRESS}/32", f"{ADDRESS6}/128"]
    settings = Settings(tokens_file=tokens_file, stop_grace_s=1, probe_allowed_cidrs=allowed, **WIDE)
    client = Client(create_app(settings, EngineAddress(engine.docker_host)))
    with neighbour_of(engine) as beside:
        made = World(client, engine, beside)
        yield made
        made.stop(keep=0)
        sweep_up(client)
