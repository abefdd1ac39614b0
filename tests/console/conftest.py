"""A real browser before a real service before a real engine; whatever the page does wrong fails the test."""

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.support.service import Service

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} forbids ${event.blockedURI} in ${event.sourceFile}`))"""


def violations(page):
    """What axe finds on a page: each rule with its impact and the first elements that break it."""
    return [
        f"{one['id']} ({one['impact']}): {[node['html'][:300] for node in one['nodes'][:3]]}"
        for one in Axe().run(page).response["violations"]
    ]


def find_chromium():
    """Debian's Chromium, which scripts/test-packages installs."""
    return shutil.which("chromium")


@pytest.fixture(scope="session")
def service(engine, tokens_file, tmp_path_factory):
    """The address of a service before the session's engine."""
    with Service(engine.docker_host, tmp_path_factory.mktemp("service"), tokens_file) as made:
        yield made.url


@pytest.fixture(scope="module")
def browser():
    """One browser for each module, so that its event loop is gone when other tests run."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield opened
        opened.close()


@dataclass
class Console:
    """The page, and what it complained of."""

    page: object
    service: str
    complaints: list = field(default_factory=list)
    refusals_expected: bool = False

    def watch(self):
        self.page.on("console", lambda told: self._heard(told.type, told.text))
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", self._requested)
        self.page.add_init_script(TELL_VIOLATIONS)

    def _heard(self, kind, text):
        refusal = re.match(r"Failed to load resource: the server responded with a status of (4\d\d|501)", text)
        if kind in {"error", "warning"} and not (refusal and self.refusals_expected):
            self.complaints.append(f"{kind}: {text}")

    def _requested(self, request):
        if not request.url.startswith(f"{self.service}/"):
            self.complaints.append(f"asked elsewhere: {request.url}")

    def open(self, name="admin", link=""):
        """Open the page with a token, and with what a link holds."""
        self.page.goto(f"{self.service}/console{link and f'#{link}'}")
        self.enter(f"token-of-{name}")
        self.page.locator("#summary:not(:empty)").wait_for()
        return self.page

    def enter(self, token):
        self.page.get_by_label("Access token").fill(token)
        self.page.get_by_role("button", name="Open the console").click()

    def accessible(self):
        """No violation that axe can see, of WCAG or of good practice."""
        assert violations(self.page) == []

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def tab(self, name):
        self.page.get_by_role("tab", name=name).click()


@pytest.fixture
def console(service, browser, request):
    """A fresh page; the test fails on console errors, policy violations, uncaught errors and requests elsewhere."""
    with opened_page(service, browser, getattr(request, "param", "light")) as opened:
        yield opened


@contextmanager
def opened_page(service, browser, scheme="light"):
    """A page of its own before a service."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme=scheme, reduced_motion="reduce", locale="en"
    )
    opened = Console(context.new_page(), service)
    opened.watch()
    yield opened
    context.close()
    assert opened.complaints == []
