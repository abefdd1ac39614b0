"""All pairs by classes: as few predictions as there are kinds of meetings."""

from __future__ import annotations

import pytest

from bridgework.analysis.all_pairs.all_pairs import VERDICTS, predict_matrix
from bridgework.analysis.case import Case
from bridgework.model.checks import NameDestination, Protocol, Verdict
from bridgework.model.observations import Observation, Route
from tests.support.worlds import ask, codes, container, listening, network, seen, world

NETS = [network(f"n{i}", f"10.{i}.0.0/24") for i in range(30)]
MANY = [container(f"c{i}-{j}", (net, f"10.{i}.0.{j + 2}")) for i, net in enumerate(NETS) for j in range(4)]
SNAPSHOT = world(*NETS, *MANY)
IDS = [one.id for one in MANY]


@pytest.fixture
def predicted(monkeypatch):
    """The pairs that were really predicted."""
    made = []

    real = Case.predict

    def counted(case):
        made.append(case.question)
        return real(case)

    monkeypatch.setattr(Case, "predict", counted)
    return made


def test_a_matrix_of_alike_networks_takes_three_predictions(predicted):
    matrix = predict_matrix(SNAPSHOT, IDS)
    rows = list(matrix.rows())
    assert len(predicted) == 3  # to itself, on the same network, on another
    assert [row.count(VERDICTS.index(Verdict.REACHABLE)) for row in rows] == [4] * 120
    assert matrix.verdict(0, 3) is Verdict.REACHABLE
    assert matrix.verdict(0, 4) is Verdict.UNREACHABLE
    assert codes(matrix.prediction(0, 4)) == ["no-shared-network"]


def test_by_name_each_pair_is_asked_for_the_name():
    matrix = predict_matrix(SNAPSHOT, IDS, by="name")
    assert matrix.question(0, 5).destination == NameDestination(MANY[5].name)
    assert matrix.verdict(0, 1) is Verdict.REACHABLE
    assert codes(matrix.prediction(0, 5)) == ["name-not-on-shared-network"]
    assert predict_matrix(world(), ["gone"], by="name").verdict(0, 0) is Verdict.UNREACHABLE


def test_listeners_divide_what_is_otherwise_alike():
    observations = seen(
        [(MANY[1], listening("0.0.0.0:80")), (MANY[2], listening("10.0.0.4:80")), (MANY[3], listening("127.0.0.1:80"))]
    )
    matrix = predict_matrix(SNAPSHOT, IDS, Protocol.TCP, 80, observations=observations)
    assert [VERDICTS[code] for code in matrix.row(0)[:5]] == [
        Verdict.INCONCLUSIVE,
        Verdict.REACHABLE,
        Verdict.REACHABLE,
        Verdict.UNREACHABLE,
        Verdict.UNREACHABLE,
    ]


def test_a_listener_at_the_first_own_address_is_not_one_at_an_address_of_nobody():
    for where, verdict in (("10.0.0.3:80", Verdict.REACHABLE), ("10.9.9.9:80", Verdict.UNREACHABLE)):
        observations = seen([(MANY[1], listening(where)), (MANY[2], listening("10.9.9.9:80"))])
        matrix = predict_matrix(SNAPSHOT, IDS, Protocol.TCP, 80, observations=observations)
        assert [VERDICTS[code] for code in matrix.row(0)[1:3]] == [verdict, Verdict.UNREACHABLE]


def test_networks_that_overlap_stay_themselves():
    wide, narrow = network("wide", "10.0.0.0/16"), network("narrow", "10.0.1.0/24", driver="macvlan")
    one, two = container("a", (wide, "10.0.0.2")), container("b", (narrow, "10.0.1.3"))
    twin = container("c", (network("d"), "10.1.0.2"))
    matrix = predict_matrix(world(wide, narrow, one, two), [one.id, two.id, twin.id])
    for i in range(3):
        for j in range(3):
            assert VERDICTS[matrix.row(i)[j]] is matrix.prediction(i, j).verdict


def test_a_container_that_was_looked_into_is_like_no_other(predicted):
    routes = (Route("0.0.0.0/0", "ipv4", None, None, None, "global", "static"),)
    observations = seen([(MANY[0], Observation(1, routes=routes))])
    matrix = predict_matrix(SNAPSHOT, IDS, observations=observations)
    list(matrix.rows())
    assert len(predicted) > 3


def test_more_classes_than_a_byte_holds_are_spread_as_well():
    own = [container(f"x{i}") for i in range(258)]
    looked_into = seen([(one, Observation(1, routes=())) for one in own])
    matrix = predict_matrix(world(*own), [one.id for one in own], observations=looked_into)
    assert [matrix.row(7)[j] for j in (7, 8, 257)] == [VERDICTS.index(matrix.verdict(7, j)) for j in (7, 8, 257)]


def test_questions_of_a_matrix_are_those_of_single_checks():
    assert predict_matrix(SNAPSHOT, IDS).question(0, 1) == ask(MANY[0], MANY[1])


def test_a_name_that_others_use_too_is_asked_once_for_each_group_of_sources():
    own = container("db", (NETS[0], "10.0.0.2"))
    other = container("pg", (NETS[1], "10.1.0.2", {"aliases": ["db"]}))
    reader = container("reader", (NETS[1], "10.1.0.3"))
    hosts = container("hosts", (NETS[2], "10.2.0.3"), extra_hosts={"db": "10.2.0.3"})
    matrix = predict_matrix(
        world(*NETS[:3], own, other, reader, hosts), [c.id for c in (own, other, reader, hosts)], by="name"
    )
    for i in range(4):
        for j in range(4):
            assert VERDICTS[matrix.row(i)[j]] is matrix.verdict(i, j) is matrix.prediction(i, j).verdict


def test_the_host_is_asked_for_each_group_where_a_port_is_open_at_one_of_its_addresses():
    agent = container("agent", network_mode="host")
    observations = seen([(agent, listening("10.0.0.1:80"))])
    matrix = predict_matrix(
        world(*NETS, *MANY, agent), [MANY[0].id, MANY[5].id, agent.id], Protocol.TCP, 80, observations=observations
    )
    assert [VERDICTS[matrix.row(i)[2]] for i in range(2)] == [Verdict.REACHABLE, Verdict.UNREACHABLE]
    by_host = seen(host=listening("10.1.0.1:80"))
    assert predict_matrix(world(*NETS, *MANY, agent), [MANY[5].id, agent.id], Protocol.TCP, 80, observations=by_host)


def test_a_default_port_is_the_protocols():
    observations = seen([(MANY[1], listening("0.0.0.0:80")), (MANY[2], listening("0.0.0.0:81"))])
    matrix = predict_matrix(SNAPSHOT, IDS, Protocol.HTTP, observations=observations)
    assert [VERDICTS[code] for code in matrix.row(0)[1:3]] == [Verdict.REACHABLE, Verdict.UNREACHABLE]
