"""Where a probe may go: the same answer for an address and for a name that leads to it, in every spelling."""

from ipaddress import ip_address, ip_network

import pytest

from bridgework.analysis.attachment import THE_HOST, Attachment, Condition
from bridgework.model.checks import Protocol
from bridgework.model.errors import Refused
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot
from bridgework.policy.access import Policy
from bridgework.policy.probe_policy import allowed_subnets, host_open, literal, require_allowed

BRIDGE = Network("1" * 64, "bridge", pools=(Pool("172.17.0.0/16", "172.17.0.1"),))
SIX = Network("2" * 64, "six", ipv6_enabled=True, pools=(Pool("fd00:1::/64", "fd00:1::1"),))
LAN = Network("3" * 64, "lan", driver="macvlan", pools=(Pool("192.168.7.0/24", "192.168.7.1"),))
LINK_LOCAL = Network("4" * 64, "odd", pools=(Pool("169.254.169.0/24", None),))
WEB = Container(
    "a" * 64,
    "web",
    endpoints=(
        Endpoint(BRIDGE.id, "bridge", "a" * 64, "web", ipv4_address="172.17.0.2", gateway="172.17.0.1"),
        Endpoint(LAN.id, "lan", "a" * 64, "web", ipv4_address="192.168.7.9"),
    ),
    published_ports=(
        PublishedPort(80, "tcp", "", 8081),
        PublishedPort(53, "udp", "127.0.0.1", 53),
        PublishedPort(81, "tcp", "0.0.0.0", 8082),
        PublishedPort(82, "tcp", "::", 8083),
    ),
)
SNAPSHOT = Snapshot(networks=(BRIDGE, SIX, LAN, LINK_LOCAL), containers=(WEB,))
INSIDE = Attachment(Condition.NETWORKED, container=WEB, owner=WEB)

