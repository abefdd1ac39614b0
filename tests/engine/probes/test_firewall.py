"""What of the host's firewall is the engine's own: seen on a real engine, with and without iptables at hand."""

import json
import subprocess
import sys

import pytest

from bridgework.engine.client import EngineAddress
from bridgework.engine.connection import engine_pid
from bridgework.model.observations import DockerRules, FirewallChain
from bridgework.probes.kernel import firewall
from bridgework.runners.namespace_runner import NamespaceRunner
from tests.support.engine import in_namespace


@pytest.fixture
def rules(engine):
    """Look at the engine's host."""

    def look():
        return NamespaceRunner(lambda: engine_pid(EngineAddress(engine.docker_host))).read_firewall().docker

    return look


def test_the_engines_rules_are_seen(rules):
    seen = rules()
    assert (seen.ipv4, seen.nftables, seen.skips_loopback) == (True, False, True)
    # The NAT rules say whether a proxy is used, so its processes are not counted.
    assert seen.proxies is None


def test_without_iptables_the_kernel_still_names_the_engines_chains(rules, monkeypatch):
    monkeypatch.setattr(firewall, "_PROGRAMS", {4: "/nowhere/iptables-save", 6: "/nowhere/ip6tables-save"})
    seen = rules()
    assert (seen.ipv4, seen.skips_loopback, seen.proxies) == (True, None, 0)


def test_where_the_engines_process_is_out_of_sight_no_proxy_is_not_none(engine):
    look = (
        "import os, math; from bridgework.probes.kernel import listeners; "
        "print(listeners.docker_proxies(os.stat('/proc/thread-self/ns/net').st_ino, math.inf))"
    )
    alone = ("unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", look)
    assert in_namespace(engine, *alone).stdout == "None\n"


def chain(table, name, *rules):
    return FirewallChain(table, name, None, tuple((0, 0, rule) for rule in rules))


CALLED = chain("filter", "FORWARD", "-A FORWARD -j DOCKER-USER")
OUTPUT = "-A OUTPUT{} -m addrtype --dst-type LOCAL -j DOCKER"


@pytest.mark.parametrize(
    ("in_kernel", "ipv4", "expected"),
    [
        (set(), (), DockerRules(ipv4=False, ipv6=False)),
        (None, None, DockerRules()),
        (None, (CALLED,), DockerRules(ipv4=True)),
        (None, (chain("filter", "FORWARD"), chain("filter", "DOCKER")), DockerRules(ipv4=False)),
        ({(2, "filter", "DOCKER")}, None, DockerRules(ipv4=True, ipv6=False)),
        ({(2, "docker-bridges", "x"), (10, "docker-bridges", "x")}, (), DockerRules(True, True, nftables=True)),
        (None, (chain("nat", "OUTPUT", OUTPUT.format(" ! -d 127.0.0.0/8")),), DockerRules(False, skips_loopback=True)),
        (None, (chain("nat", "OUTPUT", OUTPUT.format("")),), DockerRules(False, skips_loopback=False)),
        (None, (chain("nat", "OUTPUT", "-A OUTPUT -j MINE"),), DockerRules(False)),
    ],
)
def test_what_follows_from_chains(monkeypatch, in_kernel, ipv4, expected):
    chains = None if in_kernel is None else {firewall.KernelChain(*chain) for chain in in_kernel}
    monkeypatch.setattr(firewall, "kernel_chains", lambda: chains)
    monkeypatch.setattr(firewall, "_legacy_in_use", lambda _: False)
    assert firewall.docker_rules(ipv4, None) == expected


def test_where_the_old_iptables_is_in_use_nothing_follows_from_what_nf_tables_has_not(monkeypatch):
    monkeypatch.setattr(firewall, "kernel_chains", frozenset)
    monkeypatch.setattr(firewall, "_legacy_in_use", lambda _: True)
    assert firewall.docker_rules(None, None) == DockerRules()


BOTH = """
import json
from bridgework.probes.kernel import firewall

PROGRAM = {program!r}
if PROGRAM:
    firewall._PROGRAMS = {{4: PROGRAM, 6: PROGRAM.replace("iptables-save", "ip6tables-save")}}
others = firewall.other_chains()
print(json.dumps(others and [[name, [rule[2] for rule in chain.rules]] for name, chain in others if chain.rules]))
"""


@pytest.mark.parametrize(
    ("program", "variants", "expected"),
    [
        (None, (), []),
        (None, ("iptables-nft",), []),
        (None, ("iptables-legacy", "ip6tables-legacy"), ["iptables-legacy", "ip6tables-legacy"]),
        (None, ("iptables-nft", "iptables-legacy"), ["iptables-legacy"]),
        ("iptables-legacy-save", ("iptables-nft", "iptables-legacy"), ["iptables-nft"]),
        ("iptables-legacy-save", ("iptables-legacy",), []),
        ("/nowhere/iptables-save", ("iptables-legacy",), None),
    ],
)
def test_the_rules_of_the_other_variant_of_iptables_are_read(tmp_path, program, variants, expected):
    """In a namespace of its own. The plain program is iptables-nft's here, or that of ``program``."""
    if program == "iptables-legacy-save":
        for kind in ("iptables", "ip6tables"):
            for plain, leads_to in ((f"{kind}-save", f"{kind}-legacy-save"), (f"{kind}-nft-save",) * 2):
                (tmp_path / plain).symlink_to(f"/usr/sbin/{leads_to}")
        program = str(tmp_path / "iptables-save")
    rules = " && ".join(f"{variant} -A FORWARD -j DROP" for variant in variants) or "true"
    inside = f"{rules} && exec {sys.executable} -c '{BOTH.format(program=program).replace(chr(39), chr(34))}'"
    done = subprocess.run(["unshare", "--net", "sh", "-c", inside], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found == (None if expected is None else [[name, ["-A FORWARD -j DROP"]] for name in expected] or [])
