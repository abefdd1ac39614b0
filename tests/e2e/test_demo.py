"""`make demo`, as a newcomer runs it: five faults, each found, explained and fixed; nothing is left behind."""

import os
import re
import subprocess
from pathlib import Path

from tests.support.engine import left_behind
from tools.demo import FAULTS

ROOT = Path(__file__).resolve().parents[2]
CAUSES = [
    "name-not-on-shared-network", "destination-not-running", "default-bridge-no-dns", "shared-network-stale",
    "listens-on-loopback-only",
]  # fmt: skip
MOST_COMMANDS = 14
"""The list of containers, two commands for each fault, the file of expectations, and two that keep it."""


def test_five_faults_are_found_and_fixed():
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("BRIDGEWORK_", "DOCKER_", "MAKE"))
    }
    before = left_behind()
    done = subprocess.run(
        ["make", "demo"], cwd=ROOT, env=kept, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    parts = re.split(r"^\d\. ", done.stdout, flags=re.MULTILINE)[1:]
    assert len(parts) == len(FAULTS)
    for fault, cause, part in zip(FAULTS, CAUSES, parts, strict=True):
        question = f"{fault.source} -> {fault.destination} (tcp)"
        assert f"\nunreachable  {question}\n  blocking  " in part
        assert re.search(r"blocking  .*\[(.*)\]", part).group(1) == cause
        assert "\n  warning  " not in part
        assert f"\nreachable  {question}\n" in part
    assert "5 passed, 0 failed, 0 error" in done.stdout
    kept = done.stdout.rpartition("$ bridgework expect changes")[2]
    assert "violated  demo: blog-web-1 -> db:8080 (tcp) is reachable" in kept
    assert re.search(r"event   \S+ Docker: network disconnect blog_default blog-db-1\.", kept)
    assert re.search(r"http://127\.0\.0\.1:\d+/console", done.stdout)
    assert done.stdout.count("$ bridgework ") <= MOST_COMMANDS
    assert left_behind() == before
