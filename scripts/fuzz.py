"""Run schemathesis against a live service before a private engine; see ``scripts/fuzz``."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from fuzz_registry import MIRROR, registry
from live_service import TOKEN, Live, live_service

FOLDER = ROOT / "tests" / "spec" / "fuzz"
SHORT_SECONDS = 60
TRAPPED = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"]


def furnish(live: Live) -> None:
    """Give the cases something to find: a network with two containers, under the names that examples use."""
    for method, path in leftovers(live):
        live.call(method, path)
    for path, body in (
        ("/v1/networks", {"name": "simon_network"}),
        (
            "/v1/containers",
            {"name": "tomcat81", "image": "busybox", "command": TRAPPED, "network_mode": "simon_network"},
        ),
        (
            "/v1/containers",
            {"name": "tomcat82", "image": "busybox", "command": TRAPPED, "network_mode": "simon_network"},
        ),
    ):
        status, _, raw = live.call("POST", path, body)
        if status != HTTPStatus.CREATED:
            sys.exit(f"POST {path} answered {status}: {raw.decode()}")


def leftovers(live: Live) -> list[tuple[str, str]]:
    """The calls that remove what earlier rounds made."""
    found = []
    for kind, query in (("containers", "limit=1000"), ("networks", "type=custom&limit=1000")):
        items = json.loads(live.call("GET", f"/v1/{kind}?{query}")[2])["items"]
        found += [("DELETE", f"/v1/{kind}/{item['id']}?force=true") for item in items]
    return found


def fuzz(live: Live, seconds: int, seed: int) -> int:
    """One run; returns schemathesis's exit status."""
    command = [
        *(str(ROOT / ".venv" / "bin" / "schemathesis"), "--config-file", str(FOLDER / "schemathesis.toml")),
        *("run", f"{live.url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"),
        *("--exclude-operation-id", "followEvents"),  # it has no end; tests/behaviour/test_events.py follows it
        *("--max-time", str(seconds), "--seed", str(seed), "--report", "junit", "--report-dir", str(ROOT / "build")),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(FOLDER)}
    return subprocess.run(command, check=False, env=environment, cwd=ROOT / "build").returncode


def main() -> int:
    """Exit status: that of the first run that failed."""
    length, registry_program = sys.argv[1:]
    long = length == "long"
    rounds = int(os.environ.get("ROUNDS", "5")) if long else 1
    seconds = int(os.environ.get("SECONDS_EACH", "240")) if long else SHORT_SECONDS
    (ROOT / "build").mkdir(exist_ok=True)
    with (
        live_service("fuzz", {"registry-mirrors": [MIRROR]}, allowed_images="busybox,busybox:latest") as live,
        registry(Path(registry_program), live.engine, live.log.parent),
    ):
        for number in range(rounds):
            seed = random.SystemRandom().randrange(2**32) if long else 1
            print(f"Round {number + 1} of {rounds}, seed {seed}", flush=True)
            furnish(live)
            status = fuzz(live, seconds, seed)
            shutil.copy(live.log, ROOT / "build" / "fuzz-service.log")
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
