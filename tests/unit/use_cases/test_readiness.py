"""The readiness tries what it claims: a namespace is entered and a resolver file read, as a check does it."""

from types import SimpleNamespace

import pytest

from bridgework.model.observations import Observation, ResolverConfiguration
from bridgework.model.probe_port import Place, RunnerStatus
from bridgework.policy.access import Policy
from bridgework.use_cases.info import NO_NAMESPACE, NO_RESOLVER_FILES, TRIED_CONTAINERS, readiness
from bridgework.use_cases.services import Services
from tests.support.worlds import container, network, world

NET = network("net")
READ = Observation(1, resolver=ResolverConfiguration())
UNREAD = Observation(1)


def missing(*seen, kind="namespace"):
    """What is missing where a look into each running container gives this, and which containers were looked into."""
    running = [container(f"c{number}", (NET, f"10.1.0.{number + 2}")) for number in range(len(seen))]
    answers = {one.id: found for one, found in zip(running, seen, strict=True)}
    asked = []

    def observe(place, aspects):
        asked.append(place.name)
        assert aspects == ("resolver",)
        return answers[place.container_id]

    engine = SimpleNamespace(
        ping=lambda: None,
        snapshot=lambda: world(NET, container("still", state="exited"), *running),
        place_of=lambda _, one: Place(one.id, one.name),
    )
    runner = SimpleNamespace(status=lambda: RunnerStatus(kind, "", ("CAP_NET_ADMIN",)), observe=observe)
    found = readiness(Services(engine, runner, Policy(), peers=pytest.fail))
    assert found.runner.missing[0] == "CAP_NET_ADMIN"
    return found.runner.missing[1:], asked


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((), ()),
        ((READ, None), ()),
        ((None, UNREAD, READ), ()),
        ((None,), (NO_NAMESPACE,)),
        ((UNREAD,), (NO_RESOLVER_FILES,)),
        ((None, UNREAD), (NO_RESOLVER_FILES,)),
    ],
)
def test_what_no_container_allowed_is_missing(seen, expected):
    assert missing(*seen)[0] == expected


def test_a_few_containers_are_tried_until_one_works():
    assert missing(READ, None)[1] == ["c0"]
    assert len(missing(*[None] * 9)[1]) == TRIED_CONTAINERS


def test_no_helper_is_started_for_it():
    assert missing(None, kind="sidecar") == ((), [])
