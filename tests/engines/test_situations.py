"""Predicted equals the wire in the generated family of situations, under each setting of the daemon."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.engines.situations import World, deciding_rules, summary
from tests.support.engine import ENGINE_PROGRAMS, in_namespace
from tools.engine import PrivateEngine

SETTINGS = {
    "default": {},
    "no-proxy": {"userland-proxy": False},
    "no-ip6tables": {"ip6tables": False},
    "nftables": {"firewall-backend": "nftables", "ip-forward": False},
    "nftables-no-proxy": {"firewall-backend": "nftables", "ip-forward": False, "userland-proxy": False},
}
REPORTS = Path("build/situations")
"""Each run's counts, and whatever was not right."""
FORWARDING = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
"""With nftables, Docker leaves forwarding to the host (release notes of 29.0)."""


def major_version():
    """The major version of the engine under test."""
    program = ENGINE_PROGRAMS / "dockerd" if ENGINE_PROGRAMS else "dockerd"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"version (\d+)", said)[1])


@pytest.fixture(scope="module", params=SETTINGS)
def world(request, tokens_file):
    if "firewall-backend" in SETTINGS[request.param] and major_version() < 29:
        pytest.skip("this engine has no nftables backend")
    directory = Path(tempfile.mkdtemp(prefix="bridgework-situations-"))
    name = f"bridgework-sit-{os.getpid()}"
    settings = SETTINGS[request.param]
    try:
        with PrivateEngine(directory / "engine", name, settings=settings, programs=ENGINE_PROGRAMS) as engine:
            in_namespace(engine, "sysctl", "-qw", *FORWARDING)
            made = World(engine, tokens_file)
            made.setting = request.param
            try:
                yield made.build()
            finally:
                made.take_down()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def test_every_situation_is_predicted_as_the_wire_has_it(world):
    outcomes = list(world.outcomes())
    assert len(outcomes) >= 300
    lines = [f"{one.kind}: {one}" for one in outcomes if one.kind != "right"]
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{world.version}-{world.setting}.txt"
    report.write_text("\n".join([str(summary(outcomes)), *lines, ""]))
    assert [str(outcome) for outcome in outcomes if outcome.kind == "wrong"] == []


def test_the_matrix_measures_what_the_check_measures(world):
    assert list(world.matrix_differences()) == []


def test_the_predicted_rule_is_the_rule_that_the_kernel_names(world):
    agreed, differing = 0, []
    for situation, trace in world.traces():
        for step, agrees in deciding_rules(trace):
            where = f"{step['table']} {step['chain']}: {step['rule'] or step['handle']} => {step['verdict']}"
            agreed += agrees
            if not agrees:
                differing.append(f"{situation.name}: {'predicted' if step['predicted'] else 'seen'} only: {where}")
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{world.version}-{world.setting}-rules.txt"
    report.write_text("\n".join([f"{agreed} rules agree, {len(differing)} differ", *differing, ""]))
    assert agreed >= 50
    assert differing == []
