"""Predicted equals the wire in the generated family of situations, under each setting of the daemon."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridgework.use_cases.connectivity import check
from bridgework.use_cases.connectivity.rules_memory import RulesMemory
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


@dataclass(frozen=True)
class Foreign:
    """Rules or switches of another program, and what the finding must say of the one that stops packets.

    ``everywhere``: it stops some of the packets under each setting.
    """

    add: str
    remove: str
    culprit: dict | None
    code: str = "user-firewall-drop"
    everywhere: bool = True


FOREIGN = {
    "ufw": Foreign(
        """iptables -N ufw-before-forward
           iptables -A ufw-before-forward -d {two}/32 -j DROP
           iptables -I FORWARD -j ufw-before-forward""",
        """iptables -D FORWARD -j ufw-before-forward
           iptables -F ufw-before-forward
           iptables -X ufw-before-forward""",
        {"table": "filter", "chain": "ufw-before-forward", "owner": "ufw"},
    ),
    "mangle": Foreign(
        "iptables -t mangle -A FORWARD -s {one}/32 -p udp -j DROP",
        "iptables -t mangle -D FORWARD -s {one}/32 -p udp -j DROP",
        {"table": "mangle", "chain": "FORWARD"},
    ),
    "native table with a set": Foreign(
        """nft add table inet guard
           nft add set inet guard blocked "{{ type ipv4_addr; }}"
           nft add element inet guard blocked "{{ {two}, 192.0.2.7 }}"
           nft add chain inet guard forward "{{ type filter hook forward priority -10; }}"
           nft add rule inet guard forward ip saddr @blocked drop""",
        "nft delete table inet guard",
        {"table": "guard", "chain": "forward"},
    ),
    "DOCKER-USER": Foreign(
        "iptables -I DOCKER-USER -p tcp --dport 8080 -j DROP",
        "iptables -D DOCKER-USER -p tcp --dport 8080 -j DROP",
        {"table": "filter", "chain": "DOCKER-USER"},
    ),
    "raw": Foreign(
        "iptables -t raw -A PREROUTING -s {one}/32 -j DROP",
        "iptables -t raw -D PREROUTING -s {one}/32 -j DROP",
        {"table": "raw", "chain": "PREROUTING"},
    ),
    "IPv6": Foreign(
        "ip6tables -I FORWARD -d {six}/128 -j REJECT",
        "ip6tables -D FORWARD -d {six}/128 -j REJECT",
        {"table": "filter", "chain": "FORWARD"},
    ),
    "output": Foreign(
        "iptables -I OUTPUT -d {two}/32 -p tcp -j REJECT",
        "iptables -D OUTPUT -d {two}/32 -p tcp -j REJECT",
        {"table": "filter", "chain": "OUTPUT"},
    ),
    "answers to the host": Foreign(
        "iptables -I INPUT -s {two}/32 -j DROP",
        "iptables -D INPUT -s {two}/32 -j DROP",
        {"table": "filter", "chain": "INPUT"},
    ),
    "docker-proxy's own connection": Foreign(
        "iptables -I OUTPUT -d {one}/32 -j DROP",
        "iptables -D OUTPUT -d {one}/32 -j DROP",
        {"table": "filter", "chain": "OUTPUT"},
    ),
    "answers to docker-proxy": Foreign(
        "iptables -I INPUT -s {one}/32 -m conntrack --ctstate ESTABLISHED -j DROP",
        "iptables -D INPUT -s {one}/32 -m conntrack --ctstate ESTABLISHED -j DROP",
        {"table": "filter", "chain": "INPUT"},
    ),
    "docker-proxy's own IPv6 connection": Foreign(
        "ip6tables -I OUTPUT -d {six_one}/128 -j REJECT",
        "ip6tables -D OUTPUT -d {six_one}/128 -j REJECT",
        {"table": "filter", "chain": "OUTPUT"},
        everywhere=False,
    ),
    "forwarding off": Foreign(
        "sysctl -qw net.ipv4.ip_forward=0",
        "sysctl -qw net.ipv4.ip_forward=1",
        {"net.ipv4.ip_forward": 0},
        code="ip-forward-off",
        everywhere=False,
    ),
    "IPv6 forwarding off": Foreign(
        "sysctl -qw net.ipv6.conf.all.forwarding=0",
        "sysctl -qw net.ipv6.conf.all.forwarding=1",
        {"net.ipv6.conf.all.forwarding": 0},
        code="ip-forward-off",
        everywhere=False,
    ),
    "opened between two networks": Foreign(
        """iptables -I DOCKER-USER -s {one}/32 -d {other}/32 -j ACCEPT
           iptables -I DOCKER-USER -s {other}/32 -d {one}/32 -j ACCEPT""",
        """iptables -D DOCKER-USER -s {one}/32 -d {other}/32 -j ACCEPT
           iptables -D DOCKER-USER -s {other}/32 -d {one}/32 -j ACCEPT""",
        None,
    ),
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


@pytest.fixture
def surprises(monkeypatch):
    """The questions of which the first prediction was not what was measured, so that the check looked further."""
    asked, real = [], check.observe_full
    monkeypatch.setattr(check, "observe_full", lambda _, case, ends: asked.append(case.question) or real(_, case, ends))
    return asked


def test_every_situation_is_predicted_as_the_wire_has_it(world, surprises):
    outcomes = list(world.outcomes())
    assert len(outcomes) >= 300
    lines = [f"{one.kind}: {one}" for one in outcomes if one.kind != "right"]
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{world.version}-{world.setting}.txt"
    report.write_text("\n".join([str(summary(outcomes)), *lines, ""]))
    assert [str(outcome) for outcome in outcomes if outcome.kind == "wrong"] == []
    assert [str(outcome) for outcome in outcomes if "prediction-inconsistent" in outcome.codes] == []
    assert surprises == [], "the first prediction is right"


def test_rules_that_cannot_be_read_are_those_that_the_engine_writes(world, monkeypatch):
    monkeypatch.setattr(RulesMemory, "of", lambda *_, **__: None)
    outcomes = list(world.outcomes())
    REPORTS.mkdir(parents=True, exist_ok=True)
    lines = [f"{one.kind}: {one}" for one in outcomes if one.kind != "right"]
    report = REPORTS / f"{world.version}-{world.setting}-unread.txt"
    report.write_text("\n".join([str(summary(outcomes)), *lines, ""]))
    assert [str(outcome) for outcome in outcomes if outcome.kind == "wrong"] == []


@pytest.mark.parametrize("name", FOREIGN)
def test_what_rules_of_others_change_is_predicted_at_first_sight_and_the_rule_is_named(world, surprises, name):
    rules = FOREIGN[name]
    if "DOCKER-USER" in rules.add and "nftables" in world.setting:
        pytest.skip("Docker has no chain DOCKER-USER with nftables")
    before = {one.situation.name: one.truth for one in world.outcomes(world.few())}
    del surprises[:]
    names = _names(world)
    for line in rules.add.format(**names).strip().splitlines():
        world.raw.in_namespace(*shlex.split(line))
    try:
        outcomes = list(world.outcomes(world.few()))
    finally:
        for line in rules.remove.format(**names).strip().splitlines():
            world.raw.in_namespace(*shlex.split(line))
    assert [str(outcome) for outcome in outcomes if outcome.kind != "right"] == []
    assert surprises == [], "the first prediction is right"
    stopped = [one for one in outcomes if one.truth == "unreachable" and before[one.situation.name] == "reachable"]
    assert stopped or rules.culprit is None or not rules.everywhere
    for outcome in stopped if rules.culprit else ():
        (found,) = [finding for finding in outcome.findings if finding["code"] == rules.code]
        said = {**found["evidence"], "message": found["message"]}
        assert rules.culprit.items() <= said.items(), outcome


def _names(world):
    addresses = {
        name: world.addresses(name) for name in ("plain-one", "plain-two", "other-one", "dual-one", "dual-two")
    }
    return {
        "one": addresses["plain-one"]["plain", "4"],
        "two": addresses["plain-two"]["plain", "4"],
        "other": addresses["other-one"]["other", "4"],
        "six": addresses["dual-two"]["dual", "6"],
        "six_one": addresses["dual-one"]["dual", "6"],
        "published": world.places["other-one"].host_port,
    }


def test_the_matrix_measures_what_the_check_measures(world):
    assert list(world.matrix_differences()) == []


def test_the_predicted_rule_is_the_rule_that_the_kernel_names(world):
    agreed, differing = 0, []
    for situation, trace in world.traces():
        for step, agrees in deciding_rules(trace):
            where = f"{step['table']} {step['chain']}: {step['rule'] or step['handle']} => {step['verdict']}"
            agreed += agrees
            if not agrees:
                differing.append(
                    f"{situation.name}: {'predicted' if step['predicted'] else 'seen'} only: {where} {trace['missing']}"
                )
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{world.version}-{world.setting}-rules.txt"
    report.write_text("\n".join([f"{agreed} rules agree, {len(differing)} differ", *differing, ""]))
    assert agreed >= 50
    assert differing == []
