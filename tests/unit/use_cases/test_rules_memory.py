"""The rules in force are read once for each of their states, and every question gets the same object meanwhile."""

from types import SimpleNamespace

import pytest

from bridgework.model.observations import FirewallRules
from bridgework.model.probe_port import Place
from bridgework.use_cases.connectivity.rules_memory import RulesMemory
from tests.support.fake_engine import FACTS
from tests.support.worlds import container, network, published, world

NET = network("net")
WEB, DB = container("web", (NET, "10.1.0.2")), container("db", (NET, "10.1.0.3"))
SNAPSHOT = world(NET, WEB, DB)


class Host:
    """An engine's host whose rules are in this state."""

    def __init__(self, state):
        self.state, self.readings, self.pid = state, 0, 7

    def firewall_state(self):
        return self.state

    def read_firewall(self):
        self.readings += 1
        return FirewallRules((), state=self.state)

    def facts(self):
        return FACTS

    def host_place(self, _):
        return Place(None, "host", self.pid)

    def ask(self, memory, snapshot=SNAPSHOT, **how):
        return memory.of(self, self, snapshot, **how)


@pytest.fixture
def memory():
    return RulesMemory()


def test_rules_are_read_again_only_when_the_kernel_says_that_they_changed(memory):
    host = Host("1")
    first = host.ask(memory)
    assert host.ask(memory, world(NET, WEB)) is first
    assert host.ask(memory, fresh=True) is first
    host.state = "2"
    assert host.ask(memory) is not first
    assert host.readings == 2


def test_rules_that_never_held_still_are_read_again(memory):
    host = Host("1")
    host.read_firewall = lambda: FirewallRules(())
    assert host.ask(memory) is not host.ask(memory)


def test_a_state_that_the_kernel_does_not_tell_for_once_proves_nothing(memory):
    host = Host("1")
    first = host.ask(memory)
    # Another thread's reading closes the handles that this one asks, after the rules changed.
    host.state = None
    assert host.ask(memory) is not first


def test_where_the_kernel_does_not_tell_rules_are_kept_until_the_engine_writes_others(memory):
    host = Host(None)
    first = host.ask(memory)
    assert host.ask(memory) is first
    assert host.ask(memory, world(NET, WEB, DB)) is first
    assert host.ask(memory, fresh=True) is not first
    for other in (world(NET, WEB), world(network("other"), NET, WEB)):
        before = host.readings
        host.ask(memory, other)
        assert host.readings == before + 1


def test_another_run_of_the_engine_and_the_first_published_port_need_another_reading(memory):
    host = Host("1")
    first = host.ask(memory)
    publisher = world(NET, container("web", (NET, "10.1.0.2"), ports=[published(8080)]))
    second = host.ask(memory, publisher)
    assert second is not first
    host.pid = 8
    assert host.ask(memory, publisher) is not second


def test_a_host_that_is_not_visible_has_no_rules(memory):
    blind = SimpleNamespace(firewall_state=lambda: None, read_firewall=lambda: None)
    assert memory.of(Host(None), blind, SNAPSHOT) is None
