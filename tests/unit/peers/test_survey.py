"""The nodes of a swarm, from what this engine, its manager and the peers say, and what of them is missing."""

from types import SimpleNamespace

import pytest

from bridgework.model.checks import ContainerDestination, Question, Verdict
from bridgework.model.peers import Gap, Holder, Membership, Node, OverlayGossip, OverlayPlace
from bridgework.model.snapshot import Container, Endpoint, Network, NodePlace, Pool, Reference, Snapshot
from bridgework.peers import survey
from bridgework.peers.instances import Report
from bridgework.peers.survey import placed, with_other_nodes
from tests.support.worlds import predict

MESH = Network("o" * 25, "mesh", "overlay", "swarm", attachable=True, pools=(Pool("10.0.1.0/24"),))
HERE = Node("n0", "alpha", "e0", "10.9.0.1", here=True, reachable=True, manager=True)
LISTED = Node("n1", "beta", address="10.9.0.2", state="down")


def on_mesh(name, address):
    endpoint = Endpoint(
        MESH.id, "mesh", name * 8, name, endpoint_id=f"e-{name}", ipv4_address=address, ipv4_prefix_len=24
    )
    return Container(name * 8, name, network_mode="mesh", endpoints=(endpoint,))


def sources(*, members=(), holders=(), instances=None):
    known = SimpleNamespace(
        membership=lambda: Membership("n0", "10.9.0.1", manager=True),
        members=lambda: tuple(members),
        gossip=lambda _: OverlayGossip(("10.9.0.1",), tuple(holders)),
    )
    facts = SimpleNamespace(id="e0", name="alpha", version="26.1.5", swarm_node_id="n0")
    return SimpleNamespace(swarm=known, instances=instances, engine=SimpleNamespace(facts=lambda: facts))


def test_outside_of_a_swarm_there_is_one_node():
    alone = sources()
    alone.swarm = None
    alone.engine.facts().swarm_node_id = None
    found, _ = survey.look(alone, Snapshot())
    assert ([node.id for node in found.nodes], found.gaps) == (["e0"], ())


def test_without_peers_the_managers_list_is_known_and_says_what_is_missing():
    found, _ = survey.look(sources(members=[HERE, LISTED]), Snapshot((MESH,)))
    assert [node.id for node in found.nodes] == ["n0", "n1"]
    assert found.gaps == (Gap("n1", survey.NOT_CONFIGURED),)


def test_a_peer_that_never_answered_is_the_member_at_its_address():
    found = survey.survey(sources(members=[LISTED]), HERE, [Report("10.9.0.2:8080", reason="It is silent.")])
    assert found.gaps == (Gap("n1", "It is silent."),)
    assert found.nodes[1].state == "down"


def test_behind_an_overlay_address_gossip_knows_the_member():
    here = Node("n0", "alpha", "e0", here=True, reachable=True, manager=True, overlays=(place(),))
    held = Holder("bw.n1", "10.0.2.3", "e-bw", "10.9.0.2")
    silent = [Report("10.0.2.3:8080", reason="It is silent.")]
    assert survey.survey(sources(members=[LISTED], holders=[held]), here, silent).gaps == (Gap("n1", "It is silent."),)
    assert [gap.node for gap in survey.survey(sources(), here, silent).gaps] == ["10.0.2.3:8080"]


def place():
    return OverlayPlace(Reference(MESH.id, "mesh"), attachable=True)


def test_gossip_alone_makes_a_container_of_every_holder_that_is_not_known():
    near = on_mesh("a", "10.0.1.2")
    holders = [Holder("a", "10.0.1.2", "e-a", "10.9.0.1"), Holder("b", "10.0.1.3", "e-b", "10.9.0.2")]
    world = survey.whole(sources(holders=holders), Snapshot((MESH,), (near,)))
    assert [(c.name, c.node and c.node.address) for c in world.snapshot.containers] == [("a", None), ("b", "10.9.0.2")]


@pytest.mark.parametrize(
    ("reachable", "verdict", "codes"),
    [(True, Verdict.REACHABLE, set()), (False, Verdict.INCONCLUSIVE, {"node-unreachable", "analysis-limited"})],
)
def test_a_destination_on_a_silent_node_is_inconclusive(reachable, verdict, codes):
    far = placed(on_mesh("b", "10.0.1.3"), NodePlace("n1", "beta", "10.9.0.2", reachable=reachable))
    wide = with_other_nodes(Snapshot((MESH,), (on_mesh("a", "10.0.1.2"),)), (), (far,))
    found = predict(wide, Question("a" * 8, ContainerDestination("b" * 8)))
    assert (found.verdict, {one.code for one in found.findings}) == (verdict, codes)
    assert [hop.kind for hop in found.path] == ["interface", "overlay", "vxlan", "node", "interface"]
