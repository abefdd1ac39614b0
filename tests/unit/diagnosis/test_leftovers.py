"""What outlives its container or its rules: connection tracking and docker-proxy, from recorded observations."""

from __future__ import annotations

import pytest

from bridgework.diagnosis.diagnosis import diagnose
from bridgework.model.checks import Severity
from bridgework.model.observations import (
    ConntrackTable,
    EngineObservations,
    FirewallChain,
    FirewallRules,
    Flow,
    HostObservation,
    Interface,
    InterfaceAddress,
    Observation,
    Observations,
    ProxyProcess,
)
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot

NETWORK = Network("n" * 64, "front", pools=(Pool("172.18.0.0/16"),))
GATEWAY = Network("g" * 64, "docker_gwbridge", pools=(Pool("172.19.0.0/16"),))
PORTS = (PublishedPort(9000, "udp", "0.0.0.0", 10053), PublishedPort(9000, "udp", "::", 10053))
WEB = Container(
    "w" * 64,
    "dns",
    endpoints=(Endpoint(NETWORK.id, "front", "w" * 64, "dns", ipv4_address="172.18.0.2"),),
    published_ports=PORTS,
)
LINK = Interface(
    2, "eth0", "device", None, 1500, "up", (),
    (InterfaceAddress("192.0.2.1", 24, "ipv4", "global"), InterfaceAddress("2001:db8::1", 64, "ipv6", "global")),
)  # fmt: skip


def diagnosed(code, **seen):
    host = HostObservation(Observation(1, interfaces=(LINK,)), **seen)
    snapshot = Snapshot((NETWORK, GATEWAY), (WEB,))
    observations = Observations(host=host, ipv6_firewall=True)
    return [one for one in diagnose(snapshot, EngineObservations(observations)) if one.code == code]


@pytest.mark.parametrize(("in_use", "severity"), [(100, Severity.BLOCKING), (90, Severity.WARNING), (89, None)])
def test_a_table_of_connections_that_is_nearly_full(in_use, severity):
    found = diagnosed("conntrack-table-full", conntrack=ConntrackTable(100, in_use, dropped=7))
    assert [one.severity for one in found] == ([severity] if severity else [])
    for one in found:
        assert one.message == (
            f"{in_use} of 100 entries of connection tracking are in use, and 7 packets were dropped so far."
        )
        assert one.remedy.commands == ("sysctl -w net.netfilter.nf_conntrack_max=200",)


def flow(source="192.0.2.9", to="192.0.2.1", answers="192.0.2.1", port=10053):
    return Flow("udp", source, 40000, to, port, answers, port, source, 40000)


def test_an_entry_without_translation_and_one_to_an_address_that_is_gone():
    (plain,) = diagnosed("stale-flow", flows=(flow(),))
    assert plain.message.endswith("the entry is not translated.")
    assert plain.remedy.commands == (
        "conntrack -D -p udp --orig-src 192.0.2.9 --orig-dst 192.0.2.1 --sport 40000 --dport 10053",
    )
    (gone,) = diagnosed("stale-flow", flows=(flow(answers="172.18.0.7"),))
    assert gone.message.endswith("the entry leads to 172.18.0.7, which dns does not have.")


@pytest.mark.parametrize(
    "healthy",
    [
        flow(answers="172.18.0.2"),  # as the rules translate
        flow(port=53),  # not published
        flow(source="172.18.0.5"),  # docker-proxy answers containers
        flow(source="192.0.2.1"),  # and the host itself
        flow(to="198.51.100.1", answers="198.51.100.1"),  # not an address of the host
        flow(source="2001:db8::9", to="2001:db8::1", answers="2001:db8::1"),  # no address of the family to translate to
    ],
)
def test_an_entry_as_it_should_be(healthy):
    assert diagnosed("stale-flow", flows=(healthy,)) == []


