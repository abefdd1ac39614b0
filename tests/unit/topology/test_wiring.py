"""Matching the two ends of a veth, without a kernel."""

from bridgework.model.observations import Interface
from bridgework.model.snapshot import Network, Snapshot
from bridgework.topology.host_links import host_links

DOCKER0 = Network("a" * 64, "bridge", options={"com.docker.network.bridge.name": "docker0"})
BLUE = Network("b" * 64, "blue")
SNAPSHOT = Snapshot(networks=(DOCKER0, BLUE))


def link(index, name, kind="veth", *, peer=None, space=None, master=None):
    return Interface(
        index, name, kind, None, 1500, "up", (), (), peer_index=peer, peer_namespace_id=space, master_index=master
    )


HOST = (
    link(2, "docker0", "bridge"),
    link(3, "br-" + "b" * 12, "bridge"),
    link(4, "br-deadbeef0000", "bridge"),
    link(5, "br-lan", "bridge"),
    link(7, "vetha", peer=6, space=0, master=2),
    link(9, "vethb", peer=8, space=1, master=3),
)
WIRES = host_links(SNAPSHOT, HOST)


def ends(*inside):
    return {index: end.name for index, end in WIRES.pairs(inside).items()}


def test_each_end_names_the_other():
    assert ends(link(1, "lo", "loopback"), link(6, "eth0", peer=7, space=0)) == {6: "vetha"}
    assert ends(link(8, "eth0", peer=9, space=0)) == {8: "vethb"}


def test_one_number_alone_proves_nothing():
    assert ends(link(8, "eth0", peer=7, space=0)) == {}, "the host's end has another peer"
    assert ends(link(6, "eth0", peer=99, space=0)) == {}, "no such link"
    assert ends(link(6, "eth0", peer=2, space=0)) == {}, "a bridge is no end of a veth"
    assert ends(link(6, "eth0", peer=7, space=None)) == {}, "its peer is in its own namespace"
    assert ends(link(6, "macvlan0", "macvlan", peer=7, space=0)) == {}


def test_numbers_that_fit_by_chance_are_told_by_the_namespace():
    host = (*HOST, link(11, "vethc", peer=10, space=0, master=3))
    inside = (link(6, "eth0", peer=7, space=0), link(10, "eth1", peer=11, space=0), link(8, "stray", peer=9, space=4))
    assert set(host_links(SNAPSHOT, host).pairs(inside)) == {6, 10}
    assert ends(inside[0], inside[2]) == {}, "one against one: neither is believed"


def test_an_end_on_the_host_whose_peer_is_on_the_host_too_belongs_to_no_container():
    host = (link(7, "a", peer=6), link(6, "b", peer=7))
    assert host_links(SNAPSHOT, host).pairs((link(6, "eth0", peer=7, space=0),)) == {}


def test_bridges_their_ports_and_networks():
    docker0, blue, orphan, lan = HOST[:4]
    assert [port.name for port in WIRES.ports(docker0)] == ["vetha"]
    assert WIRES.master(HOST[5]) is blue
    assert WIRES.master(docker0) is None
    assert WIRES.network_of(docker0) is DOCKER0
    assert WIRES.network_of(blue) is BLUE
    assert WIRES.network_of(orphan) is None
    assert WIRES.network_of(None) is None
    assert [link.name for link in HOST if WIRES.is_orphan(link)] == [orphan.name]
    assert not WIRES.is_orphan(lan)


def test_links_that_would_put_a_container_on_a_docker_network():
    blue = "br-" + "b" * 12
    host = (*HOST, link(12, "eth0", "device"), link(13, "eth1", "device", master=5))
    wires = host_links(SNAPSHOT, host)
    behind = {
        "docker0": "docker0", "docker0.5": "docker0", blue: blue, f"{blue}.7": blue, "vetha": "docker0", "vethb": blue,
        "vetha.5": "docker0", "br-deadbeef0000": "br-deadbeef0000", "dm-0123456789ab": "dm-0123456789ab",
        "di-0123456789ab": "di-0123456789ab", "docker_gwbridge": "docker_gwbridge",
    }  # fmt: skip
    assert {name: wires.docker_link_behind(name) for name in behind} == behind
    for name in ("eth0", "eth0.5", "eth1", "br-lan", "br-lan.5", "nothing", "br-0123", ".", ""):
        assert wires.docker_link_behind(name) is None, name
    named = Network("c" * 64, "named", options={"com.docker.network.bridge.name": "my.lan"})
    wires = host_links(Snapshot(networks=(named,)), ())
    assert wires.docker_link_behind("my.lan") == wires.docker_link_behind("my.lan.9") == "my.lan"
