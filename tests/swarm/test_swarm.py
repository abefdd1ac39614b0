"""A swarm of two real engines, an instance of the service on each: checks, a matrix and a picture over both.

Then a node is cut off in the middle, which is said within bounded time, and brought back.
"""

import json
import time

import pytest
from playwright.sync_api import sync_playwright

from tests.console.conftest import FLAGS, find_chromium
from tests.support.proves import proves
from tests.support.swarm_instances import PORT
from tests.support.swarm_lab import until

BOUND_S = 10
"""Within this everything answers, also while a node is silent."""


def codes(findings):
    return {finding["code"] for finding in findings}


def kinds(check):
    return [hop["kind"] for hop in check["predicted"]["path"]]


def timed(ask):
    began = time.monotonic()
    answer = ask()
    assert time.monotonic() - began < BOUND_S
    return answer


@pytest.fixture
def cut_off(world):
    """Node B with its link down; up again, and whole again, afterwards."""
    world.wire.cut(world.b.port)
    yield world
    world.wire.mend(world.b.port)
    until(world.whole, "the swarm whole again", 120)


def test_both_nodes_are_known_from_either(world):
    for here, there in ((world.on_a, world.b), (world.on_b, world.a)):
        listed = here.get("/v1/nodes")
        assert listed["partial"] == []
        assert [node["here"] for node in listed["items"]] == [True, False]
        assert all(node["reachable"] for node in listed["items"])
        assert listed["items"][1]["instance"] == f"{there.address}:{PORT}"
        for node in listed["items"]:
            (overlay,) = node["overlays"]
            assert overlay["network"] == {"id": world.mesh, "name": "mesh"}
            assert overlay["peers"] == [world.a.address, world.b.address]


def test_the_manager_tells_states_and_roles(world):
    for instance in (world.on_a, world.on_b):
        told = {node["address"]: (node["manager"], node["state"]) for node in instance.get("/v1/nodes")["items"]}
        assert told[world.a.address] == (True, "ready")
        assert told[world.b.address][0] is False


@pytest.mark.parametrize("by", ["container", "name", "address"])
def test_a_check_reaches_across_nodes(world, by):
    to = {by: world.address(world.b, "b1") if by == "address" else "b1"}
    found = world.on_a.check("a1", to)
    assert (found["verdict"], found["predicted"]["verdict"]) == ("reachable", "reachable")
    assert found["findings"] == []
    assert found["answered_by"] is None
    assert kinds(found) == ["interface", "overlay", "vxlan", "node", "interface"]


@pytest.mark.parametrize("by", ["container", "name", "address"])
def test_a_source_on_another_node_is_checked_by_the_instance_there(world, by):
    to = {by: world.address(world.a, "a1") if by == "address" else "a1"}
    found = world.on_a.check("b1", to)
    assert (found["verdict"], found["predicted"]["verdict"]) == ("reachable", "reachable")
    assert found["answered_by"]["instance"] == f"{world.b.address}:{PORT}"


def test_what_another_node_refuses_reads_as_if_it_were_here(world):
    status, body = world.on_a.send(
        "POST",
        "/v1/connectivity/checks",
        {"source": {"container": "solo"}, "destination": {"address": "169.254.169.254"}},
    )
    assert (status, json.loads(body)["code"]) == (403, "destination-not-allowed")


def test_without_a_network_in_common_the_other_node_says_why(world):
    found = world.on_a.check("solo", "a1")
    assert found["verdict"] == "unreachable"
    assert "no-shared-network" in codes(found["findings"])


def test_a_forwarded_check_goes_no_further(world):
    body = {"source": {"container": "b1"}, "destination": {"container": "a1"}}
    status, _ = world.on_a.send("POST", "/v1/connectivity/checks", body, Bridgework_Forwarded="1")
    assert status == 404
    assert len(world.on_a.get("/v1/nodes", Bridgework_Forwarded="1")["items"]) == 2  # itself, and its manager's list
    assert len(world.on_b.get("/v1/nodes", Bridgework_Forwarded="1")["items"]) == 1


def test_nobody_has_it(world):
    body = {"source": {"container": "a1"}, "destination": {"container": "nobody"}}
    status, answer = world.on_a.send("POST", "/v1/connectivity/checks", body)
    assert (status, json.loads(answer)["code"]) == (404, "container-not-found")


