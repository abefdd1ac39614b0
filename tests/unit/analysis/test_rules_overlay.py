"""What stands on another node of a swarm: the tunnel to it, and what silence says."""

from dataclasses import replace

from bridgework.analysis.rules.overlay import silent_pair
from bridgework.model.checks import Verdict
from bridgework.model.snapshot import NodePlace, Snapshot
from tests.support.worlds import ask, container, network, predict

VXLAN = "com.docker.network.driver.overlay.vxlanid_list"
MESH = network("mesh", "10.10.0.0/24", driver="overlay", scope="swarm", attachable=True, options={VXLAN: "4097"})
LAN = network("lan", "10.20.0.0/24")
NODE = NodePlace("node2id", "node2", "192.0.2.2", reachable=True)
HERE = container("here", (MESH, "10.10.0.2"))
THERE = replace(container("there", (MESH, "10.10.0.3")), node=NODE)
GONE = replace(THERE, node=replace(NODE, reachable=False))


def world(*containers):
    return Snapshot(networks=(LAN, MESH), containers=containers)


def test_the_path_to_another_node_leads_through_the_tunnel():
    prediction = predict(world(HERE, THERE), ask(HERE, THERE))
    assert prediction.verdict is Verdict.REACHABLE
    hops = [(hop.kind, hop.name, hop.of) for hop in prediction.path]
    assert ("vxlan", "4097", "mesh") in hops
    assert ("node", "node2", "192.0.2.2") in hops


def test_a_node_that_is_silent_is_no_proof_that_its_containers_are():
    prediction = predict(world(HERE, GONE), ask(HERE, GONE))
    assert prediction.verdict is Verdict.INCONCLUSIVE
    messages = {finding.code: finding.message for finding in prediction.findings}
    assert set(messages) == {"node-unreachable", "analysis-limited"}
    assert "The service knows only an earlier state of its containers." in messages["node-unreachable"]


def test_a_silent_pair_names_the_overlay_network_the_two_share():
    both = replace(container("both", LAN, (MESH, "10.10.0.4")), node=NODE)
    (finding,) = silent_pair(world(HERE, both), HERE, both)
    assert finding.code == "overlay-peer-unreachable"
    assert "both (10.10.0.4 on mesh) is on the node node2" in finding.message
    assert finding.evidence == {"address": "10.10.0.4", "node": "node2id"}


def test_of_pairs_without_a_tunnel_nothing_is_said():
    near = container("near", (MESH, "10.10.0.5"))
    apart = replace(container("apart", (LAN, "10.20.0.2")), node=NODE)
    assert list(silent_pair(world(HERE, near), HERE, near)) == []
    assert list(silent_pair(world(HERE, apart), HERE, apart)) == []
    other = network("other", "10.30.0.0/24", driver="overlay", scope="swarm")
    alone = replace(container("alone", (other, "10.30.0.2")), node=NODE)
    snapshot = Snapshot(networks=(MESH, other), containers=(HERE, alone))
    assert list(silent_pair(snapshot, HERE, alone)) == []
