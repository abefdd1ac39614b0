"""The rules in force after a plan, made from the dumps of recorded engines: what goes, what comes and what stays."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.docker_rules.planned import planned_firewall
from bridgework.analysis.docker_rules.written import written_rules
from bridgework.firewall.docker.native_table import FAMILY
from bridgework.firewall.nft_json import tables_of
from bridgework.model.assembly import with_containers, with_networks
from tests.unit.analysis.test_docker_rules import ENGINES, IPTABLES, Recorded

OF_OTHERS = "-A DOCKER-USER -s 192.0.2.0/24 -j DROP"
NATIVE = "docker-29.7-nftables"


def without(snapshot, *networks):
    """The snapshot without these networks and the containers on them."""
    gone = {network.id: None for network in snapshot.networks if network.name in networks}
    on_them = {one.id: None for one in snapshot.containers if any(e.network_id in gone for e in one.endpoints)}
    return with_networks(with_containers(snapshot, on_them), gone)


def texts(rules, version):
    """Docker's rules of one IP version. In a native chain, a rule with a verdict map is read once for each element."""
    if rules.native_rules:
        tables = (table for line in rules.native_rules.splitlines() for table in tables_of(line))
        own = (table for table in tables if table.family == FAMILY[version])
        chains = (chain for table in own for chain in table.chains.values())
        return {(chain.name, rule.text) for chain in chains for rule in chain.rules}
    chains = rules.chains_of(version) or ()
    return Counter(text for chain in chains for *_, text in chain.rules)


def expected(state, snapshot, version):
    made = written_rules(EngineState(snapshot, state.observations), version)
    if state.observations.nftables:
        return {(key[1], rule.text) for key, listed in made.rules.items() for rule in listed}
    return Counter(rule.text for listed in made.rules.values() for rule in listed)


def with_rule_of_others(state):
    def added(chain):
        return replace(chain, rules=((0, 0, OF_OTHERS), *chain.rules)) if chain.name == "DOCKER-USER" else chain

    rules = state.observations.firewall
    changed = replace(rules, chains=tuple(map(added, rules.chains)), state=None)
    return EngineState(state.snapshot, replace(state.observations, firewall=changed))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("networks", [("routed",), ("front", "locked"), ("rout6", "vault", "nomasq")])
def test_the_rules_of_removed_networks_go_and_come_back_with_them(name, networks):
    state = Recorded(name).state()
    after = without(state.snapshot, *networks)
    left = planned_firewall(state.snapshot, after, state.observations)
    assert left.not_read == ()
    for version in (4, 6):
        assert texts(left.rules, version) == expected(state, after, version)
    again = planned_firewall(after, state.snapshot, replace(state.observations, firewall=left.rules))
    for version in (4, 6):
        assert texts(again.rules, version) == texts(state.observations.firewall, version)


@pytest.mark.parametrize("name", IPTABLES)
def test_a_rule_of_another_program_stays_where_it_is(name):
    state = with_rule_of_others(Recorded(name).state())
    found = planned_firewall(state.snapshot, without(state.snapshot, "front"), state.observations).rules
    (chain,) = (one for one in found.chains if one.name == "DOCKER-USER")
    assert chain.rules[0][2] == OF_OTHERS


@pytest.mark.parametrize("name", IPTABLES)
def test_a_rule_that_was_not_read_is_told_where_the_plan_deletes_it(name):
    state = Recorded(name).state()
    after = without(state.snapshot, "routed")
    rules = state.observations.firewall
    gone = set(expected(state, state.snapshot, 4)) - set(expected(state, after, 4))
    chains = tuple(replace(c, rules=tuple(rule for rule in c.rules if rule[2] not in gone)) for c in rules.chains)
    lost = replace(state.observations, firewall=replace(rules, chains=chains, state=None))
    found = planned_firewall(state.snapshot, after, lost)
    assert set(found.not_read) == gone
    assert texts(found.rules, 4) == expected(state, after, 4)


def test_nothing_is_planned_where_the_rules_are_not_known():
    state = Recorded(NATIVE).state()
    after = without(state.snapshot, "routed")
    unread = replace(state.observations, firewall=None)
    assert planned_firewall(state.snapshot, after, unread).rules is None
    podman = replace(state.observations, podman=True)
    assert planned_firewall(state.snapshot, after, podman).rules is None
    by_iptables = replace(Recorded(IPTABLES[0]).state().observations, podman=True)
    assert planned_firewall(state.snapshot, after, by_iptables).rules is None


def test_nothing_is_planned_where_dockers_native_table_is_not_as_docker_writes_it():
    recorded = Recorded(NATIVE)
    at = next(at for at, one in enumerate(recorded.raw["nft"]) if "rule" in one and "DROP" in json.dumps(one).upper())
    state = recorded.state(nft=[one for other, one in enumerate(recorded.raw["nft"]) if other != at])
    assert planned_firewall(state.snapshot, without(state.snapshot, "routed"), state.observations).rules is None
