"""Which engine an upgrade means, what is refused, and what is noted about it."""

from dataclasses import replace

import pytest

from bridgework.firewall.docker.releases import RELEASES
from bridgework.model.actions import UpgradeEngine
from bridgework.model.engine_port import EngineFacts
from bridgework.model.errors import InvalidInput
from bridgework.plans.changes import upgraded
from bridgework.plans.notes import Upgrade, notes_of
from bridgework.plans.upgrade import target_of
from tests.support.worlds import BRIDGE, container, network, world

NEWEST = "{}.{}".format(*RELEASES[-1])


def facts(version="26.1.5", **more):
    return EngineFacts("", "", version, "1.45", "1.24", "", "", (), (), **more)


@pytest.mark.parametrize(
    ("wanted", "release", "patch"),
    [("29.7", (29, 7), None), ("v28.3.3", (28, 3), 3), ("28.5.2-1~debian", (28, 5), 2), ("26.1", (26, 1), None)],
)
def test_a_version_is_read_as_docker_writes_it(wanted, release, patch):
    made = target_of(UpgradeEngine(wanted), facts(), "")
    assert (made.release, made.patch, made.is_newer) == (release, patch, False)


def test_a_newer_release_is_answered_as_the_newest_known_one():
    made = target_of(UpgradeEngine("99.1"), facts(), "")
    assert (made.version, made.release, made.is_newer) == ("99.1", RELEASES[-1], True)


def test_what_is_left_out_stays_as_it_is():
    made = target_of(UpgradeEngine(userland_proxy=False), facts("29.7.2", firewall_backend="nftables+firewalld"), "")
    assert (made.release, made.nftables, made.userland_proxy, made.ip6tables) == ((29, 7), True, False, None)


@pytest.mark.parametrize(
    ("wanted", "field", "words"),
    [
        ({"version": "29"}, "version", "major and minor number"),
        ({"version": "25.0"}, "version", "Name 26.1 or a later release"),
        ({"version": "28.9"}, "version", "The releases of Docker 28 are 28.0, 28.1"),
        ({"version": "28.5", "firewall_backend": "nftables"}, "firewall_backend", "it came with 29.0"),
        ({"firewall_backend": "nftables"}, "firewall_backend", "Docker 26.1 has no nftables"),
        ({"version": "28.1", "allow_direct_routing": True}, "allow_direct_routing", "it came with 28.2"),
    ],
)
def test_what_cannot_be_is_refused_with_the_sentence_that_helps(wanted, field, words):
    with pytest.raises(InvalidInput) as refused:
        target_of(UpgradeEngine(**wanted), facts(), "/changes/0/upgrade_engine")
    (fault,) = refused.value.faults
    assert fault.pointer == f"/changes/0/upgrade_engine/{field}"
    assert words in fault.message


def test_a_backend_that_stays_is_refused_where_the_release_has_it_not():
    with pytest.raises(InvalidInput) as refused:
        target_of(UpgradeEngine("28.5"), facts("29.7.2", firewall_backend="nftables"), "")
    assert [fault.pointer for fault in refused.value.faults] == ["/firewall_backend"]


def test_an_engine_of_unknown_version_needs_one():
    with pytest.raises(InvalidInput):
        target_of(UpgradeEngine(userland_proxy=False), facts("dev"), "")


MODE = "com.docker.network.bridge.gateway_mode_ipv4"


def notes(snapshot, wanted, now="26.1.5", **more):
    """The notes by their codes."""
    engine = facts(now, **more.pop("facts", {}))
    target = target_of(wanted, engine, "")
    after = upgraded(snapshot, target.before, target.release)
    return {one.code: one for one in notes_of(Upgrade(snapshot, after, engine, target, **more))}


def named(note):
    return [one.name for one in note.components]


