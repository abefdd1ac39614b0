"""Where the picture draws everything: who is on which network, with no wire under a box, in places that stay."""

import re
from itertools import pairwise

import pytest

from tests.console import estates, stubs
from tests.console.test_links import ANSWER
from tests.console.test_story import RED_POINTS

PLACES = """async ({ document, folded }) => {
  const [{ read }, { place }] = await Promise.all([import("/console/model.js"), import("/console/layout.js")]);
  const model = read(document);
  const { boxes, lines, chips, wires } = place(model, { width: 960, height: 700 }, null, () => folded);
  const plain = ({ x, y, width, height }) => ({ x, y, width, height });
  return {
    boxes: boxes.map(plain),
    lines: Object.fromEntries(lines.map(({ id, x, y, width }) => [id, { x, y, width }])),
    chips: chips.map((chip) => ({ ...plain(chip), id: chip.id, cell: chip.cell.id, sharer: chip.sharer })),
    wires: wires.map(({ cell, network, points }) => (
      { cell: cell.id, of: cell.item.id, on: cell.on.length, network, points })),
    endpoints: model.containers.flatMap((one) => one.endpoints.map(({ network }) => [one.id, network.id])),
  };
}"""

CHANGES = """async (documents) => {
  const [{ read }, { place }] = await Promise.all([import("/console/model.js"), import("/console/layout.js")]);
  const plain = ({ x, y, width, height, id }) => ({ id, x, y, width, height });
  let layout = null;
  return documents.map((document) => {
    layout = place(read(document), { width: 960, height: 700 }, layout);
    const { boxes, chips, lines } = layout;
    const hung = chips.map((chip) => ({ ...plain(chip), on: chip.cell.on.join(" ") }));
    return { boxes: boxes.map(plain), chips: hung, lines: lines.map(plain) };
  });
}"""
SMALLEST_TEXT = """async (document) => {
  const [{ read }, { place }] = await Promise.all([import("/console/model.js"), import("/console/layout.js")]);
  const frame = window.document.getElementById("picture");
  const view = { width: frame.clientWidth - 48, height: frame.clientHeight - 86 };
  return 11.5 * place(read(document), view).zoom;
}"""


LABELS = """async ([document, findings]) => {
  const [{ read }, { place }, { badgeElements, marksOf }] = await Promise.all(
    ["model", "layout", "badges"].map((name) => import(`/console/${name}.js`)));
  const folded = (project) => project === "billing";
  const layout = place(read(document), { width: 960, height: 700 }, null, folded);
  return badgeElements(layout, marksOf(findings)).map(({ data, classes }) => [data.id, data.label, classes]);
}"""


def unchanging(engine):
    """Answer with the engine's graph, and with 304 to who has it."""

    def answer(route):
        if route.request.headers.get("if-none-match"):
            route.fulfill(status=304)
        else:
            route.fulfill(json=engine, headers={"ETag": '"1"'})

    return answer


@pytest.fixture
def before(console):
    """Open the console before an engine that is not there."""

    def opened(engine, findings=()):
        page = console.page
        page.route("**/v1/topology*", unchanging(engine))
        page.route("**/v1/events", lambda route: route.fulfill(body=": \n\n", content_type="text/event-stream"))
        own = {
            node["id"]: [one for one in findings if one["component"]["id"] == node["id"]] for node in engine["nodes"]
        }
        containers = [
            {"id": node["id"], "name": node["name"], "findings": own[node["id"]]}
            for node in engine["nodes"]
            if node["kind"] == "container"
        ]
        answer = {"items": containers, "next_cursor": None}
        page.route(re.compile(r"/v1/containers\?"), lambda route: route.fulfill(json=answer))
        page.route(re.compile(r"/v1/containers/"), lambda route: route.fulfill(status=404, json={"detail": "none"}))
        console.refusals_expected = True
        return console.open()

    return opened


def edges(one):
    half_width, half_height = one["width"] / 2, one["height"] / 2
    return one["x"] - half_width, one["y"] - half_height, one["x"] + half_width, one["y"] + half_height


def apart(one, other):
    (left, top, right, bottom), (left2, top2, right2, bottom2) = edges(one), edges(other)
    return right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top


ESTATES = {
    **{f"{count}": lambda count=count: stubs.large_engine(count) for count in (15, 40, 41, 52, 200, 400)},
    "small": estates.small, "middle": estates.middle, "large": estates.large,
}  # fmt: skip


