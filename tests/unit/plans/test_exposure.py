"""The rows of the exposure that open or close by a change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.analysis.exposure.questions import OriginKind
from bridgework.model.checks import Verdict
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, Snapshot
from bridgework.plans import exposure
from bridgework.plans.difference import World
from bridgework.plans.effort import Effort
from bridgework.plans.exposure import SeenWorld, changed_exposure
from tests.support.routed import policy_rule, routing, setting, table_route
from tests.unit.diagnosis.test_exposure import BRIDGE, LINKS, PORTS, engine, link

WEB = "w" * 64
POSTGRES = [("tcp", "0.0.0.0", 5432)]


def seen(snapshot, observations):
    return SeenWorld(World(snapshot, observations), observations.host)


def rows(before, after, affected=(WEB,), effort=None):
    changed = changed_exposure(seen(*before), seen(*after), frozenset(affected), effort or Effort())
    return {
        (row.question.origin.name, row.question.address, row.question.port): (row.before, row.after, row.reason)
        for row in changed.rows
    }


def test_a_port_that_is_published_opens_at_the_host_and_closes_when_it_goes():
    without, published = engine(ports=()), engine(ports=PORTS[:1])
    places = [("eth0", "192.0.2.1"), ("tun0", "10.8.0.1"), ("host", "127.0.0.1"), ("front", "172.18.0.1")]
    for states, expected in (
        ((without, published), (None, Verdict.REACHABLE, None)),
        ((published, without), (Verdict.REACHABLE, None, None)),
    ):
        at_host = {key: found for key, found in rows(*states).items() if key[2] == 18080}
        assert at_host == {(*place, 18080): expected for place in places}


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (("DROP", "ACCEPT"), (Verdict.UNREACHABLE, Verdict.REACHABLE, None)),
        (("ACCEPT", "DROP"), (Verdict.REACHABLE, Verdict.UNREACHABLE, "firewall-rule")),
    ],
)
def test_a_policy_opens_or_closes_an_unpublished_port_for_neighbours_alone(forward, expected):
    before, after = (engine(ports=(), listening=POSTGRES, forward=policy) for policy in forward)
    assert rows(before, after) == {(name, "172.18.0.2", 5432): expected for name in ("eth0", "tun0")}


def test_rows_of_containers_that_the_change_does_not_affect_are_not_compared():
    before, after = (engine(ports=(), listening=POSTGRES, forward=policy) for policy in ("DROP", "ACCEPT"))
    effort = Effort()
    assert rows(before, after, (), effort) == {}
    assert effort.predictions == 0


def test_a_row_whose_verdict_stays_is_not_told():
    assert rows(engine(listening=POSTGRES), engine(listening=POSTGRES)) == {}


def test_too_many_rows_are_compared_without_those_from_networks(monkeypatch):
    monkeypatch.setattr(exposure, "MOST_ROWS", 1)
    changed = changed_exposure(seen(*engine(ports=())), seen(*engine(ports=PORTS[:1])), frozenset({WEB}), Effort())
    assert not changed.is_whole
    assert {row.question.origin.kind for row in changed.rows} == {OriginKind.LAN, OriginKind.HOST}


def with_containers(state, *others):
    """The same engine with containers that are as web is, at other addresses, which no rule names."""
    snapshot, observations = state
    (web,) = snapshot.containers
    alike = tuple(
        replace(
            web,
            id=own,
            name=own[:1],
            endpoints=(replace(web.endpoints[0], container_id=own, ipv4_address=address, ipv6_address=None),),
        )
        for own, address in others
    )
    inside = {**observations.inside, **{own: observations.inside[web.id] for own, _ in others}}
    return Snapshot(snapshot.networks, (web, *alike)), replace(observations, inside=inside)


def test_containers_that_no_rule_tells_apart_are_judged_once():
    one, two = "o" * 64, "t" * 64
    states = [
        with_containers(engine(ports=(), listening=POSTGRES, forward=policy), (one, "172.18.0.7"), (two, "172.18.0.8"))
        for policy in ("DROP", "ACCEPT")
    ]
    alone, both = Effort(), Effort()
    assert len(rows(*states, (one,), alone)) == 2
    assert len(rows(*states, (one, two), both)) == 4
    assert (both.pairs, both.predictions) == (2 * alone.pairs, alone.predictions)


def test_a_container_that_is_made_again_counts_as_the_same_one():
    before = engine(ports=PORTS[:1])
    snapshot, observations = before
    (web,) = snapshot.containers
    new = "n" * 64
    endpoints = tuple(replace(endpoint, container_id=new) for endpoint in web.endpoints)
    seen_again = replace(observations, inside={new: observations.inside[web.id]})
    again = Snapshot(snapshot.networks, (replace(web, id=new, endpoints=endpoints),)), seen_again
    assert rows(before, again, (web.id, new)) == {}


def test_a_network_that_comes_asks_for_the_ports_of_containers_that_are_not_affected():
    before = engine(ports=PORTS[:1])
    (web,), (front,) = before[0].containers, before[0].networks
    back = Network("b" * 64, "back", pools=(Pool("172.19.0.0/16", "172.19.0.1"),))
    endpoint = Endpoint(back.id, back.name, "c" * 64, "client", ipv4_address="172.19.0.2")
    client = Container("c" * 64, "client", endpoints=(endpoint,))
    links = (*LINKS, link(6, back.bridge_name, "172.19.0.1/16", kind="bridge"))
    host = replace(before[1].host, observation=replace(before[1].host.observation, interfaces=links))
    after = Snapshot((front, back), (web, client)), replace(before[1], host=host)
    assert rows(before, after, ()) == {
        ("back", "172.19.0.1", 18080): (None, Verdict.REACHABLE, None),
        ("back", "172.18.0.2", 8080): (None, Verdict.REACHABLE, None),
    }


def test_a_port_that_the_hosts_policy_rules_keep_from_a_place_does_not_open():
    # Programs such as VPN clients write these. A check asks the kernel; a plan knows what was read of it.
    rules = (policy_rule(90, destination="172.18.0.2/32", incoming="eth0"),)
    routes = (table_route("172.18.0.0/16", BRIDGE), table_route("0.0.0.0/0", "eth0"))
    settings = [setting(name) for name in ("all", "default", "eth0", "tun0", BRIDGE)]
    opened = {}
    for own in ((), rules):
        states = []
        for ports in ((), PORTS[:1]):
            snapshot, observations = engine(ports=ports)
            seen_host = replace(observations.host.observation, routing=routing(routes, own, settings))
            host = replace(observations.host, observation=seen_host)
            states.append((snapshot, replace(observations, host=host)))
        opened[own] = {key[0]: row[1:] for key, row in rows(*states).items() if key[2] == 18080}
    assert opened[()]["eth0"] == (Verdict.REACHABLE, None)
    assert "eth0" not in opened[rules]
    assert opened[rules]["tun0"] == opened[()]["tun0"] == (Verdict.REACHABLE, None)
