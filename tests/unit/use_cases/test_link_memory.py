"""Interfaces as last seen: what is remembered across changes, and that nobody waits for another's look."""

import threading
from dataclasses import replace

import pytest

from bridgework.model.observations import Observation
from bridgework.model.probe_port import Place
from bridgework.use_cases.connectivity.link_memory import LinkMemory
from tests.support.worlds import HOST_NETWORK, container, network, world

NET, OTHER = network("net"), network("other", "10.2.0.0/24")
WEB = replace(container("web", (NET, "10.1.0.2")), pid=11)
DB = replace(container("db", (NET, "10.1.0.3")), pid=12)
SHARER = replace(container("sharer", shares_with=WEB.id), pid=13)
HOSTED = replace(container("hosted", (HOST_NETWORK, None), network_mode="host"), pid=14)
ALL = (NET, OTHER, HOST_NETWORK, WEB, DB, SHARER, HOSTED)
HOST = Place(None, "host")


class Looks:
    """A runner that counts its looks."""

    def __init__(self, seen=True):
        self.made = []
        self.seen = seen

    def observe(self, place, aspects):
        assert aspects == ("interfaces",)
        self.made.append(place.name)
        return Observation(1, interfaces=()) if self.seen else None


def places(*containers):
    return [HOST, *(Place(one.id, one.name) for one in containers)]


def look(memory, runner, snapshot, *wanted):
    before = len(runner.made)
    for place in wanted:
        memory.of(runner, snapshot, place)
    return runner.made[before:]


def changed(**to):
    """The world with the named containers replaced."""
    return world(*(replace(one, **to[one.name]) if getattr(one, "name", None) in to else one for one in ALL))


@pytest.mark.parametrize(
    ("after", "again"),
    [
        (world(*ALL), ["hosted"]),
        (changed(db={"name": "renamed"}), ["hosted"]),
        (changed(db={"pid": 99}), ["host", "db", "hosted"]),
        (changed(web={"pid": 99}), ["host", "web", "sharer", "hosted"]),
        (changed(sharer={"pid": 99}), ["host", "sharer", "hosted"]),
        (changed(db={"endpoints": WEB.endpoints}), ["host", "db", "hosted"]),
        (changed(db={"state": "exited", "pid": 0}), ["host", "db", "hosted"]),
        (world(*ALL, network("third", "10.3.0.0/24")), ["host", "hosted"]),
    ],
)
def test_a_change_costs_a_look_where_it_changed_interfaces(after, again):
    memory, runner, wanted = LinkMemory(), Looks(), places(WEB, DB, SHARER, HOSTED)
    before = world(*ALL)
    assert look(memory, runner, before, *wanted) == ["host", "web", "db", "sharer", "hosted"]
    assert look(memory, runner, before, *wanted) == []
    assert look(memory, runner, after, *wanted) == again


def test_what_was_out_of_sight_is_looked_at_again():
    memory, runner, snapshot = LinkMemory(), Looks(seen=False), world(*ALL)
    assert memory.of(runner, snapshot, HOST) is None
    assert look(memory, runner, snapshot, HOST) == ["host"]


def test_a_look_that_takes_long_holds_up_no_other():
    memory, snapshot = LinkMemory(), world(*ALL)
    going_on, ended = threading.Event(), threading.Event()

    class Slow(Looks):
        def observe(self, place, aspects):
            going_on.set()
            assert ended.wait(20)
            return super().observe(place, aspects)

    slow = threading.Thread(target=memory.of, args=(Slow(), snapshot, HOST))
    slow.start()
    assert going_on.wait(20)
    other = threading.Thread(target=memory.of, args=(Looks(), snapshot, places(WEB)[1]))
    other.start()
    other.join(5)
    waited = other.is_alive()
    ended.set()
    slow.join(20)
    other.join(20)
    assert not waited
