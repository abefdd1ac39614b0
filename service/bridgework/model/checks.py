"""Questions, probes, measurements, predictions and findings: the values of checks.

Times are in milliseconds, as floats, in names that end in ``_ms``. A failed probe is a value (``Reason``), never an
exception.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, assert_never

from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Reference
from bridgework.model.trace import Trace


class Verdict(StrEnum):
    """Whether the source reaches the destination; ``inconclusive`` where that is unknown."""

    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class ProtocolTraits:
    """What the parts of the service need to know about a protocol, beside how a probe of it is sent.

    ``transport`` has the ports: without one, the protocol has none. With ``needs_port``, a request must name the port;
    ``default_port`` is that of a request without one. ``is_application`` means that the protocol is spoken over its
    transport: plans and searches know only transports and pings.
    """

    transport: Literal["tcp", "udp"] | None = None
    needs_port: bool = False
    default_port: int | None = None
    is_application: bool = False


class Protocol(StrEnum):
    """The kind of probe."""

    ICMP = "icmp"
    TCP = "tcp"
    UDP = "udp"
    HTTP = "http"
    DNS = "dns"

    @cached_property
    def traits(self) -> ProtocolTraits:
        """The facts about this protocol."""
        match self:
            case Protocol.ICMP:
                return ProtocolTraits()
            case Protocol.TCP:
                return ProtocolTraits("tcp", needs_port=True)
            case Protocol.UDP:
                return ProtocolTraits("udp", needs_port=True)
            case Protocol.HTTP:
                return ProtocolTraits("tcp", needs_port=True, default_port=80, is_application=True)
            case Protocol.DNS:
                return ProtocolTraits("udp", default_port=53, is_application=True)
        assert_never(self)

    @property
    def transport(self) -> Literal["tcp", "udp"] | None:
        """``tcp`` or ``udp``; ``None`` for pings."""
        return self.traits.transport


class Reason(StrEnum):
    """Why a probe did not succeed."""

    TIMED_OUT = "timed-out"
    REFUSED = "refused"
    NAME_UNKNOWN = "name-unknown"
    RESOLVER_FAILED = "resolver-failed"
    NO_ROUTE = "no-route"
    NO_ADDRESS = "no-address"
    HOST_UNREACHABLE = "host-unreachable"
    ADMINISTRATIVELY_PROHIBITED = "administratively-prohibited"
    MESSAGE_TOO_LONG = "message-too-long"
    CONNECTION_RESET = "connection-reset"
    SOURCE_NOT_RUNNING = "source-not-running"
    UNEXPECTED_ANSWER = "unexpected-answer"
    NO_ANSWER = "no-answer"
    NAMESPACE_OUT_OF_REACH = "namespace-out-of-reach"
    BUDGET_EXHAUSTED = "budget-exhausted"
    RESOURCES_EXHAUSTED = "resources-exhausted"
    DEADLINE = "deadline"
    NOT_ALLOWED = "not-allowed"


class Severity(StrEnum):
    """``blocking`` predicts failure."""

    BLOCKING = "blocking"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Component:
    """The subject of a finding; ``kind`` is ``container``, ``network``, ``endpoint``, ``host``, ``node`` and so on."""

    kind: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """What a remedy means for the compose file of one project: YAML, with comments about what is to be removed.

    ``path`` is the file on the host where Compose ran; ``None`` if Compose did not say it.
    """

    project: str
    path: str | None
    lines: str


@dataclass(frozen=True, slots=True)
class ComposePart:
    """The project of Docker Compose that a finding is about, with the service or network there.

    ``undone`` says that ``docker compose up`` undoes the remedy. ``files`` has an item for each compose file to change.
    """

    project: str
    service: str | None = None
    network: str | None = None
    undone: bool = False
    files: tuple[ComposeFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with its evidence and its remedy; ``code`` is a row of ``explanations.CATALOGUE``."""

    code: str
    severity: Severity
    component: Component
    message: str
    remedy: Remedy | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    compose: ComposePart | None = None


