"""Which of some addresses lies outside of all allowed subnets."""

import pytest

from bridgework.ipam.intervals import forbidden

SUBNETS = ("10.1.0.0/24", "10.1.1.0/24", "fd00::/64")


@pytest.mark.parametrize(
    ("addresses", "first"),
    [
        ([], None),
        (["10.1.0.7", "10.1.1.255", "fd00::9"], None),
        (["::ffff:10.1.0.7"], None),
        (["fd00::9%eth0"], None),
        (["10.1.0.7", "10.1.2.0", "8.8.8.8"], "10.1.2.0"),
        (["10.0.255.255"], "10.0.255.255"),
        (["fd00:0:0:1::"], "fd00:0:0:1::"),
        (["::ffff:8.8.8.8"], "::ffff:8.8.8.8"),
    ],
)
def test_the_first_address_outside_of_all_subnets_is_named(addresses, first):
    assert forbidden(addresses, SUBNETS) == first


def test_without_a_list_every_address_is_allowed():
    assert forbidden(["8.8.8.8"], None) is None


def test_with_an_empty_list_none_is():
    assert forbidden(["8.8.8.8"], ()) == "8.8.8.8"
