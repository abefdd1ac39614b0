"""What a finding says about things that Docker Compose made; the lines for the compose file are read back by PyYAML."""

from __future__ import annotations

import yaml

from bridgework.explanations import HOST, finding, of_container, of_network
from bridgework.explanations.compose import with_compose
from bridgework.model.actions import Connect, CreateNetwork, DeleteNetwork, Disconnect, RestartContainer
from bridgework.model.checks import ComposePart
from bridgework.model.create_specs import EndpointSpec, NetworkSpec
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Pool, Snapshot
from tests.support.hostile_texts import HOSTILE, acted_on
from tests.support.worlds import container, network

PROJECT = {"com.docker.compose.project": "shop"}
BACK = network("shop_back", labels={**PROJECT, "com.docker.compose.network": "back"})
OTHER = network("other", "10.2.0.0/24")
WEB = container("shop-web-1", (BACK, "10.1.0.2"), labels={**PROJECT, "com.docker.compose.service": "web"})
PLAIN = container("plain", (OTHER, "10.2.0.2"))
SNAPSHOT = Snapshot((BACK, OTHER), (WEB, PLAIN))


def told(component, *actions, code="veth-detached"):
    return with_compose(SNAPSHOT, finding(code, component, "…", remedy=Remedy("Do it.", actions)))


def lines_of(found):
    return yaml.safe_load(found.compose.lines)


def test_what_compose_did_not_make_is_left_as_it_is():
    for component in (of_container(PLAIN), of_network(OTHER), HOST):
        before = finding("veth-detached", component, "…", remedy=Remedy("Do it.", (DeleteNetwork("other"),)))
        assert with_compose(SNAPSHOT, before) is before


def test_a_finding_names_the_project_and_the_service_or_the_network():
    assert told(of_container(WEB)).compose == ComposePart("shop", "web")
    assert told(of_network(BACK)).compose == ComposePart("shop", None, "back")
    bare = with_compose(SNAPSHOT, finding("no-listener", of_container(WEB), "…"))
    assert (bare.compose, bare.remedy) == (ComposePart("shop", "web"), None)


def test_a_restart_is_not_undone():
    found = told(of_container(WEB), RestartContainer("shop-web-1"))
    assert (found.compose, found.remedy.summary) == (ComposePart("shop", "web"), "Do it.")


def test_a_connection_to_a_new_network_comes_with_both_parts_of_the_file():
    spec = NetworkSpec("wide", ipv6_enabled=True, internal=True, pools=(Pool("10.9.0.0/24"), Pool("fd00:9::/64")),
                       options={"com.docker.network.driver.mtu": "1400"})  # fmt: skip
    place = EndpointSpec(aliases=("web", "shop-web-1", "db"), ipv4_address="10.9.0.5", ipv6_address="fd00:9::5")
    found = told(
        of_network(BACK), CreateNetwork(spec), Disconnect("shop_back", WEB.id), Connect("wide", WEB.name, place),
        Connect("wide", "plain"),
    )  # fmt: skip
    assert found.compose.undone
    assert found.remedy.summary == (
        "Do it. `docker compose up` of shop undoes this when it makes its containers again, "
        "so change the compose file as well."
    )
    assert found.compose.lines.startswith("# Remove the network shop_back from the service web.\n")
    assert lines_of(found) == {
        "services": {"web": {"networks": {
            "wide": {"aliases": ["db"], "ipv4_address": "10.9.0.5", "ipv6_address": "fd00:9::5"},
        }}},
        "networks": {"wide": {
            "name": "wide", "internal": True, "enable_ipv6": True,
            "driver_opts": {"com.docker.network.driver.mtu": "1400"},
            "ipam": {"config": [{"subnet": "10.9.0.0/24"}, {"subnet": "fd00:9::/64"}]},
        }},
    }  # fmt: skip


def test_a_network_of_the_project_has_its_key_and_another_one_is_external():
    assert lines_of(told(of_container(WEB), Connect("shop_back", WEB.name))) == {
        "services": {"web": {"networks": {"back": {}}}}
    }
    assert lines_of(told(of_container(WEB), Connect("other", WEB.name))) == {
        "services": {"web": {"networks": {"other": {}}}}, "networks": {"other": {"external": True}},
    }  # fmt: skip
    plain = NetworkSpec("made")
    assert lines_of(told(of_container(WEB), CreateNetwork(plain), Connect("made", WEB.name)))["networks"] == {
        "made": {"name": "made"}
    }


def test_a_network_that_is_removed_comes_back():
    found = told(of_network(BACK), DeleteNetwork("shop_back"))
    assert found.compose == ComposePart("shop", None, "back", undone=True, lines="# Remove the network back.\n")
    assert "makes its networks again" in found.remedy.summary


def test_a_remedy_for_the_host_that_moves_a_container_of_a_project_says_so():
    assert told(HOST, Connect("other", WEB.name)).compose.service == "web"


def test_a_setting_of_the_service_is_written_for_the_file():
    found = told(of_container(WEB), code="search-list-detours")
    assert lines_of(found) == {"services": {"web": {"dns_opt": ["ndots:1"]}}}
    assert not found.compose.undone


def test_a_finding_is_told_once():
    once = told(of_container(WEB), Connect("other", WEB.name))
    assert with_compose(SNAPSHOT, once) is once


def test_a_name_adds_no_line_to_the_file():
    labels = {"com.docker.compose.project": HOSTILE, "com.docker.compose.service": HOSTILE}
    odd = container("odd", (OTHER, "10.2.0.3"), labels=labels)
    remedy = Remedy("Do it.", (Disconnect("other", "odd"), Connect("shop_back", "odd")))
    found = with_compose(Snapshot((BACK, OTHER), (odd,)), finding("no-listener", of_container(odd), "…", remedy=remedy))
    assert acted_on(found.compose.lines) == acted_on(found.remedy.summary) == []
    assert "- more" not in [line[: len("- more")] for line in found.compose.lines.splitlines()]
    assert list(lines_of(found)["services"]) == [HOSTILE]


def test_any_name_is_safe_in_the_file():
    for name in ("yes", "a: b", "x#y", 'q"', "1e3", "-", "naïve", "null", "🦊"):
        odd = container("odd", (OTHER, "10.2.0.3"), labels={**PROJECT, "com.docker.compose.service": name})
        before = finding("search-list-detours", of_container(odd), "…")
        found = with_compose(Snapshot((OTHER,), (odd,)), before)
        assert lines_of(found) == {"services": {name: {"dns_opt": ["ndots:1"]}}}
