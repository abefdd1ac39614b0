"""Which ports of the host exclude each other, as measured on the engines."""

import itertools
from dataclasses import replace

import pytest

from bridgework.model.observations import ListeningSocket
from bridgework.policy.host_ports import claims, claims_of, clash, held_by, publisher_of
from tests.support.worlds import BRIDGE, HOST_NETWORK, container, network, published, world

ADDRESSES = ("", "0.0.0.0", "::", "127.0.0.1", "127.0.0.2", "::1")
BESIDE = {
    frozenset(pair)
    for pair in (
        ("0.0.0.0", "::"), ("0.0.0.0", "::1"), ("::", "127.0.0.1"), ("::", "127.0.0.2"), ("127.0.0.1", "127.0.0.2"),
        ("127.0.0.1", "::1"), ("127.0.0.2", "::1"),
    )
}  # fmt: skip
"""The pairs that every engine publishes beside each other (tests/engine/test_host_ports.py asks it)."""


@pytest.mark.parametrize(("one", "other"), list(itertools.product(ADDRESSES, repeat=2)))
def test_two_addresses_clash_when_they_share_a_family_and_an_address(one, other):
    wanted, taken = published(8080, host_ip=one), published(8080, 81, host_ip=other)
    assert clash(wanted, taken) is (frozenset((one, other)) not in BESIDE)
    assert not clash(wanted, replace(taken, host_port=8081))
    assert not clash(wanted, replace(taken, protocol="udp"))


def test_an_address_clashes_however_it_is_written():
    assert clash(published(80, host_ip="fd00::1"), published(80, host_ip="fd00:0::1"))


def test_what_is_no_address_clashes_with_nothing():
    assert not clash(published(80, host_ip="odd"), published(80, host_ip=""))


def test_a_port_without_a_number_clashes_with_none():
    assert not clash(published(None), published(None))
    assert publisher_of(world(BRIDGE), published(None)) is None


INTERNAL = network("inside", internal=True)
LOOPBACK = network("lo", options={"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"})
EVERYWHERE = network("all", options={"com.docker.network.bridge.host_binding_ipv4": "0.0.0.0"})
VLAN = network("vlan", driver="macvlan")


@pytest.mark.parametrize(
    ("networks", "host_ips"),
    [
        ([BRIDGE], ["", "::1"]),
        ([EVERYWHERE], ["", "::1"]),
        ([LOOPBACK], ["127.0.0.1", "::1"]),
        ([LOOPBACK, INTERNAL], ["127.0.0.1", "::1"]),
        ([LOOPBACK, BRIDGE], ["", "::1"]),
        ([INTERNAL, VLAN], []),
        ([], []),
    ],
)
def test_what_a_container_claims_follows_from_its_networks(networks, host_ips):
    wanted = (published(8080, host_ip=""), published(8081, host_ip="::1"))
    assert [port.host_ip for port in claims(wanted, networks)] == host_ips


def test_a_container_without_a_network_of_its_own_claims_nothing():
    owner = container("owner", (BRIDGE, "172.17.0.2"), configured_ports=[published(8080)])
    sharer = container("sharer", shares_with=owner.id, configured_ports=[published(8080)])
    hosted = container("hosted", (HOST_NETWORK, None), network_mode="host", configured_ports=[published(8080)])
    snapshot = world(BRIDGE, HOST_NETWORK, owner, sharer, hosted)
    assert [claims_of(snapshot, one) for one in (owner, sharer, hosted)] == [(published(8080),), (), ()]


@pytest.mark.parametrize(
    ("address", "ipv6_only", "clashes_with"),
    [
        ("::", False, set(ADDRESSES)),
        ("::", True, {"", "::", "::1"}),
        ("0.0.0.0", False, {"", "0.0.0.0", "127.0.0.1", "127.0.0.2"}),
        ("::ffff:127.0.0.1", False, {"", "0.0.0.0", "127.0.0.1"}),
    ],
)
def test_a_program_takes_the_families_that_its_socket_takes(address, ipv6_only, clashes_with):
    held = held_by(ListeningSocket("tcp", "ipv6", address, 8080, ipv6_only=ipv6_only))
    assert {one for one in ADDRESSES if clash(published(8080, host_ip=one), held)} == clashes_with