REFUSED = [
    *("0.0.0.0", "10.0.0.1", "8.8.8.8", "169.254.169.254", "169.254.169.5", "224.0.0.1", "255.255.255.255"),
    *("240.0.0.1", "100.64.0.1", "192.168.7.1", "192.168.7.10", "::", "fe80::1", "fe80::1%eth0", "ff02::1"),
    *("::ffff:8.8.8.8", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::169.254.169.254", "64:ff9b::a9fe:a9fe"),
    *("2002:a9fe:a9fe::", "fd00:2::1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "127.1", "0x7f000001", "017700000001"),
    *("172.17.0.02", "172.17.2", "\uff11\uff17\uff12.17.0.2", "172.17.0.2%0", "localhost", "metadata.google.internal"),
    *("172.17.0.2/32", "[::1]", "172.17.0.2:80", "172.17.0.2\n", " 172.17.0.2", "172.17.0.2\x00"),
]


def allowed(address, protocol=Protocol.TCP, port=22, source=INSIDE, policy=None):
    try:
        require_allowed(SNAPSHOT, policy or Policy(), address, protocol, port, from_host=source is THE_HOST)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("address", REFUSED)
@pytest.mark.parametrize("source", [INSIDE, THE_HOST], ids=["container", "host"])
def test_what_is_never_probed_is_refused_in_every_spelling(address, source):
    for protocol, port in ((Protocol.ICMP, None), (Protocol.TCP, 22), (Protocol.UDP, 8081)):
        assert not allowed(address, protocol, port, source)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_the_hosts_loopback_is_closed_but_for_published_ports_and_a_containers_own_is_open(address):
    assert allowed(address)
    assert not allowed(address, source=THE_HOST)
    assert allowed(address, port=8081, source=THE_HOST)
    assert allowed(address, Protocol.ICMP, None, THE_HOST)


@pytest.mark.parametrize("address", ["172.17.0.1", "fd00:1::1", "::ffff:172.17.0.1"])
def test_at_the_hosts_own_addresses_only_published_ports(address):
    assert not allowed(address, port=22)
    assert allowed(address, port=8081)
    assert allowed(address, Protocol.ICMP, None)


@pytest.mark.parametrize("address", ["172.17.0.2", "172.17.200.3", "fd00:1::5", "192.168.7.9", "::ffff:172.17.0.2"])
def test_containers_and_dockers_own_subnets_are_open(address):
    assert allowed(address)


def test_settings_add_destinations():
    assert allowed("10.0.0.1", policy=Policy(probe_allowed_subnets=("10.0.0.0/24",)))
    assert not allowed("10.0.1.1", policy=Policy(probe_allowed_subnets=("10.0.0.0/24",)))


@pytest.mark.parametrize("address", [*REFUSED, "172.17.0.1", "172.17.0.2", "fd00:1::1", "fd00:1::5", "192.168.7.9"])
@pytest.mark.parametrize("port", [22, 8081])
def test_a_name_leads_nowhere_that_its_address_does_not(address, port):
    plain = literal(address)
    if plain is None:
        return
    subnets = allowed_subnets(SNAPSHOT, Policy(), Protocol.TCP, port)
    assert any(ip_address(plain) in ip_network(subnet) for subnet in subnets) == allowed(address, port=port)


@pytest.mark.parametrize(
    ("address", "protocol", "port", "source", "answer"),
    [
        ("127.0.0.1", Protocol.UDP, 53, THE_HOST, True),
        ("127.0.0.1", Protocol.DNS, 53, THE_HOST, True),
        ("127.0.0.1", Protocol.TCP, 53, THE_HOST, False),
        ("127.0.0.2", Protocol.UDP, 53, THE_HOST, False),
        ("::1", Protocol.UDP, 53, THE_HOST, False),
        ("172.17.0.1", Protocol.UDP, 53, INSIDE, False),
        ("172.17.0.1", Protocol.TCP, 53, INSIDE, False),
        ("172.17.0.1", Protocol.UDP, 8081, INSIDE, False),
        ("172.17.0.1", Protocol.HTTP, 8081, INSIDE, True),
        ("fd00:1::1", Protocol.TCP, 8081, INSIDE, True),
        ("172.17.0.1", Protocol.TCP, 8082, INSIDE, True),
        ("fd00:1::1", Protocol.TCP, 8082, INSIDE, False),
        ("fd00:1::1", Protocol.TCP, 8083, INSIDE, True),
        ("172.17.0.1", Protocol.TCP, 8083, INSIDE, False),
    ],
)
def test_a_published_port_opens_its_own_protocol_and_its_own_address(address, protocol, port, source, answer):
    assert allowed(address, protocol, port, source) is answer
    if not source.is_host:
        subnets = allowed_subnets(SNAPSHOT, Policy(), protocol, port)
        assert any(ip_address(address) in ip_network(subnet) for subnet in subnets) is answer


UNRECORDED = [
    (Pool("10.5.1.0/24"), {}, "10.5.1.1"),
    (Pool("10.5.1.0/24"), {"internal": True}, "10.5.1.1"),
    (Pool("10.5.1.0/24", ip_range="10.5.1.128/25"), {}, "10.5.1.128"),
    (Pool("10.5.1.0/24", ip_range="10.5.1.0/25"), {}, "10.5.1.1"),
    (Pool("10.5.1.0/24", auxiliary_addresses={"DefaultGatewayIPv4": "10.5.1.9"}), {}, "10.5.1.1"),
    (Pool("10.5.1.0/31"), {}, "10.5.1.0"),
    (Pool("fd00:5::/64"), {"ipv6_enabled": True}, "fd00:5::1"),
    (Pool("fd00:5::/64", ip_range="fd00:5:0:0:8000::/65"), {"ipv6_enabled": True}, "fd00:5:0:0:8000::"),
]


def world(network, *addresses):
    """A network, and one container at each of the addresses in it."""
    containers = tuple(
        Container(f"{n:064d}", f"c{n}", endpoints=(Endpoint(network.id, network.name, f"{n:064d}", f"c{n}", **fields),))
        for n, fields in enumerate(addresses)
    )
    return Snapshot(networks=(network,), containers=containers)


def may(snapshot, address, protocol=Protocol.TCP, port=22):
    by_name = any(ip_address(address) in ip_network(s) for s in allowed_subnets(snapshot, Policy(), protocol, port))
    try:
        require_allowed(snapshot, Policy(), address, protocol, port, from_host=True)
    except Refused:
        assert not by_name
        return False
    assert by_name
    return True


@pytest.mark.parametrize(("pool", "fields", "host"), UNRECORDED)
def test_the_hosts_address_is_closed_where_no_gateway_is_recorded(pool, fields, host):
    snapshot = world(Network("5" * 64, "unrecorded", pools=(pool,), **fields))
    assert not may(snapshot, host)
    assert may(snapshot, host, Protocol.ICMP, None)
    if pool.subnet != "10.5.1.0/31":
        assert may(snapshot, str(ip_network(pool.subnet)[7]))


def test_the_first_address_is_open_where_a_container_of_the_network_holds_it():
    network = Network("5" * 64, "isolated", internal=True, pools=(Pool("10.5.1.0/24"),))
    assert may(world(network, {"ipv4_address": "10.5.1.1"}), "10.5.1.1")
    other = Network("6" * 64, "lan", driver="macvlan", pools=(Pool("10.5.1.0/24"),))
    both = world(other, {"ipv4_address": "10.5.1.1"})
    assert not may(Snapshot(networks=(network, other), containers=both.containers), "10.5.1.1")


@pytest.mark.parametrize(
    "network",
    [
        Network("5" * 64, "given", ipam_driver="somebodys", pools=(Pool("10.5.1.0/24"),)),
        Network("5" * 64, "plugged", driver="somebodys", pools=(Pool("10.5.1.0/24", "10.5.1.1"),)),
    ],
)
def test_where_the_hosts_address_is_unknown_only_what_containers_hold_is_open(network):
    snapshot = world(network, {"ipv4_address": "10.5.1.7"})
    assert may(snapshot, "10.5.1.7")
    assert not may(snapshot, "10.5.1.8")


def test_an_overlay_network_is_open_as_a_whole():
    assert may(
        world(Network("5" * 64, "far", driver="overlay", scope="swarm", pools=(Pool("10.0.1.0/24"),))), "10.0.1.7"
    )


def test_a_subnet_of_which_the_host_holds_two_addresses_is_split_around_both():
    overlapping = Network("5" * 64, "wide", pools=(Pool("172.16.0.0/12", "172.16.0.1"),))
    snapshot = Snapshot(networks=(BRIDGE, overlapping), containers=())
    parts = [ip_network(subnet) for subnet in allowed_subnets(snapshot, Policy(), Protocol.TCP, 22)]
    for held in ("172.16.0.1", "172.17.0.1"):
        assert not any(ip_address(held) in part for part in parts)
    assert any(ip_address("172.31.255.1") in part for part in parts)


def test_the_host_takes_pings_and_no_connection_without_a_port():
    assert host_open(SNAPSHOT, Protocol.ICMP, 8081)
    assert not host_open(SNAPSHOT, Protocol.TCP, None)
