"""The documentation site in a real browser: no violation that axe can see, and no request to another host."""

import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "index",
    "docker-networks",
    "pipelines",
    "proxy",
    "monitoring",
    "command-line",
    "api",
    "configuration",
    "symptoms",
    "problems",
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(made)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def site(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_search_works_in_a_folder(folder, browser):
    context = browser.new_context()
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{folder.as_uri()}/index.html")
    page.get_by_label("Search", exact=True).first.click()
    page.get_by_text("Type to start searching").wait_for()  # the index is there
    page.keyboard.type("masquerade")
    page.locator(".md-search-result__link", has_text="masquerade-off").first.wait_for()
    context.close()
    assert [url for url in asked if not url.startswith(("file:", "about:", "blob:"))] == []


def test_code_has_a_button_that_copies_its_commands(site, browser):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{site}/exposure.html")
    copied = []
    for words in ("create_network: {name: front", "bridgework exposure site store"):
        block = page.locator(".highlight", has_text=words)
        block.scroll_into_view_if_needed()
        page.evaluate("navigator.clipboard.writeText('')")
        block.locator("button").click()
        page.wait_for_function("navigator.clipboard.readText().then((text) => text !== '')")
        copied.append(page.evaluate("navigator.clipboard.readText()").strip())
    context.close()
    first, *_, last = copied[0].splitlines()
    assert (first, last) == ("echo '", "bridgework apply /tmp/front.yaml --yes | grep done")
    assert "- create_network: {name: elsewhere}" in copied[0]
    assert copied[1] == "bridgework exposure site store --from host"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_and_asks_nobody_else(site, browser, name, scheme):
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/{name}.html")
    found = Axe().run(page).response["violations"]
    violations = [f"{one['id']}: {[node['html'][:300] for node in one['nodes'][:3]]}" for one in found]
    context.close()
    assert violations == []
    assert [url for url in asked if not url.startswith(f"{site}/")] == []
