"""The rules in force after an upgrade, made from the dumps of recorded engines, which all have the same networks."""

import itertools
from dataclasses import replace

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.docker_rules.upgraded import upgraded_firewall
from bridgework.analysis.docker_rules.written import written_rules
from bridgework.firewall.docker import Engine
from bridgework.firewall.docker.native_table import FAMILY
from bridgework.firewall.nft_json import tables_of
from bridgework.model.actions import UpgradeEngine
from bridgework.model.engine_port import EngineFacts
from bridgework.plans.changes import upgraded
from bridgework.plans.upgrade import target_of
from tests.unit.analysis.test_docker_rules import ENGINES, IPTABLES, Recorded

NATIVE = "docker-29.7-nftables"
PAIRS = list(itertools.permutations(ENGINES, 2))
USER = "-A DOCKER-USER -s 192.0.2.0/24 -j DROP"
UFW = "-A FORWARD -j ufw-before-forward"


def facts(version, backend=None):
    return EngineFacts("", "", version, "1.45", "1.24", "", "", (), (), firewall_backend=backend)


def upgrade(name, wanted, state=None):
    """The recorded engine after an upgrade: its state and its rules."""
    recorded = Recorded(name)
    now = state or recorded.state()
    version = "{}.{}".format(*recorded.release)
    target = target_of(wanted, facts(version, "nftables" if name == NATIVE else "iptables"), "")
    snapshot = upgraded(now.snapshot, target.before, target.release, icc=target.icc)
    after = EngineState(snapshot, target.of_observations(now.observations))
    return after, upgraded_firewall(now, after, target.of_engine)


def wanted_of(name, **more):
    release, backend = name.removeprefix("docker-").split("-")
    return UpgradeEngine(version=release, firewall_backend=backend, **more)


def texts(rules, snapshot):
    """All rules by IP version, table and chain, with the names of networks in place of those of their bridges."""
    names = {network.bridge_name: network.name for network in snapshot.networks if network.bridge_name}
    found = {}
    for version in (4, 6):
        for chain in rules.chains_of(version) or ():
            if chain.rules:
                found[version, chain.table, chain.name] = [text for *_, text in chain.rules]
        for line in (rules.native_rules or "").splitlines():
            for table in tables_of(line):
                if table.family == FAMILY[version]:
                    for chain in filter(lambda chain: chain.rules, table.chains.values()):
                        found[version, table.name, chain.name] = [rule.text for rule in chain.rules]
    return {
        tuple(renamed(str(word), names) for word in key): [renamed(text, names) for text in listed]
        for key, listed in found.items()
    }


def renamed(text, names):
    for bridge, name in names.items():
        text = text.replace(bridge, name)
    return text


def expected(after):
    """The rules that the target writes."""
    seen, written = after.observations, {}
    engine = Engine(seen.engine_version, allow_direct_routing=False, raw_rules=True, nftables=seen.nftables)
    for version in (4, 6):
        rules = written_rules(after, version, engine)
        for (table, chain), listed in rules.rules.items():
            if listed:
                written[str(version), table, chain] = [rule.text for rule in listed]
    return written


def by_network(written, snapshot):
    names = {network.bridge_name: network.name for network in snapshot.networks if network.bridge_name}
    return {
        tuple(renamed(word, names) for word in key): [renamed(text, names) for text in listed]
        for key, listed in written.items()
    }


@pytest.mark.parametrize(("before", "target"), PAIRS)
def test_the_engines_rules_become_those_of_the_target(before, target):
    after, found = upgrade(before, wanted_of(target, ip6tables=True))
    real = Recorded(target)
    ours, theirs = texts(found.rules, after.snapshot), texts(real.state().observations.firewall, real.snapshot)
    if "26" in before + target:
        # Docker 26 ignores the gateway modes, and a network that it made stays without them.
        theirs = by_network(expected(after), after.snapshot)
    assert ours.keys() == theirs.keys()
    for key, listed in theirs.items():
        # In a native chain, a rule with a verdict map is read once for each of its elements.
        same = set if key[1] == "docker-bridges" else sorted
        assert same(ours[key]) == same(listed), key


def with_rules(state, version, policy=None, **rules):
    """The same state with rules of others at the end of chains of the table filter."""
    read = state.observations.firewall
    chains = [
        replace(
            chain,
            policy=policy if policy and chain.name == "FORWARD" else chain.policy,
            rules=(*chain.rules, *((0, 0, text) for text in rules.get(chain.name.replace("-", "_"), ()))),
        )
        if chain.table == "filter"
        else chain
        for chain in read.chains_of(version)
    ]
    field = "chains" if version == 4 else "ipv6_chains"
    return EngineState(state.snapshot, replace(state.observations, firewall=replace(read, **{field: tuple(chains)})))


def chain_of(rules, version, name):
    return next((chain for chain in rules.chains_of(version) if (chain.table, chain.name) == ("filter", name)), None)


