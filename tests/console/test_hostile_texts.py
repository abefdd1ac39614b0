"""Names and labels with characters that a page acts on: none of them reaches the page or the picture."""

from tests.console import stubs
from tests.support.hostile_texts import HOSTILE, acted_on

LABELS = """async (document) => {
  const [{ read }, { place }, { elementsOf }] = await Promise.all(
    ["model", "layout", "elements"].map((name) => import(`/console/${name}.js`)));
  const model = read(document);
  return elementsOf(model, place(model, { width: 960, height: 700 })).map(({ data }) => data.label ?? "");
}"""
READ_BY_PEOPLE = """() => [document.body.innerText, ...[...document.querySelectorAll("[title], [aria-label]")].flatMap(
  (one) => [one.title, one.getAttribute("aria-label") ?? ""])].join("\\n")"""


def test_they_are_escaped_on_the_page_and_in_the_picture(console):
    network, one = stubs.network(1, HOSTILE), stubs.container(2, f"web{HOSTILE}", image=HOSTILE)
    engine = {"nodes": [network, one], "edges": [stubs.endpoint(one, network, 1)], "limited": []}
    finding = {
        "code": "no-listener", "severity": "blocking", "message": HOSTILE, "evidence": {"label": HOSTILE},
        "component": {"kind": "container", "id": one["id"], "name": one["name"]}, "compose": None,
        "remedy": {"summary": HOSTILE, "calls": [], "commands": [HOSTILE], "plan": None},
    }  # fmt: skip
    limited = {**stubs.LIMITED, "what": HOSTILE, "why": HOSTILE, "remedy": HOSTILE}
    page = console.page
    page.route("**/v1/topology*", lambda route: route.fulfill(json=engine))
    page.route("**/v1/events", lambda route: route.fulfill(body=": \n\n", content_type="text/event-stream"))
    page.route(
        "**/v1/diagnostics*",
        lambda route: route.fulfill(json={"items": [finding], "limited": [limited], "next_cursor": None}),
    )
    console.open()
    console.tab("Diagnosis")
    page.locator("#panel-diagnostics").get_by_text("u{202e}gpj").first.wait_for()
    assert "u{202e}gpj" in page.locator("#panel-diagnostics .limited").inner_text()
    for text in (page.evaluate(READ_BY_PEOPLE), *page.evaluate(LABELS, engine)):
        assert acted_on(text.replace("\t", "").replace("\N{NO-BREAK SPACE}", "")) == []
