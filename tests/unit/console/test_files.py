"""The console's files: which are served, how, and that they refer to nothing else."""

import re

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.http.static_files import MEDIA_TYPES, PACKAGE, PAGE
from bridgework.settings import Settings

FOLDER = PACKAGE / "console"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.name != PAGE)
SCRIPTS = sorted(path for path in FOLDER.glob("*.js") if path.name != "cytoscape.min.js")
OWN = [*SCRIPTS, *FOLDER.glob("*.css"), FOLDER / PAGE]
LONGEST = 210


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    nowhere = tmp_path_factory.mktemp("console") / "docker.sock"
    return create_app(Settings(), EngineAddress(f"unix://{nowhere}")).test_client()


@pytest.mark.parametrize("path", ["/console", *(f"/console/{name}" for name in FILES)])
def test_each_is_served_with_its_type_a_strict_policy_and_an_etag(client, path):
    response = client.get(path)
    assert response.status_code == 200
    assert response.content_type == MEDIA_TYPES[path[path.rfind(".") :] if "." in path else ".html"]
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    again = client.get(path, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Content-Security-Policy"] == policy


@pytest.mark.parametrize("path", ["/console/", "/console/index.html", "/console/nothing.js", "/console/..%2Fapp.py"])
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code == 404


def test_modules_import_only_what_is_served():
    imported = {name for script in SCRIPTS for name in re.findall(r'from "\./([^"]+)"', script.read_text())}
    assert "dom.js" in imported
    assert imported <= set(FILES)


def test_the_page_has_nothing_inline_and_refers_to_nothing_elsewhere():
    page = (FOLDER / PAGE).read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    named = {name.removeprefix("console/") for name in re.findall(r'(?:src|href)="([^"#]+)"', page)}
    assert "main.js" in named
    assert named <= set(FILES)
    for path in OWN:
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", path.read_text()) == [], path.name


def test_no_text_becomes_markup():
    for script in SCRIPTS:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script.read_text()
        )


def test_every_module_is_of_a_length_that_can_be_read():
    """``make check`` reads them with eslint and tsc."""
    assert [script.name for script in SCRIPTS if len(script.read_text().splitlines()) > LONGEST] == []
