"""A matrix on a machine whose neighbour table others use: it is decided, and their traffic loses nothing.

The table belongs to the whole kernel, so other tests have less of it while one of these runs, half a minute at most.
"""

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import Client
from tests.support.engine import folder_in_memory
from tools import engine as private_engine

CONTAINERS, NETWORKS = 150, 38
PAIRS = CONTAINERS * (CONTAINERS - 1)


@pytest.fixture(scope="module")
def crowd(tokens_file):
    """A service before an engine of its own with 150 containers, of which each network has three or four."""
    directory = Path(tempfile.mkdtemp(prefix="bridgework-beside-", dir=folder_in_memory()))
    try:
        with private_engine.PrivateEngine(directory / "engine", f"bridgework-beside-{os.getpid()}") as engine:
            api = docker.APIClient(base_url=engine.docker_host, num_pools=8)
            with ThreadPoolExecutor(max_workers=4) as pool:
                list(pool.map(lambda number: fill(api, number), range(NETWORKS)))
            yield Client(create_app(Settings(tokens_file=tokens_file), EngineAddress(engine.docker_host)))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def fill(api, number):
    pool = docker.types.IPAMPool(subnet=f"10.211.{number}.0/24")
    api.create_network(f"net{number}", ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    for index in range(number, CONTAINERS, NETWORKS):
        config = api.create_host_config(network_mode=f"net{number}")
        made = api.create_container(
            "busybox", ["sleep", "100000"], name=f"c{index}", host_config=config, stop_signal="SIGKILL"
        )
        api.start(made["Id"])


@pytest.mark.parametrize(
    ("number", "state"),
    [
        pytest.param(600, "permanent", id="which the kernel does not count"),
        pytest.param(1500, "permanent", id="more than the limit, which the kernel does not count"),
        pytest.param(900, "reachable", id="which the kernel counts and cannot collect"),
        pytest.param(900, "stale", id="which the kernel counts and collects"),
    ],
)
def test_a_matrix_beside_the_entries_of_others_is_decided(crowd, others, number, state):
    with others:
        others.hold(number, state)
        answer = crowd.post("/v1/connectivity/matrix", {"all": True, "timeout_ms": 2000})
    summary = answer["summary"]
    assert summary["inconclusive"] == 0, summary
    assert summary["pairs"] == PAIRS
    same = sum(
        len(range(at, CONTAINERS, NETWORKS)) * (len(range(at, CONTAINERS, NETWORKS)) - 1) for at in range(NETWORKS)
    )
    assert (summary["reachable"], summary["surprises"]) == (same, 0)
    assert others.talked["sent"] > 100
    assert others.talked["lost"] == 0
