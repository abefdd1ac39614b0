"""The difference by groups equals the difference of every pair predicted alone."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.case import Case
from bridgework.model.checks import ContainerDestination, HostDestination, ProbeRequest, Protocol, Question, Verdict
from bridgework.model.create_specs import ContainerSpec, EndpointSpec
from bridgework.model.observations import NOTHING_SEEN, FirewallChain, HostObservation, ListeningSocket, Observation
from bridgework.model.snapshot import PublishedPort, Snapshot
from bridgework.plans import changes
from bridgework.plans.difference import World, difference, made_again
from bridgework.plans.effort import Effort
from bridgework.plans.reachability import (
    MAX_CLASSES,
    PING,
    Pair,
    Reachability,
    Service,
    host_services,
    services_of,
    with_assumed_listeners,
)
from tests.support.random_worlds import engines, evidences
from tests.support.worlds import container, identity, listening, network, published, rules_of_engine, seen, world

HOST_PLACE = ""


def alone(worlds):
    """Every pair of either world, each predicted by itself: those whose verdict differs."""
    states = [EngineState(one.snapshot, one.observations) for one in worlds]
    ids = sorted({c.id for one in worlds for c in one.snapshot.containers})
    places = [HOST_PLACE, *ids]
    found = {}
    for source in places:
        for to in places:
            for service in services(worlds, to):
                if source == to and to:
                    continue
                aim = ContainerDestination(to) if to else HostDestination()
                question = Question(source or None, aim, service.probe)
                verdicts = tuple(Case.within(state, question).predict().verdict for state in states)
                if verdicts[0] is not verdicts[1]:
                    found[source, to, service] = verdicts
    return found


def addresses_alone(worlds, pair):
    """The addresses of a pair with their predictions in both worlds, each world predicted by itself."""
    aim = ContainerDestination(pair.destination) if pair.destination else HostDestination()
    question = Question(pair.source or None, aim, pair.service.probe)
    before, after = (
        {one.address: one.predicted for one in Case.within(state, question).predict().addresses}
        for state in (EngineState(one.snapshot, one.observations) for one in worlds)
    )
    return [(address, before.get(address), after.get(address)) for address in {**before, **after}]


def reasons_fit(pair):
    """Whether an inconclusive verdict has a reason, and only that."""
    return bool(pair.reason) == (Verdict.INCONCLUSIVE in {pair.before, pair.after})


def services(worlds, to):
    if not to:
        return {service for one in worlds for c in one.snapshot.containers for service in host_services(c)}
    found = [(one, one.snapshot.containers_by_id.get(to)) for one in worlds]
    return {PING, *(s for one, c in found if c is not None for s in services_of(one.snapshot, c, one.observations))}


@st.composite
def steps(draw, snapshot):
    """The snapshot after a few changes, as the engine would make them, and the containers that were started."""
    renewed = set()
    for order in range(draw(st.integers(1, 3))):
        one = draw(st.sampled_from(snapshot.containers)) if snapshot.containers else None
        kind = draw(st.sampled_from(["connect", "disconnect", "start", "stop", "delete", "create"]))
        networks = [n for n in snapshot.networks if n.driver not in {"null", "host"}]
        if kind == "create":
            spec = ContainerSpec(
                name=f"new{order}",
                image="busybox",
                network_mode=draw(st.sampled_from(networks)).name,
                published_ports=(PublishedPort(8080, "tcp", "", 9100 + order),),
            )
            snapshot = changes.started(
                changes.with_container(snapshot, spec), changes.planned_id("container", spec.name), order
            )
            renewed.add(changes.planned_id("container", spec.name))
        elif one is None:
            continue
        elif kind == "delete":
            snapshot = changes.without_container(snapshot, one.id)
        elif kind == "stop" and one.running:
            snapshot = changes.stopped(snapshot, one.id)
        elif kind == "start" and not one.running:
            snapshot = changes.started(snapshot, one.id, order)
            renewed.add(one.id)
        elif kind == "connect" and not one.shares_with and not one.host_mode:
            snapshot = changes.with_endpoint(snapshot, draw(st.sampled_from(networks)).id, one.id, EndpointSpec())
        elif kind == "disconnect" and one.endpoints and not one.host_mode:
            snapshot = changes.without_endpoint(snapshot, draw(st.sampled_from(one.endpoints)).network_id, one.id)
    return snapshot, frozenset(renewed) & snapshot.containers_by_id.keys()


@st.composite
def plans(draw):
    snapshot = draw(engines(modes=True))
    observations = draw(evidences(snapshot))
    on_host = [observations.inside[c.id] for c in snapshot.containers if c.host_mode and c.id in observations.inside]
    # As make_plan does: the host is looked at by itself, so it stays known when a container in host mode stops.
    observations = replace(observations, host=HostObservation(on_host[0]) if on_host else None)
    later, renewed = draw(steps(snapshot))
    running = {c.id for c in later.containers if c.running}
    after = with_assumed_listeners(later, observations, renewed)
    after = replace(
        after,
        inside={i: seen for i, seen in after.inside.items() if i in running},
        namespace_inodes={i: inode for i, inode in observations.namespace_inodes.items() if i in running - renewed},
    )
    return World(snapshot, observations), World(later, after, renewed)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(plans())
def test_the_groups_say_what_every_pair_says_alone(worlds):
    found = difference(*worlds)
    by_groups = {(p.pair.source, p.pair.destination, p.pair.service): (p.before, p.after) for p in found.pairs}
    assert by_groups == alone(worlds)
    assert len(by_groups) == len(found.pairs)
    for one in found.pairs[:20]:
        assert [(at.address, at.before, at.after) for at in one.addresses] == addresses_alone(worlds, one.pair)
    assert all(map(reasons_fit, found.pairs))


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(plans())
def test_without_forwarding_the_same_classes_hold(worlds):
    snapshot = worlds[0].snapshot
    facts = {"ipv4_firewall": True, "ipv6_firewall": True, "engine_version": (28, 5)}
    rules, observations = rules_of_engine(snapshot, **facts), replace(worlds[0].observations, **facts)
    states = []
    for value in "10":
        switches = (("net.ipv4.ip_forward", value), ("net.ipv6.conf.all.forwarding", value))
        states.append(World(snapshot, replace(observations, firewall=replace(rules, switches=switches))))
    affected = frozenset(snapshot.containers_by_id)
    alone_found = difference(*states, affected=affected)
    known = {}
    difference(states[0], states[0], affected=affected, known=known)
    (first,) = known.values()
    seen_without = states[1].observations
    known[id(snapshot), id(seen_without)] = Reachability(snapshot, seen_without, first.ids, Effort(), first)
    assert difference(*states, affected=affected, known=known) == alone_found


def test_the_ports_of_a_container_in_host_mode_are_not_taken_for_all_of_the_host():
    agent = container("agent", network_mode="host", exposed_ports=("9100/tcp",), state="running")
    front = network("front", "10.0.1.0/24")
    snapshot = world(front, agent, container("x", (front, "10.0.1.2"), ports=[published(9000, 80, "")]))

    def started(observations):
        return with_assumed_listeners(snapshot, observations, {agent.id})

    unseen = started(NOTHING_SEEN)
    assert agent.id not in unseen.inside
    asked = Question(agent.id, HostDestination(), ProbeRequest(Protocol.TCP, port=9000))
    assert Case.of(snapshot, asked, unseen).predict().verdict is not Verdict.UNREACHABLE
    ssh = ListeningSocket("tcp", "ipv4", "0.0.0.0", 22)
    seen = started(replace(NOTHING_SEEN, host=HostObservation(Observation(1, sockets=(ssh,)))))
    assert {socket.port for socket in seen.inside[agent.id].sockets} == {22, 9100}


@pytest.mark.parametrize("joins", [False, True])
def test_a_program_that_starts_in_host_mode_answers_for_the_others_in_host_mode(joins):
    """They share one namespace, so that a port of one is a port of all: the agent itself does not change."""
    front = network("front", "10.0.1.0/24")
    agent = container("agent", network_mode="host", exposed_ports=("9100/tcp",), state="running")
    helper = container("helper", network_mode="host", exposed_ports=("9100/tcp",), state="exited")
    if joins:
        helper = replace(helper, network_mode=f"container:{agent.id}", shares_with=agent.id)
    before = world(front, agent, helper, container("x", (front, "10.0.1.2")))
    after = changes.started(before, helper.id, 1)
    silent = seen([(agent, listening())], host=listening(), ipv4_firewall=True, ipv6_firewall=True)
    started = World(after, with_assumed_listeners(after, silent, {helper.id}), frozenset({helper.id}))
    worlds = World(before, silent), started
    found = difference(*worlds)
    pairs = {(one.pair.source, one.pair.destination, one.pair.service): one for one in found.pairs}
    assert {key: (one.before, one.after) for key, one in pairs.items()} == alone(worlds)
    (to_agent,) = [
        one for one in found.pairs if one.pair.destination == agent.id and one.pair.source == identity("container x")
    ]
    assert (to_agent.pair.service.port, to_agent.before, to_agent.after) == (
        9100,
        Verdict.UNREACHABLE,
        Verdict.REACHABLE,
    )
    # It holds only if the program of the other container listens there.
    assert to_agent.assumed


def test_a_container_that_is_made_again_counts_as_one():
    """Only what differs for its name is a change: here a port of the host, and nothing on its network."""
    front = network("front", "10.0.1.0/24")
    before = Snapshot((front,), (container("web", (front, "10.0.1.2")), container("x", (front, "10.0.1.3"))))
    left = changes.without_container(before, before.containers_by_name["web"][0].id)
    spec = ContainerSpec(name="web", image="busybox", network_mode="front", published_ports=(published(9000, 80, ""),))
    web = changes.planned_id("container", "web")
    after = changes.started(changes.with_container(left, spec), web, 1)
    found = difference(
        World(before, NOTHING_SEEN), World(after, with_assumed_listeners(after, NOTHING_SEEN, {web}), frozenset({web}))
    )
    x = before.containers_by_name["x"][0].id
    assert {one.pair for one in found.pairs if one.pair.service == PING} == set()
    assert {one.pair.destination for one in found.pairs if one.pair.source == x} == {web}
    assert [(one.port.host_ip, one.opens) for one in found.openings] == [("0.0.0.0", True), ("::", True)]
    # Taken back, the same port closes.
    back = difference(World(after, NOTHING_SEEN), World(before, NOTHING_SEEN))
    assert [one.opens for one in back.openings] == [False, False]
    # Made again with the same port, nothing opens or closes.
    again = replace(after.containers_by_id[web], id=identity("again"))
    assert difference(World(after, NOTHING_SEEN), World(world(front, again), NOTHING_SEEN)).openings == ()


def test_an_inconclusive_pair_names_what_makes_it_so():
    """No prediction says that a program listens at a port when the namespace was not looked at."""
    front, back = network("front", "10.0.1.0/24"), network("back", "10.0.2.0/24")
    web, db = container("web", (front, "10.0.1.2")), container("db", (back, "10.0.2.2"), ports=(published(9000, 80),))
    before = world(front, back, web, db)
    after = changes.with_endpoint(before, back.id, web.id, EndpointSpec())
    found = difference(World(before, NOTHING_SEEN), World(after, NOTHING_SEEN)).pairs
    assert all(map(reasons_fit, found))
    ports = [one for one in found if one.pair.source == web.id and one.pair.service != PING]
    assert {(one.after, one.reason) for one in ports} == {(Verdict.INCONCLUSIVE, "analysis-limited")}


def test_only_what_is_deleted_and_made_again_under_its_name_counts_as_one():
    front, back = network("front", "10.0.1.0/24"), network("back", "10.0.2.0/24")
    web, db = container("web", (front, "10.0.1.2")), container("db", (front, "10.0.1.3"))
    new_web, new_front = replace(web, id=identity("new web")), replace(front, id=identity("new front"))
    twin = replace(new_front, id=identity("twin front"))
    before = world(front, back, web, db)
    assert made_again(before, before) == {}
    assert made_again(before, world(new_front, back, new_web, db)) == {web.id: new_web.id, front.id: new_front.id}
    # What is deleted and not made again has no other id.
    assert made_again(before, world(back, db)) == {}
    # Another network of the same name beside the old one is no replacement, and of two none is known to be it.
    assert made_again(before, world(front, new_front, back, web, db)) == {}
    assert made_again(before, world(new_front, twin, back, web, db)) == {}


def test_a_port_of_the_host_that_a_rule_of_another_program_names_is_not_taken_for_one_like_it():
    place = network("net", options={"com.docker.network.bridge.name": "br-net"})
    other = network("other", "10.2.0.0/24", options={"com.docker.network.bridge.name": "br-other"})
    ones = [container(f"c{n}", (place, f"10.1.0.{n + 10}"), ports=[published(20_000 + n)]) for n in range(3)]
    client = container("client", (other, "10.2.0.10"))
    snapshot = world(place, other, *ones, client)
    rules = rules_of_engine(snapshot, engine_version=(28, 5))
    drop = FirewallChain("raw", "PREROUTING", "ACCEPT", ((0, 0, "-A PREROUTING -p tcp -m tcp --dport 20001 -j DROP"),))
    with_drop = replace(
        rules, chains=tuple(drop if c.name == "PREROUTING" and c.table == "raw" else c for c in rules.chains)
    )
    inside = [(one, listening("0.0.0.0:8080")) for one in ones]
    facts = {"engine_version": (28, 5), "ipv4_firewall": True, "ipv6_firewall": True}
    before, after = (World(snapshot, seen(inside, firewall=one, **facts)) for one in (rules, with_drop))
    found = difference(before, after, None, frozenset(snapshot.containers_by_id)).pairs
    assert {(one.pair.source, one.pair.service.port) for one in found} >= {(client.id, 20_001)}
    assert {one.pair.service.port for one in found if not one.pair.destination} == {20_001}


def test_more_ports_than_have_classes_of_their_own_are_answered_as_each_pair_alone():
    front, back = network("front", "10.0.1.0/24"), network("back", "10.0.2.0/24")
    many = tuple(f"{port}/tcp" for port in range(8000, 8000 + MAX_CLASSES + 3))
    web = container("web", (front, "10.0.1.2"), exposed_ports=many)
    others = [container(f"x{n}", (place, f"10.0.{n + 1}.9")) for n, place in enumerate((front, back))]
    snapshot = world(front, back, web, *others)
    some = listening(*(f"0.0.0.0:{port}" for port in range(8000, 8000 + MAX_CLASSES + 3, 2)))
    state = Reachability(snapshot, seen([(web, some)]), [one.id for one in (web, *others)])
    for source in others:
        for service in services_of(snapshot, web, state.state.observations):
            pair = Pair(source.id, web.id, service)
            assert state.verdict(pair) is state.own_prediction(pair).verdict
    # The last ports share the classes that are fine enough for any port.
    last, before_it = (Service(Protocol.TCP, 8000 + MAX_CLASSES + n) for n in (2, 1))
    assert state.classes_of(last) is state.classes_of(before_it)


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (published(9000, 80), [9000]),
        (published(None, 80), []),  # the engine has not chosen it yet
        (published(9000, 80, protocol="sctp"), []),
    ],
)
def test_a_port_of_the_host_is_a_service_once_it_is_known(port, expected):
    assert [one.port for one in host_services(container("web", ports=[port]))] == expected


def test_an_exposed_range_and_other_protocols_are_no_services():
    web = container("web", exposed_ports=("7000-7100/tcp", "53", "9/sctp", "514/udp"))
    ports = [(one.protocol.value, one.port) for one in services_of(world(web), web, NOTHING_SEEN)]
    assert ports == [("icmp", None), ("tcp", 53), ("udp", 514)]
