"""The rules that are written for an engine's snapshot, held against what the engine wrote: random hosts, rule by rule.

``BRIDGEWORK_TEST_HOSTS`` is the number of hosts for each of the settings.
"""

import difflib
import itertools
import os
import random
import re
from dataclasses import replace

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.docker_rules import duplicate_rules, missing_rules, stale_rules
from bridgework.analysis.docker_rules.written import written_rules
from bridgework.engine.reading import read_container, read_network
from bridgework.model.assembly import assembled
from bridgework.model.observations import FirewallRules, Observations
from bridgework.probes.kernel.firewall import parse
from tests.engines.conftest import engine_with
from tests.support.raw_engine import Raw

HOSTS = int(os.environ.get("BRIDGEWORK_TEST_HOSTS", "2"))
OPTION = "com.docker.network.bridge."
API = {26: (1, 45), 28: (1, 51), 29: (1, 52)}
SETTINGS = {
    "default": {},
    "ip6tables": {"ip6tables": True, "experimental": True},
    "no-proxy": {"userland-proxy": False, "ip6tables": True, "experimental": True},
    "no-icc": {"icc": False, "ip6tables": False},
}
# The options of daemon.json that came later, with the release that has them.
LATER = {"no-proxy": ((29, 0), {"bridge-accept-fwmark": "0x4/0x7"})}
PROGRAMS = {4: "iptables-save", 6: "ip6tables-save"}
# Rules of these kinds lead to one address or port each, so their order among each other decides nothing.
DISJOINT = re.compile(r" --[ds]port |^-A PREROUTING -d ")


def random_options(draw, version, release, *, internal):
    options = {}
    if draw.random() < 0.2:
        options[f"com.docker.network.host_ipv{version}"] = "192.0.2.7" if version == 4 else "2001:db8::7"
    modes = ["nat", "isolated"] if internal else ["nat", "nat", "nat-unprotected", "routed"]
    if release >= (28, 0):
        options[f"{OPTION}gateway_mode_ipv{version}"] = draw.choice(modes)
    return options


def random_network(draw, number, release):
    options, internal = {}, draw.random() < 0.3
    for name in ("enable_icc", "enable_ip_masquerade"):
        if draw.random() < 0.3:
            options[f"{OPTION}{name}"] = "false"
    if draw.random() < 0.15:
        options[f"{OPTION}inhibit_ipv4"] = "true"
    for version in (4, 6):
        options |= random_options(draw, version, release, internal=internal)
    if release >= (28, 2) and draw.random() < 0.2:
        options[f"{OPTION}trusted_host_interfaces"] = "eth7:eth8"
    kind = draw.choice(["4", "46", "46", "6"] if release >= (28, 0) else ["4", "46"])
    pools = {"4": f"10.{100 + number}.0.0/24", "6": f"fd00:{100 + number}::/64"}
    config = [{"Subnet": pools[version]} for version in kind]
    families = {"EnableIPv6": "6" in kind, **({"EnableIPv4": "4" in kind} if release >= (28, 0) else {})}
    return {**families, "IPAM": {"Config": config}, "Options": options, "Internal": internal}


def random_ports(draw, number):
    ports, bindings = draw.sample([80, 443, 5000], draw.randint(0, 2)), {}
    for at, port in enumerate(ports):
        host_ip = draw.choice(["", "", "0.0.0.0", "127.0.0.1", "::", "::1"])
        protocol = draw.choice(["tcp", "udp"])
        bindings[f"{port}/{protocol}"] = [{"HostIp": host_ip, "HostPort": str(20000 + number * 10 + at)}]
    return bindings


def build(raw, draw, release):
    """Networks and containers; some networks are deleted again, some containers get more networks or links."""
    networks = [f"net{number}" for number in range(draw.randint(2, 6))]
    for number, name in enumerate(networks):
        body = {"Name": name, **random_network(draw, number, release)}
        raw.do("POST", "/networks/create", body, prefix=prefix_of(release))
    on_default = []
    for number in range(draw.randint(2, 5)):
        bindings, name = random_ports(draw, number), f"c{number}"
        places = draw.sample(["bridge", *networks], draw.randint(1, min(3, len(networks))))
        links = draw.sample(on_default, min(1, len(on_default))) if places[0] == "bridge" else []
        # The engine looks for the linked containers also in a network that forbids its containers to talk, and fails.
        places = places[:1] if links else places
        ports = {"5353/udp": {}, **{port: {} for port in bindings}}
        host = {"PortBindings": bindings, "Links": [f"{other}:{other}" for other in links]}
        raw.make(name, mode=places[0], ExposedPorts=ports, host=host)
        if places[0] == "bridge":
            on_default.append(name)
        # The engine refuses most networks to a container with a link, and leaves it connected in part.
        for place in places[1:] if not links else ():
            raw.connect(place, name)
        if len(places) > 1 and places[0] != "bridge" and draw.random() < 0.3:
            raw.disconnect(places[0], name)
    for name in networks:
        if draw.random() < 0.2:
            raw.send("DELETE", f"/networks/{name}")  # the engine refuses one that is in use


