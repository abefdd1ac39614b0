"""A search by classes finds what every pair predicted alone says, and each path is one of the group's own."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridgework.analysis.case import Case
from bridgework.model.checks import ContainerDestination, HostDestination, Protocol, Question, Verdict
from bridgework.plans.reachability import PING, Reachability, Service, host_services, services_of
from bridgework.plans.search import Found, counted, outcome_of, reasons_of, search
from tests.support.random_worlds import engines, evidences


@st.composite
def questions(draw):
    snapshot = draw(engines(modes=True))
    end = draw(st.sampled_from(["", *(c.id for c in snapshot.containers)]))
    service = draw(st.sampled_from([(Protocol.ICMP, None), (Protocol.TCP, 8080), (Protocol.TCP, None)]))
    return snapshot, draw(evidences(snapshot)), end, *service, draw(st.booleans())


def alone(snapshot, observations, end, protocol, port, of_sources):
    """Each pair by itself, by (other end, service)."""
    state = Reachability(snapshot, observations, [c.id for c in snapshot.containers]).state
    found = {}
    for other in ["", *(c.id for c in snapshot.containers)]:
        source, to = (other, end) if of_sources else (end, other)
        if other == end:
            continue
        for service in services(snapshot, observations, to, protocol, port):
            aim = ContainerDestination(to) if to else HostDestination()
            verdict = Case.within(state, Question(source or None, aim, service.probe)).predict().verdict
            if verdict is not Verdict.UNREACHABLE:
                found[other, service] = verdict
    return found


def services(snapshot, observations, to, protocol, port):
    if not to:
        known = {service for c in snapshot.containers for service in host_services(c)}
        return [one for one in known if one.protocol is protocol and port in {None, one.port}]
    if protocol is Protocol.ICMP:
        return [PING]
    if port:
        return [Service(protocol, port)]
    every = services_of(snapshot, snapshot.containers_by_id[to], observations)
    return [one for one in every if one.protocol is protocol]


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(questions(), st.booleans())
def test_the_groups_hold_every_pair_once(asked, forbid):
    snapshot, observations, end, protocol, port, of_sources = asked
    reach = Reachability(snapshot, observations, [c.id for c in snapshot.containers])
    forbidden = frozenset(c.id for c in snapshot.containers) if forbid else frozenset()
    groups = list(search(reach, end, protocol, port, of_sources=of_sources, forbidden=forbidden))
    pairs = {(other, one.service): one.verdict for one in groups for other in one.ends}
    assert pairs == alone(*asked)
    assert sum(len(one.ends) for one in groups) == len(pairs)
    assert all(bool(one.reason) == (one.verdict is Verdict.INCONCLUSIVE) for one in groups)
    assert sum(reasons_of(groups).values()) == counted(groups)["inconclusive"]
    assert all(one.violates == (forbid and other != "") for one in groups for other in one.ends)
    violations = [other for (other, _), verdict in pairs.items() if forbid and other and verdict is Verdict.REACHABLE]
    assert counted(groups)["violations"] == len(violations)


def found(verdict, *, violates, ends=("a",)):
    return Found(PING, verdict, violates, ends, ())


def test_an_end_that_must_not_be_reached_and_may_be_is_no_success():
    allowed = [found(verdict, violates=False) for verdict in Verdict]
    unknown = found(Verdict.INCONCLUSIVE, violates=True)
    assert outcome_of(allowed) == "passed"
    assert outcome_of([*allowed, unknown]) == "inconclusive"
    assert outcome_of([*allowed, unknown, found(Verdict.REACHABLE, violates=True)]) == "failed"


def test_ends_are_counted_and_not_groups():
    """A forbidden end that may be reachable is no violation yet."""
    groups = [
        found(Verdict.REACHABLE, violates=False, ends=("a", "b")),
        found(Verdict.REACHABLE, violates=True, ends=("c", "d", "e")),
        found(Verdict.INCONCLUSIVE, violates=True, ends=("f",)),
        found(Verdict.UNREACHABLE, violates=False, ends=("g", "h")),
    ]
    assert counted(groups) == {"reachable": 5, "inconclusive": 1, "unreachable": 2, "violations": 3}
