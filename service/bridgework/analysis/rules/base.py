"""What every rule is given and gives, and the few phrases they share.

A rule looks at a ``Situation`` and yields findings. A blocking finding says that the packet stops, and the rule's row
says at which step of its way. An ``analysis-limited`` finding of severity warning says that the answer hangs on
something at that step that was not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from bridgework.analysis.attachment import Attachment, EngineState
from bridgework.analysis.candidate_addresses import CandidateAddresses
from bridgework.analysis.endpoint_links import observed
from bridgework.analysis.routing import Candidate
from bridgework.explanations import HOST, finding, of_container, of_network
from bridgework.model.checks import Component, Finding, Protocol, Question, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import Observation, Observations
from bridgework.model.snapshot import Container, Network, Snapshot

__all__ = [
    "DEFAULT_PORTS",
    "HOST",
    "Findings",
    "Rule",
    "Situation",
    "Step",
    "finding",
    "of_container",
    "of_network",
    "unseen",
]

DEFAULT_PORTS = {Protocol.HTTP: 80, Protocol.DNS: 53}
_SEE_MORE = Remedy(
    "Let the service look: the host's pid namespace and CAP_SYS_ADMIN, or the helper image, give it sight."
)

Findings = Iterator[Finding]


@dataclass(frozen=True, slots=True)
class Situation:
    """One goal of one question, with all that is known around it. ``goal`` is ``None`` where there is none."""

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
        """Where the packet should arrive: the container asked for, else whoever holds the address."""
        return self.candidate_addresses.destination or (self.candidate.attachment if self.candidate else None)

    @property
    def port(self) -> int | None:
        """The port asked for, else the protocol's own."""
        probe = self.question.probe
        return probe.port if probe.port is not None else DEFAULT_PORTS.get(probe.protocol)

    @property
    def transport(self) -> str | None:
        """``tcp`` or ``udp``; ``None`` for pings."""
        return self.question.probe.protocol.transport

    def network_of(self, network_id: str) -> Network | None:
        """The network by its id."""
        return self.snapshot.networks_by_id.get(network_id)

    def observed(self, attachment: Attachment) -> Observation | None:
        """What was seen in the namespace."""
        return observed(self.observations, attachment)


class Step(IntEnum):
    """The steps of a packet's way, in the order in which it comes to them; each is a hop of the path, or none."""

    SOURCE = 1
    """The container asked from: nothing leaves it."""
    DESTINATION = 2
    """The container asked for: it has no address, so nothing is sent."""
    NAME = 3
    ADDRESS = 4
    """There is no address of a family that the source can send to."""
    OWN_ROUTE = 5
    """The routing table of the source."""
    OWN_INTERFACE = 6
    OWN_VETH = 7
    EXIT = 8
    """The bridge, or the host's link, by which the packet leaves the source; where they share it, the destination's."""
    ROUTING = 9
    """The host, which forwards the packet or takes it."""
    FIREWALL = 10
    """A chain of the host's firewall."""
    PUBLISHED = 11
    PROXY = 12
    NETWORK = 13
    """The bridge of the destination, where it is another one."""
    TUNNEL = 14
    """The way to another node of the swarm."""
    THEIR_VETH = 15
    THEIR_INTERFACE = 16
    REPLY = 17
    """The packet arrives, and its answer is lost."""
    PORT = 18
    """The program that should take the packet."""
    OUTSIDE = 19
    """What lies beyond the engine."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table: the codes it may give, each with the step at which the packet stops, and how it finds out."""

    codes: Mapping[str, Step]
    find: Callable[[Situation], Findings]


def unseen(component: Component, message: str, *, matters: bool = True, **evidence: Any) -> Finding:
    """Something was not looked at; where it ``matters``, the verdict cannot be better than inconclusive."""
    severity = Severity.WARNING if matters else Severity.INFO
    return finding("analysis-limited", component, message, severity=severity, remedy=_SEE_MORE, evidence=evidence)


def component_of(attachment: Attachment) -> Component:
    """The container that stands there, or the host."""
    return of_container(attachment.container) if attachment.container else HOST


def members(*attachments: Attachment | None) -> tuple[Container, ...]:
    """The containers that would have to be connected: the owners of the namespaces."""
    return tuple(s.owner for s in attachments if s is not None and s.owner is not None)
