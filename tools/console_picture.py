"""Take the pictures of the console in ``docs/``, of a live service in the states that the pages tell of.

Run by ``make picture``. It starts a service and an engine of its own, and removes both.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize, sync_playwright

from tools.live_service import TOKEN, Live, live_service

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs"
SIZE: ViewportSize = {"width": 1440, "height": 900}
WAIT_MS = 30_000
DRAWN_MS = 1000
HTTPD = ["httpd", "-f", "-p", "8080"]


def main() -> None:
    """Make each state, open the console by a link that holds the question, and take the picture of the answer."""
    with live_service("picture") as live, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        for name, (make, link, ask) in PICTURES.items():
            make(live)
            page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce", locale="en")
            page.set_default_timeout(WAIT_MS)
            page.goto(f"{live.url}/console#{link}")
            page.get_by_label("Access token").fill(TOKEN)
            page.get_by_role("button", name="Open the console").click()
            page.locator("#live[data-state=live]").wait_for()
            ask(page)
            page.wait_for_timeout(DRAWN_MS)
            page.screenshot(path=FOLDER / name)
            page.close()
            print(f"Wrote docs/{name}")
        browser.close()


def tomcats(live: Live) -> None:
    """Make the README's two containers on the default bridge."""
    for name in ("tomcat81", "tomcat82"):
        container(live, name)


def two_networks(live: Live) -> None:
    """Add two projects' networks, and a container that is on both."""
    for network in ("shop_front", "shop_back"):
        send(live, "POST", "/v1/networks", {"name": network})
    container(live, "web", network_mode="shop_front")
    container(live, "db", network_mode="shop_back")
    container(live, "api", network_mode="shop_front")
    send(live, "PUT", "/v1/networks/shop_back/endpoints/api", {})


def nothing_more(_: Live) -> None:
    """Keep the state of the picture before."""


def container(live: Live, name: str, **more: Any) -> None:
    """Run a small web server."""
    send(
        live, "POST", "/v1/containers", {"name": name, "image": "busybox", "command": HTTPD, "pull": "missing", **more}
    )


def send(live: Live, method: str, path: str, body: Any) -> None:
    """Make a change, or end with what the service says."""
    status, _, answer = live.call(method, path, body)
    if status != HTTPStatus.CREATED:
        sys.exit(answer.decode())


def check(page: Page) -> None:
    """Send the check that the link filled in."""
    page.get_by_role("button", name="Check", exact=True).click()
    page.locator(".verdict.unreachable").wait_for()


def planned(page: Page) -> None:
    """Ask what the remedy of that check would change."""
    check(page)
    page.get_by_role("button", name="What will this change?").click()
    page.locator(".plan .note").wait_for()


def matrix(page: Page) -> None:
    """Measure all pairs."""
    page.get_by_role("button", name="Measure", exact=True).click()
    page.locator("#matrix-end .cause").first.wait_for()


PICTURES: dict[str, tuple[Callable[[Live], None], str, Callable[[Page], None]]] = {
    "console.png": (tomcats, "from=tomcat81&to=name:tomcat82&protocol=icmp", check),
    "console-plan.png": (two_networks, "from=web&to=container:db&protocol=tcp&port=8080", planned),
    "console-matrix.png": (nothing_more, "view=matrix", matrix),
}
"""The state, the link and what is asked there, in the order in which they are taken."""


if __name__ == "__main__":
    main()
