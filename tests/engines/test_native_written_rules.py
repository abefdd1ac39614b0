"""The nftables rules that are written for an engine's snapshot, held against what Docker 29 wrote: random hosts."""

import difflib
import itertools
import json
import random
from dataclasses import replace

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.docker_rules import duplicate_rules, missing_rules, stale_rules
from bridgework.analysis.docker_rules.written import written_rules
from bridgework.model.observations import FirewallRules, Observations
from tests.engines.conftest import engine_with
from tests.engines.test_written_rules import HOSTS, build, snapshot_of
from tests.support.raw_engine import Raw

BACKEND = {"firewall-backend": "nftables", "ip-forward": False}
SETTINGS = {
    "default": {},
    "no-proxy": {"userland-proxy": False},
    "no-ip6tables": {"ip6tables": False},
    "no-proxy-no-ip6tables": {"userland-proxy": False, "ip6tables": False},
    "direct-routing": {"allow-direct-routing": True, "icc": False, "bridge-accept-fwmark": "0x4/0x7"},
}
MARK = "ALLOW FW MARK"
FAMILIES = {4: "ip", 6: "ip6"}
# The rules of these chains lead to one address or port each. The engine writes them when a container starts, so their
# order among each other decides nothing.
DISJOINT = {"raw-PREROUTING", "nat-prerouting-and-output"}


def dumped(raw, version):
    """The objects of the engine's table as nft prints them; none where there is no such table."""
    tables = json.loads(raw.in_namespace("nft", "-j", "list", "tables"))["nftables"]
    of = {"family": FAMILIES[version], "name": "docker-bridges"}
    if not any(of.items() <= one.get("table", {}).items() for one in tables):
        return []
    return json.loads(raw.in_namespace("nft", "-j", "list", "table", of["family"], of["name"]))["nftables"]


def parts_of(objects):
    """Chains, elements of maps, and rules in their order, each as a key and a value that can be compared."""
    parts = {}
    for thing in objects:
        ((kind, body),) = thing.items()
        body = plain(body)
        if kind == "rule":
            parts.setdefault(("rules", body["chain"]), []).append(json.dumps(body, sort_keys=True))
        elif kind == "map":
            for bridge, jump in body.pop("elem", []):
                parts["element", body["name"], bridge] = [json.dumps(jump)]
        elif kind in {"table", "chain"}:
            parts[kind, body["name"]] = [json.dumps(body, sort_keys=True)]
    return {key: in_order(key[-1], found) for key, found in parts.items()}


def plain(body):
    """The object without its handle, with its counters at 0 and with its sets sorted."""
    if isinstance(body, list):
        return [plain(one) for one in body]
    if not isinstance(body, dict):
        return body
    if set(body) == {"set"}:
        return {"set": sorted(body["set"])}
    return {key: 0 if key in {"packets", "bytes"} else plain(value) for key, value in body.items() if key != "handle"}


def in_order(chain, rules):
    """The rules in their order; those of ports and of links, which stand together, in an order of their own."""
    if chain in DISJOINT:
        return sorted(rules)
    runs = itertools.groupby(rules, key=lambda rule: '"dport"' in rule or '"sport"' in rule)
    return [rule for of_ports, run in runs for rule in (sorted(run) if of_ports else run)]


def all_of(written):
    return (rule for rules in written.rules.values() for rule in rules)


def expected(written, real):
    """The parts of the written rules: the certain rules, and of the others those that are there."""
    there = {rule for rules in real.values() for rule in rules}
    rules = {
        place: tuple(one for one in some if not one.unknown or json.dumps(plain(one.printed), sort_keys=True) in there)
        for place, some in written.rules.items()
    }
    return parts_of(replace(written, rules=rules).objects())


def differences(raw, snapshot, seen, seed):
    """The number of parts that were compared, and those that differ: first blind, then with the rules read."""
    dumps = {version: dumped(raw, version) for version in FAMILIES}
    lines = "\n".join(json.dumps({"nftables": objects}) for objects in dumps.values())
    read = FirewallRules(chains=(), ipv6_chains=(), native_rules=lines)
    compared, differ = 0, {}
    for version, firewall in itertools.product(FAMILIES, (None, read)):
        state = EngineState(snapshot, replace(seen, firewall=firewall))
        # A healthy engine lacks no rule, and has none twice or out of date.
        faults = [*missing_rules(state), *stale_rules(state), *duplicate_rules(state)]
        differ |= {(seed, version, "diagnosis"): faults} if faults else {}
        written = written_rules(state, version)
        # The mark cannot be known without the rules.
        objects = [one for one in dumps[version] if firewall or one.get("rule", {}).get("comment") != MARK]
        assert not firewall or not any(rule.unknown and "dport" not in rule.text for rule in all_of(written))
        real = parts_of(objects)
        ours = expected(written, real)
        compared += sum(map(len, real.values()))
        for key in {*real, *ours}:
            if real.get(key) != ours.get(key):
                lines = difflib.ndiff(real.get(key, ()), ours.get(key, ()))
                differ[(seed, version, firewall is None, *key)] = [line for line in lines if line[0] in "-+"]
    return compared, differ


@pytest.mark.parametrize("name", SETTINGS)
def test_the_native_rules_written_for_a_random_host_are_those_of_the_engine(
    name, release, tokens_file, record_property
):
    settings = SETTINGS[name]
    if release < (29, 0):
        pytest.skip(f"Docker {release[0]} writes no rules with nftables.")
    seen = Observations(
        engine_version=release,
        userland_proxy=settings.get("userland-proxy", True),
        ipv4_firewall=True,
        ipv6_firewall=settings.get("ip6tables", True),
        nftables=True,
    )
    compared, differ = 0, {}
    with engine_with({**BACKEND, **settings}, tokens_file) as (_, made):
        raw = Raw(made)
        for seed in range(HOSTS):
            build(raw, random.Random(f"{name} {seed}"), release)
            more, found = differences(raw, snapshot_of(raw, release), seen, seed)
            compared, differ = compared + more, {**differ, **found}
            raw.sweep()
    assert not differ, f"{len(differ)} of {compared} rules, chains and elements differ: {differ}"
    assert compared > 20 * HOSTS
    record_property("rules", compared)
