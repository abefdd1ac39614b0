"""What a project may not take from another: names, addresses, ports, and networks in which the other has a guest."""

import pytest

from bridgework.model.errors import Refused
from bridgework.policy.access import PROJECT_LABEL, Caller, Role
from bridgework.policy.ownership import require_no_guests, require_place, require_ports
from tests.support.worlds import container, network, published, world

ALPHA = {PROJECT_LABEL: "alpha"}
BETA = {PROJECT_LABEL: "beta"}
CALLER = Caller("alpha-ci", Role.OPERATOR, "alpha")
EVERYBODY = Caller("admin", Role.ADMIN)
SHOP = network("shop", "10.1.0.0/24", labels=ALPHA)
STORE = network("store", "10.2.0.0/24", labels=BETA)
DATABASE = container("beta-db", (STORE, "10.2.0.2", {"aliases": ["db", "store.beta"]}), labels=BETA)
GUEST = container("beta-app", (STORE, "10.2.0.3"), (SHOP, "10.1.0.3", {"aliases": ["app"]}), labels=BETA)
OWN = container("alpha-web", (SHOP, "10.1.0.2"), labels=ALPHA)
WORLD = world(SHOP, STORE, DATABASE, GUEST, OWN)


@pytest.mark.parametrize(
    ("names", "addresses", "why"),
    [
        (["app"], [], "the name app in shop belongs to beta-app"),
        (["BETA-APP"], [], "the name beta-app in shop belongs to beta-app"),
        ([], ["10.1.0.3"], "the address 10.1.0.3 in shop belongs to beta-app"),
        (["db"], [], "beta-app, which is in shop, resolves the name db to beta-db in store"),
        (["db.store"], [], "may ask an outside DNS server for the name db.store"),
        (["api.example.com"], [], "may ask an outside DNS server for the name api.example.com"),
    ],
)
def test_a_place_that_another_project_has(names, addresses, why):
    with pytest.raises(Refused, match="may change only") as refused:
        require_place(CALLER, WORLD, SHOP, names, addresses)
    assert why in refused.value.detail
    assert refused.value.code == "project-mismatch"
    require_place(EVERYBODY, WORLD, SHOP, names, addresses)


@pytest.mark.parametrize(
    ("names", "addresses"), [(["cache"], ["10.1.0.9"]), (["alpha-web"], ["10.1.0.2"]), ([""], [None])]
)
def test_a_place_that_is_free_or_ones_own(names, addresses):
    require_place(CALLER, WORLD, SHOP, names, addresses)


def test_where_no_guest_is_every_name_is_free():
    alone = world(SHOP, STORE, DATABASE, OWN)
    require_place(CALLER, alone, SHOP, ["db", "api.example.com"], [])


def test_a_guest_that_is_on_the_default_bridge_or_a_lost_network_too_resolves_nothing_there():
    bridge = network("bridge", "172.17.0.0/16")
    lost = network("lost", "10.9.0.0/24")
    other = container("other", (bridge, "172.17.0.2", {"aliases": ["db"]}), labels=BETA)
    guest = container("guest", (SHOP, "10.1.0.4"), (bridge, "172.17.0.3"), (lost, "10.9.0.2"), labels=BETA)
    require_place(CALLER, world(SHOP, bridge, other, guest), SHOP, ["db"], [])


def test_a_host_port_of_a_stopped_container_is_still_its_own():
    holder = container("beta-web", (STORE, None), state="exited", ports=[published(8081)], labels=BETA)
    held = world(STORE, holder, OWN)
    with pytest.raises(Refused, match="may change only") as refused:
        require_ports(CALLER, held, [published(8081, host_ip="127.0.0.1")])
    assert "the host port 8081/tcp belongs to beta-web" in refused.value.detail
    require_ports(CALLER, held, [published(8082), published(None)])
    require_ports(EVERYBODY, held, [published(8081)])


def test_a_network_with_a_guest_is_not_taken_away():
    with pytest.raises(Refused, match="may change only") as refused:
        require_no_guests(CALLER, WORLD, SHOP)
    assert "beta-app, which is in shop, belongs to another" in refused.value.detail
    require_no_guests(CALLER, world(SHOP, OWN), SHOP)