def test_options_that_the_target_ignores_and_those_that_stay_ignored_are_named():
    routed = network("routed", options={MODE: "routed"})
    assert named(notes(world(routed), UpgradeEngine("26.1"), "28.5.2")["option-ignored"]) == [f"{MODE} of routed"]
    made_by_26 = replace(routed, ignored_options=frozenset({MODE}))
    found = notes(world(made_by_26), UpgradeEngine("28.5"))
    assert named(found["option-needs-new-network"]) == [f"routed ({MODE})"]
    assert "option-ignored" not in found


def test_containers_are_named_that_the_release_treats_otherwise():
    plain = network("plain")
    on = (plain, "10.1.0.9", {"mac_address": "02:42:0a:01:00:09"})
    linked = container("linked", on, links=("/db:/linked/db",), restart_policy="no")
    kept = container("kept", (plain, "10.1.0.10", {"mac_address": "aa:bb:0a:01:00:0a"}), restart_policy="always")
    found = notes(world(plain, linked, kept), UpgradeEngine("29.7"))
    for code in ("link-variables-gone", "mac-addresses-change", "not-started-again"):
        assert named(found[code]) == ["linked"], code
    assert "direct-access-closed" in found
    later = notes(world(plain, linked, kept), UpgradeEngine("29.7"), "29.0.1")
    assert later.keys() & {"link-variables-gone", "mac-addresses-change", "direct-access-closed"} == set()


def test_a_setting_decides_whether_direct_access_closes():
    plain = network("plain")
    one = container("one", (plain, "10.1.0.9"))
    assert "direct-access-closed" not in notes(world(plain, one), UpgradeEngine("29.7", allow_direct_routing=True))
    assert "direct-access-closed" not in notes(world(plain), UpgradeEngine("29.7"))


@pytest.mark.parametrize(("version", "is_there"), [("28.4", False), ("29.0", True), ("29.2", True), ("29.3", False)])
def test_clients_of_old_versions_of_the_api_are_refused_by_some_releases(version, is_there):
    assert ("old-clients-refused" in notes(world(BRIDGE), UpgradeEngine(version))) is is_there


def test_rules_for_ipv6_come_and_go_with_the_default():
    six = world(network("six", subnet6="fd00:1::/64"))
    assert "ip6tables-by-default" in notes(six, UpgradeEngine("28.5"), ipv6_rules=False)
    assert "ip6tables-by-default" not in notes(six, UpgradeEngine("28.5", ip6tables=False), ipv6_rules=False)
    assert "ip6tables-needs-experimental" in notes(six, UpgradeEngine("26.1"), "28.5.2")


def test_nftables_has_notes_of_its_own():
    swarm = {"facts": {"swarm_state": "active"}}
    found = notes(world(BRIDGE), UpgradeEngine("29.5", firewall_backend="nftables"), drops_by_docker=True, **swarm)
    assert {"swarm-refuses-nftables", "forward-policy-until-reboot"} <= found.keys()
    later = notes(world(BRIDGE), UpgradeEngine("29.6", firewall_backend="nftables"), **swarm)
    assert later.keys() & {"swarm-refuses-nftables", "forward-policy-until-reboot"} == set()


def test_a_link_of_the_host_may_lose_its_gateway():
    lan = network("lan", driver="macvlan")
    assert named(notes(world(lan), UpgradeEngine("29.0"))["gateway-not-given"]) == ["lan"]


@pytest.mark.parametrize(
    ("version", "code", "has"),
    [
        ("29.1.0", "external-names-not-resolved", True),
        ("29.1.1", "external-names-not-resolved", False),
        ("29.1", "external-names-not-resolved", True),
        ("28.3.2", "firewalld-reload-opens-ports", True),
        ("28.3.3", "firewalld-reload-opens-ports", False),
        ("28.3", "firewalld-reload-opens-ports", True),
        ("26.1", "firewalld-reload-opens-ports", False),
        ("26.1", "firewalld-reload-removes-isolation", True),
        (NEWEST, "udp-ports-stop", True),
        ("99.0", "udp-ports-stop", False),
    ],
)
def test_the_known_faults_of_exactly_that_release_are_noted(version, code, has):
    found = notes(world(BRIDGE), UpgradeEngine(version))
    assert (code in found) is has
    if has:
        assert found[code].references
