"""A destination with several addresses: each is predicted, those that differ are measured, and any is enough."""

import pytest

from bridgework.analysis.address_choice import Reach
from bridgework.analysis.all_pairs.all_pairs import predict_matrix
from bridgework.analysis.attachment import EngineState
from bridgework.analysis.case import Case
from bridgework.analysis.predict import any_reachable
from bridgework.model.checks import Measurement, Reason, Severity, Verdict
from bridgework.model.probe_port import SweepOutcome
from bridgework.policy.access import Policy
from bridgework.use_cases.connectivity.matrix_addresses import addresses_of_pair, one_a_column, other_addresses
from tests.support.worlds import ask, codes, container, listening, network, predict, published, seen, world

REACHED, CLOSED, OPEN = Verdict.REACHABLE, Verdict.UNREACHABLE, Verdict.INCONCLUSIVE
MODE = "com.docker.network.bridge.gateway_mode_ipv6"
NINE = network("nine", "10.9.0.0/24", subnet6="fd00:9::/64")
SIX = network("six", "10.6.0.0/24", subnet6="fd00:6::/64")
FOUR = network("four", "10.4.0.0/24")
K9 = container("k9", (NINE, "10.9.0.2", {"ipv6_address": "fd00:9::2"}))
K9B = container("k9b", (NINE, "10.9.0.3", {"ipv6_address": "fd00:9::3"}))
K6 = container("k6", (SIX, "10.6.0.2", {"ipv6_address": "fd00:6::2"}))
K4 = container("k4", (FOUR, "10.4.0.2"))
BOTH = container(
    "both", (SIX, "10.6.0.9", {"ipv6_address": "fd00:6::9"}), (NINE, "10.9.0.9", {"ipv6_address": "fd00:9::9"})
)
WORLD = world(NINE, SIX, FOUR, K9, K9B, K6, K4, BOTH)
OPEN6 = {"ipv6_firewall": False}


def case(source, destination, *protocol, snapshot=WORLD, **facts):
    return Case.of(snapshot, ask(source, destination, *protocol), seen(**{**OPEN6, **facts}))


def tried(found):
    return [(one.address, one.predicted) for one in found.addresses]


def measured(verdict, address, reason=None, **facts):
    return Measurement(verdict, address, attempts=1, reason=reason, **facts)


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        (K9, K9B, [("10.9.0.3", REACHED), ("fd00:9::3", REACHED)]),
        (K9, K6, [("10.6.0.2", CLOSED), ("fd00:6::2", REACHED)]),
        # A source without IPv6 sends nothing to an IPv6 address.
        (K4, K6, [("10.6.0.2", CLOSED)]),
        (K9, K4, [("10.4.0.2", CLOSED)]),
        # The network that both are on comes first.
        (K9, BOTH, [("10.9.0.9", REACHED), ("fd00:9::9", REACHED), ("10.6.0.9", CLOSED), ("fd00:6::9", REACHED)]),
    ],
)
def test_each_address_that_the_source_can_send_to_is_predicted(source, destination, expected):
    found = case(source, destination).predict()
    assert tried(found) == expected
    assert found.verdict is any_reachable(verdict for _, verdict in expected)


def test_an_open_address_is_named_with_the_commands_that_close_it():
    found = case(K9, K6).predict()
    (opened,) = [one for one in found.findings if one.code == "networks-not-isolated"]
    assert (found.verdict, codes(found), opened.severity) == (REACHED, ["networks-not-isolated"], Severity.INFO)
    assert "fd00:6::2 (six)" in opened.message
    assert "ip6tables is off" in opened.message
    one, other = NINE.bridge_name, SIX.bridge_name
    assert opened.remedy.commands == (
        f"ip6tables -I FORWARD -i {one} -o {other} -j DROP",
        f"ip6tables -I FORWARD -i {other} -o {one} -j DROP",
    )
    assert '"experimental": true' in opened.remedy.summary
    newer = case(K9, K6, engine_version=(28, 5)).predict().findings[0]
    assert "experimental" not in newer.remedy.summary
    # Where the engine isolates, there is nothing to tell.
    assert codes(case(K9, K6, ipv6_firewall=True).predict()) == ["no-shared-network"]
    assert codes(case(K9, K9B).predict()) == []


@pytest.mark.parametrize(("nftables", "program"), [(True, "nft"), (False, "iptables")])
def test_a_network_that_its_mode_opens_is_named_too(nftables, program):
    unguarded = network("wide", "10.7.0.0/24", options={MODE.replace("ipv6", "ipv4"): "nat-unprotected"})
    far = container("far", (unguarded, "10.7.0.2"))
    found = predict(world(NINE, unguarded, K9, far), ask(K9, far), seen(engine_version=(29, 0), nftables=nftables))
    (opened,) = found.findings
    assert (found.verdict, opened.code) == (REACHED, "networks-not-isolated")
    assert "gateway mode nat-unprotected" in opened.message
    assert all(command.startswith(program) for command in opened.remedy.commands)
    assert nftables or "DOCKER-USER" in opened.remedy.commands[0]


