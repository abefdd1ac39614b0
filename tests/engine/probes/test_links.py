"""Interfaces, routes and neighbours, against what iproute2's own ``ip`` says of the same namespace."""

import json
import socket
from pathlib import Path

import pytest

from bridgework.matrix.namespaces import read_namespace
from bridgework.probes.kernel import links, netlink
from bridgework.probes.kernel.setns import run_inside

MADE = (
    "link add veth0 type veth peer name veth1 mtu 1400",
    "link set veth0 up",
    "link set veth1 up",
    "link add br0 address 02:00:00:00:00:09 type bridge",
    "link set veth1 master br0",
    "addr add 10.1.0.1/24 dev veth0",
    "addr add 10.2.0.1 peer 10.2.9.9 dev veth0",
    "addr add fd01::1/64 dev veth0 nodad",
    "link add br1 address 02:00:00:00:00:0a type bridge",
    "link set br1 up",
    "route add 10.9.0.0/16 metric 7 nexthop via 10.1.0.2 nexthop via 10.1.0.3",
    "route add 10.8.0.0/16 dev veth0 scope link src 10.1.0.1",
    "-6 route add fd09::/64 nexthop via fd01::2 nexthop via fd01::3",
    "-6 route add default via fd01::9 metric 77",
    "route add blackhole 10.99.0.0/16",
    "route add 10.77.200.0/24 dev veth0 table 100",
    "neigh add 10.1.0.7 lladdr 02:00:00:00:00:01 nud permanent dev veth0",
    "neigh add fd01::7 lladdr 02:00:00:00:00:02 nud stale dev veth0",
)

COUNTED = ("bytes", "packets", "errors", "dropped")


@pytest.fixture(scope="module")
def member(world):
    for command in MADE:
        world.a.ip(*command.split())
    world.a.inside("sysctl", "-qw", "net.ipv6.conf.br1.accept_dad=1")  # off everywhere else in the lab
    world.a.ip("addr", "add", "fd02::1/64", "dev", "br1")
    return world.a


def inside(member, look):
    def looking():
        with netlink.open_socket() as sock:
            return look(sock)

    with Path(member.path).open() as namespace:
        return run_inside(namespace.fileno(), looking)


def told(member, *command):
    return json.loads(member.ip("-json", "-details", *command))


def test_interfaces(member):
    found = inside(member, links.interfaces)
    names = {link.index: link.name for link in found}
    said = told(member, "addr")
    assert [(link.index, link.name, link.mac_address, link.mtu_bytes, link.state) for link in found] == [
        (link["ifindex"], link["ifname"], link["address"], link["mtu"], link["operstate"].lower()) for link in said
    ]
    assert [names.get(link.master_index) for link in found] == [link.get("master") for link in said]
    assert [[(at.address, at.prefix_len, at.scope) for at in link.addresses] for link in found] == [
        [(at["local"], at["prefixlen"], at["scope"]) for at in link["addr_info"]] for link in said
    ]
    flags = ("nodad", "optimistic", "dadfailed", "deprecated", "tentative")
    assert {at.address: at.flags for link in found for at in link.addresses if at.scope == "global"} == {
        at["local"]: tuple(flag for flag in flags if at.get(flag))
        for link in said
        for at in link["addr_info"]
        if at["scope"] == "global"
    }
    # A bridge without a port has no carrier, so detection does not even begin.
    assert [at.flags for link in found for at in link.addresses if at.address == "fd02::1"] == [("tentative",)]


def test_kinds_flags_and_peers(member):
    found = {link.name: link for link in inside(member, links.interfaces)}
    assert {name: link.kind for name, link in found.items()} == {
        "lo": "loopback",
        "eth0": "veth",
        "veth0": "veth",
        "veth1": "veth",
        "br0": "bridge",
        "br1": "bridge",
    }
    assert found["lo"].flags == ("up", "loopback", "lower-up")
    assert "up" not in found["br0"].flags
    assert (found["veth0"].peer_index, found["veth0"].peer_namespace_id) == (found["veth1"].index, None)
    assert found["eth0"].peer_namespace_id is not None
    assert {link.peer_index for link in found.values() if link.kind != "veth"} == {None}


