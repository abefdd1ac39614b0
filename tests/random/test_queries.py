"""Random worlds: a search finds the sources and destinations that a matrix measures."""

import pytest

from bridgework.plans.reachability import PING
from tests.support.random_plans import PORT

WORLDS = 4
CHANGES = 5


def reachable(measured):
    """The pairs of the matrix and of the host as source that were measured reachable, by protocol and port."""
    return {
        (source, to, "icmp" if service is PING else "tcp")
        for (source, to, service), verdict in measured.items()
        if verdict == "reachable" and to and service.port in {None, PORT}
    }


def searched(world, find, name, must_not=()):
    """What a search finds, as pairs; and those that it says a rule forbids."""
    of = {"container": name} if name else {"host": True}
    pairs, violations = set(), set()
    for protocol, more in (("icmp", {}), ("tcp", {"port": PORT})):
        body = {"find": find, "of": of, "protocol": protocol, "must_not": list(must_not), **more}
        found = world.api.post("/v1/connectivity/queries", body)
        for group in found["groups"]:
            ends = {"" if end["kind"] == "host" else end["name"] for end in group["ends"]}
            here = {(end, name, protocol) if find == "sources" else (name, end, protocol) for end in ends}
            assert group["verdict"] == "reachable", (group, found["limited"])
            pairs |= {pair for pair in here if pair[1]}  # the host as destination has ports of its own
            violations |= here if group["violates"] else set()
        assert (found["outcome"] == "failed") == any(group["violates"] for group in found["groups"])
    return pairs, violations


@pytest.mark.parametrize("world", range(WORLDS), indirect=True)
def test_a_search_finds_what_the_matrix_measures(world):
    for _ in range(CHANGES):
        for call in world.calls():
            world.send(call)
    world.settle()
    wanted = reachable(world.measured())
    names = sorted(one.name for one in world.snapshot.containers)
    sources = {name: searched(world, "sources", name) for name in names}
    destinations = {name: searched(world, "destinations", name) for name in ["", *names]}
    # A container is no source or destination of its own.
    assert set().union(*(pairs for pairs, _ in sources.values())) == wanted
    assert set().union(*(pairs for pairs, _ in destinations.values())) == wanted
    assert wanted
    forbidden = names[0]
    for name in names[1:]:
        _, violations = searched(world, "destinations", name, [{"container": forbidden}])
        assert violations == {pair for pair in wanted if pair[:2] == (name, forbidden)}