class HopStatus(StrEnum):
    """What happens to a packet at one hop. After an unknown hop, every later hop is unknown too."""

    PASSED = "passed"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path, with a name that can be looked up on the host; ``of`` is its owner."""

    kind: str
    name: str
    of: str | None = None
    status: HopStatus = HopStatus.PASSED


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What a probe sends from the source's namespace.

    A question has a request without a destination. When the probe runs, exactly one of ``address`` (a literal address)
    and ``name`` (resolved in the namespace) is set. ``ip_version`` is 4, 6 or ``None`` for any. ``allowed_subnets``
    limits the addresses that a name may resolve to. ``flow_id`` is the source port, or the identifier of an ICMP echo,
    of the first attempt; ``None`` lets the kernel choose one.
    """

    protocol: Protocol
    address: str | None = None
    name: str | None = None
    port: int | None = None
    ip_version: int | None = None
    count: int = 1
    interval_ms: int = 0
    timeout_ms: int = 1000
    payload_bytes: int = 56
    dont_fragment: bool = False
    http_path: str = "/"
    http_host: str | None = None
    expected_status: int | None = None
    dns_question: str | None = None
    allowed_subnets: tuple[str, ...] | None = None
    reverse_lookup: bool = False
    flow_id: int | None = None


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Statistics over the successful attempts, in milliseconds."""

    min: float
    avg: float
    max: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Phases:
    """How long each phase of the first attempt took; ``None`` for a phase that the protocol does not have."""

    resolve: float | None = None
    connect: float | None = None
    first_byte: float | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a probe measured. ``address`` is the one probed; ``detail`` is a sentence that adds to ``reason``."""

    verdict: Verdict
    address: str | None = None
    attempts: int = 0
    successes: int = 0
    reason: Reason | None = None
    rtt_ms: RoundTrip | None = None
    phases_ms: Phases = Phases()
    detail: str | None = None
    resolved_addresses: tuple[str, ...] = ()
    resolver: str | None = None
    reverse_name: str | None = None
    status: int | None = None
    path_mtu_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class TriedAddress:
    """One address of the destination, with its predicted and its measured verdict.

    ``network`` is the network whose subnet has the address; ``None`` outside of the engine's networks. ``measured`` is
    ``None`` where nothing was sent: because the prediction is that of an address that was measured, or for ``reason``.
    """

    address: str
    ip_version: int
    network: Reference | None
    predicted: Verdict
    measured: Verdict | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The verdict that follows from the engine's state, with its path and findings.

    It is ``reachable`` where any of the ``addresses`` is. The path is that of the first address with this verdict; the
    path of an ``unreachable`` one ends at the hop that stops the packet.
    """

    verdict: Verdict
    path: tuple[Hop, ...] = ()
    findings: tuple[Finding, ...] = ()
    addresses: tuple[TriedAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class AnsweringNode:
    """A node of a swarm, and where its instance of the service is: a remedy's calls are for that one."""

    id: str
    hostname: str
    instance: str


@dataclass(frozen=True, slots=True)
class Limitation:
    """Something that an answer leaves open: ``what`` it is, ``why``, and what to change as ``remedy``, all as text.

    ``code`` is a code of ``explanations.limitations``, a ``Reason``, or a code of the catalogue of findings. ``remedy``
    is ``None`` where nothing helps.
    """

    code: str
    what: str
    why: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check: prediction and measurement, and the findings of both, the most severe first.

    ``measured`` is the measurement of the first address with the verdict of the check. ``addresses`` are all addresses
    of the destination that the source can send to, in the order in which they are tried. ``answered_by`` is the node
    that measured, where that is another node of a swarm. ``trace`` is ``None`` unless one was asked for and a packet
    was sent. ``limited`` is what could not be observed, and why the verdict is inconclusive.
    """

    verdict: Verdict
    predicted: Prediction
    measured: Measurement
    findings: tuple[Finding, ...] = ()
    answered_by: AnsweringNode | None = None
    trace: Trace | None = None
    addresses: tuple[TriedAddress, ...] = ()
    limited: tuple[Limitation, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerDestination:
    """A container, at all of its addresses that the source can send to, first those on a network that both are on.

    ``container`` is its full id; in a ``CheckRequest`` it is the reference that the caller wrote.
    """

    container: str


@dataclass(frozen=True, slots=True)
class NameDestination:
    """A name, resolved as the source resolves it."""

    name: str


@dataclass(frozen=True, slots=True)
class AddressDestination:
    """A literal address."""

    address: str


@dataclass(frozen=True, slots=True)
class HostDestination:
    """The engine's host, for its published ports: a container tries its default gateway, the host its loopback."""


Destination = ContainerDestination | NameDestination | AddressDestination | HostDestination


@dataclass(frozen=True, slots=True)
class Question:
    """Can this source reach that destination? ``source_id`` is a full container id, or ``None`` for the host.

    References are already resolved: the analysis sees no name where an id is meant. ``probe`` says what is sent,
    without its destination.
    """

    source_id: str | None
    destination: Destination
    probe: ProbeRequest = ProbeRequest(Protocol.ICMP)


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A check as a caller asks for it: a ``Question`` with references as the caller wrote them.

    ``source`` is a container, or ``None`` for the host. ``probe`` is what to send, without its destination. A
    ``forwarded`` request came from a peer, so it is not forwarded again. With ``trace`` the probe is recorded on its
    way, and ``trace_payload_bytes`` are kept of each packet behind its transport header. With ``None``, a second probe
    is recorded where the first one was lost and that was not predicted.
    """

    source: str | None
    destination: Destination
    probe: ProbeRequest
    forwarded: bool = False
    trace: bool | None = None
    trace_payload_bytes: int = 0


@dataclass(frozen=True, slots=True)
class WantedMatrix:
    """A matrix as a caller asks for it: exactly one of ``containers``, ``network`` and ``everything``.

    ``by`` is ``address`` or ``name``. A ``forwarded`` request came from a peer: then only the rows of this node's own
    containers are measured.
    """

    containers: tuple[str, ...] = ()
    network: str | None = None
    everything: bool = False
    protocol: Protocol = Protocol.ICMP
    port: int | None = None
    by: Literal["address", "name"] = "address"
    timeout_ms: int = 1000
    max_packets_per_second: int | None = None
    deadline_ms: int = 60_000
    forwarded: bool = False
