"""What a caller may ask of IPAM and of names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgework.ipam.input import validate_container_name, validate_network_name, validate_pools
from bridgework.ipam.usage import available_subnets
from bridgework.model.snapshot import Pool


def pointers(*pools, ipv4=True, ipv6=True, **options):
    return [fault.pointer for fault in validate_pools(pools, ipv4_enabled=ipv4, ipv6_enabled=ipv6, **options)]


def test_a_good_pool_has_no_faults():
    pool = Pool("10.77.0.0/24", "10.77.0.1", "10.77.0.128/25", {"router": "10.77.0.2"})
    assert pointers(pool, Pool("fd00:77::/64", "fd00:77::1")) == []


@pytest.mark.parametrize(
    "subnet",
    [
        *("", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/255.255.255.0", "10.0.0.0/08", "10.0.0.0/8\n", "10.0.0/24"),
        *("٣.0.0.0/8", "fe80::1%eth0/64", "fd00::/129", "10.0.0.0/-1", " 10.0.0.0/8", ":/1", "10.0.0.5/24"),
    ],
)
def test_a_subnet_is_written_as_cidr_and_without_host_bits(subnet):
    assert pointers(Pool(subnet)) == ["/ipam/pools/0/subnet"]


def test_host_bits_are_answered_with_the_subnet_that_was_meant():
    (fault,) = validate_pools([Pool("10.99.5.3/24")], ipv4_enabled=True, ipv6_enabled=False)
    assert "10.99.5.0/24" in fault.message


@pytest.mark.parametrize(
    "subnet",
    [
        *("127.0.0.0/24", "169.254.169.0/24", "224.1.0.0/16", "240.0.0.0/8", "0.0.0.0/16", "8.8.8.0/24"),
        *("0.0.0.0/0", "fe80::/64", "ff02::/64", "::/64", "::/126", "::ffff:10.0.0.0/104", "fd00:ec2::/64"),
        *("2001:4860::/32", "172.0.0.0/8"),
    ],
)
def test_special_and_public_ranges_are_refused(subnet):
    assert pointers(Pool(subnet)) == ["/ipam/pools/0/subnet"]


def test_public_ranges_can_be_allowed_but_special_ones_never():
    assert pointers(Pool("8.8.8.0/24"), allow_public=True) == []
    assert pointers(Pool("169.254.0.0/24"), allow_public=True) == ["/ipam/pools/0/subnet"]


@pytest.mark.parametrize("subnet", ["100.64.0.0/16", "192.0.2.0/24", "198.18.0.0/24", "2001:db8::/64"])
def test_documentation_benchmark_and_carrier_ranges_are_nobodys_in_particular(subnet):
    assert pointers(Pool(subnet)) == []


@pytest.mark.parametrize("subnet", ["10.0.0.0/31", "10.0.0.1/32", "fd00::/127", "fd00::1/128"])
def test_a_bridge_needs_room_for_a_gateway_and_a_container(subnet):
    assert pointers(Pool(subnet)) == ["/ipam/pools/0/subnet"]
    assert pointers(Pool(subnet), driver="macvlan") == []


def test_a_pool_of_a_family_that_is_off_is_a_fault():
    assert pointers(Pool("10.0.0.0/24"), ipv4=False) == ["/ipam/pools/0/subnet"]
    assert pointers(Pool("fd00::/64"), ipv6=False) == ["/ipam/pools/0/subnet"]


@pytest.mark.parametrize(
    "gateway", ["", "x", "10.1.0.1", "fd00::1", "10.0.0.0", "10.0.0.255", "10.0.0.1/24", "fe80::1%eth0"]
)
def test_a_gateway_is_an_address_of_its_subnet(gateway):
    assert pointers(Pool("10.0.0.0/24", gateway)) == ["/ipam/pools/0/gateway"]


def test_the_last_address_of_an_ipv6_subnet_is_an_address_like_any_other():
    assert pointers(Pool("fd00::/120", "fd00::ff")) == []


def test_a_range_lies_inside_its_subnet():
    for bad in ("10.1.0.0/25", "10.0.0.0/23", "fd00::/64", "junk", "10.0.0.9/25"):
        assert pointers(Pool("10.0.0.0/24", ip_range=bad)) == ["/ipam/pools/0/ip_range"]


def test_reserved_addresses_are_pointed_at_by_their_escaped_names():
    reserved = {"a/b~c": "10.0.0.1", "far": "10.9.9.9", "good": "10.0.0.7"}
    assert pointers(Pool("10.0.0.0/24", "10.0.0.1", auxiliary_addresses=reserved)) == [
        "/ipam/pools/0/auxiliary_addresses/a~1b~0c",
        "/ipam/pools/0/auxiliary_addresses/far",
    ]


def test_addresses_are_checked_even_where_the_subnet_makes_no_sense():
    assert pointers(Pool("junk", "junk", "junk", {"a": "junk"})) == [
        "/ipam/pools/0/subnet",
        "/ipam/pools/0/gateway",
        "/ipam/pools/0/auxiliary_addresses/a",
        "/ipam/pools/0/ip_range",
    ]
    assert pointers(Pool("junk", "10.0.0.1")) == ["/ipam/pools/0/subnet"]


def test_pools_may_not_overlap_one_another():
    pools = (Pool("10.0.0.0/24"), Pool("10.0.0.0/16"), Pool("10.0.5.0/24"))
    faults = validate_pools(pools, ipv4_enabled=True, ipv6_enabled=True, driver="macvlan")
    assert [(f.pointer, f.message) for f in faults] == [
        ("/ipam/pools/1/subnet", "10.0.0.0/16 overlaps pool 0, 10.0.0.0/24."),
        ("/ipam/pools/2/subnet", "10.0.5.0/24 overlaps pool 1, 10.0.0.0/16."),
    ]


def test_a_bridge_takes_one_pool_a_family():
    assert pointers(Pool("10.0.0.0/24"), Pool("10.1.0.0/24"), Pool("fd00::/64")) == ["/ipam/pools/1"]


def test_a_thousand_pools_are_checked_without_comparing_every_pair():
    assert len(pointers(*[Pool("10.0.0.0/24")] * 1000, driver="macvlan")) == 999


@given(st.lists(st.builds(Pool, st.text(), st.none() | st.text(), st.none() | st.text()), max_size=4))
def test_any_text_is_answered_with_faults(pools):
    assert len(pointers(*pools)) >= len(pools)


@given(st.integers(8, 30), st.integers(1, 20))
def test_every_free_subnet_is_one_that_may_be_asked_for(prefix_len, count):
    found = list(available_subnets(prefix_len, count, []))
    # 10.0.0.0/8 alone has one of each length.
    assert found
    assert [subnet for subnet in found if pointers(Pool(subnet))] == []


@pytest.mark.parametrize("name", ["simon_network", "a", "A.b-c_9", "Bridge", "0123456789a", "x" * 63])
def test_dockers_own_names_are_good(name):
    assert validate_network_name(name) == []


@pytest.mark.parametrize(
    "name",
    [
        *("", "-a", "_a", ".a", "a b", "a/b", "../x", "a\n", "ä", "a:b", "٣a", "bridge", "host", "none", "default"),
        *("0123456789ab", "ab" * 32, "x" * 64, "a." * 63 + "aaa"),
    ],
)
def test_other_names_are_refused(name):
    assert {fault.pointer for fault in validate_network_name(name)} == {"/name"}


def test_a_container_may_be_called_bridge_but_not_by_one_letter():
    assert validate_container_name("bridge") == []
    assert [f.pointer for f in validate_container_name("a", pointer="/new_name")] == ["/new_name"]
