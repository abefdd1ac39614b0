"""One question, and everything that the analysis derives from it.

``Case.of`` finds the source's attachment and the candidate addresses. The prediction, the choice of what to send and
the weighing of what was measured all use these, so a check derives them once. After more observations,
``with_observations`` makes a new case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_address

from bridgework.analysis.attachment import Attachment, EngineState, version_of
from bridgework.analysis.candidate_addresses import CandidateAddresses, candidate_addresses, located, versions
from bridgework.analysis.predict import joined, predict_one
from bridgework.analysis.routing import Candidate, Way
from bridgework.analysis.rules.base import Situation
from bridgework.analysis.rules.in_force import proxy_questions, route_questions
from bridgework.analysis.verdict import NOT_SENT, Tried, weigh, why_inconclusive
from bridgework.explanations.addresses import ADDRESS_TENTATIVE
from bridgework.explanations.limitations import limitation
from bridgework.model.checks import (
    CheckResult,
    HostDestination,
    Measurement,
    NameDestination,
    Prediction,
    ProbeRequest,
    Protocol,
    Question,
    Reason,
    Severity,
    Verdict,
)
from bridgework.model.errors import Refused
from bridgework.model.observations import NOTHING_SEEN, Observations, RouteQuestion
from bridgework.model.snapshot import Snapshot
from bridgework.model.trace import NOT_TRACED, TracedSurprise
from bridgework.policy.access import Policy
from bridgework.policy.probe_policy import allowed_subnets, host_open, published_otherwise, require_allowed

# The loopback subnets of both families (RFC 1122, RFC 4291).
LOOPBACKS = ("127.0.0.0/8", "::1/128")
_SENT_IN_VAIN = frozenset({Reason.TIMED_OUT, Reason.HOST_UNREACHABLE, Reason.REFUSED})


@dataclass(frozen=True)
class Case:
    """A question with the attachment of its source and the addresses that the source would try."""

    state: EngineState
    question: Question
    source: Attachment
    candidate_addresses: CandidateAddresses

    @classmethod
    def of(cls, snapshot: Snapshot, question: Question, observations: Observations = NOTHING_SEEN) -> Case:
        """Derive the case of a question. Every input has one: an unknown id is a container that was removed."""
        return cls.within(EngineState(snapshot, observations), question)

    @classmethod
    def within(cls, state: EngineState, question: Question) -> Case:
        """Derive one of many cases that share a state, such as the pairs of a matrix."""
        # The source comes first: the same destination has other addresses for another source.
        source = state.attachment_of(question.source_id)
        return cls(state, question, source, candidate_addresses(state, source, question))

    def with_observations(self, observations: Observations) -> Case:
        """Derive the case again from other observations."""
        # A new state: attachments depend on the observations, as with the inodes of shared namespaces. The addresses
        # stay, since they may be measured by now.
        again = Case.of(self.snapshot, self.question, observations)
        candidates = self.candidate_addresses.candidates
        return again.trying([one.address for one in candidates]) if candidates else again

    def trying(self, addresses: Sequence[str]) -> Case:
        """Derive the case with these addresses, such as those that a name resolved to, in the order of their use."""
        known = {one.address: one for one in self.candidate_addresses.candidates}
        if tuple(known) == tuple(addresses):
            return self
        found = ([known[a]] if a in known else located(self.state, self.source, (a,)) for a in addresses)
        candidates = tuple(candidate for some in found for candidate in some)
        return replace(self, candidate_addresses=replace(self.candidate_addresses, candidates=candidates))

    def of_name(self, measurement: Measurement) -> Case:
        """Derive the case with the addresses that the source got for the name of the question."""
        used = measurement.address
        if used is None or not isinstance(self.question.destination, NameDestination):
            return self
        asked = versions(self.question)
        others = (a for a in measurement.resolved_addresses if a != used and version_of(a) in asked)
        routed = (one.address for one in located(self.state, self.source, others) if one.way is not Way.NO_ROUTE)
        return self.trying([used, *dict.fromkeys(routed)])

    @property
    def snapshot(self) -> Snapshot:
        """The engine's snapshot."""
        return self.state.snapshot

    @property
    def observations(self) -> Observations:
        """The observations beside the snapshot."""
        return self.state.observations

    @cached_property
    def situations(self) -> tuple[Situation, ...]:
        """One situation for each candidate address; one without a candidate where there is none. Never empty."""
        return tuple(
            Situation(self.state, self.question, self.source, self.candidate_addresses, candidate)
            # Without a candidate one situation remains, so that the rules can say why there is none.
            for candidate in self.candidate_addresses.candidates or (None,)
        )

    @cached_property
    def route_questions(self) -> tuple[RouteQuestion, ...]:
        """Return the routing decisions of the host that the prediction depends on, for packets and their answers."""
        found = (pair for one in self.situations for pair in (*route_questions(one), *proxy_questions(one)))
        return tuple(dict.fromkeys(question for question, _ in found))

    def predict(self) -> Prediction:
        """Predict verdict, path and findings from the engine's state. Nothing is sent."""
        return self._prediction

    @cached_property
    def _prediction(self) -> Prediction:
        return joined(self.situations, self.predictions)

    @cached_property
    def predictions(self) -> tuple[Prediction, ...]:
        """The predictions of the situations, in their order."""
        return tuple(predict_one(situation) for situation in self.situations)

    def position_of(self, measurement: Measurement) -> int:
        """Return the position of the situation that was measured; the first where no address was."""
        addresses = (one.candidate.address if one.candidate else None for one in self.situations)
        return next((at for at, address in enumerate(addresses) if address == measurement.address), 0)

    def others_to_measure(self, measurement: Measurement) -> tuple[Candidate, ...]:
        """Return the addresses that are measured as well, after the first one was: those that may turn out otherwise.

        Their predictions differ from that of the measured address, or the measurement shows that it does not hold.
        """
        if measurement.reason in NOT_SENT and measurement.reason is not Reason.NO_ADDRESS:
            return ()
        first = self.position_of(measurement)
        # A reachable address that the prediction left open says nothing against the other ones.
        confirmed = {self.predictions[first].verdict, Verdict.REACHABLE} == {Verdict.INCONCLUSIVE, measurement.verdict}
        surprised = self.is_surprised_by(measurement) and not confirmed
        pairs = enumerate(zip(self.situations, self.predictions, strict=True))
        return tuple(
            situation.candidate
            for at, (situation, prediction) in pairs
            if at != first and situation.candidate is not None
            if surprised or prediction.verdict is not self.predictions[first].verdict
        )

    def weigh(
        self,
        measurement: Measurement,
        also: Mapping[Protocol, Measurement] | None = None,
        path_mtu_bytes: int | None = None,
        others: Mapping[str, Measurement] | None = None,
        traced: TracedSurprise = NOT_TRACED,
    ) -> CheckResult:
        """Join the predictions and the measurements of all addresses.

        ``measurement`` is that of the address that was measured first, ``others`` are those of other addresses.
        ``also`` are measurements of the first address by protocol. ``path_mtu_bytes`` is the largest packet that passes
        there, where larger ones are lost without an ICMP error. ``traced`` tells what a trace showed of a surprise.
        """
        first = self.position_of(measurement)
        tried = [
            Tried(situation, prediction, measurement, traced, also or {}, path_mtu_bytes)
            if at == first
            else Tried(
                situation,
                prediction,
                (others or {}).get(situation.candidate.address if situation.candidate else ""),
                traced,
            )
            for at, (situation, prediction) in enumerate(zip(self.situations, self.predictions, strict=True))
        ]
        result = weigh(tried, measurement)
        limited = self.observations.limited
        if result.verdict is Verdict.INCONCLUSIVE:
            code = why_inconclusive(result)
            said = f"The probe says: {measurement.detail}." if measurement.detail and code == measurement.reason else ""
            limited = (limitation(code, "the verdict", said), *limited)
        return replace(result, limited=tuple(dict.fromkeys(limited)))

    def is_surprised_by(self, measurement: Measurement) -> bool:
        """Whether more observations may explain the measurement: it differs, or neither side decides anything."""
        predicted = self.predictions[self.position_of(measurement)].verdict
        # A source without a route sends nothing and says so at once. Another failure shows that it has a route.
        candidate = self.situations[self.position_of(measurement)].candidate
        if candidate is not None and candidate.way is Way.NO_ROUTE and measurement.reason in _SENT_IN_VAIN:
            return True
        # A full observation costs about as much as several checks, so it is made only where it may change the answer.
        if measurement.verdict is Verdict.INCONCLUSIVE:
            return measurement.reason is Reason.NO_ADDRESS and predicted is Verdict.INCONCLUSIVE
        return predicted is not measurement.verdict

    def failed_unexpectedly(self, measurement: Measurement) -> bool:
        """Whether a probe was sent, predicted to be answered, and was not."""
        predicted = self.predictions[self.position_of(measurement)].verdict
        was_sent = measurement.address is not None and measurement.reason not in NOT_SENT
        return was_sent and (predicted, measurement.verdict) == (Verdict.REACHABLE, Verdict.UNREACHABLE)

    @property
    def awaits_detection(self) -> bool:
        """Whether duplicate address detection runs for an address that the prediction depends on."""
        # Without such an address there is no prediction to make: most checks have none.
        return bool(self.observations.unsettled) and any(
            found.code == ADDRESS_TENTATIVE.code and found.severity is Severity.WARNING
            for prediction in self.predictions
            for found in prediction.findings
        )

    def probe_plan(self, policy: Policy) -> ProbeRequest | Measurement:
        """Say what to send from the source, or the measurement that stands for it where nothing can be sent.

        Raises ``Refused`` (``destination-not-allowed``) where the policy forbids the address.
        """
        container = self.source.container
        # The runner could not enter a namespace that does not exist, so nothing is sent.
        if container is not None and not container.running:
            return _not_sent(Reason.SOURCE_NOT_RUNNING, f"It is {container.state}.")
        # The kernel would send a probe from a paused container's namespace, but the container itself sends nothing.
        if container is not None and container.paused:
            return _not_sent(Reason.SOURCE_NOT_RUNNING, "It is paused.")
        # A name is resolved inside the source by the probe itself, so that the source's own resolver files count.
        if isinstance(self.question.destination, NameDestination):
            return self._by_name(policy, self.question.destination.name)
        if not self.candidate_addresses.candidates:
            return _not_sent(Reason.NO_ADDRESS, "The destination has no address to try.")
        # The first is the one that a program in the source would use first. The others may follow (``probe_of``).
        return self._by_address(policy, self.candidate_addresses.candidates[0].address)

    def probe_of(self, policy: Policy, address: str) -> ProbeRequest | Measurement:
        """Say what to send to another of the addresses, or the measurement that stands for it; it raises nothing."""
        try:
            plan = self._by_address(policy, address)
        except Refused as refused:
            return Measurement(Verdict.INCONCLUSIVE, address, reason=Reason.NOT_ALLOWED, detail=refused.detail)
        # Once is enough: the first address has the statistics.
        return replace(plan, count=1, flow_id=None) if isinstance(plan, ProbeRequest) else plan

    def _by_name(self, policy: Policy, name: str) -> ProbeRequest:
        probe = self.question.probe
        subnets = allowed_subnets(self.snapshot, policy, probe.protocol, probe.port)
        # A name may lead a container to its own loopback. The host's loopback has ports that no container publishes.
        loopbacks = () if self.source.is_host else LOOPBACKS
        return replace(probe, name=name, reverse_lookup=True, allowed_subnets=(*subnets, *loopbacks))

    def _by_address(self, policy: Policy, address: str) -> ProbeRequest | Measurement:
        probe = self.question.probe
        # Before the policy is asked: it would refuse the port as one that no container publishes here.
        published = self._published_elsewhere(address)
        if published:
            asked = f"Port {probe.port}/{probe.protocol.transport} of {address}"
            detail = f"{asked} is not published, so nothing was sent to it; published: {published}."
            # Inconclusive, so that the prediction becomes the verdict (``verdict._NOTHING_TO_SEND``).
            return Measurement(Verdict.INCONCLUSIVE, reason=Reason.NO_ADDRESS, address=address, detail=detail)
        require_allowed(self.snapshot, policy, address, probe.protocol, probe.port, from_host=self.source.is_host)
        return replace(probe, address=address, reverse_lookup=False)

    def _published_elsewhere(self, address: str) -> str:
        """Say where the host's port is published, if not at this address; empty where it is, or is nowhere.

        A port of the host that is published elsewhere gets the prediction as its answer. One that is published
        nowhere is refused, since a probe could otherwise scan the host's own programs.
        """
        probe = self.question.probe
        asks_host = isinstance(self.question.destination, HostDestination)
        if not asks_host or probe.port is None:
            return ""
        is_open = host_open(self.snapshot, probe.protocol, probe.port, ip_address(address))
        return "" if is_open else published_otherwise(self.snapshot, probe.port)


def _not_sent(reason: Reason, detail: str) -> Measurement:
    return Measurement(Verdict.UNREACHABLE, reason=reason, detail=detail)
