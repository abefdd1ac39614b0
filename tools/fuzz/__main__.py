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

from tools.fuzz.registry import MIRROR, registry
from tools.fuzz.verdicts import Report
from tools.live_service import TOKEN, Live, live_service

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_SECONDS = 300
SHORT = ["--max-examples", "6", "--generation-deterministic"]
"""A number of cases for each operation, not a time: a slow machine sends as many as a fast one, about 4,000 in all."""
PATIENT = ["--continue-on-failure", "--request-timeout", "90"]
"""Go on after a failure that has its reason. Every call but a stop or restart with a long ``grace_s`` ends sooner."""
UNTESTED = {
    "followEvents": "It has no end; tests/engine/test_events.py follows it.",
}
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


def fuzz(live: Live, bound: list[str], seed: int, hooks: str) -> bool:
    """One run; whether every failure has its reason."""
    build = ROOT / "build"
    events = build / "fuzz.ndjson"
    events.unlink(missing_ok=True)
    command = [
        *(str(ROOT / ".venv" / "bin" / "schemathesis"), "run", f"{live.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {TOKEN}", *bound, "--seed", str(seed)),
        *(f"--exclude-operation-id={identifier}" for identifier in UNTESTED),
        *(*PATIENT, "--report", "ndjson", "--report-ndjson-path", str(events)),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": str(ROOT)}
    with (build / "fuzz.log").open("wb") as log:
        subprocess.run(command, check=False, env=environment, cwd=build, stdout=log, stderr=subprocess.STDOUT)
    report = Report(events)
    print(report.told(), flush=True)
    return report.passed


def main() -> int:
    """Exit status: 1 after the first run with a failure that has no reason."""
    length, registry_program = sys.argv[1:]
    long, default = length == "long", length == "default"
    rounds = int(os.environ.get("ROUNDS", "5")) if long else 1
    seconds = int(os.environ.get("SECONDS_EACH", "240")) if long else DEFAULT_SECONDS
    bound = ["--max-time", str(seconds)] if long or default else SHORT
    (ROOT / "build").mkdir(exist_ok=True)
    with (
        live_service("fuzz", {"registry-mirrors": [MIRROR]}, allowed_images="busybox,busybox:latest") as live,
        registry(Path(registry_program), live.engine, live.log.parent),
    ):
        for number in range(rounds):
            seed = random.SystemRandom().randrange(2**32) if long else 1
            print(f"Round {number + 1} of {rounds}, seed {seed}", flush=True)
            furnish(live)
            passed = fuzz(live, bound, seed, f"tests.spec.fuzz.{'callers' if default else 'hooks'}")
            shutil.copy(live.log, ROOT / "build" / "fuzz-service.log")
            if not passed:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