@pytest.mark.parametrize("by", ["address", "name"])
def test_a_matrix_over_both_nodes(world, by):
    found = world.on_a.post("/v1/connectivity/matrix", {"network": "mesh", "by": by})
    assert [one["name"] for one in found["containers"]] == ["a1", "a2", "b1"]
    assert found["summary"] == {
        "pairs": 6, "reachable": 6, "unreachable": 0, "inconclusive": 0, "surprises": 0, "addresses_differ": 0,
        "reasons": {},
    }  # fmt: skip
    assert [row.index("self") for row in found["verdicts"]] == [0, 1, 2]
    assert found["partial"] == []


def test_a_matrix_of_containers_that_are_all_elsewhere(world):
    found = world.on_b.post("/v1/connectivity/matrix", {"containers": ["a1", "a2"]})
    assert found["verdicts"] == [["self", "reachable"], ["reachable", "self"]]


def test_surprises_of_another_node_are_told(world):
    rule = ("iptables", "-I", "OUTPUT", "-p", "icmp", "-j", "DROP")
    inside = world.b.client.containers.get("b1").attrs["NetworkSettings"]["SandboxKey"]
    world.b.in_namespace(inside, *rule)
    try:
        found = world.on_a.post("/v1/connectivity/matrix", {"network": "mesh"})
    finally:
        world.b.in_namespace(inside, "iptables", "-D", *rule[2:])
    assert found["summary"]["surprises"] >= 2
    assert {one["source"]["name"] for one in found["surprises"]} >= {"b1"}


def test_one_picture_of_the_whole_swarm(world):
    found = world.on_a.get("/v1/topology?scope=swarm")
    names = {node["id"]: (node["kind"], node["name"]) for node in found["nodes"]}
    assert [one for one in names.values() if one[1] == "mesh"] == [("network", "mesh")]
    places = {node["name"]: node["attributes"].get("node") for node in found["nodes"] if node["kind"] == "container"}
    there = world.b.client.info()["Swarm"]["NodeID"]
    assert places == {"a1": None, "a2": None, "b1": there, "solo": there}
    hosts = [node for node in found["nodes"] if node["kind"] == "host"]
    assert {host["attributes"]["address"] for host in hosts} == {world.a.address, world.b.address}
    tied = [edge["target"] for edge in found["edges"] if (edge["source"], edge["kind"]) == (world.mesh, "host-link")]
    assert sorted(tied) == sorted(host["id"] for host in hosts)
    assert all(edge["source"] in names and edge["target"] in names for edge in found["edges"])
    assert found["partial"] == []
    only = world.on_a.get("/v1/topology?scope=swarm&network=mesh")
    assert {node["name"] for node in only["nodes"] if node["kind"] == "container"} == {"a1", "a2", "b1"}
    status, text = world.on_a.send("GET", "/v1/topology?scope=swarm", Accept="text/vnd.mermaid")
    assert status == 200
    assert b"solo" in text


def test_a_change_on_another_node_is_in_the_next_picture(world):
    world.on_a.get("/v1/topology?scope=swarm")
    late = world.b.start("late", "mesh")
    try:
        found = world.on_a.get("/v1/topology?scope=swarm")
        assert "late" in {node["name"] for node in found["nodes"]}
        assert len(world.on_a.post("/v1/connectivity/matrix", {"network": "mesh"})["containers"]) == 4
    finally:
        late.remove(force=True)


def test_the_console_asks_another_node_and_says_that_it_answered(world, tmp_path):
    inside = tmp_path / "chromium"
    inside.write_text(f'#!/bin/sh\nexec nsenter --net={world.a.engine.namespace} -- {find_chromium()} "$@"\n')
    inside.chmod(0o755)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=inside, args=FLAGS) as browser:
        page = browser.new_page(locale="en", viewport={"width": 1440, "height": 900})
        page.goto(f"http://{world.a.address}:{PORT}/console")
        page.get_by_label("Access token").fill("token-of-admin")
        page.get_by_role("button", name="Open the console").click()
        page.locator("#summary", has_text="2 on other nodes").wait_for()
        page.get_by_label("From").select_option(label="b1")
        page.locator("[name=to]").select_option(label="a1")
        page.get_by_role("button", name="Check", exact=True).click()
        page.locator(".verdict.reachable").wait_for()
        assert f"{world.b.address}:{PORT}" in page.locator(".answered").inner_text()
        assert f"the node at {world.a.address}" in page.locator(".rail").inner_text()
        page.get_by_role("tab", name="Matrix").click()
        page.get_by_label("Between").select_option(label="on mesh")
        page.get_by_role("button", name="Measure").click()
        page.locator("#matrix-status", has_text="6 pairs in").wait_for()
        page.locator("td[data-row='2'][data-column='0']").focus()
        assert "measured by" in page.locator("#readout").inner_text()
        page.screenshot(path=tmp_path / "swarm.png")


