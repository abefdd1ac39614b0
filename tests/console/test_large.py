"""Two hundred containers, in light and dark: everything has its place, nothing lies on anything else."""

import json
from itertools import pairwise

import pytest

from tests.console import stubs

PLACES = """async (document) => {
  const [{ read }, { place }] = await Promise.all([import("/console/model.js"), import("/console/layout.js")]);
  const { boxes, chips, width, height } = place(read(document), { width: 960, height: 700 });
  return { width, height, boxes, chips: chips.map(({ x, y, width, height }) => ({ x, y, width, height })) };
}"""

CHANGES = """async (documents) => {
  const [{ read }, { place }] = await Promise.all([import("/console/model.js"), import("/console/layout.js")]);
  const plain = ({ x, y, width, height, id, item }) => ({ id: id ?? item.id, x, y, width, height, home: item?.home });
  let layout = null;
  return documents.map((document) => {
    layout = place(read(document), { width: 960, height: 700 }, layout);
    return { boxes: layout.boxes.map(plain), chips: layout.chips.map(plain) };
  });
}"""
WAYS = """async (document) => {
  const [{ read, isDrawn }, { place }, { wayOf }] = await Promise.all(
    ["model", "layout", "routes"].map((name) => import(`/console/${name}.js`)));
  const model = read(document);
  const { boxes, chips, size } = place(model, { width: 960, height: 700 });
  const box = (id) => boxes.find((one) => one.id === id);
  const room = { gap: size.between, head: size.head };
  return model.containers.flatMap((container) => container.endpoints.map(({ network }) => [container, network]))
    .filter(([container, network]) => isDrawn(network) && network.id !== container.home)
    .map(([container, network], lane) => {
      const { x, y } = chips.find((chip) => chip.item.id === container.id);
      const [home, target] = [box(container.home), box(network.id)];
      const others = boxes.filter((one) => one !== home && one !== target);
      return { way: wayOf({ x, y }, home, target, boxes, room, lane), others, target };
    });
}"""
SMALLEST_TEXT = """async (document) => {
  const [{ read }, { place }] = await Promise.all([import("/console/model.js"), import("/console/layout.js")]);
  const frame = window.document.getElementById("picture");
  const view = { width: frame.clientWidth - 48, height: frame.clientHeight - 86 };
  const { width, height } = place(read(document), view);
  return 11.5 * Math.min(view.width / width, view.height / height, 1.4);
}"""


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


def edges(one):
    half_width, half_height = one["width"] / 2, one["height"] / 2
    return one["x"] - half_width, one["y"] - half_height, one["x"] + half_width, one["y"] + half_height


def apart(one, other):
    (left, top, right, bottom), (left2, top2, right2, bottom2) = edges(one), edges(other)
    return right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top


@pytest.mark.parametrize("count", [15, 40, 41, 52, 200, 400])
def test_nothing_overlaps(large, count):
    page = large.open()
    placed = page.evaluate(PLACES, stubs.large_engine(count))
    for things in (placed["boxes"], placed["chips"]):
        assert all(apart(one, other) for at, one in enumerate(things) for other in things[:at])
    for chip in placed["chips"]:
        assert sum(not apart(chip, box) for box in placed["boxes"]) == 1
    assert len(placed["chips"]) == count + 1


def overlap_free(placed):
    for things in (placed["boxes"], placed["chips"]):
        assert all(apart(one, other) for at, one in enumerate(things) for other in things[:at])
    for chip in placed["chips"]:
        assert sum(not apart(chip, box) for box in placed["boxes"]) == 1


def without(document, *ids):
    edges = [edge for edge in document["edges"] if not {edge["source"], edge["target"]} & set(ids)]
    kept = [node for node in document["nodes"] if node["id"] not in ids]
    return {"nodes": kept, "edges": edges, "limited": []}


@pytest.mark.parametrize("count", [30, 120])
def test_what_was_there_keeps_its_place_while_others_come_and_go(large, count):
    page = large.open()
    full = stubs.large_engine(count)
    members = [node["id"] for node in full["nodes"] if node["kind"] == "container" and "-" in node["name"]]
    networks = [node["id"] for node in full["nodes"] if node["name"] in {"shop_net", "left_over"}]
    fewer = without(full, *members[2:6], *networks)
    more = {"nodes": list(full["nodes"]), "edges": list(full["edges"]), "limited": []}
    extra = stubs.network(60, "a_new_net")
    more["nodes"].append(extra)
    for at in range(9):
        one = stubs.container(500 + at, f"a-new-{at}")
        more["nodes"].append(one)
        more["edges"].append(stubs.endpoint(one, extra if at < 3 else full["nodes"][4], 100 + at))
    steps = page.evaluate(CHANGES, [fewer, full, more, fewer])
    for placed in steps:
        overlap_free(placed)
    # A container whose most specific network came or went is drawn in another box.
    places = [{(chip["id"], chip["home"]): (chip["x"], chip["y"]) for chip in placed["chips"]} for placed in steps]
    for before, after in pairwise(places):
        kept = before.keys() & after.keys()
        assert len(kept) > count * 0.7
        assert [one for one in kept if before[one][0] != after[one][0]] == []
        assert [one for one in kept if before[one][1] > after[one][1]] == []
    assert len(steps[2]["chips"]) == len(steps[1]["chips"]) + 9


@pytest.mark.parametrize("count", [15, 25, 40, 120])
def test_lines_go_around_the_boxes_between(large, count):
    page = large.open()
    ways = page.evaluate(WAYS, stubs.large_engine(count))
    assert ways
    for found in ways:
        points = found["way"]
        for one, two in pairwise(points):
            line = {"x": (one["x"] + two["x"]) / 2, "y": (one["y"] + two["y"]) / 2,
                    "width": abs(one["x"] - two["x"]), "height": abs(one["y"] - two["y"])}  # fmt: skip
            assert 0 in {line["width"], line["height"]}
            assert all(apart(line, box) for box in found["others"])
        left, top, right, bottom = edges(found["target"])
        end = points[-1]
        assert end["x"] in {left, right} or end["y"] in {top, bottom}


def test_the_smallest_text_of_25_containers_can_be_read(large):
    page = large.open()
    assert page.evaluate(SMALLEST_TEXT, stubs.large_engine(25)) >= 11


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
