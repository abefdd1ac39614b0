"""IPAM arithmetic: usage, overlaps and free subnets."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgework.ipam.intervals import count_free_blocks, enclosures, free_blocks, merged, parse
from bridgework.ipam.usage import Overlap, available_subnets, first_free_pool, next_address, overlaps, usage_of
from bridgework.model.observations import Route
from bridgework.model.snapshot import Endpoint, Network, Pool


def network(*pools, name="lab", **fields):
    return Network(id=name * 8, name=name, pools=pools, **fields)


def endpoint(name, address=None, *, state="active", **fields):
    return Endpoint("lab" * 8, "lab", f"id-{name}", name, state=state, ipv4_address=address, **fields)


def route(destination, interface="eth0"):
    return Route(destination, "ipv4", None, interface, None, "link", "kernel")


def test_a_pool_counts_every_address_but_those_of_the_network_and_the_broadcast():
    (usage,) = usage_of(network(Pool("10.99.3.0/29", "10.99.3.1")), [endpoint("web", "10.99.3.2")])
    assert (usage.size, usage.used, usage.free, usage.next_free) == (6, 2, 4, "10.99.3.3")
    assert [(h.address, h.kind, h.name) for h in usage.holders] == [
        ("10.99.3.1", "gateway", "gateway"),
        ("10.99.3.2", "container", "web"),
    ]


def test_a_range_is_handed_out_whole():
    (usage,) = usage_of(network(Pool("10.99.2.0/24", "10.99.2.128", ip_range="10.99.2.128/30")), [])
    assert (usage.size, usage.gateway, usage.next_free) == (4, "10.99.2.128", "10.99.2.129")


def test_a_subnet_without_a_gateway():
    (usage,) = usage_of(network(Pool("10.9.0.0/24")), [])
    assert (usage.gateway, usage.used, usage.next_free) == (None, 0, "10.9.0.1")


def test_a_config_only_network_holds_nothing():
    (usage,) = usage_of(network(Pool("10.9.0.0/24", "10.9.0.1"), config_only=True), [])
    assert (usage.used, usage.holders) == (0, ())


def test_a_holder_outside_the_range_is_listed_but_takes_nothing_from_it():
    pool = Pool("10.9.0.0/24", "10.9.0.1", ip_range="10.9.0.128/25")
    (usage,) = usage_of(network(pool), [endpoint("web", "10.9.0.5")])
    assert (usage.size, usage.used, len(usage.holders)) == (127, 0, 2)


def test_a_range_elsewhere_is_ignored():
    (usage,) = usage_of(network(Pool("10.9.0.0/24", "10.9.0.1", ip_range="10.8.0.0/24")), [])
    assert usage.size == 254


def test_reserved_addresses_are_held_by_their_names():
    pool = Pool("10.9.0.0/29", "10.9.0.1", auxiliary_addresses={"router": "10.9.0.2"})
    (usage,) = usage_of(network(pool), [])
    assert (usage.holders[1].kind, usage.holders[1].name, usage.next_free) == ("auxiliary", "router", "10.9.0.3")


def test_a_stopped_containers_fixed_address_is_listed_yet_free_and_not_offered_first():
    stopped = endpoint("db", state="configured", configured_ipv4="10.9.0.2")
    (usage,) = usage_of(network(Pool("10.9.0.0/29", "10.9.0.1")), [stopped])
    assert (usage.used, usage.free, usage.next_free) == (1, 5, "10.9.0.3")
    assert [(h.kind, h.name) for h in usage.holders] == [("gateway", "gateway"), ("configured", "db")]


def test_the_last_address_is_offered_even_when_a_stopped_container_wants_it():
    stopped = endpoint("db", state="configured", configured_ipv4="10.9.0.2")
    (usage,) = usage_of(network(Pool("10.9.0.0/30", "10.9.0.1")), [stopped])
    assert (usage.free, usage.next_free) == (1, "10.9.0.2")


def test_a_full_pool_has_no_next_address():
    (usage,) = usage_of(network(Pool("10.9.0.0/30", "10.9.0.1")), [endpoint("web", "10.9.0.2")])
    assert (usage.free, usage.next_free) == (0, None)


def test_a_vast_ipv6_pool_is_counted_and_not_walked():
    (usage,) = usage_of(network(Pool("fd00:9::/48", "fd00:9::1")), [])
    assert (usage.size, usage.next_free) == (2**80 - 1, "fd00:9::2")


def test_each_pool_of_two_families_has_its_own_addresses_and_nonsense_is_left_out():
    both = network(Pool("10.9.0.0/24", "10.9.0.1"), Pool("fd00:9::/64", "fd00:9::1"), Pool("nonsense"), Pool(""))
    web = endpoint("web", "10.9.0.2", ipv6_address="fd00:9::2")
    assert [u.used for u in usage_of(both, [web, endpoint("odd", "what?")])] == [2, 2]


@given(
    length=st.integers(22, 32),
    range_length=st.none() | st.integers(24, 32),
    numbers=st.lists(st.integers(0, 1023), max_size=40),
    running=st.booleans(),
)
def test_used_and_free_add_up_and_the_next_address_is_nobodys(length, range_length, numbers, running):
    subnet = IPv4Network(f"10.9.0.0/{length}")
    inner = f"10.9.0.0/{range_length}" if range_length and range_length >= length else None
    state = "active" if running else "configured"
    field = "ipv4_address" if running else "configured_ipv4"
    holders = [
        Endpoint("n", "lab", str(i), f"c{i}", state=state, **{field: str(ip_address("10.9.0.0") + n)})
        for i, n in enumerate(numbers)
    ]
    (usage,) = usage_of(network(Pool(str(subnet), ip_range=inner)), holders)
    assert usage.size == usage.used + usage.free
    assert 0 <= usage.used <= usage.size
    assert (usage.next_free is None) == (usage.free == 0)
    if usage.next_free:
        assert ip_address(usage.next_free) in subnet
        assert usage.next_free not in {h.address for h in usage.holders if h.kind != "configured"}


def test_an_overlap_names_the_network_the_route_and_the_other_pool():
    networks = [network(Pool("10.9.0.0/24"), name="old"), network(Pool("10.9.0.0/16"), name="plan", config_only=True)]
    routes = [route("0.0.0.0/0"), route("10.9.0.0/20", "tun0"), route("10.9.0.0/24", networks[0].bridge_name)]
    assert overlaps(["10.9.0.128/25", "10.9.0.0/25", "10.9.0.0/16", "junk", "10.200.0.0/16"], networks, routes) == [
        Overlap("10.9.0.128/25", "network", "old", "old" * 8, "10.9.0.0/24"),
        Overlap("10.9.0.128/25", "host-route", "tun0", None, "10.9.0.0/20"),
        Overlap("10.9.0.0/25", "network", "old", "old" * 8, "10.9.0.0/24"),
        Overlap("10.9.0.0/25", "host-route", "tun0", None, "10.9.0.0/20"),
        Overlap("10.9.0.0/16", "network", "old", "old" * 8, "10.9.0.0/24"),
        Overlap("10.9.0.0/16", "host-route", "tun0", None, "10.9.0.0/20"),
        Overlap("10.9.0.0/16", "pool", "10.9.0.128/25", None, "10.9.0.128/25"),
        Overlap("10.9.0.0/16", "pool", "10.9.0.0/25", None, "10.9.0.0/25"),
    ]


def test_half_of_the_internet_through_a_tunnel_is_an_overlap():
    assert (
        overlaps(["10.9.0.0/24"], [], [route("0.0.0.0/1", "tun0"), route("::/0"), route("default")])[0].name == "tun0"
    )


def test_a_route_without_an_interface_is_named_by_its_destination():
    assert overlaps(["10.9.0.0/24"], [], [route("10.0.0.0/8", None)])[0].name == "10.0.0.0/8"


def test_free_subnets_step_over_what_is_taken():
    taken = ["172.16.0.0/16", "172.17.0.0/24", "0.0.0.0/32", "nonsense"]
    assert available_subnets(24, 3, taken) == ["172.17.1.0/24", "172.17.2.0/24", "172.17.3.0/24"]


def test_the_next_base_serves_when_the_first_is_full():
    assert available_subnets(16, 1, ["172.16.0.0/12", "192.168.5.0/30"]) == ["10.0.0.0/16"]


def test_a_length_of_ipv6_gives_ipv6():
    assert available_subnets(64, 2, ["fd00::/64"]) == ["fd00:0:0:1::/64", "fd00:0:0:2::/64"]


@pytest.mark.parametrize("length", [-1, 0, 7, 31, 32, 33, 47, 127, 128, 999])
def test_a_length_no_network_has_gives_nothing(length):
    assert available_subnets(length, 5, []) == []


def test_nothing_is_left_when_everything_is_taken():
    assert available_subnets(24, 5, ["0.0.0.0/0"]) == []
    assert available_subnets(24, -1, []) == []
    assert available_subnets(24, 5, [], bases=["nonsense", "10.0.0.0/25"]) == []


def cidrs(shortest=8):
    within = st.tuples(st.integers(0, 2**24 - 1), st.integers(shortest, 32))
    return within.map(lambda p: str(ip_network(((10 << 24) + p[0], p[1]), strict=False)))


@given(taken=st.lists(cidrs(), max_size=30), length=st.integers(8, 30), count=st.integers(0, 8))
def test_free_subnets_overlap_nothing_and_are_the_same_whatever_the_order(taken, length, count):
    free = available_subnets(length, count, taken, bases=["10.0.0.0/8"])
    assert free == available_subnets(length, count, list(reversed(taken)), bases=["10.0.0.0/8"])
    blocks = [ip_network(cidr) for cidr in free]
    assert not any(block.overlaps(ip_network(other)) for block in blocks for other in taken)
    assert len(set(blocks)) == len(blocks) <= count


@given(taken=st.lists(cidrs(14), max_size=20), length=st.integers(12, 20))
def test_free_blocks_are_counted_as_they_would_be_listed(taken, length):
    base, occupied = parse("10.0.0.0/12"), merged(parse(cidr) for cidr in [*taken, "fd00::/8"])
    assert count_free_blocks(base, length, occupied) == len(list(free_blocks(base, length, occupied)))


@given(st.lists(cidrs(), max_size=30))
def test_enclosures_find_a_partner_for_exactly_the_blocks_that_lie_in_another(subnets):
    owned = [(parse(cidr), index) for index, cidr in enumerate(subnets)]
    pairs = list(enclosures(owned))
    blocks = [ip_network(cidr) for cidr in subnets]
    assert all(blocks[inner].subnet_of(blocks[outer]) for outer, inner in pairs)
    inner = {pair[1] for pair in pairs}
    assert len(inner) == len(pairs)
    for index, block in enumerate(blocks):
        bigger = [o for o, other in enumerate(blocks) if o != index and block.subnet_of(other) and block != other]
        assert not bigger or index in inner


def test_the_next_address_is_the_lowest_that_nothing_running_holds():
    lab = network(Pool("fd00:9::/64"), Pool("10.9.0.0/29", "10.9.0.1"))
    stopped = endpoint("db", state="configured", configured_ipv4="10.9.0.2")
    assert next_address(lab, [stopped], 4) == ("10.9.0.2", lab.pools[1])
    assert next_address(lab, [endpoint("web", "10.9.0.2")], 4) == ("10.9.0.3", lab.pools[1])


def test_the_next_address_is_that_which_was_asked_for_in_the_pool_that_has_it():
    lab = network(Pool("10.8.0.0/29"), Pool("10.9.0.0/29"))
    assert next_address(lab, [], 4, "10.9.0.5") == ("10.9.0.5", lab.pools[1])
    assert next_address(lab, [], 4, "10.7.0.5") is None


def test_a_full_pool_leads_to_the_next_one_and_the_last_full_one_to_none():
    lab = network(Pool("10.8.0.0/30", "10.8.0.1"), Pool("10.9.0.0/30", "10.9.0.1"))
    assert next_address(lab, [endpoint("web", "10.8.0.2")], 4) == ("10.9.0.2", lab.pools[1])
    assert next_address(lab, [endpoint("web", "10.8.0.2"), endpoint("db", "10.9.0.2")], 4) is None


def test_another_ipam_driver_chooses_in_its_own_way():
    lab = network(Pool("10.8.0.0/24"), ipam_driver="dhcp")
    assert next_address(lab, [], 4) is None
    assert next_address(lab, [], 4, "10.8.0.9") == ("10.8.0.9", lab.pools[0])


def test_the_first_free_pool_is_an_ipv4_one_that_overlaps_nothing():
    pools = [("fd00::/48", 64), ("10.1.0.0/24", 24), ("10.2.0.0/16", 24)]
    assert first_free_pool(pools, []) == "10.1.0.0/24"
    assert first_free_pool(pools, ["10.1.0.128/25", "10.2.0.0/24"]) == "10.2.1.0/24"
    assert first_free_pool(pools, ["10.0.0.0/8"]) is None
