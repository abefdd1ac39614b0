"""The matrix by classes equals a prediction of every pair, whatever the rules of the firewall tell apart."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from bridgework.analysis.all_pairs.all_pairs import VERDICTS, predict_matrix
from bridgework.analysis.case import Case
from bridgework.model.checks import Protocol, Verdict
from bridgework.model.observations import FirewallChain, FirewallRules, IpSet
from tests.support.worlds import container, listening, network, seen, world

NETS = [network(f"n{i}", f"10.{i}.0.0/24") for i in range(3)]
BRIDGES = [net.bridge_name for net in NETS]
MANY = [container(f"c{i}-{j}", (net, f"10.{i}.0.{j + 2}")) for i, net in enumerate(NETS) for j in range(4)]
BOTH = container("both", (NETS[0], "10.0.0.9"), (NETS[1], "10.1.0.9"))
HOSTED = container("hosted", network_mode="host")
SNAPSHOT = world(*NETS, *MANY, BOTH, HOSTED)
EVERY = [*MANY, BOTH, HOSTED]
LISTENING = [(one, listening("0.0.0.0:80")) for one in EVERY]
# `make check` names a profile of hypothesis, and tries every seed.
SEEDS = range(60 if os.environ.get("HYPOTHESIS_PROFILE") else 15)
SWITCHES = (("net.bridge.bridge-nf-call-iptables", "1"),)


def chain(table, name, rules=(), policy=None):
    return FirewallChain(table, name, policy, tuple((0, 0, f"-A {name} {rule}") for rule in rules))


def engine_rules(left_out=()):
    """What Docker 28 writes for these networks, without the container's rules that are named."""
    own = [(i, f"10.{i}.0.{j + 2}") for i in range(3) for j in range(4)] + [(0, "10.0.0.9"), (1, "10.1.0.9")]
    raw = [f"-d {address}/32 ! -i {BRIDGES[i]} -j DROP" for i, address in own if ("raw", address) not in left_out]
    open_ports = [
        f"-d {address}/32 ! -i {BRIDGES[i]} -o {BRIDGES[i]} -p tcp -m tcp --dport 80 -j ACCEPT"
        for i, address in own
        if ("open", address) not in left_out
    ]
    closed = [f"! -i {bridge} -o {bridge} -j DROP" for bridge in BRIDGES]
    masquerade = [f"-s 10.{i}.0.0/24 ! -o {bridge} -j MASQUERADE" for i, bridge in enumerate(BRIDGES)]
    return [
        chain("raw", "PREROUTING", raw, "ACCEPT"),
        chain("filter", "DOCKER", [*open_ports, *closed]),
        chain("filter", "DOCKER-FORWARD", [f"-i {bridge} -j ACCEPT" for bridge in BRIDGES]),
        chain("nat", "POSTROUTING", masquerade, "ACCEPT"),
    ]


def firewall(user=(), *more, left_out=()):
    forward = [
        "-j DOCKER-USER",
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-j DOCKER",
        "-j DOCKER-FORWARD",
    ]
    own = [chain("filter", "FORWARD", forward, "DROP"), chain("filter", "DOCKER-USER", user)]
    return FirewallRules((*engine_rules(left_out), *own, *more), None, "", SWITCHES)


def differing(rules, protocol=Protocol.ICMP, port=None):
    """The pairs of which the matrix says something else than a prediction of the pair alone, and the matrix."""
    observations = seen(LISTENING, firewall=rules, ipv4_firewall=True, engine_version=(28, 5))
    matrix = predict_matrix(SNAPSHOT, [one.id for one in EVERY], protocol, port, observations=observations)
    rows = [[VERDICTS[code] for code in row] for row in matrix.rows()]
    found = [
        (one.name, other.name, rows[i][j].value)
        for i, one in enumerate(EVERY)
        for j, other in enumerate(EVERY)
        if i != j and rows[i][j] is not matrix.prediction(i, j).verdict
    ]
    return found, rows


@pytest.fixture
def predicted(monkeypatch):
    made, real = [], Case.predict
    monkeypatch.setattr(Case, "predict", lambda case: made.append(case.question) or real(case))
    return made


def test_the_rules_that_docker_writes_for_each_container_divide_nothing(predicted):
    observations = seen(LISTENING, firewall=firewall(), engine_version=(28, 5))
    ids = [one.id for one in MANY]
    rows = list(predict_matrix(SNAPSHOT, ids, Protocol.TCP, 80, observations=observations).rows())
    assert len(predicted) == 3
    assert {row.count(VERDICTS.index(Verdict.REACHABLE)) for row in rows} == {4}


def test_a_rule_of_others_for_one_container_shows_for_it_alone():
    wrong, rows = differing(firewall(["-d 10.0.0.3/32 -j DROP"]))
    assert wrong == []
    assert rows[0][:4] == [Verdict.REACHABLE, Verdict.UNREACHABLE, Verdict.REACHABLE, Verdict.REACHABLE]
    assert rows[1][0] is Verdict.UNREACHABLE  # its answer comes to the same address