@pytest.fixture(params=[*ESTATES, "large, folded"])
def placed(before, request):
    name = request.param.removesuffix(", folded")
    document = ESTATES[name]()
    return before(document).evaluate(PLACES, {"document": document, "folded": name != request.param})


def overlap_free(drawn):
    for things in (drawn["boxes"], drawn["chips"]):
        assert all(apart(one, other) for at, one in enumerate(things) for other in things[:at])
    for chip in drawn["chips"]:
        assert sum(not apart(chip, box) for box in drawn["boxes"]) == 1


def test_nothing_overlaps(placed):
    overlap_free(placed)


def pieces(wire):
    for one, two in pairwise(wire["points"]):
        yield {
            "x": (one["x"] + two["x"]) / 2, "y": (one["y"] + two["y"]) / 2,
            "width": abs(one["x"] - two["x"]), "height": abs(one["y"] - two["y"]),
        }  # fmt: skip


def test_no_wire_passes_under_a_container_and_each_begins_on_its_network(placed):
    owners = {chip["cell"]: chip for chip in placed["chips"] if not chip["sharer"]}
    for wire in placed["wires"]:
        line, first, last = placed["lines"][wire["network"]], wire["points"][0], wire["points"][-1]
        assert first["y"] == line["y"]
        assert abs(first["x"] - line["x"]) <= line["width"] / 2
        left, top, _, bottom = edges(owners[wire["cell"]])
        mine = [chip for chip in placed["chips"] if chip["cell"] == wire["cell"]]
        lowest = max(edges(chip)[3] for chip in mine)
        assert last["x"] == left or last["y"] == top or bottom <= last["y"] <= lowest + 5
        for piece in pieces(wire):
            assert 0 in {piece["width"], piece["height"]}
            assert all(apart(piece, chip) for chip in placed["chips"])


def test_wires_of_two_containers_run_together_only_where_both_hang_on_one_network(placed):
    upright = [(wire, piece) for wire in placed["wires"] for piece in pieces(wire) if piece["height"]]
    by_x = {}
    for wire, piece in upright:
        by_x.setdefault(round(piece["x"], 2), []).append((wire, piece))
    for beside in by_x.values():
        for at, (wire, piece) in enumerate(beside):
            for other, another in beside[:at]:
                low = min(piece["y"] + piece["height"] / 2, another["y"] + another["height"] / 2)
                high = max(piece["y"] - piece["height"] / 2, another["y"] - another["height"] / 2)
                if wire["cell"] != other["cell"] and low > high:
                    assert (wire["on"], wire["network"]) == (1, other["network"])


def test_each_endpoint_is_seen_on_its_line(placed):
    drawn = {(wire["of"], wire["network"]) for wire in placed["wires"]}
    known = {one for one, _ in drawn} | {chip["id"] for chip in placed["chips"]}
    missing = [pair for pair in placed["endpoints"] if pair[1] in placed["lines"] and tuple(pair) not in drawn]
    assert [pair for pair in missing if pair[0] in known] == []
    folded = {wire["of"] for wire in placed["wires"] if wire["of"].startswith("project:")}
    assert bool(missing) == bool(folded)


def without(document, *ids):
    edges = [edge for edge in document["edges"] if not {edge["source"], edge["target"]} & set(ids)]
    kept = [node for node in document["nodes"] if node["id"] not in ids]
    return {"nodes": kept, "edges": edges, "limited": []}


@pytest.mark.parametrize("count", [30, 120])
def test_what_was_there_keeps_its_place_while_others_come_and_go(before, count):
    full = stubs.large_engine(count)
    page = before(full)
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
    # A container stays unless it loses a line that it hung on.
    places = [{chip["id"]: chip for chip in placed["chips"]} for placed in steps]
    for earlier, later in pairwise(places):
        common = earlier.keys() & later.keys()
        kept = [
            one for one in common if earlier[one]["on"] and {*earlier[one]["on"].split()} <= {*later[one]["on"].split()}
        ]
        assert len(kept) > count * 0.6
        assert [one for one in kept if earlier[one]["x"] != later[one]["x"]] == []
        assert [one for one in kept if earlier[one]["y"] > later[one]["y"]] == []
    assert len(steps[2]["chips"]) == len(steps[1]["chips"]) + 9
    hung = {line for chip in steps[0]["chips"] for line in chip["on"].split()}
    lines = [{line["id"]: (line["x"], line["width"]) for line in placed["lines"]} for placed in steps]
    assert {one: lines[1][one] for one in hung} == {one: lines[0][one] for one in hung}


