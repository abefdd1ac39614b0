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
from fuzz_verdicts import Report
from live_service import TOKEN, Live, live_service

FOLDER = ROOT / "tests" / "spec" / "fuzz"
SHORT_SECONDS, DEFAULT_SECONDS = 60, 300
PATIENT = ["--continue-on-failure", "--request-timeout", "90"]
"""Go on behind a failure that has its reason, and wait as long as a stop of a container may take."""
UNTESTED = {
    "followEvents": "It has no end; tests/behaviour/test_events.py follows it.",
    "getOpenapiYaml": "Schemathesis parses YAML before it compares; clients take it as a text, as the document says.",
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


def fuzz(live: Live, seconds: int, seed: int, *, hints: bool = True) -> int:
    """One run; returns schemathesis's exit status, or without hints whether a failure has no reason."""
    events = ROOT / "build" / "fuzz.ndjson"
    program = str(ROOT / ".venv" / "bin" / "schemathesis")
    settings = ["--config-file", str(FOLDER / "schemathesis.toml")] if hints else []
    told = ["--report", "junit", "--report-dir", str(ROOT / "build")]
    if not hints:
        told = [*PATIENT, "--report-ndjson-path", str(events)]
    command = [
        *(program, *settings, "run", f"{live.url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"),
        *(f"--exclude-operation-id={identifier}" for identifier in UNTESTED),
        *("--max-time", str(seconds), "--seed", str(seed), *told),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks" if hints else "callers", "PYTHONPATH": str(FOLDER)}
    if hints:
        return subprocess.run(command, check=False, env=environment, cwd=ROOT / "build").returncode
    with (ROOT / "build" / "fuzz-default.log").open("wb") as log:
        subprocess.run(command, check=False, env=environment, cwd=ROOT / "build", stdout=log)
    report = Report(events)
    print(report.told())
    return 1 if report.open or not report.cases else 0


def main() -> int:
    """Exit status: that of the first run that failed."""
    length, registry_program = sys.argv[1:]
    long, default = length == "long", length == "default"
    rounds = int(os.environ.get("ROUNDS", "5")) if long else 1
    seconds = int(os.environ.get("SECONDS_EACH", "240")) if long else DEFAULT_SECONDS if default else SHORT_SECONDS
    (ROOT / "build").mkdir(exist_ok=True)
    with (
        live_service("fuzz", {"registry-mirrors": [MIRROR]}, allowed_images="busybox,busybox:latest") as live,
        registry(Path(registry_program), live.engine, live.log.parent),
    ):
        for number in range(rounds):
            seed = random.SystemRandom().randrange(2**32) if long else 1
            print(f"Round {number + 1} of {rounds}, seed {seed}", flush=True)
            furnish(live)
            status = fuzz(live, seconds, seed, hints=not default)
            shutil.copy(live.log, ROOT / "build" / "fuzz-service.log")
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
