"""The rules that are written for the recorded engines, held against their dumps."""

from dataclasses import replace

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.docker_rules.in_effect import in_effect
from bridgework.analysis.docker_rules.written import written_rules
from bridgework.analysis.host_rules import ruleset_of_host
from bridgework.firewall.docker.native_table import FAMILY
from bridgework.firewall.nft_json import tables_from
from bridgework.model.observations import Observations
from tests.support.worlds import container, network, world
from tests.unit.analysis.test_docker_rules import ENGINES, IPTABLES, Recorded


@pytest.mark.parametrize("name", IPTABLES)
@pytest.mark.parametrize("version", [4, 6])
def test_the_rules_of_a_recorded_engine_are_written(name, version):
    recorded = Recorded(name)
    lines = recorded.raw["iptables" if version == 4 else "ip6tables"]
    real = sorted(line[line.index("-A ") :] for line in lines if "-A " in line)
    made = written_rules(recorded.state(), version)
    assert sorted(rule.text for found in made.rules.values() for rule in found) == real


@pytest.mark.parametrize("version", [4, 6])
def test_the_native_rules_of_a_recorded_engine_are_written(version):
    recorded = Recorded("docker-29.7-nftables")
    made = written_rules(recorded.state(), version)
    (table,) = (one for one in tables_from(recorded.raw["nft"]) if one.family == FAMILY[version])
    real = {name: sorted(rule.text for rule in chain.rules) for name, chain in table.chains.items()}
    (ours,) = made.ruleset.tables
    assert {name: sorted(rule.text for rule in chain.rules) for name, chain in ours.chains.items()} == real


def test_links_are_written_where_the_default_bridge_keeps_its_containers_apart():
    option = {"com.docker.network.bridge.enable_icc": "false"}
    bridge = replace(network("bridge", "172.17.0.0/16"), options=option)
    db = replace(container("db", (bridge, "172.17.0.2")), exposed_ports=("5432/tcp", "53/udp"))
    web = replace(container("web", (bridge, "172.17.0.3")), links=("/db:/web/db", "/gone:/web/gone"))
    observations = Observations(engine_version=(26, 1), userland_proxy=True, ipv4_firewall=True)
    made = written_rules(EngineState(world(bridge, db, web), observations), 4)
    linked = {rule.text for rule in made.rules["filter", "DOCKER"] if "172.17.0.3" in rule.text}
    assert len(linked) == 4, linked
    assert any("--dport 5432" in text for text in linked)
    assert any("--sport 53" in text for text in linked)
    assert written_rules(EngineState(world(bridge, db, web), replace(observations, podman=True)), 4) is None


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("version", [4, 6])
def test_the_rules_in_effect_are_those_read_and_without_them_those_written(name, version):
    recorded = Recorded(name)
    read = recorded.state()
    assert in_effect(read).ruleset(version) is ruleset_of_host(read.observations.firewall, version)
    blind = EngineState(read.snapshot, replace(read.observations, firewall=None))
    assert in_effect(blind).ruleset(version) == written_rules(blind, version).ruleset
    podman = EngineState(read.snapshot, Observations(podman=True))
    assert in_effect(podman).ruleset(version) is None
