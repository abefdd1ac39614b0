"""What holds of the prediction whatever the engine looks like."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridgework.analysis.address_choice import Reach
from bridgework.analysis.all_pairs.all_pairs import VERDICTS, predict_matrix
from bridgework.analysis.attachment import THE_HOST, EngineState
from bridgework.analysis.candidate_addresses import candidate_addresses
from bridgework.analysis.case import Case
from bridgework.diagnosis.container_findings import findings_for
from bridgework.explanations import CATALOGUE
from bridgework.model.checks import (
    ContainerDestination,
    HopStatus,
    HostDestination,
    Measurement,
    ProbeRequest,
    Protocol,
    Question,
    Reason,
    Verdict,
)
from bridgework.model.observations import Observations
from bridgework.model.snapshot import Snapshot
from tests.support import random_worlds as worlds
from tests.support.worlds import codes, container, network, predict, rules_of_engine, seen

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
GUARDED = Observations(ipv6_firewall=True)
# What the engine's API does not show, and its rules depend on.
HIDDEN = ("(allow-direct-routing)", "(ip-forward)")
UNGUARDED = Observations(ipv6_firewall=False)


def pings(snapshot):
    """Every question of one container about another."""
    ids = [c.id for c in snapshot.containers]
    return [Question(a, ContainerDestination(b)) for a in ids for b in ids]


@RELAXED
@given(worlds.engines(states=("running", "exited")), st.sampled_from([GUARDED, UNGUARDED]))
def test_pings_between_containers_are_symmetric_where_both_run(snapshot, observations):
    for question in pings(snapshot):
        back = Question(question.destination.container, ContainerDestination(question.source_id))
        assert predict(snapshot, question, observations).verdict is predict(snapshot, back, observations).verdict


@RELAXED
@given(worlds.engines(states=("running",)), st.data())
def test_connecting_never_takes_reachability_away_from_those_who_share_a_network(snapshot, data):
    new = network("zz-new", "10.99.0.0/24", internal=data.draw(st.booleans()))
    movers = [c.id for c in snapshot.containers if c.endpoints and not c.host_mode and not c.none_mode]
    moved = data.draw(st.sets(st.sampled_from(movers), max_size=3)) if movers else set()
    wider = Snapshot(
        (*snapshot.networks, new),
        tuple(
            replace(c, endpoints=(*c.endpoints, *_on(new, c, number).endpoints)) if c.id in moved else c
            for number, c in enumerate(snapshot.containers)
        ),
    )
    networks_of = {c.id: {e.network_id for e in c.endpoints} for c in snapshot.containers}
    for question in pings(snapshot):
        common = networks_of[question.source_id] & networks_of[question.destination.container]
        if common and predict(snapshot, question, GUARDED).verdict is Verdict.REACHABLE:
            assert predict(wider, question, GUARDED).verdict is Verdict.REACHABLE


def _on(place, one, number):
    moved = container(one.name, (place, f"10.99.0.{number + 2}"))
    return replace(moved, endpoints=tuple(replace(e, container_id=one.id) for e in moved.endpoints))


@RELAXED
@given(worlds.engines(), st.data())
def test_the_order_in_which_the_engine_lists_things_decides_nothing(snapshot, data):
    observations = data.draw(worlds.evidences(snapshot))
    other = data.draw(worlds.shuffled(snapshot))
    for question in data.draw(st.lists(worlds.questions_of(snapshot), max_size=20)):
        assert predict(snapshot, question, observations) == predict(other, question, observations)
    for one in snapshot.containers:
        assert findings_for(snapshot, one, observations) == findings_for(
            other, other.containers_by_id[one.id], observations
        )


@RELAXED
@given(worlds.odd_snapshots, worlds.odd_questions, worlds.odd_evidence)
def test_there_is_an_answer_for_every_input(snapshot, question, observations):
    prediction = predict(snapshot, question, observations)
    assert all(found.code in CATALOGUE for found in prediction.findings)
    for reason in (None, *Reason):
        for verdict in Verdict:
            measured = Measurement(verdict, reason=reason)
            result = Case.of(snapshot, question, observations).weigh(measured)
            assert all(found.code in CATALOGUE for found in result.findings)


@RELAXED
@given(worlds.odd_snapshots, worlds.odd_evidence)
def test_there_are_findings_for_every_container_of_every_input(snapshot, observations):
    for one in snapshot.containers:
        assert all(found.code in CATALOGUE for found in findings_for(snapshot, one, observations))


@RELAXED
@given(worlds.engines(), st.data())
def test_the_matrix_by_classes_says_what_each_pair_by_itself_says(snapshot, data):
    observations = data.draw(worlds.evidences(snapshot))
    protocol, port = data.draw(
        st.sampled_from([(Protocol.ICMP, None), (Protocol.TCP, worlds.PORT), (Protocol.TCP, 9000)])
    )
    by = data.draw(st.sampled_from(["address", "name"]))
    ids = [c.id for c in snapshot.containers]
    matrix = predict_matrix(snapshot, ids, protocol, port, by, observations)
    rows = list(matrix.rows())
    for i in range(len(ids)):
        for j in range(len(ids)):
            alone = matrix.prediction(i, j).verdict
            assert (matrix.verdict(i, j), VERDICTS[rows[i][j]]) == (alone, alone)


@RELAXED
@given(worlds.odd_snapshots, worlds.odd_questions, worlds.odd_evidence)
def test_a_path_ends_where_the_packet_stops_and_nowhere_else_in_every_input(snapshot, question, observations):
    ends_where_it_stops(predict(snapshot, question, observations))


@RELAXED
@given(worlds.engines(modes=True), st.data())
def test_a_path_ends_where_the_packet_stops_and_nowhere_else(snapshot, data):
    observations = data.draw(worlds.evidences(snapshot))
    for question in data.draw(st.lists(worlds.questions_of(snapshot), max_size=20)):
        ends_where_it_stops(predict(snapshot, question, observations))


def ends_where_it_stops(prediction):
    """A stopped hop is the last one and means unreachable; where the packet is reachable, it passes every hop."""
    statuses = [hop.status for hop in prediction.path]
    assert (HopStatus.STOPPED in statuses) is (prediction.verdict is Verdict.UNREACHABLE)
    assert HopStatus.STOPPED not in statuses[:-1]
    passed = statuses.count(HopStatus.PASSED)
    assert statuses[:passed] == [HopStatus.PASSED] * passed
    assert (passed == len(statuses)) is (prediction.verdict is Verdict.REACHABLE)


@RELAXED
@given(worlds.engines(modes=True), st.data())
def test_a_matrix_and_a_check_try_the_same_address_and_predict_the_same(snapshot, data):
    observations = data.draw(worlds.evidences(snapshot))
    ids = [c.id for c in snapshot.containers]
    state = EngineState(snapshot, observations)
    matrix, reach = predict_matrix(snapshot, ids, observations=observations), Reach(state, (4, 6))
    stood = [state.attachment_of(one) for one in ids]
    for i, source in enumerate(stood):
        for j, destination in enumerate(stood):
            asked = matrix.question(i, j)
            candidates = candidate_addresses(state, source, asked).candidates
            assert reach.addresses_of(source, destination) == tuple(candidate.address for candidate in candidates)
            assert matrix.verdict(i, j) is predict(snapshot, asked, observations).verdict


@RELAXED
@given(worlds.engines(modes=True))
def test_a_row_has_the_address_of_each_pair(snapshot):
    state = EngineState(snapshot, Observations())
    attachments = [THE_HOST, *(state.attachment_of(one.id) for one in snapshot.containers)]
    reach = Reach(state, (4, 6))
    pairs = [[reach.address_of(source, destination) for destination in attachments] for source in attachments]
    assert list(Reach(state, (4, 6)).rows(attachments)) == pairs


@RELAXED
@given(worlds.odd_snapshots, worlds.odd_evidence, st.sampled_from(list(Protocol)), st.sampled_from(["address", "name"]))
def test_there_is_a_matrix_for_every_input(snapshot, observations, protocol, by):
    ids = [c.id for c in snapshot.containers]
    matrix = predict_matrix(snapshot, ids, protocol, 1, by, observations)
    assert all(len(row) == len(ids) for row in matrix.rows())


@RELAXED
@given(worlds.engines(states=("running",)), st.sampled_from([(26, 1), (28, 5), (29, 7)]), st.booleans())
def test_unread_rules_give_the_prediction_of_the_rules_that_the_engine_writes(snapshot, release, proxy):
    facts = {"engine_version": release, "userland_proxy": proxy, "ipv4_firewall": True, "ipv6_firewall": True}
    unread, read = seen(**facts), seen(**facts, firewall=rules_of_engine(snapshot, **facts))
    probes = [ProbeRequest(Protocol.ICMP), *(ProbeRequest(Protocol.TCP, port=port) for port in (worlds.PORT, 9001))]
    ends = [ContainerDestination(c.id) for c in snapshot.containers] + [HostDestination()]
    sources = [None, *(c.id for c in snapshot.containers)]
    for question in (Question(a, b, probe) for a in sources for b in ends for probe in probes):
        blind, sighted = predict(snapshot, question, unread), predict(snapshot, question, read)
        # Only a rule whose presence the API does not show leaves something open, and it is named.
        if any(setting in f.message for f in blind.findings for setting in HIDDEN):
            assert blind.verdict in {sighted.verdict, Verdict.INCONCLUSIVE}
        else:
            assert (blind.verdict, codes(blind)) == (sighted.verdict, codes(sighted))
