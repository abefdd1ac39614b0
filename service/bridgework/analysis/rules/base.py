"""What a rule reads and yields, and a few helpers that rules share.

A rule reads a ``Situation`` and yields findings. A blocking finding says that the packet stops; the rule's row in the
table says at which step. An ``analysis-limited`` finding of severity warning says that the verdict depends on something
at that step that was not observed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import wraps
from typing import Any, TypeVar

from bridgework.analysis.attachment import IPV4, Attachment, EngineState
from bridgework.analysis.candidate_addresses import CandidateAddresses
from bridgework.analysis.endpoint_links import observed
from bridgework.analysis.routing import Candidate
from bridgework.explanations import HOST, finding, of_container, of_network
from bridgework.explanations.answers import ANALYSIS_LIMITED
from bridgework.firewall.ruleset import Packet
from bridgework.model.checks import Component, Finding, Question, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import Observation, Observations
from bridgework.model.snapshot import Container, Network, Snapshot

__all__ = [
    "HOST",
    "Findings",
    "Rule",
    "Situation",
    "Step",
    "finding",
    "of_container",
    "of_network",
    "once_for_each",
    "unseen",
]

_SEE_MORE = Remedy(
    "Give the service the access that it needs: the host's pid namespace and CAP_SYS_ADMIN, or the helper image."
)

Findings = Iterator[Finding]
_Derived = TypeVar("_Derived")


@dataclass(frozen=True, slots=True)
class Situation:
    """One candidate address of one question, and all that is known about it.

    ``candidate`` is ``None`` where the question has no address to try.
    """

    state: EngineState
    question: Question
    source: Attachment
    candidate_addresses: CandidateAddresses
    candidate: Candidate | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The engine's snapshot."""
        return self.state.snapshot

    @property
    def observations(self) -> Observations:
        """The observations beside the snapshot."""
        return self.state.observations

    @property
    def destination(self) -> Attachment | None:
        """The attachment that the packet should arrive at: the container in the question, else the address's holder."""
        return self.candidate_addresses.destination or (self.candidate.attachment if self.candidate else None)

    @property
    def port(self) -> int | None:
        """The port in the question, else the default port of http or dns."""
        probe = self.question.probe
        return probe.port if probe.port is not None else probe.protocol.traits.default_port

    @property
    def transport(self) -> str | None:
        """``tcp`` or ``udp``; ``None`` for pings."""
        return self.question.probe.protocol.transport

    def packet(self, candidate: Candidate, source: str | None) -> Packet:
        """Return the packet that the probe sends to the address. ``source`` is ``None`` where that is not known."""
        icmp = "icmp" if candidate.version == IPV4 else "ipv6-icmp"
        port = self.port if self.transport else None
        return Packet(candidate.version, self.transport or icmp, source, candidate.address, destination_port=port)

    def network_of(self, network_id: str) -> Network | None:
        """The network by its id."""
        return self.snapshot.networks_by_id.get(network_id)

    def observed(self, attachment: Attachment) -> Observation | None:
        """Return what was observed in the namespace."""
        return observed(self.observations, attachment)


def once_for_each(derive: Callable[[Situation], _Derived]) -> Callable[[Situation], _Derived]:
    """Derive something once for each situation: several rules ask for it, one after another."""
    # Only the newest is kept, in one attribute without a lock: two threads may derive the same, with the same result.
    newest: list[tuple[Situation, _Derived] | None] = [None]

    @wraps(derive)
    def kept(situation: Situation) -> _Derived:
        last = newest[0]
        if last is not None and last[0] is situation:
            return last[1]
        found = derive(situation)
        newest[0] = (situation, found)
        return found

    return kept


class Step(IntEnum):
    """The steps of a packet on its path, in order. A path has a hop for each step with a device."""

    # The source container: no packet leaves it.
    SOURCE = 1
    # The destination container: it has no address, so nothing is sent.
    DESTINATION = 2
    # The lookup of the name in the source.
    NAME = 3
    # There is no address of a family that the source can send to.
    ADDRESS = 4
    # The routing table of the source.
    OWN_ROUTE = 5
    # The interface inside the source, and the veth on the host that it leads to.
    OWN_INTERFACE = 6
    OWN_VETH = 7
    # The bridge or the host's link through which the packet leaves the source. Both ends may be on it.
    EXIT = 8
    # The host, which forwards the packet or takes it.
    ROUTING = 9
    # A chain of the host's firewall.
    FIREWALL = 10
    # A port that a container publishes at the host, and the docker-proxy that may serve it.
    PUBLISHED = 11
    PROXY = 12
    # The bridge of the destination, where that is not the source's bridge.
    NETWORK = 13
    # The tunnel to another node of the swarm.
    TUNNEL = 14
    # The veth on the host, and the interface inside the destination.
    THEIR_VETH = 15
    THEIR_INTERFACE = 16
    # The packet arrives, and its answer is lost.
    REPLY = 17
    # The program that should take the packet.
    PORT = 18
    # Networks outside of the engine.
    OUTSIDE = 19


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table: the step at which the packet stops, and the function that finds the causes.

    ``elsewhere`` has the codes of the causes that stop the packet at another step.
    """

    step: Step
    find: Callable[[Situation], Findings]
    elsewhere: Mapping[str, Step] = field(default_factory=dict)


def unseen(component: Component, message: str, *, matters: bool = True, **evidence: Any) -> Finding:
    """Make the finding for something that was not observed.

    Where it ``matters`` for the verdict, the verdict is inconclusive at best.
    """
    severity = Severity.WARNING if matters else Severity.INFO
    return finding(ANALYSIS_LIMITED, component, message, severity=severity, remedy=_SEE_MORE, evidence=evidence)


def component_of(attachment: Attachment) -> Component:
    """Return the container of the attachment, or the host, as the subject of a finding."""
    return of_container(attachment.container) if attachment.container else HOST


def members(*attachments: Attachment | None) -> tuple[Container, ...]:
    """Return the containers that a remedy must connect: the owners of the namespaces."""
    return tuple(s.owner for s in attachments if s is not None and s.owner is not None)
