"""``make bench``: every number beside its rival, in one run, written to ``bench/RESULTS.md``."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker

from bench import connectivity, growth, plans, reads
from bench.measure import Line
from bench.stage import clear, engine

PROGRAMS = {
    "fping": "fping",
    "haproxy": "haproxy",
    "wrk": "wrk",
    "prometheus-blackbox-exporter": "prometheus-blackbox-exporter",
}
RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
Part = Callable[[Any], list[Line]]


def main() -> int:
    """Exit status: 1 when a goal is missed."""
    _install()
    lines: list[Line] = []
    with engine() as made:
        version = made.docker_host and _engine_version(made)
        for part in (
            connectivity.one_check,
            connectivity.check_of_both_versions,
            reads.changes,
            connectivity.all_pairs_of_100,
        ):
            lines += _told(part, made)
        lines += _told(connectivity.all_pairs_of_400, made)
        for part in (plans.of_400, reads.lists, reads.single):
            lines += _told(part, made)
        clear(made)
    lines += _told(growth.growth, None)
    lines += _told(plans.difference_of_10_000, None)
    RESULTS.write_text(_page(lines, version), encoding="utf-8")
    missed = [line for line in lines if line.met is False]
    met = [line for line in lines if line.met]
    print(f"\n{len(met)} goals met, {len(missed)} missed; see bench/RESULTS.md")
    return 1 if missed else 0


def _told(part: Part, made: Any) -> list[Line]:
    found = part(made)
    for line in found:
        print(_row(line), flush=True)
    return found


def _install() -> None:
    missing = [package for package, program in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=True)


def _engine_version(made: Any) -> str:
    return str(docker.APIClient(base_url=made.docker_host).version()["Version"])


def _row(line: Line) -> str:
    ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
    met = {True: "yes", False: "**no**", None: ""}[line.met]
    return f"| {line.measure} | {line.ours} | {line.rival} | {ratio} | {line.candidate} | {met} |"


def _page(lines: list[Line], engine_version: str) -> str:
    cores = subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout.strip()
    head = f"""# Results

Made by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {cores} cores, Linux {platform.release()}, Python
{platform.python_version()}, Docker Engine {engine_version}. Ours and its rival ran in turn, in one run. Times are p50
(p10-p90). The ratio says how many times better ours is than its rival.

| measure | ours | beside | ratio | goal | met |
|---|---|---|---|---|---|
"""
    return head + "\n".join(_row(line) for line in lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
