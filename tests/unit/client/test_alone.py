"""The client is a distribution of its own: it works where only the packages are that it declares."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bridgework
import bridgework_cli
from tests.support.scripted_server import Scripted, answer

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]
ANSWER = {
    "verdict": "reachable", "answered_by": None, "addresses": [], "findings": [], "limited": [],
    "predicted": {"verdict": "reachable", "path": []},
    "measured": {"verdict": "reachable", "reason": None, "detail": None, "address": "10.0.0.3", "rtt_ms": None},
}  # fmt: skip
NEEDLESS = ("bridgework", "docker", "flask", "gunicorn", "marshmallow")


def needed(requirements):
    """The names of these packages and of all that they need: markers are of extras, Windows or an older Python."""
    names = {re.match(r"[\w.-]+", line)[0] for line in requirements if ";" not in line}
    for name in list(names):
        names |= needed(importlib.metadata.requires(name) or [])
    return names


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Run Python code where only the client and the packages that it declares can be imported."""
    packages = tmp_path_factory.mktemp("packages")
    for name in needed(PROJECT["dependencies"]):
        for file in importlib.metadata.files(name):
            top = file.parts[0]
            if top != ".." and not (packages / top).exists():
                (packages / top).symlink_to(importlib.metadata.distribution(name).locate_file(top))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BRIDGEWORK_")}
    kept |= {"PYTHONPATH": f"{ROOT / 'client'}:{packages}", "XDG_CONFIG_HOME": str(packages / "no-profiles")}

    def run(*arguments):
        # -S leaves out the packages of the tests' own environment.
        command = [sys.executable, "-S", *arguments]
        return subprocess.run(command, env=kept, cwd=packages, capture_output=True, text=True, check=False, timeout=60)

    return run


def test_no_package_of_the_service_is_there(alone):
    code = f"from importlib.util import find_spec; print([name for name in {NEEDLESS} if find_spec(name)])"
    assert alone("-c", code).stdout == "[]\n"


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_a_check(alone, form):
    server = Scripted([answer(200, ANSWER)])
    try:
        done = alone("-m", "bridgework_cli", "check", "web", "db", "--url", server.url, "-o", form)
    finally:
        server.close()
    assert done.returncode == 0, done.stderr
    assert "reachable" in done.stdout


def test_a_table(alone):
    server = Scripted([answer(200, {"items": [], "next_cursor": None})])
    try:
        done = alone("-m", "bridgework_cli", "networks", "--url", server.url)
    finally:
        server.close()
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments", [["serve", "--bind", "127.0.0.1:1"], ["token", "new", "--role", "viewer"], ["networks", "--local"]]
)
def test_what_needs_the_service_says_what_to_install(alone, arguments):
    done = alone("-m", "bridgework_cli", *arguments)
    assert done.returncode == 2
    assert done.stderr.endswith("needs the package bridgework in this environment: pip install bridgework\n")
    assert "\n" not in done.stderr.strip()


def test_both_packages_have_one_version_and_one_licence():
    assert bridgework_cli.__version__ == bridgework.__version__
    assert (ROOT / "client" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
