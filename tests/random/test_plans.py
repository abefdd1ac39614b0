"""Random plans: the predicted difference equals the measured one in every pair, and the engine is as foreseen.

The world walks from plan to plan (``support/random_plans``). Before and after each plan every pair is measured, by ping
and at one TCP port; the pairs whose measured verdict changed must be those that the plan named.
"""

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import Client, names_of_everything, sweep_up
from tests.support.random_plans import PORT, World, shape, subnets_of_the_engine

SEED = 21
FEW, MANY = 25, 500
TRIES = 4
"""A program that was just started may not listen yet, so what differs is measured again."""


@pytest.fixture
def world(engine, tokens_file):
    wide = Settings(tokens_file=tokens_file, rate_per_minute=10_000_000)
    client = Client(create_app(wide, EngineAddress(engine.docker_host)))
    before = names_of_everything(client)
    made = World(client, SEED)
    made.begin()
    yield made
    sweep_up(client, spare=before)


def predicted_of(plan):
    """The pairs of containers that the plan says change, by names; and those of which it cannot say."""
    names = {c.id: c.name for s in (plan.before.snapshot, plan.after.snapshot) for c in s.containers}
    found = {}
    for one in plan.difference.pairs:
        service = one.pair.service
        if one.pair.source and one.pair.destination and service.port in {None, PORT}:
            key = names[one.pair.source], names[one.pair.destination], service.protocol.value
            found[key] = one.before.value, one.after.value
    return found


def differences(plan, before, after):
    """The pairs in which the plan and the measurements disagree."""
    predicted = predicted_of(plan)
    untold = untold_containers(plan)
    gone = dict.fromkeys(before.keys() | after.keys(), "unreachable")
    before, after = gone | before, gone | after
    measured = {
        key: (before[key], after[key])
        for key in gone
        if before[key] != after[key] and "self" not in (before[key], after[key])
    }
    return {
        key: (predicted.get(key), measured.get(key))
        for key in predicted.keys() | measured.keys()
        if predicted.get(key) != measured.get(key) and not (key[2] == "tcp" and key[1] in untold)
    }


def untold_containers(plan):
    """The containers that the plan starts, and of which nothing says at which ports their programs will listen."""
    known = {c.id for c in plan.before.snapshot.containers if c.running}
    started = [c for c in plan.after.snapshot.containers if c.id in plan.after.assumed]
    silent = {c.id for c in started if not c.configured_ports and c.id not in known}
    return {
        c.name
        for s in (plan.after.snapshot, plan.before.snapshot)
        for c in s.containers
        if c.id in silent or c.shares_with in silent
    } | {c.name for c in plan.before.snapshot.containers if not c.running and not c.configured_ports}


def unlike(foreseen, real):
    """What differs, by name: as foreseen, and as it is."""
    return {
        name: (ours.get(name), theirs.get(name))
        for ours, theirs in zip(foreseen, real, strict=True)
        for name in ours.keys() | theirs.keys()
        if ours.get(name) != theirs.get(name)
    }


def why(plan, found, calls):
    """The disagreeing pairs, the changes, and the containers before and after."""
    shapes = [shape(world.snapshot)[1] for world in (plan.before, plan.after)]
    involved = {name for source, destination, _ in found for name in (source, destination)}
    states = {name: [found.get(name) for found in shapes] for name in involved}
    return "\n".join(map(str, (found, calls, *states.items(), plan.limited)))


def walk(world, plans):
    """Make random plans one after the other; return how many pairs were compared, and how many changed."""
    done = conflicts = pairs = changes = 0
    world.settle()
    before = world.measured()
    while done < plans:
        calls = world.calls()
        plan = world.plan(calls)
        if plan.conflicts:
            conflicts += 1
            continue
        for call, step in zip(calls, plan.steps, strict=True):
            status, answer = world.send(call)
            assert status < 300 or (status == 404 and not step.changes), (
                f"{calls}\n{call}\n{answer}\n{shape(world.snapshot)[1]}"
            )
        loose = subnets_of_the_engine(calls)
        found = unlike(shape(plan.after.snapshot, loose), shape(world.snapshot, loose))
        assert found == {}, f"{calls}\n{found}"
        world.settle()
        for _ in range(TRIES):
            after = world.measured()
            found = differences(plan, before, after)
            if not found:
                break
        assert found == {}, why(plan, found, calls)
        done, pairs, changes = done + 1, pairs + len(after), changes + len(predicted_of(plan))
        before = after
    return {"plans": done, "conflicts": conflicts, "pairs": pairs, "changed": changes}


def test_a_few_random_plans_change_what_they_say(world):
    counted = walk(world, FEW)
    assert counted["changed"] > counted["plans"]


@pytest.mark.long
def test_many_random_plans_change_what_they_say(world):
    counted = walk(world, MANY)
    assert counted["plans"] == MANY
    assert counted["changed"] > counted["plans"]
