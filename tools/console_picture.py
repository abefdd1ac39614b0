"""Take ``docs/console.png`` of a service in the state that the README has reached there: two containers, a failed ping.

Run by ``make picture``. It starts a service and an engine of its own, and removes both.
"""

import shutil
import sys
from http import HTTPStatus
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

from tools.live_service import TOKEN, live_service

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "console.png"
SIZE: ViewportSize = {"width": 1440, "height": 900}
WAIT_MS = 30_000


def main() -> None:
    """Make the README's two containers, ask its question on the page, take the picture of the answer."""
    with live_service("picture") as live, sync_playwright() as playwright:
        for name in ("tomcat81", "tomcat82"):
            body = {"name": name, "image": "busybox", "command": ["httpd", "-f", "-p", "8080"], "pull": "missing"}
            status, _, answer = live.call("POST", "/v1/containers", body)
            if status != HTTPStatus.CREATED:
                sys.exit(answer.decode())
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce", locale="en")
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{live.url}/console")
        page.get_by_label("Access token").fill(TOKEN)
        page.get_by_role("button", name="Open the console").click()
        page.locator("#live[data-state=live]").wait_for()
        page.get_by_role("button", name="Ping by name", exact=True).click()
        page.locator(".verdict.unreachable").wait_for()
        page.wait_for_timeout(1000)  # the arrow in the picture is drawn
        page.screenshot(path=TARGET)
        browser.close()
    print(f"Wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
