"""Random plans: the predicted difference equals the measured one in every pair, and the engine is as foreseen.

The world walks from plan to plan (``support/random_plans``). Before and after each plan every pair is measured: between
containers and from the host, by ping and at one TCP port, and to the ports that containers publish at the host. The
pairs whose measured verdict changed must be those that the plan named.
"""

import pytest

from bridgework.plans.reachability import FIRST_CLIENT_PORT, PING
from tests.support.random_plans import FIRST_PORT, PORT, shape, subnets_of_the_engine

PLANS = 25
WALKS = 20
"""Walks of the long test: with 25 plans each that is 500 plans."""
TRIES = 4
"""A program that was just started may not listen yet, so what differs is measured again."""


def predicted_of(plan):
    """The pairs that the plan says change, of those that are measured: by (source, destination, service)."""
    names = {"": ""} | {c.id: c.name for s in (plan.before.snapshot, plan.after.snapshot) for c in s.containers}
    found = {}
    for one in plan.difference.pairs:
        source, destination, service = names[one.pair.source], names[one.pair.destination], one.pair.service
        at = service.port or PORT
        if at == PORT if destination else FIRST_PORT < at < FIRST_CLIENT_PORT:
            found[source, destination, service] = one.before.value, one.after.value
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
        if predicted.get(key) != measured.get(key) and not (key[2] != PING and key[1] in untold)
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


def walk(world):
    """Make random plans one after the other; return how many were made, and how many pairs they changed."""
    changes = 0
    world.settle()
    before = world.measured()
    for _ in range(PLANS):
        calls = world.calls()
        plan = world.plan(calls)
        assert plan.conflicts == ()
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
        changes += len(predicted_of(plan))
        before = after
    return changes


def test_a_few_random_plans_change_what_they_say(world):
    assert walk(world) > PLANS


@pytest.mark.long
@pytest.mark.parametrize("world", range(WALKS), indirect=True)
def test_many_random_plans_change_what_they_say(world):
    assert walk(world) > PLANS
