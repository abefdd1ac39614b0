"""Scripts that contributors and workflows call: what they do without a registry, and before a release."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
READY = {
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2027-01-31\n\n### Fixed\n\n- A fault.\n\n"
    "## [1.1.0] - 2027-01-01\n\n- Older.\n\n[1.2.0]: https://github.com/owner/bridgework\n",
    "service/bridgework/__init__.py": '__version__ = "1.2.0"\n',
    "client/bridgework_cli/__init__.py": '__version__ = "1.2.0"\n',
    "client/pyproject.toml": 'Homepage = "https://github.com/owner/bridgework"\n',
    "client/README.md": "# bridgework-client\n",
    "pyproject.toml": 'Homepage = "https://github.com/owner/bridgework"\n',
    "README.md": "git clone https://github.com/owner/bridgework\n",
    ".github/CODEOWNERS": "* @owner/maintainers\n",
    ".github/ISSUE_TEMPLATE/config.yml": "contact_links: []\n",
}


@pytest.fixture
def checkout(tmp_path):
    """A folder with a copy of the scripts."""
    (tmp_path / "scripts").mkdir()
    for name in ("lint-frontend", "release-notes"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    return tmp_path


def run(checkout, *command, **environment):
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        command, cwd=checkout, env={**kept, **environment}, check=False, capture_output=True, text=True
    )


@pytest.mark.parametrize(("environment", "code"), [({}, 0), ({"CI": "true"}, 1)])
def test_tools_that_cannot_be_installed_are_named_and_missed_only_in_ci(checkout, environment, code):
    (checkout / "tools" / "lint").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "lint" / "package-lock.json", checkout / "tools" / "lint")
    npm = checkout / ".venv" / "bin" / "npm"
    npm.parent.mkdir(parents=True)
    npm.write_text("#!/bin/sh\nexit 1\n")
    npm.chmod(0o755)
    done = run(checkout, "scripts/lint-frontend", **environment)
    assert done.returncode == code
    assert "Left out: eslint and tsc on the console, actionlint on the workflows." in done.stderr


def ready(checkout, **changed):
    for name, text in {**READY, **changed}.items():
        file = checkout / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_the_notes_of_a_release_are_its_section_of_the_changelog(checkout):
    ready(checkout)
    done = run(checkout, "scripts/release-notes", "1.2.0")
    assert (done.returncode, done.stdout.strip()) == (0, "### Fixed\n\n- A fault."), done.stderr


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("service/bridgework/__init__.py", '__version__ = "1.1.0"\n', "__version__"),
        ("client/bridgework_cli/__init__.py", '__version__ = "1.1.0"\n', "__version__"),
        ("client/README.md", "https://github.com/example/bridgework\n", "client/README.md"),
        ("CHANGELOG.md", "## [Unreleased]\n", "has no heading"),
        ("pyproject.toml", 'Homepage = "https://github.com/example/bridgework"\n', "pyproject.toml"),
        (".github/CODEOWNERS", "* @example/maintainers\n", ".github/CODEOWNERS"),
        ("README.md", "git clone REPOSITORY bridgework\n", "README.md"),
    ],
)
def test_a_version_that_is_not_ready_is_refused(checkout, name, text, told):
    ready(checkout, **{name: text})
    done = run(checkout, "scripts/release-notes", "1.2.0")
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


def test_a_file_that_the_wheel_gets_from_elsewhere_is_not_in_the_package_too():
    """A wheel with a file twice cannot be built."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["force-include"]
    assert [place for place in build["force-include"].values() if (ROOT / "service" / place).exists()] == []
