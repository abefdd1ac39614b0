"""Random plans: the predicted difference equals the measured one in every pair, and the engine is as foreseen.

The world walks from plan to plan (``support/random_plans``). Before and after each plan every pair is measured: between
containers and from the host, by ping and at one TCP port, and to the ports that containers publish at the host. The
pairs whose measured verdict changed must be those that the plan named.
"""

import re
from itertools import groupby

import pytest

from bridgework.plans.reachability import FIRST_CLIENT_PORT, PING
from tests.support.random_plans import FIRST_PORT, PORT, shape, subnets_of_the_engine

PLANS = 25
WALKS = 20
"""Walks of the long test: with 25 plans each that is 500 plans."""
OF_ADDRESSES = re.compile(r"--dport|^-A PREROUTING -d \S+ ! -i \S+ -j DROP")
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


def unlike_rules(plan, world, loose):
    """The chains whose rules are not as foreseen: as foreseen, and as they are."""
    firewall, snapshot = world.services.runner.read_firewall(), world.snapshot
    if plan.after.observations.firewall is None or loose:
        return {}
    planned = texts_of(plan.after.observations.firewall, plan.after.snapshot)
    real = texts_of(firewall, snapshot)
    return {
        key: (only(planned.get(key, []), real.get(key, [])), only(real.get(key, []), planned.get(key, [])))
        for key in planned.keys() | real.keys()
        if planned.get(key, []) != real.get(key, [])
    }


def unlike_findings(plan, before, world):
    """The findings that appear or disappear otherwise than foreseen: as foreseen, and as they do."""
    after = world.findings()
    foreseen = (plan.appearing, plan.disappearing)
    named = [{(one.code, one.component.name) for one in findings} for findings in foreseen]
    real = [after - before, before - after]
    wrong = {
        word: (without_chosen(ours - theirs), without_chosen(theirs - ours))
        for word, ours, theirs in zip(("appear", "disappear"), named, real, strict=True)
    }
    return {word: both for word, both in wrong.items() if any(both)}


def without_chosen(findings):
    """The findings but for the one about ports of the host that the engine chooses, which a plan does not foresee."""
    return {(code, name) for code, name in findings if code != "host-port-differs-by-family"}


def only(some, others):
    return [text for text in some if text not in others] or some


def texts_of(firewall, snapshot):
    """The rules by IP version, table and chain, with the names of networks in place of those of their bridges."""
    names = {network.bridge_name: network.name for network in snapshot.networks if network.bridge_name}
    found = {}
    for version in (4, 6):
        for chain in firewall.chains_of(version) or ():
            texts = [" ".join(names.get(word, word) for word in text.split()) for *_, text in chain.rules]
            # A port that the engine chooses is not foreseen.
            found[version, chain.table, chain.name] = in_order([text for text in texts if not chosen(text)])
    return found


def in_order(rules):
    """The rules, with those of ports and of addresses that follow each other sorted: no packet meets two of them.

    The engine writes them as the containers come, and again when a port moves.
    """
    ordered = []
    for is_own, run in groupby(rules, key=lambda text: OF_ADDRESSES.search(text) is not None and "comment" not in text):
        texts = list(run)
        ordered += sorted(texts) if is_own else texts
    return ordered


def chosen(text):
    port = re.search(r"--dport (\d+) -j (?:DNAT|DROP)", text)
    return port is not None and int(port[1]) >= FIRST_CLIENT_PORT


def why(plan, found, calls, world):
    """The disagreeing pairs, the changes, the containers before and after, and the rules of other programs."""
    shapes = [shape(world.snapshot)[1] for world in (plan.before, plan.after)]
    involved = {name for source, destination, _ in found for name in (source, destination)}
    states = {name: [found.get(name) for found in shapes] for name in involved}
    return "\n".join(map(str, (found, calls, *states.items(), plan.limited, *world.foreign.written)))


def walk(world):
    """Make random plans one after the other; return how many were made, and how many pairs they changed."""
    changes = 0
    world.settle()
    before = world.measured()
    for number in range(PLANS):
        # Every other world is without rules of other programs, so that they hide no mistake about Docker's own.
        if number % 4 == 0:
            world.foreign.change(world.snapshot)
            before = world.measured()
        findings = world.findings()
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
        assert (rules := unlike_rules(plan, world, loose)) == {}, f"{calls}\n{rules}"
        world.settle()
        for _ in range(TRIES):
            after = world.measured()
            found = differences(plan, before, after)
            if not found:
                break
        assert found == {}, why(plan, found, calls, world)
        assert (wrong := unlike_findings(plan, findings, world)) == {}, f"{calls}\n{wrong}\n{world.foreign.written}"
        changes += len(predicted_of(plan))
        before = after
    return changes


def test_a_few_random_plans_change_what_they_say(world):
    assert walk(world) > PLANS


@pytest.mark.long
@pytest.mark.parametrize("world", range(WALKS), indirect=True)
def test_many_random_plans_change_what_they_say(world):
    assert walk(world) > PLANS