def prefix_of(release):
    version = API[release[0]]
    return f"/v{version[0]}.{version[1]}"


def snapshot_of(raw, release):
    version, prefix = API[release[0]], prefix_of(release)
    networks = [
        read_network(raw.do("GET", f"/networks/{one['Id']}", prefix=prefix), version)
        for one in raw.do("GET", "/networks", prefix=prefix)
    ]
    known = assembled(networks, ())
    listed = raw.do("GET", "/containers/json?all=1", prefix=prefix)
    containers = [raw.do("GET", f"/containers/{one['Id']}/json", prefix=prefix) for one in listed]
    return assembled(networks, [read_container(one, known) for one in containers])


def texts_of(dump):
    """The rules of a dump by table and chain."""
    return {(chain.table, chain.name): [text for *_, text in chain.rules] for chain in dump if chain.rules}


def in_order(texts):
    """The rules in their order, and among neighbours whose order decides nothing, by their destination."""
    ordered, run = [], []
    for text in [*texts, None]:
        if text is not None and DISJOINT.search(text):
            run.append(text)
            continue
        ordered += sorted(run, key=key)
        run = []
        ordered += [text] if text is not None else []
    return ordered


def key(text):
    # Rules for one address keep their order: trusted interfaces come before the drop.
    return (" ".join(text.split()[:4]), text if " --" in text else "")


def expected(real, rules):
    """The rules of a chain in their order: the certain ones, and of the others those that are there."""
    return in_order([rule.text for rule in rules if not rule.unknown or rule.text in real])


def differences(raw, snapshot, seen, seed):
    """The number of rules that were compared, and the chains that differ: first blind, then with the rules read."""
    dumps = {version: parse(raw.in_namespace(program, "-c")) for version, program in PROGRAMS.items()}
    blind = EngineState(snapshot, seen)
    sighted = EngineState(snapshot, replace(seen, firewall=FirewallRules(dumps[4], dumps[6])))
    compared, differ = 0, {}
    for version, state in itertools.product(PROGRAMS, (blind, sighted)):
        real, ours = texts_of(dumps[version]), written_rules(state, version).rules
        compared += sum(map(len, real.values()))
        # A healthy engine lacks no rule, and has none twice or out of date.
        faults = [*missing_rules(state), *stale_rules(state), *duplicate_rules(state)]
        differ |= {(seed, version, "diagnosis"): faults} if faults else {}
        for chain in {*real, *ours}:
            there, rules = real.get(chain, []), ours.get(chain, ())
            if state is blind:
                # The mark cannot be known.
                there = [text for text in there if "--mark" not in text]
            if in_order(there) != expected(there, rules):
                lines = difflib.ndiff(in_order(there), expected(there, rules))
                differ[seed, version, chain, state is blind] = [line for line in lines if line[0] in "-+"]
    return compared, differ


@pytest.mark.parametrize("name", SETTINGS)
def test_the_rules_written_for_a_random_host_are_those_of_the_engine(name, release, tokens_file, record_property):
    settings = SETTINGS[name]
    if release[0] not in API:
        pytest.skip(f"The rules of Docker {release[0]} are not written.")
    since, later = LATER.get(name, ((0, 0), {}))
    six = settings.get("ip6tables", release >= (27, 0))
    compared, differ = 0, {}
    with engine_with({**settings, **(later if release >= since else {})}, tokens_file) as (_, made):
        raw = Raw(made)
        for seed in range(HOSTS):
            build(raw, random.Random(f"{name} {seed}"), release)
            seen = Observations(
                engine_version=release,
                userland_proxy=settings.get("userland-proxy", True),
                ipv4_firewall=True,
                ipv6_firewall=six,
            )
            more, found = differences(raw, snapshot_of(raw, release), seen, seed)
            compared, differ = compared + more, {**differ, **found}
            raw.sweep()
    assert not differ, f"{len(differ)} chains of {compared} rules: {differ}"
    assert compared > 20 * HOSTS
    record_property("rules", compared)