def test_counters(member):
    def said():
        (eth0,) = told(member, "-statistics", "link", "show", "eth0")
        return {f"{way}_{what}": eth0["stats64"][way][what] for way in ("rx", "tx") for what in COUNTED}

    def shout(_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            for _ in range(10):
                sock.sendto(bytes(1000), ("10.77.0.255", 9))

    inside(member, shout)
    before = said()
    (eth0,) = [link for link in inside(member, links.interfaces) if link.name == "eth0"]
    after = said()
    assert before["rx_bytes"] < 10_000 < before["tx_bytes"]
    assert all(before[name] <= getattr(eth0.counters, name) <= after[name] for name in before)


def test_routes(member):
    found = {
        (route.destination, route.gateway, route.interface, route.preferred_source, route.scope, route.protocol)
        for route in inside(member, links.routes)
    }
    said = set()
    for family, anywhere in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
        bits = 32 if family == "-4" else 128
        for route in told(member, family, "route", "show", "table", "main", "type", "unicast"):
            destination = anywhere if route["dst"] == "default" else route["dst"]
            destination += "" if "/" in destination else f"/{bits}"
            for way in route.get("nexthops", [route]):
                fixed = (route.get("prefsrc"), route["scope"], route["protocol"])
                said.add((destination, way.get("gateway"), way["dev"], *fixed))
    assert found == said
    assert {route[1] for route in found if route[0] == "10.9.0.0/16"} == {"10.1.0.2", "10.1.0.3"}
    metrics = {route.destination: route.metric for route in inside(member, links.routes)}
    assert (metrics["10.9.0.0/16"], metrics["::/0"], metrics["10.8.0.0/16"]) == (7, 77, None)


def test_neighbours(member):
    found = {(one.address, one.mac_address, one.interface, one.state) for one in inside(member, links.neighbours)}
    assert found >= {
        ("10.1.0.7", "02:00:00:00:00:01", "veth0", "permanent"),
        ("fd01::7", "02:00:00:00:00:02", "veth0", "stale"),
    }


def answers(*tellings):
    """A kernel that tells these, each a message and its flags, one after the other."""
    asking, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for body, flags in tellings:
        end = netlink.message(netlink.NLMSG_DONE, flags, bytes(4))
        kernel.send(netlink.message(16, flags, body) + end)
    return asking, kernel


def test_what_changed_during_the_telling_is_asked_for_again():
    asking, kernel = answers((b"half", netlink.NLM_F_DUMP_INTR), (b"full", 0))
    with asking, kernel:
        assert netlink.dump(asking, 18, b"") == [b"full"]


def test_what_never_holds_still_is_told_as_it_was_last():
    restless = [(b"%04d" % number, netlink.NLM_F_DUMP_INTR) for number in range(netlink.MAX_DUMPS)]
    asking, kernel = answers(*restless)
    with asking, kernel:
        assert netlink.dump(asking, 18, b"") == [b"%04d" % (netlink.MAX_DUMPS - 1)]


def test_a_refusal_is_an_error_however_the_kernel_says_it(member):
    nobodys_message, nobodys_protocol, sock_diag = 0x3FF, 200, 4
    with pytest.raises(OSError, match="not supported"):
        inside(member, lambda sock: netlink.dump(sock, nobodys_message, b""))
    with netlink.open_socket(sock_diag) as sock, pytest.raises(FileNotFoundError):
        netlink.dump(sock, 20, bytes([socket.AF_INET, nobodys_protocol, *[0] * 54]))


def test_a_matrix_takes_the_first_of_several_next_hops(member):
    def read():
        namespace = read_namespace(1)
        namespace.close()
        return namespace

    with Path(member.path).open() as file:
        namespace = run_inside(file.fileno(), read)
    there, nowhere = (socket.inet_aton(address) for address in ("10.9.1.1", "10.99.1.1"))
    assert namespace.route(there).gateway == socket.inet_aton("10.1.0.2")
    assert namespace.reaches(there)
    assert not namespace.reaches(nowhere), "a blackhole"
    assert namespace.is_local(socket.inet_aton("127.0.0.11")), "no neighbour entry for Docker's DNS server"


def test_ndp_proxies(member):
    member.ip("-6", "neigh", "add", "proxy", "fd00::9", "dev", "eth0")
    said = {(one["dst"], one["dev"]) for one in told(member, "-6", "neigh", "show", "proxy")}
    assert set(inside(member, links.ndp_proxies)) == said == {("fd00::9", "eth0")}
    neighbours = inside(member, links.neighbours)
    assert "fd00::9" not in {one.address for one in neighbours}
