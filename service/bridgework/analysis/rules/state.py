"""Rules of the layers source and destination: whether a packet can leave the one and arrive at the other."""

from __future__ import annotations

from bridgework.analysis.attachment import Attachment, Condition, EngineState
from bridgework.analysis.routing import Way
from bridgework.analysis.rules.base import Findings, Situation, finding, members, of_container
from bridgework.explanations import remedies
from bridgework.explanations.containers import (
    CONTAINER_PAUSED,
    DESTINATION_NOT_RUNNING,
    HOST_MODE_NO_OWN_ADDRESS,
    NETWORK_MODE_NONE,
    SHARED_NETWORK_OWNER_DOWN,
    SHARED_NETWORK_STALE,
    SHARES_NETWORK,
    SOURCE_NOT_RUNNING,
)
from bridgework.model.checks import Finding, Protocol, Severity
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container, Snapshot

# The cgroup freezer stops the processes of a paused container, not the kernel. The kernel answers pings, and accepts
# TCP connections until the listen backlog is full. Only the program's answer is missing.
_ANSWERED_BY_THE_KERNEL = {Protocol.ICMP: Severity.INFO, Protocol.TCP: Severity.WARNING}


def _stays_inside(situation: Situation) -> bool:
    return situation.candidate is not None and situation.candidate.way is Way.LOCAL


def _how_it_ended(container: Container) -> str:
    if container.state == "removed":
        return f"{container.name} does not exist"
    # An exit code of 0 is shown as well: a container that ended without an error does not run either.
    details = [f"exit code {container.exit_code}"] if container.exit_code is not None else []
    details += [f"error: {container.error}"] if container.error else []
    return f"{container.name} is {container.state}{' (' + ', '.join(details) + ')' if details else ''}"


def source_is_down(situation: Situation) -> Findings:
    """Find a source that does not run: without a process it has no namespace."""
    container = situation.source.container
    if situation.source.condition is Condition.DOWN and container is not None:
        message = f"{_how_it_ended(container)}; nothing can be sent from it."
        evidence = {"state": container.state, "exit_code": container.exit_code, "error": container.error}
        # A removed container cannot be started. It is known only by the id in the request.
        remedy = None if container.state == "removed" else remedies.start_it(container)
        yield finding(SOURCE_NOT_RUNNING, of_container(container), message, remedy=remedy, evidence=evidence)


def source_is_paused(situation: Situation) -> Findings:
    """Find a paused source: its processes are frozen, so they send nothing."""
    container = situation.source.container
    if container is not None and container.paused:
        message = f"{container.name} is paused: nothing is sent from it."
        remedy = remedies.start_it(container)
        # The catalogue has a warning for this code, since a paused destination may still answer. A paused source sends
        # nothing.
        severity = Severity.BLOCKING
        yield finding(CONTAINER_PAUSED, of_container(container), message, severity=severity, remedy=remedy)


def source_has_no_network(situation: Situation) -> Findings:
    """Find a source with only ``lo``: it reaches itself and nothing else."""
    source = situation.source
    if source.condition is Condition.LOOPBACK_ONLY and source.container is not None:
        # To itself, by lo, the container still sends. So the finding blocks only for other destinations.
        severity = Severity.INFO if _stays_inside(situation) else Severity.BLOCKING
        yield no_network(
            situation.snapshot, source, members(source, situation.candidate_addresses.destination), severity
        )


def no_network(
    snapshot: Snapshot, attachment: Attachment, together: tuple[Container, ...], severity: Severity
) -> Finding:
    """Make the finding for a container with only ``lo``; the remedy connects ``together`` to one network."""
    container = attachment.container or Container("", "")
    mode = "in network mode none" if container.none_mode else "on no network"
    remedy = remedies.share_network(snapshot, together)
    message = f"{container.name} is {mode}: it has only lo."
    evidence = {"network_mode": container.network_mode}
    return finding(
        NETWORK_MODE_NONE, of_container(container), message, severity=severity, remedy=remedy, evidence=evidence
    )


def source_shares_a_lost_namespace(situation: Situation) -> Findings:
    """Find a source that shares a network namespace that is gone, or is no longer its owner's."""
    if situation.source.container is not None:
        # A stale namespace still has lo, so the container reaches itself.
        severity = Severity.WARNING if _stays_inside(situation) else None
        yield from lost_share(situation.state, situation.source, severity)


