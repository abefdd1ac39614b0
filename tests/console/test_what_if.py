"""What a change would do, asked from a network, a container and an endpoint of a real engine; applied and undone."""

import os
from pathlib import Path

import pytest

from tests.support.api import run

HTTPD = ("httpd", "-f", "-p", "8080")
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture
def pair(api):
    """Two containers on one network."""
    api.post("/v1/networks", {"name": "shop"}, status=201)
    for name in ("web", "db"):
        run(api, name, command=HTTPD, network_mode="shop")
    return api


def shown(console, thing):
    page = console.open("admin", f"tab=explore&thing={thing}")
    page.locator(".questions").wait_for()
    return page


def changes(page):
    return [line.removesuffix(" Leave out") for line in page.locator("#what-if-changes li").all_inner_texts()]


def test_the_removal_of_a_network_in_use_is_resolved_applied_and_undone(console, pair, tmp_path):
    console.refusals_expected = True  # the details of the network are read while it goes
    page = shown(console, "network:shop")
    console.button("removed?").click()
    plan = page.locator("#what-if > section.note")
    plan.wait_for(timeout=20_000)
    assert "shop is in use by" in page.locator("#what-if .note.warn").inner_text()
    assert sorted(changes(page)[:2]) == ["Disconnect db from shop", "Disconnect web from shop"]
    assert changes(page)[2:] == ["Remove the network shop"]
    assert "Every change can be undone." in plan.inner_text()
    assert "web → db" in plan.inner_text()
    console.accessible()
    folder = Path(os.environ.get("CONSOLE_PICTURES", tmp_path))
    page.screenshot(path=folder / "what-if.png")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(FITS)
    console.accessible()
    page.set_viewport_size({"width": 1440, "height": 900})
    assert len(pair.get("/v1/networks?type=custom")["items"]) == 1, "a plan changes nothing"

    console.button("Apply …").click()
    console.button("Send 3 calls").click()
    page.locator("#what-if", has_text="The plan is applied").wait_for(timeout=30_000)
    assert pair.get("/v1/networks?type=custom")["items"] == []
    console.accessible()
    console.button("Undo …").click()
    page.get_by_role("dialog").get_by_role("button", name="Send").click()
    page.locator("#undo:empty").wait_for(state="attached", timeout=30_000)
    ends = pair.get("/v1/networks/shop/endpoints")["items"]
    assert {end["container"]["name"] for end in ends} == {"web", "db"}


@pytest.mark.usefixtures("pair")
def test_each_endpoint_and_container_asks_and_changes_are_put_together(console):
    page = shown(console, "container:web")
    console.button("What if web is disconnected from shop?").click()
    page.locator("#what-if > section.note").wait_for(timeout=20_000)
    assert changes(page) == ["Disconnect web from shop"]
    page.locator("#what-if-form select[name=change]").select_option("stop")
    page.locator("#what-if-form input[name=container]").fill("db")
    page.locator("#what-if-form").get_by_role("button").click()
    page.locator("#what-if-changes li").nth(1).wait_for()
    page.locator("#what-if > section.note").wait_for(timeout=20_000)
    assert changes(page) == ["Disconnect web from shop", "Stop db"]
    console.button("Leave out change 1").click()
    page.locator("#what-if > section.note").wait_for(timeout=20_000)
    assert changes(page) == ["Stop db"]
    page.reload()
    page.locator("#what-if > section.note").wait_for(timeout=20_000)
    assert changes(page) == ["Stop db"], "the link has the plan"


@pytest.mark.usefixtures("pair")
def test_a_viewer_sees_the_plan_and_cannot_apply_it(console):
    page = console.open("viewer")
    console.tab("Explore")
    page.locator(".thing", has_text="web").click()
    console.button("stopped?").click()
    page.locator("#what-if > section.note").wait_for(timeout=20_000)
    assert page.get_by_role("button", name="Apply …").is_disabled()
    assert "needs the role operator" in page.locator("#what-if").inner_text()


@pytest.mark.usefixtures("pair")
def test_a_network_can_be_left_alone_in_a_link_that_is_no_plan(console):
    page = console.open("admin", "tab=what-if&plan=nonsense")
    assert page.locator("#what-if-changes li").count() == 0
