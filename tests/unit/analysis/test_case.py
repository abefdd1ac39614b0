"""What a case plans to send: a probe by address or by name, or nothing, and why."""

import pytest

from bridgework.analysis.case import Case
from bridgework.model.checks import Measurement, Reason, Verdict
from bridgework.model.errors import Refused
from bridgework.policy.access import Policy
from tests.support.worlds import BRIDGE, ask, container, network, published, seen, world

LAN = network("lan")
WEB = container("web", (LAN, "10.1.0.2"))
DATABASE = container("db", (LAN, "10.1.0.3"), ports=[published(8081, host_ip="127.0.0.1")])
STOPPED = container("stopped", (LAN, "10.1.0.4"), state="exited")
PAUSED = container("paused", (LAN, "10.1.0.5"), state="paused")
NOWHERE = container("nowhere", network_mode="none")
WORLD = world(BRIDGE, LAN, WEB, DATABASE, STOPPED, PAUSED, NOWHERE)
OPEN = Policy()


def plan(source, destination, *protocol, policy=OPEN):
    return Case.of(WORLD, ask(source, destination, *protocol)).probe_plan(policy)


@pytest.mark.parametrize(
    ("source", "destination", "reason", "detail"),
    [
        (STOPPED, DATABASE, Reason.SOURCE_NOT_RUNNING, "It is exited."),
        (PAUSED, DATABASE, Reason.SOURCE_NOT_RUNNING, "It is paused."),
        (WEB, NOWHERE, Reason.NO_ADDRESS, "The destination has no address to try."),
    ],
)
def test_nothing_is_sent_and_the_reason_is_told(source, destination, reason, detail):
    planned = plan(source, destination)
    assert isinstance(planned, Measurement)
    assert (planned.reason, planned.detail) == (reason, detail)


def test_an_address_is_sent_to_as_the_source_would_choose_it():
    planned = plan(WEB, DATABASE)
    assert (planned.address, planned.name, planned.reverse_lookup) == ("10.1.0.3", None, False)


@pytest.mark.parametrize(("source", "own_loopback"), [(WEB, True), ("host", False)])
def test_a_name_is_resolved_inside_the_source_which_may_reach_its_own_loopback(source, own_loopback):
    planned = plan(source, "name:db")
    assert (planned.name, planned.reverse_lookup) == ("db", True)
    assert ("127.0.0.0/8" in planned.allowed_subnets) is own_loopback


def test_a_port_of_the_host_that_is_published_elsewhere_is_not_scanned():
    planned = plan(WEB, "host", "tcp", 8081)
    assert (planned.verdict, planned.reason) == (Verdict.INCONCLUSIVE, Reason.NO_ADDRESS)
    assert (
        "Port 8081/tcp of 10.1.0.1 is not published, so nothing was sent to it; published: 127.0.0.1" in planned.detail
    )


def test_an_address_that_the_policy_forbids_is_refused():
    with pytest.raises(Refused) as refused:
        plan(WEB, "address:192.0.2.7", policy=Policy(probe_allowed_subnets=("10.0.0.0/8",)))
    assert refused.value.code == "destination-not-allowed"


@pytest.mark.parametrize(
    ("measurement", "surprised"),
    [
        (Measurement(Verdict.REACHABLE), False),
        (Measurement(Verdict.UNREACHABLE, reason=Reason.TIMED_OUT), True),
        (Measurement(Verdict.INCONCLUSIVE, reason=Reason.NO_ANSWER), False),
        (Measurement(Verdict.INCONCLUSIVE, reason=Reason.NO_ADDRESS), False),
    ],
)
def test_more_is_observed_only_where_it_may_change_the_answer(measurement, surprised):
    assert Case.of(WORLD, ask(WEB, DATABASE)).is_surprised_by(measurement) is surprised


def test_other_observations_make_another_case_of_the_same_question():
    case = Case.of(WORLD, ask(WEB, DATABASE))
    other = case.with_observations(seen())
    assert (other.question, other.snapshot) == (case.question, case.snapshot)
    assert other.observations != case.observations


def test_a_name_is_judged_by_the_addresses_that_the_source_got():
    case = Case.of(WORLD, ask(WEB, "name:db"))
    resolved = Measurement(Verdict.REACHABLE, "10.1.0.5", resolved_addresses=("10.1.0.5", "10.1.0.3", "fd00::9"))
    again = case.of_name(resolved)
    assert [one.address for one in again.candidate_addresses.candidates] == ["10.1.0.5", "10.1.0.3"]
    assert again.of_name(resolved) is again
    by_address = Case.of(WORLD, ask(WEB, DATABASE))
    assert by_address.of_name(resolved) is by_address


def test_a_second_address_that_the_policy_forbids_is_not_measured():
    case = Case.of(WORLD, ask(WEB, "name:example.org"))
    refused = case.probe_of(OPEN, "203.0.113.9")
    assert (refused.verdict, refused.reason) == (Verdict.INCONCLUSIVE, Reason.NOT_ALLOWED)
    assert case.probe_of(OPEN, "10.1.0.3").count == 1
