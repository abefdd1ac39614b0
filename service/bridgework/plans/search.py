"""Search for all sources that reach a destination, or all destinations that a source reaches, by classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridgework.analysis.rules.table import why_undecided
from bridgework.model.checks import Prediction, Protocol, Verdict
from bridgework.plans.reachability import PING, Pair, Reachability, Service, host_services, services_of


@dataclass(frozen=True, slots=True)
class Found:
    """Ends that are alike: the same service, verdict and kind of path.

    ``ends`` are full ids of containers; ``""`` is the host. ``prediction`` is that of the first of them.
    """

    service: Service
    verdict: Verdict
    violates: bool
    ends: tuple[str, ...]
    prediction: Prediction

    @property
    def reason(self) -> str:
        """The code of what makes the verdict inconclusive; empty if it is not."""
        return why_undecided(self.prediction.findings) if self.verdict is Verdict.INCONCLUSIVE else ""


def search(
    reach: Reachability,
    end: str,
    protocol: Protocol,
    port: int | None,
    *,
    of_sources: bool,
    forbidden: frozenset[str],
    unreachable: bool = False,
) -> Iterator[Found]:
    """Return the sources that reach ``end``, or the destinations that ``end`` reaches, in groups.

    Every pair is predicted before the first group, so a query that is too large fails before its answer begins.
    Without a port, TCP and UDP are asked at every known port of the destination. Pairs that are predicted unreachable
    are left out but with ``unreachable``. The ends in ``forbidden`` are in groups of their own, which violate.
    """
    groups: dict[Hashable, list[Pair]] = {}
    for pair in _pairs(reach, end, protocol, port, of_sources=of_sources):
        verdict = reach.verdict(pair)
        if unreachable or verdict is not Verdict.UNREACHABLE:
            other = pair.source if of_sources else pair.destination
            key = pair.service, verdict, other in forbidden, reach.kind_of(pair, of_sources=of_sources)
            groups.setdefault(key, []).append(pair)
    return _found(reach, groups.values(), forbidden, of_sources=of_sources)


def _found(
    reach: Reachability, groups: Iterable[Sequence[Pair]], forbidden: frozenset[str], *, of_sources: bool
) -> Iterator[Found]:
    for pairs in groups:
        first = pairs[0]
        ends = tuple(pair.source if of_sources else pair.destination for pair in pairs)
        verdict = reach.verdict(first)
        violates = ends[0] in forbidden and verdict is not Verdict.UNREACHABLE
        yield Found(first.service, verdict, violates, ends, reach.own_prediction(first))


def _pairs(reach: Reachability, end: str, protocol: Protocol, port: int | None, *, of_sources: bool) -> Iterator[Pair]:
    if of_sources:
        for service in _asked(reach, end, protocol, port):
            yield from (Pair(source, end, service) for source in ("", *reach.ids) if source != end)
        return
    for destination in ("", *reach.ids):
        if destination != end:
            yield from (Pair(end, destination, service) for service in _asked(reach, destination, protocol, port))


def _asked(reach: Reachability, destination: str, protocol: Protocol, port: int | None) -> Iterable[Service]:
    """Return the services of the destination that are asked for."""
    if not destination:
        # The host is asked for the ports that containers publish there.
        known = {service for container in reach.snapshot.containers for service in host_services(container)}
        return sorted(one for one in known if one.protocol is protocol and port in {None, one.port})
    if protocol is Protocol.ICMP:
        return (PING,)
    if port is not None:
        return (Service(protocol, port),)
    container = reach.snapshot.containers_by_id[destination]
    services = services_of(reach.snapshot, container, reach.state.observations)
    return [service for service in services if service.protocol is protocol]


def counted(found: Iterable[Found]) -> Mapping[str, int]:
    """Return the number of ends that are reachable, inconclusive, unreachable, and violating."""
    groups = tuple(found)
    of_verdict: Counter[Verdict] = Counter()
    for group in groups:
        of_verdict[group.verdict] += len(group.ends)
    return {
        **{verdict.value: of_verdict[verdict] for verdict in Verdict},
        "violations": sum(len(one.ends) for one in groups if one.violates and one.verdict is Verdict.REACHABLE),
    }


def reasons_of(found: Iterable[Found]) -> Mapping[str, int]:
    """Count the inconclusive ends by the reason of their groups."""
    reasons: Counter[str] = Counter()
    for one in found:
        if one.reason:
            reasons[one.reason] += len(one.ends)
    return reasons


def outcome_of(found: Iterable[Found]) -> str:
    """Return ``failed``, ``inconclusive`` or ``passed``: whether a forbidden end is reachable, or may be."""
    verdicts = {one.verdict for one in found if one.violates}
    if Verdict.REACHABLE in verdicts:
        return "failed"
    return "inconclusive" if Verdict.INCONCLUSIVE in verdicts else "passed"
