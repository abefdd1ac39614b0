"""One question, and everything that the analysis derives from it.

``Case.of`` finds the source's attachment and the candidate addresses. The prediction, the choice of what to send and
the weighing of what was measured all use these, so a check derives them once. After more observations,
``with_observations`` makes a new case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_address

from bridgework.analysis.attachment import Attachment, EngineState
from bridgework.analysis.candidate_addresses import CandidateAddresses, candidate_addresses
from bridgework.analysis.predict import predict
from bridgework.analysis.rules.base import Situation
from bridgework.analysis.rules.in_force import proxy_questions, route_questions
from bridgework.analysis.verdict import weigh
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
from bridgework.model.observations import NOTHING_SEEN, Observations, RouteQuestion
from bridgework.model.snapshot import Snapshot
from bridgework.policy.access import Policy
from bridgework.policy.probe_policy import allowed_subnets, host_open, published_otherwise, require_allowed

# The loopback subnets of both families (RFC 1122, RFC 4291).
LOOPBACKS = ("127.0.0.0/8", "::1/128")


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
        # A new state: attachments depend on the observations, as with the inodes of shared namespaces.
        return Case.of(self.snapshot, self.question, observations)

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

    def route_questions(self) -> tuple[RouteQuestion, ...]:
        """Return the routing decisions of the host that the prediction depends on, for packets and their answers."""
        found = (pair for one in self.situations for pair in (*route_questions(one), *proxy_questions(one)))
        return tuple(dict.fromkeys(question for question, _ in found))

    def predict(self) -> Prediction:
        """Predict verdict, path and findings from the engine's state. Nothing is sent."""
        return self._prediction

    @cached_property
    def _prediction(self) -> Prediction:
        return predict(self.situations)

    def weigh(
        self,
        measurement: Measurement,
        also: Mapping[Protocol, Measurement] | None = None,
        path_mtu_bytes: int | None = None,
    ) -> CheckResult:
        """Join the prediction and a measurement. ``also`` are measurements of the same destination by protocol.

        ``path_mtu_bytes`` is the largest packet that passes, where larger ones are lost without an ICMP error.
        """
        return weigh(self._prediction, measurement, self.situations[0], also or {}, path_mtu_bytes)

    def is_surprised_by(self, measurement: Measurement) -> bool:
        """Whether more observations may explain the measurement: it differs, or neither side decides anything."""
        predicted = self._prediction.verdict
        # A full observation costs about as much as several checks, so it is made only where it may change the answer.
        if measurement.verdict is Verdict.INCONCLUSIVE:
            return measurement.reason is Reason.NO_ADDRESS and predicted is Verdict.INCONCLUSIVE
        return predicted is not measurement.verdict

    @property
    def awaits_detection(self) -> bool:
        """Whether duplicate address detection runs for an address that the prediction depends on."""
        # Without such an address there is no prediction to make: most checks have none.
        return bool(self.observations.unsettled) and any(
            found.code == "address-tentative" and found.severity is Severity.WARNING
            for found in self._prediction.findings
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
        # The candidates of a container or the host are alternatives. The probe takes the first, as the source would.
        return self._by_address(policy, self.candidate_addresses.candidates[0].address)

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
