"""The engine is killed or stalls while one looks: the page says so within seconds, and what waits can be cancelled."""

import os
import re
import signal
from pathlib import Path

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.console.conftest import opened_page
from tests.support.api import Client, run, sweep_up
from tests.support.service import Service
from tools.engine import PrivateEngine

SOON_MS = 8000
HTTPD = ("httpd", "-f", "-p", "8080")


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory):
    """An engine that a test may kill."""
    with PrivateEngine(tmp_path_factory.mktemp("own"), f"bridgework-tests-{os.getpid()}-away") as engine:
        yield engine


@pytest.fixture
def page(own_engine, tokens_file, tmp_path, browser):
    """The console before that engine, on which two containers run."""
    api = Client(create_app(Settings(tokens_file=tokens_file), EngineAddress(own_engine.docker_host)))
    live = Service(own_engine.docker_host, tmp_path, tokens_file)
    with live, opened_page(live.url, browser) as console:
        console.refusals_expected = True
        for name in ("tomcat81", "tomcat82"):
            run(api, name, command=HTTPD)
        page = console.open()
        page.locator("#live[data-state=live]").wait_for()
        yield page
        console.accessible()
    sweep_up(api)


def picture(page, name, folder):
    page.screenshot(path=Path(os.environ.get("CONSOLE_PICTURES", folder)) / f"{name}.png")


def test_a_killed_engine_is_told_for_as_long_as_it_is_away_and_so_is_its_return(page, own_engine, tmp_path):
    own_engine.kill()
    try:
        page.locator("#live[data-state=away]").wait_for(timeout=SOON_MS)
        page.locator("#since", has_text="3 s").wait_for(timeout=SOON_MS)
        assert page.locator("#live").inner_text() == "No engine"
        assert "No Docker engine answers" in page.locator("#trouble").inner_text()
        picture(page, "killed", tmp_path)
    finally:
        own_engine.restart()
    page.locator("#live[data-state=live]").wait_for(timeout=SOON_MS)
    assert page.locator("#trouble").inner_text() == page.locator("#since").inner_text() == ""


def test_a_stalled_engine_is_told_and_a_question_shows_its_time_and_can_be_cancelled(page, own_engine, tmp_path):
    os.kill(own_engine.pid(), signal.SIGSTOP)
    try:
        page.get_by_role("button", name="Ping by address", exact=True).click()
        page.locator("#live[data-state=away]").wait_for(timeout=SOON_MS)
        page.locator(".asking .clock", has_text=re.compile(r"^[3-9] s$")).wait_for(timeout=SOON_MS)
        picture(page, "stalled", tmp_path)
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.locator("#outcome", has_text="Cancelled after").wait_for()
        assert page.locator(".asking").count() == 0
        page.get_by_role("tab", name="Diagnosis").click()
        page.locator("#findings .asking").wait_for()
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.locator("#findings", has_text="Cancelled after").wait_for()
    finally:
        os.kill(own_engine.pid(), signal.SIGCONT)
    page.locator("#live[data-state=live]").wait_for(timeout=SOON_MS)
    page.get_by_role("tab", name="Check").click()
    page.get_by_role("button", name="Ping by address", exact=True).click()
    page.locator(".verdict.reachable").wait_for(timeout=20_000)


def test_a_service_that_says_nothing_is_told(own_engine, tokens_file, tmp_path, browser):
    live = Service(own_engine.docker_host, tmp_path, tokens_file)
    with live, opened_page(live.url, browser) as console:
        page = console.open()
        page.locator("#live[data-state=live]").wait_for()
        workers = live.workers()
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            page.locator("#live[data-state=lost]").wait_for(timeout=15_000)
            assert "has not answered for 10 s" in page.locator("#trouble").inner_text()
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
        page.locator("#live[data-state=live]").wait_for(timeout=20_000)
