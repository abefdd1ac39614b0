"""The trace of a check on the page, with an answer of a real engine: one rule translates the port, another one drops.

tests/engine/test_trace.py shows that a real engine gives such answers.
"""

import json
import os
from pathlib import Path

import pytest

from tests.console import stubs

ANSWER = json.loads(Path(__file__).with_name("traced.json").read_text(encoding="utf-8"))
CHECKS = "**/v1/connectivity/checks"
CAPTURE = b"\n\r\r\npcapng"
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture
def pair(console):
    """The page before two containers on one network, with the form filled in."""
    back = stubs.network(1, "back")
    members = [stubs.container(number, name) for number, name in enumerate(("peer", "web"))]
    host = {"id": "host", "kind": "host", "name": "host", "attributes": {}}
    graph = {"nodes": [back, *members, host], "edges": [stubs.endpoint(one, back, 1) for one in members]}
    console.page.route("**/v1/topology*", lambda route: route.fulfill(json=graph))
    console.page.route("**/v1/events", lambda route: route.fulfill(body=": \n\n", content_type="text/event-stream"))
    return console


def trace_box(console):
    return console.page.get_by_label("Trace: show the packet")


def fill_in(console):
    form = console.page.locator("#check-form")
    form.locator("[name=from]").fill("peer")
    form.locator("[name=to]").fill("web")
    form.locator("[name=protocol]").select_option("tcp")
    form.locator("[name=port]").fill("80")
    trace_box(console).focus()
    console.page.keyboard.press("Space")


def answer(route):
    if route.request.headers["accept"] == "application/x-pcapng":
        route.fulfill(body=CAPTURE, content_type="application/x-pcapng")
    else:
        route.fulfill(json=ANSWER)


@pytest.mark.parametrize("console", ["light", "dark"], indirect=True)
def test_a_trace_shows_each_step_its_translation_and_where_the_packet_was_lost(pair, tmp_path):
    page = pair.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.route(CHECKS, answer)
    pair.open("operator")
    fill_in(pair)
    with page.expect_request(CHECKS) as asked:
        page.keyboard.press("Enter")
    assert asked.value.post_data_json["trace"] is True

    steps = page.locator(".trace .step").all_inner_texts()
    assert [text.splitlines()[0] for text in steps] == [
        "Out by eth0 of peer", "In by veth1ae21b7 of the host", "PREROUTING: dnat", "Translated",
        "FORWARD: jump DOCKER-USER", "DOCKER-USER: drop",
    ]  # fmt: skip
    assert all("predicted, seen" in text for text in steps if not text.startswith("Translated"))
    assert "10.84.1.3:64957 to 10.84.1.2:80 → 10.84.1.3:64957 to 10.84.1.2:8080" in steps[3]
    dropped = page.locator(".trace .step.lost")
    assert "-A DOCKER-USER -d 10.84.1.2/32 -p tcp -m tcp --dport 8080 -j DROP" in dropped.inner_text()
    assert "Lost here. hook forward, table ip filter" in dropped.inner_text()
    told = page.locator(".trace .note").inner_text()
    assert told.startswith("Lost: A rule of filter DOCKER-USER of the host drops the packet")

    copy = pair.button("Copy as text")
    copy.focus()
    page.keyboard.press("Enter")
    page.locator(".trace", has_text="Copied.").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    assert "peer cannot reach web on tcp port 80" in text
    assert "LOST HERE\n      -A DOCKER-USER -d 10.84.1.2/32" in text
    page.keyboard.press("Tab")
    with page.expect_download() as saved:
        page.keyboard.press("Enter")
    assert saved.value.suggested_filename == "trace.pcapng"
    assert Path(saved.value.path()).read_bytes() == CAPTURE

    pair.accessible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(FITS)
    pair.accessible()
    page.locator(".trace").screenshot(path=Path(os.environ.get("CONSOLE_PICTURES", tmp_path)) / "trace.png")


def test_a_service_that_allows_no_traces_says_so_and_the_box_is_off(pair):
    pair.refusals_expected = True
    refusal = {
        "code": "trace-not-allowed",
        "detail": "The policy of this service allows no traces.",
        "remedy": {"summary": 'Send the check without "trace".', "calls": [], "commands": []},
    }
    pair.page.route(CHECKS, lambda route: route.fulfill(status=403, json=refusal))
    pair.open("operator")
    fill_in(pair)
    pair.button("Check").click()
    pair.page.locator("#outcome", has_text="The policy of this service allows no traces.").wait_for()
    assert trace_box(pair).is_disabled()
    assert not trace_box(pair).is_checked()
    pair.accessible()


def test_a_viewer_is_offered_no_trace(pair):
    pair.open("viewer")
    assert pair.page.locator("#check-form").is_visible()
    assert trace_box(pair).is_hidden()