def test_only_an_address_that_may_turn_out_otherwise_is_measured_as_well():
    pair = case(K9, K9B)
    assert pair.others_to_measure(measured(REACHED, "10.9.0.3")) == ()
    # The first is lost against its prediction, so the other one is tried, as a program does.
    assert [c.address for c in pair.others_to_measure(measured(CLOSED, "10.9.0.3", Reason.TIMED_OUT))] == ["fd00:9::3"]
    apart = case(K9, K6)
    assert [c.address for c in apart.others_to_measure(measured(CLOSED, "10.6.0.2", Reason.TIMED_OUT))] == ["fd00:6::2"]
    down = Measurement(CLOSED, reason=Reason.SOURCE_NOT_RUNNING)
    assert apart.others_to_measure(down) == ()


def test_any_address_is_enough_for_the_verdict():
    first, other = measured(CLOSED, "10.6.0.2", Reason.TIMED_OUT), measured(REACHED, "fd00:6::2")
    result = case(K9, K6).weigh(first, others={"fd00:6::2": other})
    assert (result.verdict, result.measured) == (REACHED, other)
    assert [(one.measured, one.reason) for one in result.addresses] == [(CLOSED, Reason.TIMED_OUT), (REACHED, None)]
    assert codes(result) == ["networks-not-isolated"]
    # Measured closed, although it was predicted open: then nothing says that it is open.
    shut = case(K9, K6).weigh(first, others={"fd00:6::2": measured(CLOSED, "fd00:6::2", Reason.TIMED_OUT)})
    assert shut.verdict is CLOSED
    assert "networks-not-isolated" not in codes(shut)
    assert "prediction-inconsistent" in codes(shut)


def test_an_address_that_was_not_measured_has_the_verdict_of_the_one_that_was():
    result = case(K9, K9B).weigh(measured(REACHED, "10.9.0.3"))
    assert [(one.predicted, one.measured) for one in result.addresses] == [(REACHED, REACHED), (REACHED, None)]
    unknown = case(K9, K9B).weigh(measured(OPEN, "10.9.0.3", Reason.NAMESPACE_OUT_OF_REACH))
    assert unknown.verdict is OPEN


def test_an_address_that_may_not_be_probed_keeps_its_prediction():
    first = measured(CLOSED, "10.6.0.2", Reason.TIMED_OUT)
    refused = Measurement(OPEN, "fd00:6::2", reason=Reason.NOT_ALLOWED)
    result = case(K9, K6).weigh(first, others={"fd00:6::2": refused})
    assert result.verdict is REACHED
    assert [(one.measured, one.reason) for one in result.addresses][1] == (None, Reason.NOT_ALLOWED)


def test_a_closed_address_beside_an_open_one_is_told_with_less_weight():
    server = container("server", (NINE, "10.9.0.4", {"ipv6_address": "fd00:9::4"}))
    snapshot = world(NINE, K9, server)
    only4 = seen([(server, listening("0.0.0.0:80"))], **OPEN6)
    found = predict(snapshot, ask(K9, server, "tcp", 80), only4)
    assert found.verdict is REACHED
    (told,) = found.findings
    assert (told.severity, told.evidence["address"]) == (Severity.INFO, "fd00:9::4")


def test_a_name_is_tried_at_the_addresses_that_it_resolved_to():
    named = case(K9, "name:k9b")
    assert [one.address for one in named.predict().addresses] == ["fd00:9::3", "10.9.0.3"]
    first = measured(CLOSED, "fd00:9::3", Reason.TIMED_OUT, resolved_addresses=("fd00:9::3", "10.9.0.3"), resolver="r")
    assert named.of_name(first) is named
    other = measured(REACHED, "10.9.0.3")
    result = named.of_name(first).weigh(first, others={"10.9.0.3": other})
    assert (result.verdict, result.measured.address, result.measured.resolver) == (REACHED, "10.9.0.3", "r")
    moved = measured(REACHED, "10.9.0.9", resolved_addresses=("10.9.0.9", "10.9.0.3", "192.0.2.1"))
    assert [one.address for one in named.of_name(moved).predict().addresses] == ["10.9.0.9", "10.9.0.3", "192.0.2.1"]
    assert named.of_name(Measurement(CLOSED, reason=Reason.NAME_UNKNOWN)) is named
    assert case(K9, K9B).of_name(first).candidate_addresses == case(K9, K9B).candidate_addresses


def test_the_addresses_stay_when_more_was_observed():
    named = case(K9, "name:k9b").trying(["10.9.0.9", "10.9.0.3"])
    again = named.with_observations(seen(ipv6_firewall=True))
    assert [one.address for one in again.predict().addresses] == ["10.9.0.9", "10.9.0.3"]