def lost_share(state: EngineState, attachment: Attachment, severity: Severity | None = None) -> Findings:
    """Make the findings for a container in mode ``container:X`` that does not use the current namespace of X."""
    sharer, owner = attachment.container, attachment.owner
    if sharer is None:
        return
    if attachment.condition is Condition.OWNER_DOWN:
        yield _owner_down(state.snapshot, sharer, owner, severity)
    if attachment.condition is Condition.STALE and owner is not None:
        inodes = state.observations.namespace_inodes
        message = f"{sharer.name} is still in the network namespace that {owner.name} had before it was started again."
        # Both kinds of evidence are shown: inodes where they were observed, start times always.
        facts = {
            "owner": owner.name,
            "sharer_namespace": inodes.get(sharer.id),
            "owner_namespace": inodes.get(owner.id),
            "sharer_started_at": sharer.started_at,
            "owner_started_at": owner.started_at,
        }
        remedy = remedies.revive_share(owner, sharer)
        yield finding(
            SHARED_NETWORK_STALE, of_container(sharer), message, severity=severity, remedy=remedy, evidence=facts
        )


def _owner_down(snapshot: Snapshot, sharer: Container, owner: Container | None, severity: Severity | None) -> Finding:
    # The owner is the end of a chain: the container that the sharer names may exist, while the one behind it is gone.
    named = snapshot.containers_by_id.get(sharer.shares_with or "")
    if owner is None:
        whose = (
            f"{named.name}, which shares the network of a container that is gone"
            if named
            else "a container that is gone"
        )
        message = f"{sharer.name} shares the network of {whose}."
        remedy = Remedy(
            f"Create {sharer.name} again with the network of a container that exists, or with a network of its own."
        )
    else:
        message = f"{sharer.name} shares the network of {owner.name}, which is {owner.state}."
        remedy = remedies.revive_share(owner, sharer)
    return finding(
        SHARED_NETWORK_OWNER_DOWN,
        of_container(sharer),
        message,
        severity=severity,
        remedy=remedy,
        evidence={"owner": owner.name if owner else sharer.shares_with},
    )


def destination_is_down(situation: Situation) -> Findings:
    """Find a destination that does not run: the engine took its addresses back."""
    destination = situation.candidate_addresses.destination
    if destination is not None and destination.condition is Condition.DOWN and destination.container is not None:
        yield destination_down_as(destination.container, "it holds no address")


def destination_down_as(container: Container, consequence: str) -> Finding:
    """Make the finding for a destination that does not run; ``consequence`` ends the message."""
    evidence = {"state": container.state, "exit_code": container.exit_code, "error": container.error}
    message = f"{_how_it_ended(container)}; {consequence}."
    remedy = None if container.state == "removed" else remedies.start_it(container)
    return finding(DESTINATION_NOT_RUNNING, of_container(container), message, remedy=remedy, evidence=evidence)


def destination_has_no_network(situation: Situation) -> Findings:
    """Find a destination with only ``lo``, or with a namespace that is gone."""
    destination = situation.candidate_addresses.destination
    # Two containers in one namespace reach each other by lo, whatever the namespace lacks.
    if destination is None or situation.source.is_same_namespace(destination):
        return
    if destination.condition is Condition.LOOPBACK_ONLY:
        together = members(situation.source, destination)
        yield no_network(situation.snapshot, destination, together, Severity.BLOCKING)
    yield from lost_share(situation.state, destination)


def destination_is_elsewhere(situation: Situation) -> Findings:
    """Find a destination without an address of its own: it uses the host's or another container's."""
    destination = situation.candidate_addresses.destination
    if destination is None or destination.container is None:
        return
    container, owner = destination.container, destination.owner
    # From the host, the host's own addresses are nothing unusual, so nothing is said.
    if destination.is_host and not situation.source.is_host:
        asked = f": the check uses {situation.candidate.address}, an address of the host" if situation.candidate else ""
        message = f"{container.name} is in host mode and has no address of its own{asked}."
        yield finding(HOST_MODE_NO_OWN_ADDRESS, of_container(container), message)
    if destination.condition is Condition.NETWORKED and owner is not None and owner.id != container.id:
        message = (
            f"{container.name} shares the network of {owner.name}: it is reached at the addresses of {owner.name}."
        )
        yield finding(SHARES_NETWORK, of_container(container), message, evidence={"owner": owner.name})


def destination_is_paused(situation: Situation) -> Findings:
    """Find a paused destination: the kernel answers pings and accepts connections, the program answers nothing."""
    # The holder of an address counts too, not only a container that the question names.
    destination = situation.destination
    if destination is None or destination.container is None or not destination.container.paused:
        return
    container = destination.container
    severity = _ANSWERED_BY_THE_KERNEL.get(situation.question.probe.protocol, Severity.BLOCKING)
    message = f"{container.name} is paused: pings are answered, requests are not."
    remedy = remedies.start_it(container)
    yield finding(CONTAINER_PAUSED, of_container(container), message, severity=severity, remedy=remedy)
