"""The gateway that the engine chose and does not tell; on real engines: behaviour/test_networks.py."""

import pytest

from bridgework.ipam.gateways import with_gateways
from bridgework.model.snapshot import Network, Pool

B = "com.docker.network.bridge."
FOUR, SIX = Pool("10.9.0.0/24"), Pool("fd00:9::/64")
DOCKER_26, DOCKER_28, DOCKER_29 = (1, 45), (1, 51), (1, 55)


def told(api, *pools, **fields):
    network = Network(id="n", name="lan", pools=pools, **{"driver": "bridge", **fields})
    return [pool.gateway for pool in with_gateways(network, api).pools]


@pytest.mark.parametrize("api", [DOCKER_26, DOCKER_28])
def test_the_first_address_of_the_range_or_subnet(api):
    assert told(api, FOUR, SIX, ipv6_enabled=True) == ["10.9.0.1", "fd00:9::1"]
    assert told(api, Pool("10.9.0.0/24", ip_range="10.9.0.128/30")) == ["10.9.0.128"]
    assert told(api, Pool("10.9.0.0/24", auxiliary_addresses={"x": "10.9.0.2"}), internal=True) == ["10.9.0.1"]
    assert told(api, Pool("10.9.0.0/31")) == ["10.9.0.0"]
    assert told(api, FOUR, driver="macvlan") == ["10.9.0.1"]


def test_the_engines_own_word_comes_first():
    assert told(DOCKER_26, Pool("10.9.0.0/24", "10.9.0.254")) == ["10.9.0.254"]
    assert told(DOCKER_29, FOUR) == [None]


@pytest.mark.parametrize(
    "fields", [{"config_only": True}, {"ipam_driver": "remote"}, {"driver": "overlay"}, {"ipv4_enabled": False}]
)
def test_where_nothing_is_known_there_is_none(fields):
    assert told(DOCKER_26, FOUR, **fields) == [None]


def test_a_pool_of_a_family_that_is_off():
    assert told(DOCKER_28, FOUR, SIX) == ["10.9.0.1", None]


@pytest.mark.parametrize(
    "fields",
    [
        {"internal": True, "options": {B + "gateway_mode_ipv4": "isolated"}},
        {"internal": True, "options": {B + "inhibit_ipv4": "true"}},
        {"driver": "macvlan", "internal": True},
        {"driver": "ipvlan", "options": {"ipvlan_mode": "l3"}},
    ],
)
def test_what_28_gives_no_gateway(fields):
    assert told(DOCKER_28, FOUR, **fields) == [None]
    assert told(DOCKER_26, FOUR, **fields) == ["10.9.0.1"]
