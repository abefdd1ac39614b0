"""The rules that are written for the recorded engines, held against their dumps."""

import pytest

from bridgework.analysis.docker_rules.written import written_rules
from bridgework.firewall.docker.native_table import FAMILY
from bridgework.firewall.nft_json import tables_from
from tests.unit.analysis.test_docker_rules import IPTABLES, Recorded


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
