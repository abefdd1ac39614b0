"""The console's view of what is reachable from where, before a real engine with a neighbour on its LAN."""

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.console import stubs
from tests.support.api import run
from tests.support.neighbour import HOST_ADDRESS, LINK, neighbour_of
from tests.support.raw_engine import Raw

HTTPD = ("httpd", "-f", "-p", "8080")
FITS = "document.documentElement.scrollWidth <= innerWidth"
WAY = {
    "network": {"kind": "network", "id": "n", "name": "bridge"}, "container_port": 80, "protocol": "tcp",
    "published": {"container_port": 80, "protocol": "tcp", "host_ip": "", "host_port": 8080}, "address": "192.0.2.1",
    "port": 8080, "verdict": "reachable", "reason": None, "listening": True, "by_proxy": True, "rules": [],
    "stopped_by": None, "host_firewall": None, "past_host_firewall": False,
    "origin": {"kind": "lan", "name": "eth0", "family": "ipv4"},
}  # fmt: skip


@pytest.fixture
def exposed(engine, api):
    """Two containers, one with a published port, on a host whose firewall closes what it does not know."""
    raw = Raw(engine)
    with neighbour_of(engine):
        raw.in_namespace("iptables", "-A", "INPUT", "-i", LINK, "-p", "tcp", "--dport", "18080", "-j", "DROP")
        try:
            run(api, "web", command=HTTPD, published_ports=[{"container_port": 8080, "host_port": 18080}])
            run(api, "inner", command=HTTPD)
            yield
        finally:
            raw.in_namespace("iptables", "-D", "INPUT", "-i", LINK, "-p", "tcp", "--dport", "18080", "-j", "DROP")


def opened(console, link):
    console.page.goto(f"{console.service}/console#{link}")
    console.enter("token-of-viewer")
    console.page.locator("#summary:not(:empty)").wait_for()
    return console.page


@pytest.mark.usefixtures("exposed")
@pytest.mark.parametrize("console", ["light", "dark"], indirect=True)
def test_what_is_open_from_where_is_told_with_the_rules(console, tmp_path, request):
    page = opened(console, "view=exposure&exposure-container=web&exposure-origin=lan")
    page.locator(".exposed").first.wait_for(timeout=20_000)
    assert page.locator(".exposed h3").all_inner_texts() == ["web"]
    way = page.locator(".port", has_text="published at 0.0.0.0:18080").locator(".way")
    assert way.locator(".becomes").inner_text().strip() == "Reachable from"
    assert way.locator(".places").inner_text() == f"the LAN, by {LINK} at {HOST_ADDRESS}:18080"
    assert "-j DNAT" in way.locator(".rules", has_text="Let through by").inner_text()
    past = way.locator(".note.warn")
    assert "rules lead the packet past a rule that was meant to stop it." in past.inner_text()
    assert "--dport 18080 -j DROP" in past.inner_text()
    assert page.locator("#exposure-note").inner_text() == ""
    console.accessible()
    folder = Path(os.environ.get("CONSOLE_PICTURES", tmp_path))
    name = request.node.callspec.id
    page.screenshot(path=folder / f"exposure-{name}.png")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(FITS)
    console.accessible()
    page.screenshot(path=folder / f"exposure-{name}-390.png", full_page=True)


@pytest.mark.usefixtures("exposed")
def test_the_exposure_needs_no_mouse_and_its_link_shows_the_same(console):
    page = opened(console, "")
    page.locator("#tab-picture").focus()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.id") == "tab-exposure"
    page.locator(".exposed").first.wait_for(timeout=20_000)
    assert page.locator(".exposed h3").all_inner_texts() == ["inner", "web"]
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    with page.expect_response(lambda answer: "container=inner&verdict=unreachable" in answer.url):
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
    page.locator(".way.unreachable").first.wait_for()
    assert "Stopped by:" in page.locator(".way.unreachable").first.inner_text()
    console.accessible()
    text, address = page.locator("#exposure").inner_text(), page.url
    assert address.endswith("view=exposure&exposure-origin=lan&exposure-container=inner&exposure-show=closed")
    page.reload()
    page.locator(".way.unreachable").first.wait_for()
    assert page.locator("#exposure").inner_text() == text


