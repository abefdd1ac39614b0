"""The rules that are written for an engine's snapshot, held against what the engine wrote: random hosts, rule by rule.

``BRIDGEWORK_TEST_HOSTS`` is the number of hosts for each of the settings.
"""

import os
import random
import re

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.docker_rules.written import written_rules
from bridgework.engine.reading import read_container, read_network
from bridgework.model.assembly import assembled
from bridgework.model.observations import Observations
from tests.engines.conftest import engine_with
from tests.support.raw_engine import Raw

HOSTS = int(os.environ.get("BRIDGEWORK_TEST_HOSTS", "2"))
OPTION = "com.docker.network.bridge."
API = {26: (1, 45), 28: (1, 51), 29: (1, 52)}
SETTINGS = {
    "default": {},
    "ip6tables": {"ip6tables": True, "experimental": True},
    "no-proxy": {"userland-proxy": False, "ip6tables": True, "experimental": True},
    "no-ip6tables": {"ip6tables": False},
}
PROGRAMS = {4: "iptables-save", 6: "ip6tables-save"}
# Rules of these kinds lead to one address or port each, so their order among each other decides nothing.
DISJOINT = re.compile(r" --[ds]port |^-A PREROUTING -d ")


def random_network(draw, number, release):
    options = {}
    if draw.random() < 0.3:
        options[f"{OPTION}enable_icc"] = "false"
    if draw.random() < 0.3:
        options[f"{OPTION}enable_ip_masquerade"] = "false"
    if draw.random() < 0.2:
        options["com.docker.network.host_ipv4"] = "192.0.2.7"
    # Docker keeps the rules of the first IPv6 network in FORWARD and nat until it stops, so each host has one.
    internal = number > 0 and draw.random() < 0.3
    for version in (4, 6) if release >= (28, 0) and not internal else ():
        options[f"{OPTION}gateway_mode_ipv{version}"] = draw.choice(["nat", "nat", "nat-unprotected", "routed"])
    if release >= (28, 2) and draw.random() < 0.2:
        options[f"{OPTION}trusted_host_interfaces"] = "eth7:eth8"
    pools = [{"Subnet": f"10.{100 + number}.0.0/24"}]
    six = number == 0 or draw.random() < 0.6
    pools += [{"Subnet": f"fd00:{100 + number}::/64"}] if six else []
    return {"EnableIPv6": six, "IPAM": {"Config": pools}, "Options": options, "Internal": internal}


def random_ports(draw, number):
    ports, bindings = draw.sample([80, 443, 5000], draw.randint(0, 2)), {}
    for at, port in enumerate(ports):
        host_ip = draw.choice(["", "", "0.0.0.0", "127.0.0.1", "::", "::1"])
        protocol = draw.choice(["tcp", "udp"])
        bindings[f"{port}/{protocol}"] = [{"HostIp": host_ip, "HostPort": str(20000 + number * 10 + at)}]
    return bindings


def build(raw, draw, release):
    networks = draw.randint(2, 5)
    for number in range(networks):
        raw.do("POST", "/networks/create", {"Name": f"net{number}", **random_network(draw, number, release)})
    for number in range(draw.randint(2, 4)):
        bindings = random_ports(draw, number)
        place = draw.choice(["bridge", *(f"net{number}" for number in range(networks))])
        raw.make(
            f"c{number}", mode=place, ExposedPorts={port: {} for port in bindings}, host={"PortBindings": bindings}
        )


def snapshot_of(raw, release):
    version = API[release[0]]
    prefix = f"/v{version[0]}.{version[1]}"
    networks = [
        read_network(raw.do("GET", f"/networks/{one['Id']}", prefix=prefix), version)
        for one in raw.do("GET", "/networks", prefix=prefix)
    ]
    known = assembled(networks, ())
    listed = raw.do("GET", "/containers/json?all=1", prefix=prefix)
    containers = [raw.do("GET", f"/containers/{one['Id']}/json", prefix=prefix) for one in listed]
    return assembled(networks, [read_container(one, known) for one in containers])


def dumped(raw, version):
    rules, table = {}, ""
    for line in raw.in_namespace(PROGRAMS[version]).splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A"):
            rules.setdefault((table, line.split()[1]), []).append(line)
    return rules


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


@pytest.mark.parametrize("name", SETTINGS)
def test_the_rules_written_for_a_random_host_are_those_of_the_engine(name, release, tokens_file):
    settings = SETTINGS[name]
    if release[0] not in API:
        pytest.skip(f"The rules of Docker {release[0]} are not written.")
    six = settings.get("ip6tables", release >= (27, 0))
    compared, differ = 0, {}
    with engine_with(settings, tokens_file) as (_, made):
        raw = Raw(made)
        for seed in range(HOSTS):
            build(raw, random.Random(f"{name} {seed}"), release)
            observations = Observations(
                engine_version=release,
                userland_proxy=settings.get("userland-proxy", True),
                ipv4_firewall=True,
                ipv6_firewall=six,
            )
            state = EngineState(snapshot_of(raw, release), observations)
            for version in (4, 6):
                real, ours = dumped(raw, version), written_rules(state, version).rules
                for chain in {*real, *ours}:
                    expected = in_order([rule.text for rule in ours.get(chain, ())])
                    compared += len(expected)
                    if in_order(real.get(chain, ())) != expected:
                        differ[seed, version, chain] = (in_order(real.get(chain, ())), expected)
            raw.sweep()
    assert compared
    assert not differ, f"{len(differ)} chains of {compared} rules: {differ}"