def test_a_proxy_whose_container_is_gone():
    proxies = (
        ProxyProcess(11, "tcp", "0.0.0.0", 8080, "172.18.0.2", 80),
        ProxyProcess(12, "tcp", "0.0.0.0", 8081, "172.18.0.9", 80),
        ProxyProcess(13, "tcp", "0.0.0.0", 8082, "172.19.0.3", 80),
        ProxyProcess(14, "", "", 0, "", 0),
        ProxyProcess(15, "tcp", "", 0, "nonsense", 0),
    )
    (found,) = diagnosed("orphan-proxy", proxies=proxies)
    assert found.remedy.commands == ("kill 12",)
    assert "tcp port 8081 of 0.0.0.0 for 172.18.0.9, which no container has" in found.message


def test_ports_that_differ_by_family():
    snapshot = Snapshot((NETWORK,), (WEB,))
    assert "host-port-differs-by-family" not in {one.code for one in diagnose(snapshot, EngineObservations())}
    ports = (PublishedPort(80, "tcp", "0.0.0.0", 32769), PublishedPort(80, "tcp", "::", 32768))
    apart = Container("a" * 64, "web", published_ports=ports)
    (found,) = [
        one
        for one in diagnose(Snapshot((NETWORK,), (apart,)), EngineObservations())
        if one.code == "host-port-differs-by-family"
    ]
    assert found.message.startswith("tcp port 80 of web is published at 32769 for IPv4 and 32768 for IPv6.")


FORWARD = FirewallChain("filter", "FORWARD", "DROP", ((0, 0, "-A FORWARD -j DOCKER-USER"),))


def mixed(*other, chains=(FORWARD,)):
    rules = FirewallRules(chains=chains, ipv6_chains=(), native_rules="", other_chains=other)
    found = diagnose(Snapshot((NETWORK,), (WEB,)), EngineObservations(Observations(firewall=rules)))
    return [one for one in found if one.code == "firewall-backends-mixed"]


def legacy(name, *rules, policy="ACCEPT", table="filter"):
    return "iptables-legacy", FirewallChain(table, name, policy, tuple((0, 0, f"-A {name} {rule}") for rule in rules))


def test_rules_of_the_other_variant_are_moved_so_that_they_do_the_same():
    assert mixed() == mixed(legacy("INPUT")) == []
    assert mixed(legacy("INPUT", "-j DROP"), chains=()) == []
    (found,) = mixed(
        legacy("INPUT", "-p tcp -j ACCEPT", "-j block", policy="DROP"),
        legacy("block", "-s 10.0.0.0/8 -j DROP", policy=None),
        legacy("FORWARD", "-j DOCKER"),
        legacy("DOCKER", "-j RETURN", policy=None),
    )
    assert found.remedy.commands == (
        "iptables -t filter -N iptables-from-INPUT",
        "iptables -t filter -N block",
        "iptables -t filter -A iptables-from-INPUT -p tcp -j RETURN",
        "iptables -t filter -A iptables-from-INPUT -j block",
        "iptables -t filter -A iptables-from-INPUT -j DROP",
        "iptables -t filter -I INPUT -j iptables-from-INPUT",
        "iptables -t filter -A block -s 10.0.0.0/8 -j DROP",
        "iptables-legacy -t filter -P INPUT ACCEPT",
        "iptables-legacy -t filter -F",
        "iptables-legacy -t filter -X",
    )
    assert "Docker's rules of an earlier run are among them" in found.message


@pytest.mark.parametrize(
    "chains",
    [
        [legacy("POSTROUTING", "-j MASQUERADE", table="nat")],
        [legacy("INPUT", "-j own"), legacy("own", "-j ACCEPT", policy=None)],
        [legacy("INPUT", *(f"-s 10.0.0.{n} -j DROP" for n in range(100)))],
    ],
)
def test_rules_that_would_do_something_else_are_moved_by_hand(chains):
    (found,) = mixed(*chains)
    assert found.remedy.commands == ()
    assert "by hand" in found.remedy.summary
