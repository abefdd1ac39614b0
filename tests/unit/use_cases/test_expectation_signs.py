"""The signs of change that the engine's events become."""

from bridgework.model.checks import Verdict
from bridgework.model.event_log import Change
from bridgework.model.snapshot import Reference
from bridgework.use_cases.expectations.cause import Seen, cause_of
from bridgework.use_cases.expectations.signs import _of_engine

SHOP, WEB, OTHER = (Reference(letter * 64, name) for letter, name in (("1", "shop"), ("a", "web"), ("b", "other")))
COMPONENT = {"kind": "container", "id": WEB.id, "name": WEB.name}
STOPPED = {
    "code": "destination-not-running",
    "severity": "blocking",
    "component": COMPONENT,
    "message": "web is exited.",
    "evidence": {},
    "remedy": None,
}


def event(kind, action, of, network=None, container=None):
    return _of_engine(Change("1", kind, action, "t", of.id, of.name, network, container, None, None))


def test_another_container_that_joins_the_network_is_no_cause():
    die = event("container", "die", WEB, container=WEB)
    join = event("network", "connect", SHOP, network=SHOP, container=OTHER)
    seen = Seen(Verdict.UNREACHABLE, [STOPPED], "It is closed.", ends=frozenset({WEB.id, SHOP.id}))
    assert cause_of(None, seen, [die, join]).event == die


def test_what_happens_to_a_network_is_about_the_network():
    assert SHOP.id in event("network", "destroy", SHOP, network=SHOP).ids


def test_a_container_that_leaves_the_network_takes_its_names_with_it():
    leave = event("network", "disconnect", SHOP, network=SHOP, container=OTHER)
    unknown = {**STOPPED, "code": "name-not-on-shared-network", "message": "No container has the name other."}
    seen = Seen(Verdict.UNREACHABLE, [unknown], "It is closed.", ends=frozenset({WEB.id, SHOP.id}))
    assert cause_of(None, seen, [leave]).event == leave
    third = Reference("c" * 64, "third")
    join = event("network", "connect", SHOP, network=SHOP, container=third)
    assert cause_of(None, seen, [leave, join]).event is None, "either may have taken the name"