def test_the_diagnosis_of_a_whole_swarm_has_nothing_between_nodes(world):
    found = world.on_a.get("/v1/diagnostics")
    assert not codes(found["items"]) & {"node-unreachable", "overlay-peer-unreachable"}


@proves("node-unreachable", "overlay-peer-unreachable")
def test_a_node_cut_off_is_told_by_everything_and_heals(cut_off):
    """One story, since each cut costs the swarm its while to heal."""
    here, gone = cut_off.on_a, cut_off.b.address
    listed = timed(lambda: here.get("/v1/nodes"))
    (silent,) = [node for node in listed["items"] if not node["reachable"]]
    assert (silent["address"], [gap["node"] for gap in listed["partial"]]) == (gone, [silent["id"]])
    assert silent["reason"].startswith("Its instance does not answer")

    there = timed(lambda: here.check("a1", "b1"))
    assert there["verdict"] == "unreachable"
    assert codes(there["findings"]) >= {"overlay-peer-unreachable", "node-unreachable"}
    back = timed(lambda: here.check("b1", "a1"))
    assert back["verdict"] == "inconclusive"
    assert codes(back["findings"]) >= {"node-unreachable"}

    matrix = timed(lambda: here.post("/v1/connectivity/matrix", {"network": "mesh"}))
    assert matrix["verdicts"] == [
        ["self", "reachable", "inconclusive"],
        ["reachable", "self", "inconclusive"],
        ["inconclusive", "inconclusive", "self"],
    ]
    assert [gap["node"] for gap in matrix["partial"]] == [silent["id"]]

    picture = timed(lambda: here.get("/v1/topology?scope=swarm"))
    assert [gap["node"] for gap in picture["partial"]] == [silent["id"]]
    assert [n["attributes"]["address"] for n in picture["nodes"] if n["attributes"].get("gone")] == [gone]

    diagnosis = timed(lambda: here.get("/v1/diagnostics"))
    assert codes(diagnosis["items"]) >= {"overlay-peer-unreachable", "node-unreachable"}
    assert ("node-unreachable", f"the node {silent['id']}") in {
        (one["code"], one["what"]) for one in diagnosis["limited"]
    }


def test_from_the_cut_off_side_the_same(cut_off):
    found = timed(lambda: cut_off.on_b.check("b1", "a1"))
    assert found["verdict"] == "unreachable"
    assert "overlay-peer-unreachable" in codes(found["findings"])
    assert timed(lambda: cut_off.on_b.get("/v1/nodes"))["partial"]


def test_a_matrix_whose_node_is_cut_off_midway_ends(world):
    body = {"network": "mesh", "max_packets_per_second": 1, "timeout_ms": 3000}
    status, answer = world.on_a.send_and("POST", "/v1/connectivity/matrix", body, lambda: world.wire.cut(world.b.port))
    try:
        assert status == 200
        found = json.loads(answer)
        assert [gap["reason"].startswith("Its instance does not answer") for gap in found["partial"]] == [True]
        assert found["verdicts"][2] == ["inconclusive", "inconclusive", "self"]
    finally:
        world.wire.mend(world.b.port)
        until(world.whole, "the swarm whole again", 120)


def test_an_instance_that_is_stopped_while_its_engine_goes_on(world):
    """The tunnel carries all the same: what can be measured from here is, and the rest is named."""
    world.on_b.pause()
    try:
        assert timed(lambda: world.on_a.check("a1", "b1"))["verdict"] == "reachable"
        matrix = timed(lambda: world.on_a.post("/v1/connectivity/matrix", {"network": "mesh"}))
        assert matrix["verdicts"][0] == ["self", "reachable", "reachable"]
        assert matrix["verdicts"][2] == ["inconclusive", "inconclusive", "self"]
        assert matrix["partial"]
    finally:
        world.on_b.resume()