@pytest.mark.usefixtures("exposed")
def test_a_container_leads_to_its_open_ports(console, api):
    page = opened(console, "tab=explore&thing=container:inner")
    console.button("Its open ports").click()
    page.locator(".exposed").first.wait_for(timeout=20_000)
    assert page.locator(".exposed h3").all_inner_texts() == ["inner"]
    assert page.evaluate("document.activeElement.id") == "tab-exposure"
    page.locator(".exposed h3 button").click()
    assert page.locator("#inside h2").inner_text() == "inner"
    page.locator("#live[data-state=live]").wait_for()
    run(api, "newcomer")
    page.locator("#exposure-note", has_text="The engine has changed since this was read.").wait_for()


def test_places_with_the_same_rules_are_one_way_and_further_pages_are_read(console):
    """Three networks, a container of another project, and a second page; a page may be empty and have a next one."""
    engine = stubs.large_engine(20)
    members = [node for node in engine["nodes"] if node["kind"] == "container" and node["attributes"]["running"]]
    members[0]["attributes"]["project"] = "shop"
    mine, other = (
        {"container": {key: one[key] for key in ("id", "kind", "name")}} for one in (members[0], members[-1])
    )
    assert members[-1]["name"] == "sealed-vault"  # it is on no network of the project
    places = [{"origin": {"kind": "network", "name": f"n{at}", "family": "ipv4"}} for at in range(3)]
    open_rule = {"table": "ip nat", "chain": "DOCKER", "rule": "-A DOCKER -j DNAT", "effect": "dnat", "owner": "Docker"}
    pages = {
        "": [*({**WAY, **mine, **place} for place in places), {**WAY, **other}],
        "one": [],
        "two": [{**WAY, **mine, "by_proxy": False, "rules": [open_rule]}],
    }  # fmt: skip
    following = {"": "one", "one": "two", "two": None}
    asked = []

    def answer(route):
        cursor = parse_qs(urlsplit(route.request.url).query).get("cursor", [""])[0]
        asked.append(cursor)
        rows = pages[cursor] * (200 if cursor == "" else 1)
        route.fulfill(json={"items": rows, "next_cursor": following[cursor], "limited": [stubs.LIMITED]})

    console.page.route("**/v1/exposure*", answer)
    console.page.route("**/v1/topology*", lambda route: route.fulfill(json=engine))
    page = opened(console, "view=exposure&project=shop")
    page.locator(".exposed").first.wait_for()
    assert asked == [""]
    assert page.locator(".exposed h3").all_inner_texts() == [members[0]["name"]]
    assert page.locator(".way").count() == 1
    assert page.locator(".way li").count() == 600
    assert page.locator("#exposure > [role=status]").inner_text() == "1 port, and there are more."
    console.button("Show more").click()
    page.locator(".way").nth(1).wait_for()
    assert asked == ["", "one", "two"]
    assert "Docker" in page.locator(".way").nth(1).locator(".rules .tag").inner_text()
    assert page.locator("#exposure > [role=status]").inner_text() == "1 port."
    console.accessible()


def test_an_engine_without_an_exposure_says_so(console):
    console.refusals_expected = True
    problem = {"status": 501, "detail": "This engine is Podman.", "code": "engine-lacks-function"}
    console.page.route("**/v1/exposure*", lambda route: route.fulfill(status=501, json=problem))
    page = opened(console, "view=exposure&exposure-show=nonsense")
    page.locator("#exposure", has_text="This engine is Podman.").wait_for()
    assert page.locator("#exposure-form [name=show]").input_value() == "open"
