"""The pages for people: every link leads somewhere, every target of make, file and setting that they name is there."""

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from bridgework import __version__
from bridgework.settings import CLIENT_VARIABLES, Settings

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
SETTINGS = {f"BRIDGEWORK_{field.name.upper()}" for field in fields(Settings)}
SETTINGS |= CLIENT_VARIABLES
SETTINGS |= {"BRIDGEWORK_IMAGE", "BRIDGEWORK_PORT"}  # of the compose files themselves
SETTINGS |= {"BRIDGEWORK_TEST_ENGINE", "BRIDGEWORK_TEST_ENGINES", "BRIDGEWORK_TEST_HOSTS"}  # of the tests
ROOMS = ("service", "client", "tests", "scripts", "deploy", "docs", "bench")


def anchors(page):
    """The headings of a page, as the places that links can lead to."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestPage:
    def test_every_link_leads_somewhere(self, page):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if link.startswith("https://"):
                continue
            place, _, anchor = link.partition("#")
            target = page.parent / place if place else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link

    def test_every_target_of_make_is_there(self, page):
        for name in re.findall(r"(?:`|^\$ )make ([a-z-]+)", page.read_text(), re.MULTILINE):
            done = subprocess.run(["make", "-n", name], cwd=ROOT, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

    def test_every_file_is_there(self, page):
        for path in re.findall(rf"(?<![\w/.])(?:{'|'.join(ROOMS)})/[\w./*-]*[\w*]", page.read_text()):
            assert any(ROOT.glob(path)) or path.startswith("deploy/secrets"), path

    def test_every_setting_is_there(self, page):
        assert set(re.findall(r"BRIDGEWORK_[A-Z_]*[A-Z]", page.read_text())) <= SETTINGS


def test_what_is_deployed_names_only_settings_that_are_there():
    for file in (*ROOT.glob("deploy/**/*"), ROOT / "Dockerfile"):
        if file.is_file():
            assert set(re.findall(r"BRIDGEWORK_[A-Z_]*[A-Z]", file.read_text())) <= SETTINGS, file


def test_a_token_is_made_as_it_is_written(tmp_path):
    page = (ROOT / "docs" / "configuration.md").read_text()
    (line,) = re.findall(r"^bridgework (token new .*)$", page, re.MULTILINE)
    command = [sys.executable, "-m", "bridgework_cli", *line.split()]
    made = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    (entry,) = json.loads((tmp_path / "tokens.json").read_text())["tokens"]
    assert entry["name"] in line.split()
    assert entry["sha256"] == hashlib.sha256(made.stdout.strip().encode()).hexdigest()


def test_the_changelog_keeps_its_form_and_names_this_version():
    page = (ROOT / "CHANGELOG.md").read_text()
    first, *released = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert first == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in released)
    assert not released or released[0].startswith(f"[{__version__}]")
    assert released or f"The first version will be {__version__}." in page
    groups = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", page, re.MULTILINE)) <= groups
    linked = set(re.findall(r"^\[(.+)\]: https://", page, re.MULTILINE))
    assert linked == {heading[1 : heading.index("]")] for heading in (first, *released)}


@pytest.mark.parametrize("listing", [".gitattributes", ".github/CODEOWNERS"])
def test_every_path_that_is_attributed_or_owned_is_there(listing):
    lines = (ROOT / listing).read_text().splitlines()
    for pattern in [line.split()[0].lstrip("/") for line in lines if line and not line.startswith("#")]:
        found = ROOT.glob if "/" in pattern else ROOT.rglob
        assert any(found(pattern.rstrip("/"))), pattern
