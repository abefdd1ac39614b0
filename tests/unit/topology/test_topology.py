"""The graph of an engine."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgework.model.observations import HostObservation, Interface, InterfaceAddress, Observation, Route
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot
from bridgework.policy.access import PROJECT_LABEL
from bridgework.topology.build import build
from bridgework.topology.host_links import host_links, interface_of, share_state

MAC = "02:42:ac:12:00:02"


def endpoint(container, network, address=None, **fields):
    return Endpoint(f"{network}-id", network, f"{container}-id", container, ipv4_address=address, **fields)


def container(name, *endpoints, **fields):
    return Container(f"{name}-id", name, endpoints=endpoints, **fields)


def network(name, **fields):
    return Network(f"{name}-id", name, pools=(Pool("172.18.0.0/16"),), **fields)


def interface(index, name, kind="veth", **fields):
    return Interface(index, name, kind, fields.pop("mac", None), 1500, "up", (), fields.pop("addresses", ()), **fields)


def lab():
    web = container(
        "web",
        endpoint("web", "front", "172.18.0.2", mac_address=MAC, aliases=("www", "app")),
        published_ports=(PublishedPort(80, host_port=8080), PublishedPort(53, "udp", "::1")),
        labels={"team": "edge"},
    )
    db = container("db", endpoint("db", "back", state="configured", configured_ipv4="172.19.0.9"), state="exited")
    both = container("both", endpoint("both", "front", "172.18.0.3"), endpoint("both", "back", "172.19.0.3"))
    sidecar = container("sidecar", network_mode="container:web-id", shares_with="web-id")
    agent = container("agent", endpoint("agent", "host"), network_mode="host")
    networks = (
        network("back", internal=True, labels={PROJECT_LABEL: "shop"}),
        network("front"),
        Network("host-id", "host", "host"),
        network("lan", driver="macvlan", options={"parent": "eth0"}),
    )
    return Snapshot(networks, (agent, both, db, sidecar, web))


def names(topology, kind=None):
    return [node.name for node in topology.nodes if kind in {None, node.kind}]


def ties(topology, kind):
    return [(edge.source, edge.target) for edge in topology.edges if edge.kind == kind]


def host(*interfaces):
    routes = (
        Route("0.0.0.0/0", "ipv4", "10.0.0.1", "eth0", None, "global", "boot"),
        Route("172.18.0.0/16", "ipv4", None, "br-x", None, "link", "kernel"),
    )
    return HostObservation(Observation(1, interfaces=interfaces, routes=routes), ipv4_forwarding=True)


def test_networks_containers_the_host_and_parents_are_nodes():
    topology = build(lab())
    assert names(topology) == ["agent", "both", "db", "sidecar", "web", "host", "eth0", "back", "front", "host", "lan"]


def test_every_tie_is_an_edge():
    topology = build(lab(), host=host())
    assert ties(topology, "endpoint") == [
        *(("agent-id", "host-id"), ("both-id", "back-id"), ("both-id", "front-id")),
        *(("db-id", "back-id"), ("web-id", "front-id")),
    ]
    assert ties(topology, "host-link") == [("agent-id", "host"), ("back-id", "host"), ("front-id", "host")]
    assert ties(topology, "shares-network") == [("sidecar-id", "web-id")]
    assert ties(topology, "uplink") == [("host", "interface:eth0"), ("lan-id", "interface:eth0")]


def test_a_node_tells_its_published_ports_and_an_edge_the_address_it_holds_or_wants():
    topology = build(lab())
    web = next(node for node in topology.nodes if node.name == "web")
    assert web.attributes["published_ports"] == ["0.0.0.0:8080->80/tcp", "[::1]:?->53/udp"]
    db = next(edge for edge in topology.edges if edge.source == "db-id")
    assert (db.attributes["state"], db.attributes["ipv4_address"]) == ("configured", "172.19.0.9")


def test_an_endpoint_names_its_interface_and_its_veth_on_the_host():
    inside = Observation(7, interfaces=(interface(4, "eth0", mac=MAC, peer_index=9),))
    outside = host(interface(2, "eth0", "device"), interface(9, "veth1", peer_index=4, master_index=3))
    topology = build(lab(), host=outside, observations={"web-id": inside})
    edge = next(edge for edge in topology.edges if edge.source == "web-id")
    assert (edge.attributes["interface"], edge.attributes["veth"]) == ("eth0", "veth1")
    assert next(node for node in topology.nodes if node.id == "interface:eth0").attributes["state"] == "up"


def test_a_filter_by_network_keeps_its_containers_and_who_shares_with_them():
    topology = build(lab(), network_ids=["front-id"])
    assert names(topology, "container") == ["both", "sidecar", "web"]
    assert names(topology, "network") == ["front"]
    assert ("both-id", "back-id") not in ties(topology, "endpoint")


@pytest.mark.parametrize(
    ("filters", "containers", "networks"),
    [
        ({"label": "team"}, ["sidecar", "web"], ["front"]),
        ({"label": "team=edge"}, ["sidecar", "web"], ["front"]),
        ({"label": "team=core"}, [], []),
        ({"project": "shop"}, ["both", "db"], ["back"]),
        ({"project": "shop", "label": "team"}, [], []),
        ({"project": "shop", "network_ids": ["front-id"]}, ["both"], []),
    ],
)
def test_a_label_and_a_project_keep_what_carries_them_and_its_neighbours(filters, containers, networks):
    topology = build(lab(), **filters)
    assert (names(topology, "container"), names(topology, "network")) == (containers, networks)


def test_a_compose_project_is_a_project_too_and_nodes_name_it():
    snapshot = lab()
    web = replace(snapshot.containers_by_id["web-id"], labels={"com.docker.compose.project": "store"})
    changed = replace(snapshot, containers=(*(c for c in snapshot.containers if c.id != web.id), web))
    topology = build(changed, project="store")
    assert names(topology, "container") == ["sidecar", "web"]
    assert names(topology, "network") == ["front"]
    projects = {node.name: node.attributes["project"] for node in build(changed).nodes if node.id.endswith("-id")}
    assert {name: project for name, project in projects.items() if project} == {"web": "store", "back": "shop"}


def test_the_owner_of_a_kept_sharer_is_kept():
    snapshot = lab()
    sidecar = replace(snapshot.containers_by_id["sidecar-id"], labels={"x": "y"})
    changed = Snapshot(snapshot.networks, (sidecar, *(c for c in snapshot.containers if c.id != sidecar.id)))
    assert names(build(changed, label="x=y"), "container") == ["sidecar", "web"]


def test_what_is_gone_is_shown_as_gone():
    lost = container("lost", endpoint("lost", "old"), shares_with="owner-id-of-long-ago")
    gone = [node for node in build(Snapshot((), (lost,))).nodes if node.attributes.get("gone")]
    assert [(node.kind, node.name) for node in gone] == [("container", "owner-id-of-"), ("network", "old")]


def test_an_interface_is_found_by_address_where_the_mac_is_unknown_and_else_not_at_all():
    seen = Observation(
        1, interfaces=(interface(4, "eth0", addresses=(InterfaceAddress("10.0.0.2", 8, "ipv4", "global"),)),)
    )
    assert interface_of(endpoint("a", "n", "10.0.0.2"), seen).name == "eth0"
    assert interface_of(endpoint("a", "n", "10.0.0.3"), seen) is None
    assert interface_of(endpoint("a", "n", "10.0.0.3"), Observation(1)) is None


def test_a_veth_whose_index_was_given_to_another_is_not_taken_for_the_peer():
    links = host_links(Snapshot(), (interface(9, "veth1", peer_index=5), interface(3, "br0", "bridge")))
    assert links.peer_of(interface(4, "eth0", peer_index=9)) is None
    assert links.peer_of(interface(4, "eth0")) is None
    assert links.master(interface(9, "veth1", master_index=3)).name == "br0"
    assert links.master(interface(9, "veth1")) is None


@pytest.mark.parametrize(
    ("owner", "sharer", "inodes", "state"),
    [
        (None, {}, {}, "owner-gone"),
        ({"state": "exited"}, {}, {}, "owner-down"),
        ({}, {"state": "exited"}, {}, "unknown"),
        ({}, {}, {"owner-id": 1, "sharer-id": 1}, "whole"),
        ({}, {}, {"owner-id": 1, "sharer-id": 2}, "stale"),
        ({"started_at": "2024-01-01T00:00:01.5Z"}, {"started_at": "2024-01-01T00:00:01.45Z"}, {}, "stale"),
        ({"started_at": "2024-01-01T00:00:01Z"}, {"started_at": "2024-01-01T00:00:01.5Z"}, {}, "unknown"),
        ({}, {}, {"owner-id": 1}, "unknown"),
    ],
)
def test_a_share_is_judged_by_inodes_else_by_who_started_last(owner, sharer, inodes, state):
    sharing = container("sharer", shares_with="owner-id", **sharer)
    owners = () if owner is None else (container("owner", **owner),)
    assert share_state(Snapshot((), (*owners, sharing)), sharing, inodes) == state


@given(st.permutations(lab().containers), st.permutations(lab().networks), st.randoms(use_true_random=False))
def test_the_export_is_the_same_whatever_order_the_engine_lists_in(containers, networks, random):
    shuffled = [replace(c, endpoints=tuple(random.sample(c.endpoints, len(c.endpoints)))) for c in containers]
    exported = json.dumps(asdict(build(Snapshot(tuple(networks), tuple(shuffled)))), sort_keys=True)
    assert exported == json.dumps(asdict(build(lab())), sort_keys=True)