def test_another_address_is_probed_once_and_never_raises():
    policy = Policy()
    planned = case(K9, K6).probe_of(policy, "fd00:6::2")
    assert (planned.address, planned.count) == ("fd00:6::2", 1)
    refused = case(K9, K6).probe_of(policy, "192.0.2.1")
    assert (refused.verdict, refused.reason) == (OPEN, Reason.NOT_ALLOWED)
    shown = container(
        "shown", (NINE, "10.9.0.8", {"ipv6_address": "fd00:9::8"}), ports=[published(81, host_ip="127.0.0.1")]
    )
    elsewhere = case(K9, "host", "tcp", 81, snapshot=world(NINE, K9, shown)).probe_of(policy, "fd00:9::1")
    assert elsewhere.reason is Reason.NO_ADDRESS


def test_the_host_is_tried_at_its_addresses_of_both_versions():
    assert [address for address, _ in tried(case(K9, "host").predict())] == ["10.9.0.1", "fd00:9::1"]
    assert [address for address, _ in tried(case("host", "host").predict())] == ["127.0.0.1", "::1"]
    assert [address for address, _ in tried(case("host", K6).predict())] == ["10.6.0.2", "fd00:6::2"]


def test_a_matrix_knows_which_addresses_differ():
    ids = [one.id for one in (K9, K9B, K6)]
    matrix = predict_matrix(WORLD, ids, observations=seen(**OPEN6))
    assert list(matrix.row(0)) == [0, 0, 0]
    assert matrix.differ
    assert (matrix.others(0, 1), matrix.others(0, 2)) == ((), (1,))
    state = EngineState(WORLD, seen(**OPEN6))
    attachments = [state.attachment_of(one) for one in ids]
    reach = Reach(state, (4, 6))
    assert list(other_addresses(matrix, reach, attachments, 0)) == [(2, 1, "fd00:6::2")]
    closed = predict_matrix(WORLD, ids, observations=seen(ipv6_firewall=True))
    assert list(other_addresses(closed, reach, attachments, 0)) == []
    named = predict_matrix(WORLD, ids, by="name", observations=seen(**OPEN6))
    assert list(other_addresses(named, reach, attachments, 0)) == []


def test_a_matrix_tells_each_address_with_its_measurement():
    matrix = predict_matrix(WORLD, [one.id for one in (K9, K9B, K6)], observations=seen(**OPEN6))
    outcomes = [
        SweepOutcome(1, REACHED, 0.1),
        SweepOutcome(2, CLOSED, None, Reason.TIMED_OUT),
        SweepOutcome(5, REACHED, 0.2),
        SweepOutcome(8, REACHED, 0.2),
    ]
    assert [
        (one.address, one.predicted, one.measured, one.reason) for one in addresses_of_pair(matrix, outcomes, 0, 2, 3)
    ] == [("10.6.0.2", CLOSED, CLOSED, Reason.TIMED_OUT), ("fd00:6::2", REACHED, REACHED, None)]
    assert [one.measured for one in addresses_of_pair(matrix, outcomes[:2], 0, 2, 3)] == [CLOSED, None]


def test_the_outcomes_of_a_column_are_joined():
    first = [SweepOutcome(0, REACHED, 0.1), SweepOutcome(2, CLOSED, None, Reason.TIMED_OUT, "10.6.0.2")]
    assert one_a_column(first, 3) is first
    joined = one_a_column([*first, SweepOutcome(3, CLOSED), SweepOutcome(5, REACHED, 0.2, None, "fd00:6::2")], 3)
    assert [(one.index, one.verdict, one.address) for one in joined] == [(0, REACHED, None), (2, REACHED, "fd00:6::2")]
    alone = one_a_column([SweepOutcome(4, CLOSED)], 3)
    assert [(one.index, one.verdict) for one in alone] == [(1, CLOSED)]
    assert one_a_column((), 3) == ()


def test_an_answer_that_leaves_by_a_macvlan_passes_the_host_by():
    inner = network("inner", "10.8.0.0/24", subnet6="fd00:8::/64", internal=True)
    lan = network("lan", "10.7.0.0/24", subnet6="fd00:7::/64", driver="macvlan")
    far = container(
        "far",
        (inner, "10.8.0.2", {"ipv6_address": "fd00:8::2"}),
        (lan, "10.7.0.2", {"ipv6_address": "fd00:7::2", "ipv6_gateway": "fd00:7::1"}),
    )
    found = case(K9, far, snapshot=world(NINE, inner, lan, K9, far)).predict()
    assert found.verdict is CLOSED
    (lost,) = [one for one in found.findings if one.code == "reply-path-lost"]
    assert "by lan, which leads past the host" in lost.message
