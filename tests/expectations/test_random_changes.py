"""Changes at random: each change of a verdict is told, with its cause, and no other one is.

``EXPECTATIONS_FAULTS``, ``_CONTAINERS``, ``_NETWORKS``, ``_PAIRS`` and ``_SETS`` scale it, and
``_SEED`` is the seed of all that is random. A busy machine needs a longer ``_QUIET_S``. With
``-s`` it prints the figures.
"""

import os
import tempfile
import time
from pathlib import Path

import pytest

from tests.expectations.world import Tally, World, say
from tests.support.engine import folder_in_memory
from tests.support.service import Service


def scale(name, usual):
    return int(os.environ.get(f"EXPECTATIONS_{name}", usual))


@pytest.fixture
def make_service(engine, tokens_file, tmp_path):
    def make(state, **settings):
        return Service(engine.docker_host, tmp_path, tokens_file, {"state_dir": state, **settings})

    return make


@pytest.fixture
def state():
    # In memory: what is measured is not the disk of a busy machine.
    with tempfile.TemporaryDirectory(prefix="bridgework-tests-", dir=folder_in_memory()) as folder:
        yield Path(folder)


def a_world(service, engine):
    sizes = scale("CONTAINERS", 8), scale("NETWORKS", 3), scale("PAIRS", 48), scale("SETS", 2)
    return World(service, engine, scale("SEED", 7), *sizes)


def test_every_change_is_told_with_its_cause(engine, make_service, state):
    with make_service(state, workers=2) as service:
        world = a_world(service, engine)
        tally = Tally()
        try:
            world.begin()
            for fault in world.faults(scale("FAULTS", 24)):
                world.step(fault, tally)
        finally:
            world.end()
            say(str(tally))
            for kind in ("open", "wrong", "missed", "false"):
                for line in getattr(tally, kind):
                    say(f"  {kind}: {line}")
        assert tally.missed == []
        assert tally.false == []
        assert tally.wrong == []
        assert tally.right >= 0.9 * len(tally.delays)


def processor_seconds(service):
    fields = [Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split() for worker in service.workers()]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def resident_mib(service):
    pages = [int(Path(f"/proc/{worker}/statm").read_text().split()[1]) for worker in service.workers()]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_watch_that_sees_nothing_costs_little(engine, make_service, state):
    """Only the figures: the processor's time of a service with expectations, beside the same one without."""
    seconds = scale("IDLE_S", 20)
    with make_service(state) as service:
        world = a_world(service, engine)
        try:
            world.begin()
            figures = {"with": measured(service, seconds)}
            world.keep_nothing()
            figures["without"] = measured(service, seconds)
        finally:
            world.end()
    for name, (share, size) in figures.items():
        say(f"{name} {len(world.expectations)} expectations: {100 * share:.2f} % of a processor, {size:.0f} MiB")


def measured(service, seconds):
    time.sleep(2)
    began, used = time.monotonic(), processor_seconds(service)
    time.sleep(seconds)
    return (processor_seconds(service) - used) / (time.monotonic() - began), resident_mib(service)
