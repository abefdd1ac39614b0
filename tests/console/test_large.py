"""Two hundred containers, in light and dark: the page can still be used."""

import json

import pytest

from tests.console import stubs


@pytest.fixture
def large(console):
    engine = stubs.large_engine()
    console.page.route("**/v1/topology*", lambda route: route.fulfill(json=engine))
    console.page.route("**/v1/events", lambda route: route.fulfill(body=": \n\n", content_type="text/event-stream"))
    lines = stubs.matrix_lines(engine)
    console.page.route(
        "**/v1/connectivity/matrix", lambda route: route.fulfill(body=lines, content_type="application/x-ndjson")
    )
    return console


@pytest.mark.parametrize("console", ["light", "dark"], indirect=True)
def test_the_page_is_pleasant_at_two_hundred(large, tmp_path):
    page = large.open()
    page.screenshot(path=tmp_path / "picture.png")
    large.accessible()
    large.tab("Explore")
    page.get_by_label("Filter").fill("shop api")
    assert page.locator(".thing.container").count() == 7
    page.screenshot(path=tmp_path / "filtered.png")
    large.accessible()


def test_a_matrix_of_two_hundred_is_drawn_whole_and_sorted_by_network(large, tmp_path):
    page = large.open()
    large.tab("Matrix")
    large.button("Measure").click()
    page.locator("#matrix-status", has_text="39,800 pairs in").wait_for(timeout=20_000)
    assert page.locator("td[role=gridcell]").count() == 40_000
    page.screenshot(path=tmp_path / "matrix.png")
    width = page.locator(".heat").evaluate("(table) => table.getBoundingClientRect().width")
    assert width <= page.locator("#heatmap").evaluate("(place) => place.clientWidth")


def test_a_matrix_can_be_stopped_and_its_refusal_is_told(large):
    large.refusals_expected = True
    page = large.page
    detail = "2 matrices are in hand already."
    page.unroute("**/v1/connectivity/matrix")
    problem = json.dumps({"status": 429, "detail": detail, "code": "too-many-matrices"})
    page.route("**/v1/connectivity/matrix", lambda route: route.fulfill(status=429, body=problem))
    large.open()
    large.tab("Matrix")
    large.button("Measure").click()
    page.locator("#matrix-end", has_text=detail).wait_for()
    large.button("Measure").wait_for()


def test_names_from_containers_are_never_markup(console):
    engine = stubs.large_engine(20)
    for node in engine["nodes"]:
        if node["kind"] == "container":
            node["name"] = f"<img src=x onerror=alert(1)>{node['name']}"
    console.page.route("**/v1/topology*", lambda route: route.fulfill(json=engine))
    page = console.open()
    console.tab("Explore")
    page.locator(".thing.container").first.wait_for()
    assert page.locator("#things img").count() == 0


def test_unreachable_pairs_are_grouped_by_cause_and_what_docker_keeps_apart_is_not_red(console):
    front, closed = stubs.network(1, "front"), stubs.network(2, "closed", inter_container=False)
    names = ("a", "b", "c", "d", "off")
    members = [stubs.container(at, name, "exited" if name == "off" else "running") for at, name in enumerate(names)]
    edges = [stubs.endpoint(one, front if one in members[:2] else closed, 1) for one in members]
    host = {"id": "host", "kind": "host", "name": "host", "attributes": {}}
    graph = {"nodes": [front, closed, *members, host], "edges": edges, "limited": []}
    containers = [{"id": node["id"], "name": node["name"]} for node in members]
    cells = [["self" if row == column else "unreachable" for column in range(5)] for row in range(5)]
    lines = [
        {"type": "start", "containers": containers, "rows_total": 5},
        *({"type": "row", "index": at, "verdicts": row, "rtt_ms": [0] * 5} for at, row in enumerate(cells)),
        {"type": "end", "summary": {"pairs": 20, "unreachable": 20, "surprises": 0}, "surprises": [], "duration_ms": 1},
    ]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    page = console.page
    page.route("**/v1/topology*", lambda route: route.fulfill(json=graph))
    page.route("**/v1/events", lambda route: route.fulfill(body=": \n\n", content_type="text/event-stream"))
    page.route("**/v1/connectivity/matrix", lambda route: route.fulfill(body=body, content_type="application/x-ndjson"))
    console.open()
    console.tab("Matrix")
    console.button("Measure").click()
    page.locator("#matrix-end .cause").first.wait_for()
    told = page.locator(".cause summary").all_inner_texts()
    assert [text.removeprefix("✗ ") for text in told] == [
        "2 pairs: a shared network, and no answer",
        "2 pairs: no shared network with traffic between containers (enable_icc=false)",
        "8 pairs: one end does not run",
        "8 pairs: no shared network, so Docker keeps the two apart",
    ]
    colours = page.evaluate(
        "['other', 'apart'].map((cause) => getComputedStyle(document.querySelector(`td.${cause}`)).backgroundColor)"
    )
    assert colours[0] != colours[1]
    page.locator("td[data-row='0'][data-column='3']").focus()
    assert "unreachable, no shared network" in page.locator("#readout").inner_text()
    console.accessible()
    with page.expect_request("**/v1/connectivity/checks") as asked:
        page.get_by_role("button", name="Why, for a → b?").click()
    assert asked.value.post_data_json["destination"] == {"container": members[1]["id"]}
    console.refusals_expected = True


def test_findings_with_one_code_are_one_card_and_names_lead_to_their_things(console):
    engine = stubs.large_engine(20)
    page = console.page
    page.route("**/v1/topology*", lambda route: route.fulfill(json=engine))
    container = next(node for node in engine["nodes"] if node["kind"] == "container")
    name = container["name"]
    finding = {"severity": "warning", "evidence": {}, "remedy": None, "compose": None}
    items = [
        {**finding, "code": "alone", "component": {"kind": "host", "id": "host", "name": "host"}, "message": "One."},
        *(
            {**finding, "code": "many", "message": f"{name} meets x{at}.",
             "component": {"kind": "container", "id": str(at), "name": f"x{at}"}} for at in range(6)
        ),
    ]  # fmt: skip
    answer = {"items": items, "limited": [], "next_cursor": None}
    page.route("**/v1/diagnostics*", lambda route: route.fulfill(json=answer))
    console.refusals_expected = True
    console.open()
    console.tab("Diagnosis")
    group = page.locator("#findings > details.kind")
    assert group.locator("> summary").inner_text() == "6 findings many x0, x1, x2, x3 and 2 more"
    assert page.locator("#findings > .finding").count() == 2
    group.locator("> summary").click()
    assert group.locator("article").count() == 6
    console.accessible()
    group.get_by_role("button", name=name).first.click()
    assert page.locator("#inside h2").inner_text() == name
    assert page.evaluate("document.activeElement.tagName") == "H2"
