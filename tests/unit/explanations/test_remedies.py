"""Remedies are calls that this API takes, exact and minimal."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bridgework.diagnosis.container_findings import findings_for
from bridgework.explanations import remedies
from bridgework.model.checks import AddressDestination, ContainerDestination, HostDestination, NameDestination, Question
from bridgework.model.snapshot import Network
from tests.support import random_worlds as worlds
from tests.support.proves import NOT_RUN, provoked
from tests.support.worlds import BUILTIN, HOST_NETWORK, NONE, calls_of, container, identity, network, predict, world

REFERENCE = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
ROUTES = {
    "POST": rf"/v1/networks|/v1/containers/{REFERENCE}/(start|stop|restart)",
    "PUT": rf"/v1/networks/{REFERENCE}/endpoints/{REFERENCE}",
    "DELETE": rf"/v1/networks/{REFERENCE}/endpoints/{REFERENCE}\?force=true",
}
CONNECT_FIELDS = {"aliases", "ipv4_address", "ipv6_address", "gateway_priority"}


def assert_sendable(call):
    assert re.fullmatch(ROUTES[call.method], call.path), call
    if call.method == "PUT":
        assert set(call.body) <= CONNECT_FIELDS
    elif call.path == "/v1/networks":
        assert set(call.body) in ({"name"}, {"name", "ipv6_enabled", "ipam"})
    else:
        assert call.body is None


@settings(deadline=None)
@given(worlds.engines(), st.data())
def test_every_remedy_is_made_of_calls_that_the_api_takes(snapshot, data):
    observations = data.draw(worlds.evidences(snapshot))
    ids = [c.id for c in snapshot.containers]
    destinations = [
        HostDestination(),
        AddressDestination("10.0.0.99"),
        *(NameDestination(c.name) for c in snapshot.containers),
    ]
    destinations += [ContainerDestination(i) for i in ids]
    findings = [
        f
        for i in [None, *ids]
        for destination in destinations
        for f in predict(snapshot, Question(i, destination), observations).findings
    ]
    findings += [f for c in snapshot.containers for f in findings_for(snapshot, c, observations)]
    taken = {n.name for n in snapshot.networks}
    for found in findings:
        made = [
            call.body["name"]
            for call in (calls_of(found.remedy) if found.remedy else ())
            if call.path == "/v1/networks"
        ]
        assert not taken & set(made)
        for call in calls_of(found.remedy) if found.remedy else ():
            assert_sendable(call)
            assert {found.code} <= provoked("remedied").keys() | NOT_RUN.keys(), found


def test_a_new_network_connects_each_container_once_and_nobody_else():
    one, two = container("a"), container("b")
    remedy = remedies.share_network(world(one, two), (one, two, one))
    assert [call.path for call in calls_of(remedy)] == [
        "/v1/networks",
        "/v1/networks/a-b/endpoints/a",
        "/v1/networks/a-b/endpoints/b",
    ]


def test_a_container_that_cannot_be_connected_has_to_be_made_again():
    host = container("a", (HOST_NETWORK, None), network_mode="host")
    sharer = container("b", shares_with=identity("x"))
    remedy = remedies.share_network(world(*BUILTIN, host, sharer), (host, sharer))
    assert (calls_of(remedy), "Create a, b again" in remedy.summary) == ((), True)
    assert calls_of(remedies.way_out(world(*BUILTIN, host), host)) == ()


def test_the_new_default_route_is_the_one_that_the_engine_takes():
    early, late = network("early"), network("zone")
    priority = {"gateway_priority": 3}
    for wrong, release, expected in (
        (early, (28, 0), {"gateway_priority": 4}),
        (late, (27, 5), {}),
        (early, (27, 5), None),
    ):
        one = container("one", (wrong, "10.1.0.2", priority))
        remedy = remedies.way_out_beside(world(wrong, one), one, wrong, release)
        assert [call.body for call in calls_of(remedy)[1:]] == ([] if expected is None else [expected])
    assert "without early" in remedy.summary
    host = container("a", (HOST_NETWORK, None), network_mode="host")
    assert calls_of(remedies.way_out_beside(world(*BUILTIN, host), host, late, (28, 0))) == ()


def test_a_container_leaves_none_only_where_it_is_on_none():
    one = container("a", (NONE, None), network_mode="none")
    assert "DELETE" in [call.method for call in calls_of(remedies.share_network(world(*BUILTIN, one), (one,)))]
    assert "DELETE" not in [call.method for call in calls_of(remedies.share_network(world(one), (one,)))]
    moved = container("b", (network("n"), "10.1.0.2"), network_mode="none")
    assert "DELETE" not in [call.method for call in calls_of(remedies.share_network(world(*BUILTIN, moved), (moved,)))]


def test_odd_and_double_names_are_replaced_by_ids():
    odd = replace(container("a"), name="a/../b")
    assert remedies.container_reference(odd) == odd.id
    one, two = Network("1" * 64, "twin"), Network("2" * 64, "twin")
    assert remedies.network_reference(world(one, two), one) == one.id
    assert remedies.network_reference(world(one), one) == "twin"
    assert remedies.new_name(world(), (replace(odd, name="//"),)) == odd.id[:12]
    assert remedies.new_name(world(), ()) == "network"


def test_a_long_name_is_cut():
    assert len(remedies.new_name(world(), (container("a" * 80), container("b")))) == 48


def test_an_endpoint_is_made_anew_with_the_settings_it_has():
    net = network("n")
    one = container("a", (net, "10.1.0.2", {"aliases": ["x"], "configured_ipv4": "10.1.0.2", "gateway_priority": 3}))
    remedy = remedies.reconnect(world(net, one), net, one, one.endpoints[0])
    assert calls_of(remedy)[-1].body == {"aliases": ["x"], "ipv4_address": "10.1.0.2", "gateway_priority": 3}


def test_a_stopped_one_is_started_and_a_paused_one_unpaused():
    for state, word in (("exited", "Start a."), ("paused", "Unpause a.")):
        remedy = remedies.start_it(container("a", state=state))
        assert (remedy.summary, calls_of(remedy)[0].path) == (word, "/v1/containers/a/start")


def test_a_network_with_ipv6_takes_a_subnet_that_no_other_has():
    one, two = container("a"), container("b")
    taken = network("six", "10.1.0.0/24", subnet6="fd00::/64")
    remedy = remedies.share_network(world(taken, one, two), (one, two), ipv6=True)
    assert calls_of(remedy)[0].body == {
        "name": "a-b",
        "ipv6_enabled": True,
        "ipam": {"pools": [{"subnet": "fd00:0:0:1::/64"}]},
    }
