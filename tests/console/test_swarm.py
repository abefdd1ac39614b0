"""A page whose engine is one of a swarm's: the other nodes' containers are offered, and it is told which node answered.

The answers of the service are made up here; tests/swarm shows that two real nodes give such ones.
"""

import json

import pytest

from tests.console import stubs

BETA = {"id": "n" * 25, "hostname": "beta", "instance": "10.99.0.2:8080", "here": False, "reachable": True}
HERE = {"id": "m" * 25, "hostname": "alpha", "instance": None, "here": True, "reachable": True}
CALLS = [{"method": "POST", "path": "/v1/networks", "body": {"name": "a1-b1"}}]
FINDING = {
    "code": "no-shared-network", "severity": "blocking", "message": "b1 and a1 share no network.", "evidence": {},
    "component": {"kind": "container", "id": "b", "name": "b1"},
    "remedy": {"summary": "Give them one.", "calls": CALLS, "commands": []},
}  # fmt: skip
MEASURED = {"attempts": 3, "successes": 0, "reason": "timed-out", "detail": None, "rtt_ms": None}
ANSWERED = {
    "verdict": "unreachable", "predicted": {"verdict": "unreachable", "path": []},
    "measured": {**MEASURED, "verdict": "unreachable"}, "findings": [FINDING], "addresses": [], "limited": [],
    "answered_by": {name: BETA[name] for name in ("id", "hostname", "instance")},
}  # fmt: skip


def graphs():
    """This engine's graph, and the swarm's."""
    mesh = stubs.network(7, "mesh", driver="overlay", scope="swarm")
    here, there = stubs.container(1, "a1"), stubs.container(2, "b1", node=BETA["id"])
    host = {"id": "host", "kind": "host", "name": "host", "attributes": {}}
    own = {"nodes": [mesh, here, host], "edges": [stubs.endpoint(here, mesh, 1)], "limited": []}
    return own, {**own, "nodes": [*own["nodes"], there], "edges": [*own["edges"], stubs.endpoint(there, mesh, 2)]}


def matrix_lines(*, partial=()):
    a1, b1 = ({"id": node["id"], "name": node["name"]} for node in graphs()[1]["nodes"] if node["kind"] == "container")
    summary = {"pairs": 2, "reachable": 2, "unreachable": 0, "inconclusive": 0, "surprises": 0}
    lines = [
        {"type": "start", "containers": [a1, b1], "rows_total": 2},
        {"type": "row", "index": 0, "verdicts": ["self", "reachable"], "rtt_ms": [0, 0.4]},
        {"type": "row", "index": 1, "verdicts": ["reachable", "self"], "rtt_ms": [0.5, 0]},
        {"type": "end", "summary": summary, "surprises": [], "duration_ms": 20.0, "partial": list(partial)},
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def node(console):
    own, swarm = graphs()
    console.page.route("**/v1/nodes*", lambda route: route.fulfill(json={"items": [HERE, BETA], "partial": []}))
    console.page.route(
        "**/v1/topology*", lambda route: route.fulfill(json=swarm if "swarm" in route.request.url else own)
    )
    console.page.route("**/v1/events", lambda route: route.fulfill(body=": \n\n", content_type="text/event-stream"))
    console.page.route("**/v1/connectivity/checks", lambda route: route.fulfill(json=ANSWERED))
    console.open()
    console.page.locator("#summary", has_text="1 on other nodes").wait_for()
    return console


def test_the_node_that_answered_is_named_and_its_remedy_is_not_sent_here(node, tmp_path):
    page = node.page
    assert page.locator("#sources option").evaluate_all("(all) => all.map((one) => one.value)") == [
        "a1", "b1 on beta", "the host",
    ]  # fmt: skip
    page.locator("#check-form").get_by_label("From").fill("b1 on beta")
    page.locator("#check-form [name=to]").fill("a1")
    with page.expect_request("**/v1/connectivity/checks") as asked:
        node.button("Check").click()
    assert asked.value.post_data_json["source"] == {"container": graphs()[1]["nodes"][3]["id"]}
    assert "b1 on beta cannot reach a1" in page.locator(".verdict").inner_text()
    assert page.locator(".answered").inner_text() == (
        "Answered by the node beta, where the source is, through its instance at 10.99.0.2:8080."
    )
    remedy = page.locator(".remedy")
    assert "1 call for the instance on beta, 10.99.0.2:8080" in remedy.inner_text()
    assert remedy.locator("code").inner_text() == "POST /v1/networks"
    assert remedy.get_by_role("button").count() == 0
    node.accessible()
    page.screenshot(path=tmp_path / "answered.png")


def test_a_matrix_over_nodes_says_who_measured_a_row_and_who_is_silent(node, tmp_path):
    page = node.page
    gone = {"node": BETA["id"], "reason": "Its instance does not answer within 3 s."}
    body = matrix_lines(partial=[gone])
    page.route("**/v1/connectivity/matrix", lambda route: route.fulfill(body=body, content_type="application/x-ndjson"))
    node.tab("Matrix")
    page.get_by_label("Between").select_option(label="on mesh")
    node.button("Measure").click()
    page.locator("#matrix-end", has_text="beta: Its instance does not answer").wait_for()
    page.locator("td[data-row='1'][data-column='0']").focus()
    assert page.locator("#readout").inner_text() == (
        "b1 (mesh on beta) → a1 (mesh): reachable, 0.50 ms, measured by beta"
    )
    node.accessible()
    page.screenshot(path=tmp_path / "matrix.png")
    page.keyboard.press("Enter")
    page.locator(".answered", has_text="beta").wait_for()
