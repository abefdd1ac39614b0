"""Cases that are kept: for the same snapshot, rules and observations alone, and not without bound."""

from dataclasses import replace

import pytest

from bridgework.model.checks import ContainerDestination, ProbeRequest, Protocol, Question
from bridgework.model.observations import FirewallRules, Observation, RouteAnswer, RouteQuestion
from bridgework.use_cases.connectivity.case_memory import _MAX_KEPT, CaseMemory
from tests.support.worlds import container, network, seen, world

NET = network("net")
WEB, CLIENT = container("web", (NET, "10.1.0.2")), container("client", (NET, "10.1.0.3"))
WORLD = world(NET, WEB, CLIENT)
SEEN = seen([(WEB, Observation(1, sockets=()))], firewall=FirewallRules())
DIVERTED = {RouteQuestion(4, "10.1.0.2"): RouteAnswer(error="blackhole")}


def to_web(port=80):
    return Question(CLIENT.id, ContainerDestination(WEB.id), ProbeRequest(Protocol.TCP, port=port))


def test_equal_observations_have_the_same_case():
    memory = CaseMemory()
    first = memory.of(WORLD, to_web(), SEEN)
    assert memory.of(WORLD, to_web(), replace(SEEN, inside={WEB.id: Observation(1, sockets=())})) is first


@pytest.mark.parametrize(
    ("snapshot", "question", "observations"),
    [
        (world(NET, WEB, CLIENT), to_web(), SEEN),
        (WORLD, to_web(81), SEEN),
        (WORLD, to_web(), replace(SEEN, firewall=FirewallRules())),
        (WORLD, to_web(), replace(SEEN, inside={WEB.id: Observation(1, sockets=None)})),
        (WORLD, to_web(), replace(SEEN, routes=DIVERTED)),
    ],
)
def test_another_state_has_another_case(snapshot, question, observations):
    memory = CaseMemory()
    before = memory.of(WORLD, to_web(), SEEN)
    after = memory.of(snapshot, question, observations)
    assert after is not before
    assert (after.snapshot, after.question, after.observations) == (snapshot, question, observations)


def test_the_case_with_other_routes_does_not_replace_the_one_before_the_kernel_is_asked():
    memory = CaseMemory()
    before, after = (memory.of(WORLD, to_web(), replace(SEEN, routes=routes)) for routes in ({}, DIVERTED))
    assert memory.of(WORLD, to_web(), SEEN) is before
    assert memory.of(WORLD, to_web(), replace(SEEN, routes=DIVERTED)) is after


def test_the_oldest_cases_are_dropped():
    memory = CaseMemory()
    cases = [memory.of(WORLD, to_web(port), SEEN) for port in range(1, _MAX_KEPT + 3)]
    assert memory.of(WORLD, to_web(_MAX_KEPT + 2), SEEN) is cases[-1]
    assert memory.of(WORLD, to_web(1), SEEN) is not cases[0]
