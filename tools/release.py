"""Prepare a release by ``python -m tools.release 0.2.0``. "Releasing" in CONTRIBUTING.md says what else is to do.

It writes the version into both packages, dates the section of the changelog, writes openapi.yaml again, and keeps that
document as the released one. Nothing is committed.
"""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("service/bridgework/__init__.py", "client/bridgework_cli/__init__.py")
ANNOUNCED = re.compile(r"\nThe first version will be .*\.\n")
LINK = re.compile(r"^\[Unreleased\]: (https://\S+)/(?:commits/main|compare/v(\S+)\.\.\.main)$", re.MULTILINE)


class Refused(Exception):
    """Why the version cannot be released, as a sentence."""


def dated(changelog: str, version: str, day: dt.date) -> str:
    """The changelog with what is unreleased under this version, below an empty section for what comes.

    Raises :class:`Refused` for what is no version, is in the changelog already, or has nothing to tell.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise Refused(f"{version or 'nothing'} is no version such as 0.2.0.")
    if f"## [{version}]" in changelog:
        raise Refused(f"CHANGELOG.md has a section for {version}.")
    before, heading, rest = changelog.partition("## [Unreleased]\n")
    rest = ANNOUNCED.sub("", rest, count=1)
    if not heading or "\n- " not in re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]:
        raise Refused("Nothing is listed under Unreleased in CHANGELOG.md.")
    link = LINK.search(rest)
    if link is None:
        raise Refused("CHANGELOG.md has no link for Unreleased at its end.")
    repository, last = link.groups()
    own = f"{repository}/compare/v{last}...v{version}" if last else f"{repository}/releases/tag/v{version}"
    links = f"[Unreleased]: {repository}/compare/v{version}...main\n[{version}]: {own}"
    rest = rest[: link.start()] + links + rest[link.end() :]
    return f"{before}{heading}\n## [{version}] - {day.isoformat()}\n{rest}"


def prepare(version: str) -> None:
    """Write what a release of this version changes, where the document breaks no client of the last one."""
    changelog = ROOT / "CHANGELOG.md"
    text = dated(changelog.read_text(encoding="utf-8"), version, dt.datetime.now(dt.UTC).date())
    run("scripts/spec-diff")
    changelog.write_text(text, encoding="utf-8")
    for name in VERSIONS:
        text = (ROOT / name).read_text(encoding="utf-8")
        (ROOT / name).write_text(re.sub(r'(?m)^__version__ = ".*"$', f'__version__ = "{version}"', text))
    run(sys.executable, "-m", "tools.openapi")
    run("scripts/spec-diff", "release")


def run(*command: str) -> None:
    """Run a command in the checkout. Raises :class:`Refused` where it fails; it has said why."""
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise Refused(f"{' '.join(command)} failed.")


def main() -> int:
    """Exit status: 1 where the version cannot be released."""
    version = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        prepare(version)
    except Refused as error:
        print(f"Not prepared: {error}", file=sys.stderr)
        return 1
    print(f"Prepared {version}. Read the difference, and go on with the next step of Releasing in CONTRIBUTING.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
