"""The rules that the engine should have, held against dumps of real engines from which rules are taken away.

The dumps in ``recorded`` are of healthy engines, with a network of each kind that has rules of its own.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.case import Case
from bridgework.analysis.docker_rules import (
    ISOLATION,
    NETWORK,
    PORT,
    duplicate_rules,
    missing_rules,
    stale_rules,
)
from bridgework.diagnosis.diagnosis import diagnose
from bridgework.engine.reading import read_container, read_network
from bridgework.firewall.docker.lost import commands_for
from bridgework.model.assembly import assembled
from bridgework.model.checks import AddressDestination, ProbeRequest, Protocol, Question, Severity, Verdict
from bridgework.model.observations import EngineObservations, FirewallRules, Observations
from bridgework.probes.kernel.firewall import parse

ENGINES = ["docker-26.1-iptables", "docker-28.5-iptables", "docker-29.7-iptables", "docker-29.7-nftables"]
IPTABLES = ENGINES[:3]
API = {26: (1, 45), 28: (1, 51), 29: (1, 52)}
# The end of a chain decides nothing.
IGNORED = re.compile(r"^-A \S+ -j RETURN$")


class Recorded:
    """One recorded engine, and the same with other rules."""

    def __init__(self, name):
        text = (Path(__file__).parent / "recorded" / f"{name}.json").read_text()
        self.raw = json.loads(text)
        self.release = tuple(self.raw["release"])
        networks = [read_network(one, API[self.release[0]]) for one in self.raw["networks"]]
        self.snapshot = assembled(
            networks, [read_container(one, assembled(networks, ())) for one in self.raw["containers"]]
        )

    def state(self, *, iptables=None, ip6tables=None, nft=None, snapshot=None, **fields):
        native = self.raw["nft"] if nft is None else nft
        rules = FirewallRules(
            chains=parse("\n".join(self.raw["iptables"] if iptables is None else iptables)),
            ipv6_chains=parse("\n".join(self.raw["ip6tables"] if ip6tables is None else ip6tables)),
            native_rules=json.dumps({"nftables": native}) if native else "",
        )
        seen = {
            "ipv4_firewall": True, "ipv6_firewall": True, "userland_proxy": True, "engine_version": self.release,
            "nftables": native is not None, **fields,
        }  # fmt: skip
        return EngineState(snapshot or self.snapshot, Observations(firewall=rules, **seen))


@pytest.fixture(params=ENGINES)
def recorded(request):
    return Recorded(request.param)


def test_a_healthy_engine_lacks_nothing_and_has_nothing_twice(recorded):
    state = recorded.state()
    assert list(missing_rules(state)) == []
    assert list(stale_rules(state)) == []
    assert list(duplicate_rules(state)) == []


def lines_of_docker(recorded, program):
    for at, line in enumerate(recorded.raw[program]):
        rule = line.partition("] ")[2]
        if line.startswith("[") and not IGNORED.search(rule):
            yield at, rule


@pytest.mark.parametrize("name", IPTABLES)
@pytest.mark.parametrize("program", ["iptables", "ip6tables"])
def test_each_rule_of_iptables_that_is_taken_away_is_missed_and_written_again(name, program):
    recorded = Recorded(name)
    of_ipv6 = {n.bridge_name for n in recorded.snapshot.networks if n.ipv6_enabled}
    rules = list(lines_of_docker(recorded, program))
    assert len(rules) > 30
    for at, rule in rules:
        lines = list(recorded.raw[program])
        del lines[at]
        bridges = set(re.findall(r"br-\w+|docker0", rule))
        if program == "ip6tables" and bridges and not bridges & of_ipv6:
            continue
        # One rule serves all host ports of one container port.
        found = list(missing_rules(recorded.state(**{program: lines})))
        assert found, rule
        assert {one.rule for one in found} == {rule}
        missing = found[0]
        (command,) = missing.commands
        written = re.sub(r"^ip6?tables(?: -t \w+)? ", "", command)
        written = re.sub(r"^-I (\S+)( \d+(?= ))?", r"-A \1", written)
        assert written == rule == missing.rule
        drops = rule.endswith(("DROP", "ISOLATION-STAGE-2", "ISOLATION-STAGE-1", "DOCKER-INTERNAL"))
        assert missing.cause is (ISOLATION if drops else PORT if "--dport" in rule else NETWORK), rule


def test_each_native_rule_that_is_taken_away_is_missed():
    recorded = Recorded(ENGINES[3])
    found = 0
    for at, thing in enumerate(recorded.raw["nft"]):
        rule = thing.get("rule")
        if rule is None:
            continue
        nft = [*recorded.raw["nft"][:at], *recorded.raw["nft"][at + 1 :]]
        lost = list(missing_rules(recorded.state(nft=nft)))
        assert lost, rule
        assert len({one.rule for one in lost}) == 1
        missing = lost[0]
        family = rule["family"]
        assert missing.commands[-1].split()[:6] in (
            ["nft", "add", "rule", family, "docker-bridges", rule["chain"]],
            ["nft", "insert", "rule", family, "docker-bridges", rule["chain"]],
        )
        found += 1
    assert found > 50


def test_a_native_chain_and_its_jump_that_are_gone_are_made_again():
    recorded = Recorded(ENGINES[3])
    front = next(n for n in recorded.snapshot.networks if n.name == "front")
    chain = f"filter-forward-out__{front.bridge_name}"

    def gone(thing):
        ((kind, body),) = thing.items()
        if kind == "map":
            body["elem"] = [one for one in body["elem"] if chain not in json.dumps(one)]
        return (kind == "chain" and body["name"] == chain) or (kind == "rule" and body["chain"] == chain)

    nft = [thing for thing in json.loads(json.dumps(recorded.raw["nft"])) if not gone(thing)]
    missing = list(missing_rules(recorded.state(nft=nft)))
    commands = [command for one in missing for command in one.commands]
    jump = f"{{ {front.bridge_name} : jump {chain} }}"
    assert f"nft add chain ip docker-bridges {chain}" in commands
    assert f"nft add element ip docker-bridges filter-forward-out-jumps {jump}" in commands


def test_a_rule_of_forward_is_written_behind_dockers_own_and_before_those_of_others():
    recorded = Recorded(IPTABLES[0])
    lines = [line for line in recorded.raw["iptables"] if "-A FORWARD -i docker0 -o docker0" not in line]
    forward = [at for at, line in enumerate(lines) if "-A FORWARD" in line]
    lines.insert(forward[-1] + 1, "[0:0] -A FORWARD -j REJECT --reject-with icmp-host-prohibited")
    (missing,) = missing_rules(recorded.state(iptables=lines))
    assert missing.commands == (f"iptables -I FORWARD {len(forward) + 1} -i docker0 -o docker0 -j ACCEPT",)


def written_again(lines, commands):
    """The lines of ``iptables-save -c`` after commands that write rules of one chain."""
    lines = list(lines)
    for command in commands:
        verb, chain, number, text = re.fullmatch(r"ip6?tables(?: -t \w+)? -([AI]) (\S+) (\d+ )?(.*)", command).groups()
        own = [at for at, line in enumerate(lines) if f"-A {chain} " in line]
        at = own[-1] + 1 if verb == "A" else own[int(number or 1) - 1] if int(number or 1) <= len(own) else own[-1] + 1
        lines.insert(at, f"[0:0] -A {chain} {text}")
    return lines


@pytest.mark.parametrize("name", IPTABLES[1:])
def test_lost_jumps_are_written_in_their_order_before_what_they_must_precede(name):
    recorded = Recorded(name)
    lines = recorded.raw["iptables"]
    own = [line.partition("] ")[2] for line in lines if "-A DOCKER-FORWARD " in line]
    for gone in itertools.combinations(own[:3], 2):
        left = [line for line in lines if line.partition("] ")[2] not in gone]
        missing = list(missing_rules(recorded.state(iptables=left)))
        assert [one.rule for one in missing] == list(gone)
        after = written_again(left, commands_for([one.lost for one in missing]))
        assert [line.partition("] ")[2] for line in after if "-A DOCKER-FORWARD " in line] == own


@pytest.mark.parametrize("proxy", [True, False, None])
def test_what_depends_on_docker_proxy_is_not_missed_where_the_rules_contradict_what_was_seen_of_it(recorded, proxy):
    # The recorded engines have docker-proxy.
    assert list(missing_rules(recorded.state(userland_proxy=proxy))) == []


def test_a_flush_is_told_with_the_lost_rules_and_their_options():
    recorded = Recorded(IPTABLES[1])
    lines = [line for line in recorded.raw["iptables"] if not re.search(r"-A (FORWARD|DOCKER-CT) ", line)]
    state = recorded.state(iptables=lines, ipv4_firewall=False)
    found = diagnose(state.snapshot, EngineObservations(state.observations))
    (told,) = [one for one in found if one.code == "firewall-rules-missing"]
    lost = dict(zip(told.evidence["rules"], told.evidence["options"], strict=True))
    assert lost["-A FORWARD -j DOCKER-USER"] == "iptables"
    assert told.evidence["lost"] == len(recorded.raw["iptables"]) - len(lines)


def test_a_lost_rule_is_told_with_the_option_that_causes_it():
    recorded = Recorded(IPTABLES[0])
    locked = next(n for n in recorded.snapshot.networks if n.name == "locked").bridge_name
    rule = f"-A FORWARD -i {locked} -o {locked} -j DROP"
    state = recorded.state(iptables=[line for line in recorded.raw["iptables"] if rule not in line])
    found = diagnose(state.snapshot, EngineObservations(state.observations))
    (told,) = [one for one in found if one.code == "isolation-rule-missing"]
    assert (told.evidence["rules"], told.evidence["options"]) == (
        [rule],
        ["com.docker.network.bridge.enable_icc"],
    )


def without_translation(recorded, port):
    if recorded.raw["nft"]:
        keep = [t for t in recorded.raw["nft"] if "rule" not in t or f'"right": {port}}}' not in json.dumps(t)]
        return {"nft": keep}
    return {name: [line for line in recorded.raw[name] if f"--dport {port} -j DNAT" not in line]
            for name in ("iptables", "ip6tables")}  # fmt: skip


@pytest.mark.parametrize("proxy", [True, False])
def test_a_translation_is_written_as_the_engine_would(recorded, proxy):
    state = recorded.state(**without_translation(recorded, 18080), userland_proxy=proxy)
    found = {one.version: one.commands[0] for one in missing_rules(state) if one.cause is PORT}
    assert set(found) == {4, 6}
    assert ("! -i" in found[4] or "iifname != " in found[4]) is proxy
    assert "10.101.0.2:8080" in found[4]
    assert "[fd00:101::2]:8080" in found[6]


def test_a_lost_translation_warns_where_docker_proxy_answers(recorded):
    for proxy, severity in ((True, Severity.WARNING), (False, Severity.BLOCKING)):
        state = recorded.state(**without_translation(recorded, 18080), userland_proxy=proxy)
        found = diagnose(state.snapshot, EngineObservations(state.observations))
        (told,) = [one for one in found if one.code == "port-rule-missing"]
        assert told.severity is severity
        assert told.message == ("The host's firewall lacks Docker's rule that translates tcp port 18080 of web.")


def test_lost_rules_of_a_port_are_one_finding():
    recorded = Recorded(IPTABLES[1])
    lines = [line for line in recorded.raw["iptables"] if "10.101.0.2:8080" not in line and "--dport 8080" not in line]
    state = recorded.state(iptables=lines)
    found = diagnose(state.snapshot, EngineObservations(state.observations))
    (told,) = [one for one in found if one.code == "port-rule-missing" and one.component.name == "web"]
    assert "translate and accept tcp port 18080" in told.message


def test_a_translation_to_an_address_that_another_holds_or_nobody(recorded):
    containers = [c if c.name != "web" else replace(c, published_ports=()) for c in recorded.snapshot.containers]
    snapshot = assembled(recorded.snapshot.networks, containers)
    found = {
        (one.translation.host_port, one.translation.address): one
        for one in stale_rules(recorded.state(snapshot=snapshot))
    }
    told = found[18080, "10.101.0.2"]
    assert told.holder == "web"
    assert told.translation.deletion.startswith(("iptables -t nat -D DOCKER ", "nft delete rule ip docker-bridges "))
    gone = assembled(recorded.snapshot.networks, [c for c in containers if c.name != "web"])
    found = {
        (one.translation.host_port, one.translation.address): one for one in stale_rules(recorded.state(snapshot=gone))
    }
    assert found[18080, "10.101.0.2"].holder is None


def test_a_port_of_a_swarms_gateway_bridge_is_not_stale():
    recorded = Recorded(IPTABLES[2])
    networks = [n if n.name != "front" else replace(n, name="docker_gwbridge") for n in recorded.snapshot.networks]
    containers = [c for c in recorded.snapshot.containers if c.name != "web"]
    state = recorded.state(snapshot=assembled(networks, containers))
    assert list(stale_rules(state)) == []


def test_a_copy_of_a_rule_is_told_with_the_command_that_removes_it():
    recorded = Recorded(IPTABLES[0])
    lines = list(recorded.raw["iptables"])
    at = next(at for at, line in enumerate(lines) if "-A FORWARD -o docker0 -j DOCKER" in line)
    state = recorded.state(iptables=[*lines[:at], lines[at], *lines[at:]])
    (one,) = duplicate_rules(state)
    assert (one.copies, one.commands) == (2, ("iptables -D FORWARD -o docker0 -j DOCKER",))
    found = diagnose(state.snapshot, EngineObservations(state.observations))
    assert "duplicate-rules" in {finding.code for finding in found}


def test_a_native_copy_is_deleted_by_its_handle():
    recorded = Recorded(ENGINES[3])
    at = next(
        at for at, t in enumerate(recorded.raw["nft"]) if "rule" in t and t["rule"]["chain"].startswith("filter-f")
    )
    copy = json.loads(json.dumps(recorded.raw["nft"][at]))
    copy["rule"]["handle"] = 9999
    (one,) = duplicate_rules(recorded.state(nft=[*recorded.raw["nft"], copy]))
    assert one.commands[0].endswith(f"{copy['rule']['chain']} handle 9999")


@pytest.mark.parametrize("fields", [{"ipv4_firewall": False, "ipv6_firewall": None}, {"ipv6_firewall": None}])
def test_what_the_engine_does_not_write_or_was_not_seen_is_not_missed(recorded, fields):
    nothing = {"nft": []} if recorded.raw["nft"] else {"iptables": [], "ip6tables": []}
    assert list(missing_rules(recorded.state(**nothing, **fields))) == []
    assert list(missing_rules(EngineState(recorded.snapshot, Observations()))) == []


@pytest.mark.parametrize("release", [(27, 5), (28, 0), (28, 1)])
def test_the_rules_of_releases_whose_shape_is_not_written_are_not_judged(release):
    recorded = Recorded(IPTABLES[1])
    lines = [line for line in recorded.raw["iptables"] if "MASQUERADE" not in line]
    assert list(missing_rules(recorded.state(iptables=lines))) != []
    assert list(missing_rules(recorded.state(iptables=lines, engine_version=release))) == []


def test_gateway_modes_of_docker_27_are_not_judged():
    recorded = Recorded(IPTABLES[0])
    mode = {"com.docker.network.bridge.gateway_mode_ipv4": "routed"}
    networks = [
        replace(n, options={**n.options, **mode}, ignored_options=frozenset()) for n in recorded.snapshot.networks
    ]
    state = recorded.state(
        iptables=[line for line in recorded.raw["iptables"] if "MASQUERADE" not in line],
        snapshot=assembled(networks, recorded.snapshot.containers),
    )
    assert [one.rule for one in missing_rules(state) if one.network] == []


def test_the_diagnosis_tells_each_lost_rule_by_its_network_or_the_host_and_each_stale_one():
    recorded = Recorded(IPTABLES[1])
    gone = ("-A FORWARD -j DOCKER-USER", "-A POSTROUTING -s 10.101.0.0/24", "-A DOCKER-ISOLATION-STAGE-2 -o docker0")
    lines = [line for line in recorded.raw["iptables"] if not any(rule in line for rule in gone)]
    state = recorded.state(iptables=lines)
    found = diagnose(state.snapshot, EngineObservations(state.observations))
    told = {(one.code, one.component.name) for one in found if one.code.endswith("rule-missing")}
    assert told == {
        ("network-rule-missing", "host"),
        ("network-rule-missing", "front"),
        ("isolation-rule-missing", "bridge"),
    }
    containers = [c for c in recorded.snapshot.containers if c.name != "web"]
    state = recorded.state(snapshot=assembled(recorded.snapshot.networks, containers))
    stale = [
        one for one in diagnose(state.snapshot, EngineObservations(state.observations)) if "stale-port" in one.code
    ]
    assert any("10.101.0.2, which no container holds" in one.message for one in stale)
    flushed = recorded.state(iptables=[line for line in recorded.raw["iptables"] if "-A FORWARD" not in line])
    codes = {one.code for one in diagnose(flushed.snapshot, EngineObservations(flushed.observations))}
    assert "firewall-rules-missing" in codes
    assert "network-rule-missing" not in codes


def test_a_port_that_is_translated_to_another_network_of_its_container_is_at_home_there():
    recorded = Recorded(IPTABLES[1])
    web = next(c for c in recorded.snapshot.containers if c.name == "web")
    other = next(n for n in recorded.snapshot.networks if n.name == "nomasq")
    more = replace(
        web.endpoints[0], network_id=other.id, network_name="aaa", ipv4_address="10.103.0.9", gateway_priority=9,
        ipv6_address=None, gateway="10.103.0.1",
    )  # fmt: skip
    moved = [c if c.name != "web" else replace(c, endpoints=(more, *c.endpoints)) for c in recorded.snapshot.containers]
    missing = list(missing_rules(recorded.state(snapshot=assembled(recorded.snapshot.networks, moved))))
    assert {one.cause for one in missing} == {
        ISOLATION
    }  # the new address has no drop in the table raw, and nothing else


def asked(state, source, target, *, switches=("1", "1")):
    """The prediction of a ping between two containers of the recorded engine."""
    on = (("net.bridge.bridge-nf-call-iptables", switches[0]), ("net.bridge.bridge-nf-call-ip6tables", switches[1]))
    firewall = replace(state.observations.firewall, switches=on)
    named = {one.name: one for one in state.snapshot.containers}
    address = named[target].endpoints[0].ipv4_address
    question = Question(named[source].id, AddressDestination(address), ProbeRequest(Protocol.ICMP))
    return Case.of(state.snapshot, question, replace(state.observations, firewall=firewall)).predict()


def twins(recorded, name):
    """The engine with a second container on the network of ``name``."""
    one = next(c for c in recorded.snapshot.containers if c.name == name)
    (endpoint,) = one.endpoints
    address = endpoint.ipv4_address.rpartition(".")[0] + ".77"
    second = replace(endpoint, container_id="2" * 64, container_name="twin", ipv4_address=address, ipv6_address=None)
    twin = replace(one, id="2" * 64, name="twin", endpoints=(second,), published_ports=())
    return assembled(recorded.snapshot.networks, [*recorded.snapshot.containers, twin])


@pytest.mark.parametrize("name", IPTABLES)
def test_a_check_names_the_lost_rule_of_its_network(name):
    recorded = Recorded(name)
    front = next(n for n in recorded.snapshot.networks if n.name == "front").bridge_name
    accepts = (f"-A FORWARD -i {front} -o {front} -j ACCEPT", f"-A DOCKER-FORWARD -i {front} -j ACCEPT")
    lines = [line for line in recorded.raw["iptables"] if not line.endswith(accepts)]
    found = asked(recorded.state(iptables=lines), "web", "idle")
    assert found.verdict is Verdict.UNREACHABLE
    assert [one.code for one in found.findings] == ["network-rule-missing"]
    assert asked(recorded.state(), "web", "idle").verdict is Verdict.REACHABLE


def test_traffic_within_a_network_that_forbids_it_passes_where_no_rule_sees_it_or_the_rule_is_lost():
    recorded = Recorded(IPTABLES[0])
    locked = next(n for n in recorded.snapshot.networks if n.name == "locked").bridge_name
    state = recorded.state(snapshot=twins(recorded, "locked-one"))
    assert [one.code for one in asked(state, "locked-one", "twin").findings] == ["inter-container-off"]
    unseen = asked(state, "locked-one", "twin", switches=("0", "0"))
    assert [(one.code, one.remedy.commands) for one in unseen.findings] == [
        ("icc-not-enforced", ("sysctl -w net.bridge.bridge-nf-call-iptables=1",))
    ]
    lines = [line for line in recorded.raw["iptables"] if f"-i {locked} -o {locked} -j DROP" not in line]
    lines = [line.replace(":FORWARD DROP", ":FORWARD ACCEPT") for line in lines]
    lost = recorded.state(iptables=lines, snapshot=state.snapshot)
    found = asked(lost, "locked-one", "twin")
    assert found.verdict is Verdict.REACHABLE
    assert found.findings[0].code == "icc-not-enforced"
    assert found.findings[0].remedy.commands[0].endswith(f"-i {locked} -o {locked} -j DROP")


def test_a_policy_that_drops_what_stays_within_a_bridge_names_the_network():
    recorded = Recorded(IPTABLES[0])
    state = recorded.state(ipv4_firewall=False, iptables=["*filter", ":FORWARD DROP [0:0]"])
    found = asked(state, "web", "idle")
    (one,) = [one for one in found.findings if one.code == "bridge-traffic-filtered"]
    assert one.component.name == "front"
    assert one.remedy.commands[0].startswith("iptables -I FORWARD -i br-")
