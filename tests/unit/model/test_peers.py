"""A reference to a container of any node: this engine's own first, and the nodes that did not answer are named."""

import pytest

from bridgework.model.errors import NotFound
from bridgework.model.peers import Gap, Node, World
from tests.support.worlds import container, identity, world

HERE = world(container("web"))
EVERYWHERE = world(container("web"), container("far"))


def test_a_container_of_this_engine_comes_first_and_then_those_of_others():
    merged = World(EVERYWHERE)
    assert merged.container(HERE, "web").name == "web"
    assert merged.container(HERE, "far").name == "far"
    assert merged.container(HERE, identity("container far")[:12]).name == "far"


def test_what_is_nowhere_names_the_nodes_that_did_not_answer():
    with pytest.raises(NotFound) as silent:
        World(EVERYWHERE, gaps=(Gap("beta", "It is silent."),)).container(HERE, "gone")
    assert silent.value.detail.endswith("These nodes did not answer: beta.")
    with pytest.raises(NotFound) as whole:
        World(EVERYWHERE).container(HERE, "gone")
    assert "did not answer" not in whole.value.detail


def test_a_node_is_a_place_of_containers():
    place = Node("n1", "beta", "e1", "10.9.0.2", reachable=True).place
    assert (place.id, place.hostname, place.address, place.reachable) == ("n1", "beta", "10.9.0.2", True)
