"""What a finding says about things that Docker Compose made; the lines for the compose file are read back by PyYAML."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from bridgework.explanations import HOST, finding, of_container, of_network
from bridgework.explanations.compose import with_compose
from bridgework.explanations.links import VETH_DETACHED
from bridgework.explanations.names import DEFAULT_BRIDGE_NO_DNS, SEARCH_LIST_DETOURS
from bridgework.explanations.networks import NO_SHARED_NETWORK
from bridgework.explanations.ports import NO_LISTENER
from bridgework.model.actions import Connect, CreateNetwork, DeleteNetwork, Disconnect, RestartContainer
from bridgework.model.checks import ComposeFile, ComposePart
from bridgework.model.create_specs import EndpointSpec, NetworkSpec
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Snapshot
from tests.support.hostile_texts import HOSTILE, acted_on
from tests.support.worlds import container, network

PROJECT = {"com.docker.compose.project": "shop"}
BACK = network("shop_back", labels={**PROJECT, "com.docker.compose.network": "back"})
OTHER = network("other", "10.2.0.0/24")
WEB = container("shop-web-1", (BACK, "10.1.0.2"), labels={
    **PROJECT, "com.docker.compose.service": "web",
    "com.docker.compose.project.config_files": "/srv/shop/compose.yaml",
})  # fmt: skip
PLAIN = container("plain", (OTHER, "10.2.0.2"))
SNAPSHOT = Snapshot((BACK, OTHER), (WEB, PLAIN))


def told(component, *actions, cause=VETH_DETACHED):
    return with_compose(SNAPSHOT, finding(cause, component, "…", remedy=Remedy("Do it.", actions)))


def lines_of(found):
    (file,) = found.compose.files
    return yaml.safe_load(file.lines)


def test_what_compose_did_not_make_is_left_as_it_is():
    for component in (of_container(PLAIN), of_network(OTHER), HOST):
        before = finding(VETH_DETACHED, component, "…", remedy=Remedy("Do it.", (DeleteNetwork("other"),)))
        assert with_compose(SNAPSHOT, before) is before


def test_a_finding_names_the_project_and_the_service_or_the_network():
    assert told(of_container(WEB)).compose == ComposePart("shop", "web")
    assert told(of_network(BACK)).compose == ComposePart("shop", None, "back")
    bare = with_compose(SNAPSHOT, finding(NO_LISTENER, of_container(WEB), "…"))
    assert (bare.compose, bare.remedy) == (ComposePart("shop", "web"), None)


def test_a_restart_is_not_undone():
    found = told(of_container(WEB), RestartContainer("shop-web-1"))
    assert (found.compose, found.remedy.summary) == (ComposePart("shop", "web"), "Do it.")


def test_a_connection_to_a_new_network_is_external_beside_the_networks_that_the_service_has():
    place = EndpointSpec(aliases=("web", "shop-web-1", "db"), ipv4_address="10.9.0.5", ipv6_address="fd00:9::5")
    found = told(
        of_network(BACK), CreateNetwork(NetworkSpec("wide")), Connect("wide", WEB.name, place), Connect("wide", "plain")
    )
    assert found.compose.undone
    assert found.remedy.summary == (
        "Do it. `docker compose up` of shop undoes this when it makes its containers again, "
        "so change the compose file as well."
    )
    assert found.compose.files[0].lines.startswith(
        "# The remedy makes the network wide. Compose needs it and does not make it.\n"
    )
    assert lines_of(found) == {
        "services": {"web": {"networks": {
            "back": {}, "wide": {"aliases": ["db"], "ipv4_address": "10.9.0.5", "ipv6_address": "fd00:9::5"},
        }}},
        "networks": {"wide": {"name": "wide", "external": True}},
    }  # fmt: skip


def test_two_services_of_one_project_share_the_declaration_of_a_network():
    db = container("shop-db-1", (BACK, "10.1.0.3"), labels={**PROJECT, "com.docker.compose.service": "db"})
    remedy = Remedy("Do it.", (CreateNetwork(NetworkSpec("made")), Connect("made", WEB.name), Connect("made", db.name)))
    found = with_compose(Snapshot((BACK,), (WEB, db)), finding(NO_SHARED_NETWORK, of_container(db), "…", remedy=remedy))
    both = {"networks": {"back": {}, "made": {}}}
    assert lines_of(found) == {
        "services": {"web": both, "db": both}, "networks": {"made": {"name": "made", "external": True}},
    }  # fmt: skip


def test_a_service_that_leaves_a_network_has_a_comment():
    found = told(of_network(BACK), Disconnect("shop_back", WEB.id), Connect("other", WEB.name))
    assert found.compose.files[0].lines.startswith("# Remove the network back from the service web.\n")
    assert lines_of(found)["services"] == {"web": {"networks": {"other": {}}}}
    left = told(of_network(BACK), Disconnect("shop_back", WEB.id))
    assert left.compose.files == (
        ComposeFile("shop", "/srv/shop/compose.yaml", "# Remove the network back from the service web.\n"),
    )
    assert left.compose.undone


def test_services_of_two_projects_with_one_name_go_into_the_file_of_each():
    blog = container("blog-web-1", (OTHER, "10.2.0.7"), labels={
        "com.docker.compose.project": "blog", "com.docker.compose.service": "web",
        "com.docker.compose.project.config_files": "-",
    })  # fmt: skip
    snapshot = Snapshot((BACK, OTHER), (WEB, blog))
    remedy = Remedy(
        "Do it.", (CreateNetwork(NetworkSpec("both")), Connect("both", WEB.name), Connect("both", blog.name))
    )
    found = with_compose(snapshot, finding(NO_SHARED_NETWORK, of_container(blog), "…", remedy=remedy))
    assert (found.compose.project, found.compose.service) == ("blog", "web")
    assert [(file.project, file.path) for file in found.compose.files] == [
        ("shop", "/srv/shop/compose.yaml"), ("blog", None),
    ]  # fmt: skip
    both = {"both": {"name": "both", "external": True}}
    assert [yaml.safe_load(file.lines) for file in found.compose.files] == [
        {"services": {"web": {"networks": {"back": {}, "both": {}}}}, "networks": both},
        {"services": {"web": {"networks": {"other": {}, "both": {}}}},
         "networks": {"other": {"name": "other", "external": True}, **both}},
    ]  # fmt: skip
    assert "`docker compose up` of shop or of blog undoes this" in found.remedy.summary
    assert found.remedy.summary.endswith("so change these compose files as well.")


@pytest.mark.parametrize(
    ("labels", "path"),
    [
        ({"config_files": "/a/compose.yaml,/a/over.yaml", "working_dir": "/a"}, "/a/over.yaml"),
        ({"config_files": "docker-compose.yml", "working_dir": "/srv/old"}, "/srv/old/docker-compose.yml"),
        ({"config_files": ""}, None),
        ({"working_dir": "/srv"}, None),
    ],
)
def test_a_file_has_the_path_that_compose_wrote_on_a_container(labels, path):
    given = {f"com.docker.compose.project.{name}": value for name, value in labels.items()}
    one = container("one", (OTHER, "10.2.0.3"), labels={**PROJECT, "com.docker.compose.service": "one", **given})
    found = with_compose(Snapshot((OTHER,), (one,)), finding(SEARCH_LIST_DETOURS, of_container(one), "…"))
    assert [file.path for file in found.compose.files] == [path]


def test_a_network_of_the_project_that_is_gone_keeps_its_key_in_the_file():
    remedy = Remedy("Do it.", (CreateNetwork(NetworkSpec("shop_back")), Connect("shop_back", WEB.name)))
    snapshot = Snapshot((OTHER,), (WEB, PLAIN))
    assert lines_of(with_compose(snapshot, finding(VETH_DETACHED, of_container(WEB), "…", remedy=remedy))) == {
        "services": {"web": {"networks": {"back": {}}}},
        "networks": {"back": {"name": "shop_back", "external": True}},
    }  # fmt: skip


def test_a_network_of_the_project_has_its_key_and_another_one_is_external():
    front = network("shop_front", "10.3.0.0/24", labels={**PROJECT, "com.docker.compose.network": "front"})
    odd = network("back", "10.4.0.0/24")
    snapshot = Snapshot((BACK, OTHER, front, odd), (WEB, PLAIN))

    def lines(name):
        remedy = Remedy("Do it.", (Connect(name, WEB.name),))
        return lines_of(with_compose(snapshot, finding(VETH_DETACHED, of_container(WEB), "…", remedy=remedy)))

    assert lines("shop_front") == {"services": {"web": {"networks": {"back": {}, "front": {}}}}}
    # A network that has the name of a key of the project gets another key.
    assert lines(odd.id) == {
        "services": {"web": {"networks": {"back": {}, "back-external": {}}}},
        "networks": {"back-external": {"name": "back", "external": True}},
    }  # fmt: skip


def test_an_endpoint_that_is_made_again_changes_nothing_in_the_file():
    found = told(of_container(WEB), Disconnect("shop_back", WEB.name), Connect("shop_back", WEB.name))
    assert (found.compose, found.remedy.summary) == (ComposePart("shop", "web"), "Do it.")


def test_a_fixed_address_that_the_remedy_gives_up_has_a_comment():
    fixed = replace(WEB, endpoints=(replace(WEB.endpoints[0], configured_ipv4="10.1.0.2"),))
    remedy = Remedy("Do it.", (Disconnect("shop_back", WEB.name), Connect("shop_back", WEB.name)))
    found = with_compose(Snapshot((BACK,), (fixed,)), finding(VETH_DETACHED, of_container(WEB), "…", remedy=remedy))
    assert found.compose.files[0].lines == (
        "# Remove the fixed address in the network back from the service web.\n"
        "services:\n  web:\n    networks:\n      back: {}\n"
    )


def test_a_priority_is_written_in_the_words_of_compose():
    joined = EndpointSpec(gateway_priority=3)
    found = told(of_container(WEB), CreateNetwork(NetworkSpec("out")), Connect("out", WEB.name, joined))
    assert lines_of(found)["services"] == {"web": {"networks": {"back": {}, "out": {"gw_priority": 3}}}}
    assert "# gw_priority needs Docker Compose 2.33.1 or later.\n" in found.compose.files[0].lines


def test_an_endpoint_that_is_made_again_with_its_priority_changes_nothing():
    first = replace(WEB, endpoints=(replace(WEB.endpoints[0], gateway_priority=3),))
    snapshot = Snapshot((BACK,), (first,))
    for priority, files in ((3, 0), (4, 1)):
        joined = EndpointSpec(gateway_priority=priority)
        remedy = Remedy("Do it.", (Disconnect("shop_back", WEB.name), Connect("shop_back", WEB.name, joined)))
        found = with_compose(snapshot, finding(VETH_DETACHED, of_container(first), "…", remedy=remedy))
        assert len(found.compose.files) == files


def test_a_service_with_a_network_mode_has_a_comment():
    bridge = network("bridge", "172.17.0.0/16")
    one = container("one", (bridge, "172.17.0.2"), labels={**PROJECT, "com.docker.compose.service": "one"})
    remedy = Remedy("Do it.", (CreateNetwork(NetworkSpec("made")), Connect("made", "one")))
    snapshot = Snapshot((bridge,), (replace(one, network_mode="bridge"),))
    found = with_compose(snapshot, finding(DEFAULT_BRIDGE_NO_DNS, of_container(one), "…", remedy=remedy))
    assert "# Remove network_mode from the service one: it excludes networks.\n" in found.compose.files[0].lines
    assert lines_of(found)["services"] == {"one": {"networks": {"made": {}}}}


def test_a_network_that_is_removed_comes_back():
    found = told(of_network(BACK), DeleteNetwork("shop_back"))
    file = ComposeFile("shop", "/srv/shop/compose.yaml", "# Remove the network back.\n")
    assert found.compose == ComposePart("shop", None, "back", undone=True, files=(file,))
    assert "makes its networks again" in found.remedy.summary


def test_a_remedy_for_the_host_that_moves_a_container_of_a_project_says_so():
    assert told(HOST, Connect("other", WEB.name)).compose.service == "web"


def test_a_setting_of_the_service_is_written_for_the_file():
    found = told(of_container(WEB), cause=SEARCH_LIST_DETOURS)
    assert lines_of(found) == {"services": {"web": {"dns_opt": ["ndots:1"]}}}
    assert not found.compose.undone


def test_a_finding_is_told_once():
    once = told(of_container(WEB), Connect("other", WEB.name))
    assert with_compose(SNAPSHOT, once) is once


def test_a_name_adds_no_line_to_the_file():
    labels = {"com.docker.compose.project": HOSTILE, "com.docker.compose.service": HOSTILE}
    odd = container("odd", (OTHER, "10.2.0.3"), labels=labels)
    remedy = Remedy("Do it.", (Disconnect("other", "odd"), Connect("shop_back", "odd")))
    found = with_compose(Snapshot((BACK, OTHER), (odd,)), finding(NO_LISTENER, of_container(odd), "…", remedy=remedy))
    assert acted_on(found.compose.files[0].lines) == acted_on(found.remedy.summary) == []
    assert "- more" not in [line[: len("- more")] for line in found.compose.files[0].lines.splitlines()]
    assert list(lines_of(found)["services"]) == [HOSTILE]


def test_any_name_is_safe_in_the_file():
    for name in ("yes", "a: b", "x#y", 'q"', "1e3", "-", "naïve", "null", "🦊"):
        odd = container("odd", (OTHER, "10.2.0.3"), labels={**PROJECT, "com.docker.compose.service": name})
        before = finding(SEARCH_LIST_DETOURS, of_container(odd), "…")
        found = with_compose(Snapshot((OTHER,), (odd,)), before)
        assert lines_of(found) == {"services": {name: {"dns_opt": ["ndots:1"]}}}
