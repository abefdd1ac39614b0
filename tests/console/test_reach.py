"""Who can reach a container, and what it can reach, before a real engine with a neighbour on its LAN."""

import os
from pathlib import Path

import pytest

from tests.support.api import run
from tests.support.neighbour import LINK, neighbour_of

HTTPD = ("httpd", "-f", "-p", "8080")
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture
def shop(engine, api):
    """A project with a published web server and a database behind it, and a container that is on neither network."""
    with neighbour_of(engine):
        for name in ("front", "back"):
            api.post("/v1/networks", {"name": name}, status=201)
        labels = {"com.docker.compose.project": "shop"}
        ports = [{"container_port": 8080, "host_port": 18080}]
        run(api, "web", command=HTTPD, network_mode="front", labels=labels, published_ports=ports)
        run(api, "db", command=HTTPD, network_mode="back", labels=labels)
        api.put("/v1/networks/back/endpoints/web", {})
        run(api, "loner")
        yield api


def card(page, place):
    return page.locator(f".reach[data-place='{place}']")


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("console", ["light", "dark"], indirect=True)
def test_every_source_is_told_by_project_and_network_with_what_stops_it(console, tmp_path, request):
    page = console.open("viewer", "view=reach&reach-of=db&reach-port=8080")
    page.locator(".reach").first.wait_for(timeout=20_000)
    assert page.locator(".reach h3").all_inner_texts() == ["shop", "No project", "The host", "Outside: the LAN"]
    status = page.locator("#reach > [role=status]").inner_text()
    assert status == "2 of the containers and the host can reach db. From the LAN: no way that is known."
    same = card(page, "shop")
    assert same.locator("h4").inner_text() == "back, front"
    assert same.locator(".way.reachable p").inner_text().split() == ["reachable", "web", "8080/tcp"]
    assert same.locator("summary").inner_text().endswith(" on back")
    apart = card(page, "No project").locator(".way.unreachable")
    assert apart.locator("summary").inner_text().startswith("no shared network, at ")
    apart.locator("summary").click()
    assert "bridge of the network bridge" in apart.locator(".rail").inner_text()
    assert apart.locator(".stop.break").count() == 1
    assert "have no network in common" in apart.locator(".finding[data-code=no-shared-network]").inner_text()
    console.accessible()
    folder = Path(os.environ.get("CONSOLE_PICTURES", tmp_path))
    name = request.node.callspec.id
    page.screenshot(path=folder / f"reach-{name}.png")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(FITS)
    console.accessible()


@pytest.mark.usefixtures("shop")
def test_the_lan_is_told_with_its_rules_and_closed_ways_can_be_left_out(console):
    page = console.open("viewer", "view=reach&reach-of=web")
    outside = card(page, "Outside: the LAN")
    outside.wait_for(timeout=20_000)
    way = outside.locator(".way.reachable", has_text="18080")
    assert f"neighbours at {LINK}" in way.first.inner_text()
    way.locator("summary").first.click()
    assert "-j DNAT" in way.locator(".rules").first.inner_text()
    assert card(page, "No project").locator(".way.unreachable").count() == 1
    page.get_by_label("show").and_(page.locator("#reach-form select")).select_option("open")
    assert page.locator("#reach > .reach > .port > .way.unreachable").count() == 0
    assert page.url.endswith("&reach-show=open")


@pytest.mark.usefixtures("shop")
def test_a_container_leads_to_both_questions_and_the_link_asks_again(console):
    page = console.open("viewer", "tab=explore&thing=container:web")
    console.button("What can it reach?").click()
    page.locator(".reach").first.wait_for(timeout=20_000)
    status = page.locator("#reach > [role=status]")
    assert status.inner_text() == "web can reach 2 of the containers and the host."
    assert card(page, "shop").locator(".way.reachable .name-link").inner_text() == "db"
    assert "reach-of=web&reach-find=destinations" in page.url
    page.reload()
    page.locator(".reach").first.wait_for(timeout=20_000)
    assert status.inner_text() == "web can reach 2 of the containers and the host."
    console.button("Who can reach it?").click()
    page.locator("#reach > [role=status]", has_text="can reach web").wait_for(timeout=20_000)


def test_a_name_that_is_no_container_is_not_sent(console):
    page = console.open("viewer", "view=reach&reach-of=nothing")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "queries" in request.url else None)
    console.button("Ask").click()
    field = page.locator("#reach-form input[name=of]")
    assert field.evaluate("(field) => field.validationMessage") == "No container has the name “nothing”."
    assert asked == []
