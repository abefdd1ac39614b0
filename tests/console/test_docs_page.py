"""The reference page in a real browser: it shows every operation, and asks nobody but the service."""

import threading
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.spec_validator import DOCUMENT

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

OF_SWAGGER_UI = {
    "color-contrast", "heading-order", "nested-interactive", "region", "scrollable-region-focusable", "select-name",
}  # fmt: skip
"""The axe rules that Swagger UI 5 itself breaks, in markup that it makes; docs/api-concepts.md names them."""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """A service without an engine: its document needs none."""
    nowhere = tmp_path_factory.mktemp("docs") / "docker.sock"
    return create_app(Settings(), EngineAddress(f"unix://{nowhere}"))


@pytest.fixture(scope="module")
def url(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("chromium")), executable_path=CHROMIUM, args=FLAGS, headless=True
        )
        yield context
        context.close()


def test_the_page_shows_every_operation_and_asks_nobody_else(url, browser):
    page = browser.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append((message.type, message.text)))
    page.on("pageerror", lambda error: said.append(("error", str(error))))
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(
        "window.violations = [];"
        "addEventListener('securitypolicyviolation', e => violations.push(`${e.violatedDirective} ${e.blockedURI}`))"
    )
    page.goto(f"{url}/docs")
    page.wait_for_selector(".opblock")
    shown = {element.get_attribute("id") for element in page.query_selector_all(".opblock")}
    operations = {
        f"operations-{operation['tags'][0]}-{operation['operationId']}"
        for item in DOCUMENT["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    }
    assert shown == operations
    assert page.evaluate("reference.oas3Selectors.selectedServer()") == "/", "not the one for programs that import it"
    page.click("#operations-networks-createNetwork .opblock-summary-control")
    page.wait_for_selector("#operations-networks-createNetwork .responses-table")
    page.click("#operations-networks-createNetwork .model-example button:has-text('Schema')")
    assert page.evaluate("violations") == []
    assert [what for what in said if what[0] in {"error", "warning"}] == []
    assert [one for one in asked if not one.startswith(f"{url}/")] == []
    page.evaluate("scrollTo(0, 0)")
    picture = Path("build/docs.png")
    picture.parent.mkdir(exist_ok=True)
    page.screenshot(path=picture)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_only_swagger_ui_itself_breaks_rules_that_axe_can_see(url, browser, scheme):
    page = browser.new_page()
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{url}/docs")
    page.wait_for_selector(".opblock")
    page.click("#operations-networks-createNetwork .opblock-summary-control")
    page.wait_for_selector("#operations-networks-createNetwork .responses-table")
    found = Axe().run(page).response["violations"]
    assert {one["id"] for one in found} == OF_SWAGGER_UI
