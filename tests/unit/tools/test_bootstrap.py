"""scripts/bootstrap on a machine that has no Python it can use."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ("bash", "cat", "cut", "dirname", "env", "flock", "sha256sum")


@pytest.mark.parametrize(("version", "told"), [("Python 3.14.0", "Python 3.14.0"), (None, "no Python")])
def test_the_pythons_that_it_needs_are_named_beside_the_one_that_is_there(tmp_path, version, told):
    checkout, programs = tmp_path / "checkout", tmp_path / "bin"
    for folder in (checkout / "scripts", programs):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "bootstrap", checkout / "scripts")
    shutil.copy(ROOT / "requirements.lock", checkout)
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool))
    if version:
        python = programs / "python3"
        python.write_text(f'#!/bin/bash\n[ "$1" = --version ] || exit 1\necho {version}\n')
        python.chmod(0o755)
    done = subprocess.run(
        ["scripts/bootstrap"], cwd=checkout, env={**os.environ, "PATH": str(programs)},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"Bridgework needs Python 3.11, 3.12 or 3.13. This machine has {told}."
    assert "later have one" not in done.stderr