@pytest.mark.parametrize(("before", "target"), list(itertools.permutations(IPTABLES, 2)))
def test_rules_of_others_stay_and_the_engines_jumps_come_before_them(before, target):
    state = with_rules(Recorded(before).state(), 4, FORWARD=[UFW], DOCKER_USER=[USER])
    _, found = upgrade(before, wanted_of(target), state)
    forward = [text for *_, text in chain_of(found.rules, 4, "FORWARD").rules]
    jumps = ["DOCKER-USER", "DOCKER-ISOLATION-STAGE-1" if "26" in target else "DOCKER-FORWARD"]
    assert forward[:2] == [f"-A FORWARD -j {chain}" for chain in jumps]
    assert forward.count(UFW) == 1
    user = [text for *_, text in chain_of(found.rules, 4, "DOCKER-USER").rules]
    assert user == [USER, *(["-A DOCKER-USER -j RETURN"] if "26" in target else [])]
    assert found.unused == ()


@pytest.mark.parametrize("before", IPTABLES)
@pytest.mark.parametrize("version", [4, 6])
def test_with_nftables_the_rules_of_docker_user_are_not_used(before, version):
    state = with_rules(Recorded(before).state(), version, DOCKER_USER=[USER])
    _, found = upgrade(before, wanted_of(NATIVE), state)
    assert found.unused == ((version, USER),)
    assert chain_of(found.rules, version, "DOCKER-USER") is None
    assert not any("DOCKER" in text for chain in found.rules.chains_of(version) for *_, text in chain.rules)
    with_them = chain_of(found.with_user_chain, version, "FORWARD").rules
    assert with_them[0][2] == "-A FORWARD -j DOCKER-USER"


@pytest.mark.parametrize(
    ("rules", "policy"), [([], "ACCEPT"), ([UFW], "DROP"), (["-A FORWARD -j ts-forward"], "ACCEPT")]
)
def test_with_nftables_the_policy_of_forward_stays_where_another_program_has_set_it(rules, policy):
    state = with_rules(Recorded(IPTABLES[0]).state(), 4, "DROP", FORWARD=rules)
    _, found = upgrade(IPTABLES[0], wanted_of(NATIVE), state)
    assert chain_of(found.rules, 4, "FORWARD").policy == policy


@pytest.mark.parametrize(
    ("before", "wanted", "policies"),
    [
        (IPTABLES[1], UpgradeEngine("26.1", ip6tables=True), ["ACCEPT", "DROP"]),
        (IPTABLES[1], UpgradeEngine("27.5"), ["ACCEPT", "DROP"]),
        (IPTABLES[1], UpgradeEngine("26.1"), ["ACCEPT", "ACCEPT"]),
        (IPTABLES[1], UpgradeEngine("29.7"), ["ACCEPT", "ACCEPT"]),
        (NATIVE, UpgradeEngine("26.1", "iptables", ip6tables=True), ["ACCEPT", "DROP"]),
    ],
)
def test_releases_before_28_drop_forwarded_packets_of_ipv6_by_the_policy(before, wanted, policies):
    state = Recorded(before).state()
    for version in (4, 6):
        state = with_rules(state, version, "ACCEPT")
    _, found = upgrade(before, wanted, state)
    assert [chain_of(found.rules, version, "FORWARD").policy for version in (4, 6)] == policies


def test_what_others_wrote_into_chains_of_docker_is_gone_as_the_engine_makes_these_again():
    lost = "-A DOCKER -s 192.0.2.0/24 -j ACCEPT"
    state = with_rules(Recorded("docker-28.5-iptables").state(), 4, DOCKER=[lost])
    _, found = upgrade("docker-28.5-iptables", wanted_of("docker-29.7-iptables"), state)
    assert lost not in [text for *_, text in chain_of(found.rules, 4, "DOCKER").rules]


def test_ip6tables_is_on_by_default_since_docker_27_and_off_before():
    off = replace(Recorded(IPTABLES[0]).state().observations, ipv6_firewall=False)
    state = EngineState(Recorded(IPTABLES[0]).snapshot, off)
    assert upgrade(IPTABLES[0], UpgradeEngine("28.5"), state)[0].observations.ipv6_firewall is True
    assert upgrade(IPTABLES[0], UpgradeEngine("28.5", ip6tables=False), state)[0].observations.ipv6_firewall is False
    assert upgrade(IPTABLES[1], UpgradeEngine("26.1"))[0].observations.ipv6_firewall is False
    assert upgrade(IPTABLES[1], UpgradeEngine("29.7"))[0].observations.ipv6_firewall is True


def test_rules_that_were_not_read_are_not_known_after_the_upgrade():
    state = Recorded(IPTABLES[0]).state()
    unread = EngineState(state.snapshot, replace(state.observations, firewall=None))
    assert upgrade(IPTABLES[0], UpgradeEngine("28.5"), unread)[1].rules is None


def test_chains_of_a_version_that_were_not_read_are_not_known_either():
    state = Recorded(IPTABLES[0]).state()
    firewall = replace(state.observations.firewall, ipv6_chains=None)
    state = EngineState(state.snapshot, replace(state.observations, firewall=firewall))
    _, found = upgrade(IPTABLES[0], UpgradeEngine("28.5"), state)
    assert found.rules.ipv6_chains is None
    assert found.rules.chains