def test_the_smallest_text_of_25_containers_can_be_read(before):
    engine = stubs.large_engine(25)
    page = before(engine)
    assert page.evaluate(SMALLEST_TEXT, engine) >= 11


def test_a_large_engine_starts_with_its_projects_folded_and_a_chosen_container_unfolds_its_own(before, console):
    page = before(estates.large())
    fold = page.locator("#fold")
    assert fold.inner_text() == "Unfold projects"
    console.tab("Explore")
    page.locator(".thing.container", has_text="billing-db-1").click()
    assert page.locator("#announcer").inner_text() == "billing is unfolded."
    assert fold.inner_text() == "Fold projects"
    console.accessible()
    fold.focus()
    for told, offered in (
        ("Each project is one box.", "Unfold projects"),
        ("Every container is shown.", "Fold projects"),
    ):
        page.keyboard.press("Enter")
        assert page.locator("#announcer").inner_text() == told
        assert fold.inner_text() == offered


def test_a_check_unfolds_the_projects_of_its_ends_so_that_its_arrow_is_seen(before, console):
    page = before(estates.large())
    page.route("**/v1/connectivity/checks", lambda route: route.fulfill(json=ANSWER))
    page.locator("[name=from]").fill("billing-web-1")
    page.locator("[name=to]").fill("shop-web-1")
    console.button("Check").click()
    page.locator(".verdict.unreachable").wait_for()
    assert page.locator("#fold").inner_text() == "Fold projects"
    assert page.evaluate(RED_POINTS) > 100


def test_the_list_tells_the_further_networks_of_a_container(before, console):
    page = before(estates.middle())
    console.tab("Explore")
    told = page.locator(".thing.container", has_text="billing-web-1").inner_text()
    assert "also on edge" in told


def test_a_small_engine_starts_unfolded_and_one_without_projects_offers_no_folding(before):
    page = before(estates.middle())
    assert page.locator("#fold").inner_text() == "Fold projects"
    page.unroute("**/v1/topology*")
    page.route("**/v1/topology*", lambda route: route.fulfill(json=estates.small()))
    page.reload()
    page.locator("#summary", has_text="6 containers").wait_for()
    assert page.locator("#fold").is_hidden()


def finding(component, severity):
    name = {"kind": component["kind"], "id": component["id"], "name": component["name"]}
    return {
        "code": "x", "severity": severity, "component": name, "message": "m", "remedy": None, "evidence": {},
        "compose": None,
    }  # fmt: skip


def test_changes_in_both_directions_are_one_arrow(before):
    page = before(estates.small())
    one = {"source": "a", "target": "b", "becomes": "added", "label": "icmp"}
    other, lost = {**one, "source": "b", "target": "a"}, {**one, "target": "c", "becomes": "removed"}
    arrows = page.evaluate(
        """async (changes) => (await import("/console/arrows.js")).paired(changes)""", [one, lost, other]
    )
    assert arrows == [{**one, "both": True}, {**lost, "both": False}]


def test_badges_tell_how_many_findings_a_thing_has_and_the_most_severe_gives_the_shape(before, console):
    engine = estates.middle()
    things = {node["name"]: node for node in engine["nodes"]}
    severities = [
        ("traefik", "info"), ("traefik", "blocking"), ("edge", "warning"), ("billing-web-1", "info"),
        ("billing_back", "warning"), ("host", "info"),
    ]  # fmt: skip
    findings = [finding(things[name], severity) for name, severity in severities]
    page = before(engine, findings)
    assert sorted(page.evaluate(LABELS, [engine, findings])) == sorted(
        [
            [f"badge:{things['traefik']['id']}", "2", "badge blocking"],
            [f"badge:{things['edge']['id']}", "1", "badge warning"],
            ["badge:project:billing", "2", "badge warning"],
            ["badge:host", "1", "badge info"],
        ]
    )
    console.tab("Explore")
    page.locator(".thing", has_text="2 findings, blocking").wait_for()
    told = [" ".join(text.split()) for text in page.locator(".thing:has(.tag)").all_inner_texts()]
    assert len(told) == 2
    page.route(
        "**/v1/diagnostics*",
        lambda route: route.fulfill(json={"items": findings[2:3], "limited": [], "next_cursor": None}),
    )
    console.tab("Diagnosis")
    page.locator("#findings .finding").wait_for()
    console.tab("Explore")
    assert page.locator(".thing:has(.tag)").count() == 1
    assert "edge" in page.locator(".thing:has(.tag)").inner_text()
    console.accessible()