def test_a_rule_of_dockers_that_is_missing_for_one_container_shows_for_it_alone():
    engine = firewall(left_out={("raw", "10.0.0.3"), ("open", "10.1.0.3")})
    wrong, rows = differing(engine, Protocol.TCP, 80)
    assert wrong == []
    sources = [row[1] for row in rows[4:8]]
    assert sources == [Verdict.REACHABLE] * 4, "open, and nothing in raw keeps other networks away"
    assert [row[0] for row in rows[4:8]] == [Verdict.UNREACHABLE] * 4


FOREIGN = (
    "-s {address}/32 -j DROP",
    "-d {address}/32 -j {verdict}",
    "-d {address}/32 -p tcp -m tcp --dport {port} -j DROP",
    "-s {address}/32 -d {other}/32 -j {verdict}",
    "-s 10.{n}.0.0/29 -j DROP",
    "-d 10.{n}.0.4/30 -j {verdict}",
    "-s 10.{n}.0.0/24 -j {verdict}",
    "-i {bridge} -j {verdict}",
    "-i {bridge} -o {bridge2} -j {verdict}",
    "! -i {bridge} -d {address}/32 -j {verdict}",
    "-i br-+ -o {bridge} -p icmp -j DROP",
    "-p {protocol} -j {verdict}",
    "-m iprange --src-range 10.{n}.0.3-10.{n}.0.5 -j {verdict}",
    "-d {gateway}/32 -j DROP",
    "-m time --weekdays Mon -s {address}/32 -j DROP",
)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_rules_of_others_are_told_apart(seed):
    chance = random.Random(seed)

    def rule():
        n = chance.randrange(3)
        return chance.choice(FOREIGN).format(
            address=f"10.{n}.0.{chance.randrange(2, 6)}",
            other=f"10.{chance.randrange(3)}.0.{chance.randrange(2, 6)}",
            n=n,
            gateway=f"10.{n}.0.1",
            bridge=chance.choice(BRIDGES),
            bridge2=chance.choice(BRIDGES),
            port=chance.choice([80, 81, 443]),
            protocol=chance.choice(["tcp", "icmp", "udp"]),
            verdict=chance.choice(["DROP", "ACCEPT", "RETURN"]),
        )

    user = [rule() for _ in range(chance.randrange(1, 5))]
    hooks = [chain("mangle", "FORWARD", [rule()], "ACCEPT"), chain("filter", "INPUT", [rule()], "ACCEPT")]
    left_out = {(kind, f"10.{chance.randrange(3)}.0.{chance.randrange(2, 6)}") for kind in ("raw", "open")}
    how = chance.choice([(Protocol.ICMP, None), (Protocol.TCP, 80), (Protocol.TCP, 81)])
    wrong, _ = differing(firewall(user, *hooks, left_out=left_out), *how)
    assert wrong == [], user


KINDS = {
    "hash:ip": ("{a}",),
    "hash:net": ("10.{n}.0.4/30", "{a}", "10.{n}.0.0/24"),
    "hash:ip,port": ("{a},tcp:80", "{a},icmp:8/0", "{a},tcp:81"),
    "hash:net,iface": ("10.{n}.0.0/29,{bridge}",),
    "hash:ip,port,ip": ("{a},tcp:80,{b}", "{a},icmp:8/0,{b}"),
    "hash:mac": ("02:00:00:00:00:0{n}",),
}
ENDS = ("src", "dst", "src,dst", "dst,src", "dst,dst", "src,dst,dst", "dst,dst,src")


@pytest.mark.parametrize("seed", SEEDS)
def test_random_sets_of_ipset_are_told_apart(seed):
    chance = random.Random(seed)

    def entry(kind):
        n = chance.randrange(3)
        ends = {end: f"10.{chance.randrange(3)}.0.{chance.randrange(2, 6)}" for end in "ab"}
        return chance.choice(KINDS[kind]).format(n=n, bridge=chance.choice(BRIDGES), **ends)

    kinds = [chance.choice(list(KINDS)) for _ in range(4)]
    sets = [
        IpSet(f"s{number}", kind, 4, tuple({entry(kind) for _ in range(chance.randrange(1, 5))}))
        for number, kind in enumerate(kinds)
    ]
    sets.append(IpSet("all", "list:set", None, ("s0", "s1")))
    user = [
        f"-m set {chance.choice(('', '', '! '))}--match-set {chance.choice(sets).name} {chance.choice(ENDS)} "
        f"-j {chance.choice(('DROP', 'ACCEPT', 'RETURN'))}"
        for _ in range(chance.randrange(1, 4))
    ]
    how = chance.choice([(Protocol.ICMP, None), (Protocol.TCP, 80), (Protocol.TCP, 81)])
    left_out = {(kind, f"10.{chance.randrange(3)}.0.{chance.randrange(2, 6)}") for kind in ("raw", "open")}
    wrong, _ = differing(replace(firewall(user, left_out=left_out), sets=tuple(sets)), *how)
    assert wrong == [], (user, sets)


def test_the_members_of_one_set_are_one_class(predicted):
    everybody = IpSet("all", "hash:ip", 4, tuple(one.endpoints[0].ipv4_address for one in MANY))
    rules = replace(firewall(["-m set --match-set all src -j ACCEPT"]), sets=(everybody,))
    observations = seen(LISTENING, firewall=rules, engine_version=(28, 5))
    list(predict_matrix(SNAPSHOT, [one.id for one in MANY], Protocol.TCP, 80, observations=observations).rows())
    assert len(predicted) == 3
