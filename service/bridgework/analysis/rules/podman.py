"""Rules for Podman in place of those about Docker's options: names, and what passes the host.

Podman's firewall is netavark's, and its name server is aardvark-dns. Neither follows Docker's options. So only the
rules in force decide whether a packet passes the host, and the answer of the name server is not predicted. Measured on
Podman 5.4.2 with netavark 1.14.
"""

from __future__ import annotations

from bridgework.analysis.attachment import Attachment
from bridgework.analysis.routing import Candidate, Way
from bridgework.analysis.rules.base import (
    HOST,
    Findings,
    Situation,
    component_of,
    finding,
    members,
    of_network,
    unseen,
)
from bridgework.analysis.rules.listener import unserved
from bridgework.analysis.rules.route import no_route
from bridgework.analysis.rules.simulated import STOPPED, outcome_of
from bridgework.explanations import remedies
from bridgework.explanations.networks import BRIDGES_ISOLATED
from bridgework.firewall import simulate
from bridgework.firewall.simulate import Outcome
from bridgework.model.checks import NameDestination
from bridgework.model.snapshot import Container, PublishedPort
from bridgework.policy.host_ports import overlap

NETAVARK = "netavark"


def name_is_not_predicted(situation: Situation) -> Findings:
    """Find a destination by name: the answer of Podman's name server is measured, and not predicted."""
    destination = situation.question.destination
    if isinstance(destination, NameDestination):
        message = f"The answer of Podman's name server (aardvark-dns) for {destination.name} is not predicted."
        yield unseen(component_of(situation.source), message, name=destination.name)


def way_out_is_missing(situation: Situation) -> Findings:
    """Find a source with one network that has no default route; with several, the routes are not predicted."""
    if len(situation.source.endpoints) == 1:
        yield from no_route(situation)


def passes_the_host(situation: Situation) -> Findings:
    """Find what the host's rules do with a packet that leaves its bridge, or that is for the host itself."""
    candidate = situation.candidate
    if candidate is None or isinstance(situation.question.destination, NameDestination):
        return
    if candidate.way is Way.NO_ROUTE or (candidate.way in {Way.LOCAL, Way.DIRECT} and not candidate.is_host):
        return
    if candidate.way is Way.LOCAL:
        if situation.transport is not None:
            yield unseen(HOST, "What answers at a port of Podman's host from the host itself is not predicted.")
        return
    # Netavark gives each network a default route, and the kernel chooses one of them.
    if not situation.source.is_host and len(situation.source.endpoints) > 1:
        message = f"{situation.source.name} is on several networks: its default route is not predicted on Podman."
        yield unseen(component_of(situation.source), message)
        return
    outcome = outcome_of(situation)
    if outcome is not None and outcome.verdict in STOPPED:
        yield from _dropped(situation, candidate, outcome)
    elif candidate.is_outside:
        message = f"{candidate.address} is outside of the engine: whether it answers is not predicted."
        yield unseen(HOST, message, address=candidate.address)
    elif outcome is None or outcome.verdict != simulate.ACCEPTED:
        yield unseen(HOST, "The rules of Podman's firewall (netavark) on the host were not seen, or not understood.")
    elif candidate.is_host:
        yield from _at_the_host(situation, candidate)


def _dropped(situation: Situation, candidate: Candidate, outcome: Outcome) -> Findings:
    step = outcome.step
    if step is None or step.place.table.name != NETAVARK or candidate.network is None:
        return  # ``in_force.foreign_rule_drops`` names the rule
    text = step.rule.text if step.rule is not None else f"policy of {step.place.chain.name}"
    message = f"Podman isolates {candidate.network.name} from other networks: {step.place.chain.name} has {text}."
    remedy = remedies.share_network(situation.snapshot, members(situation.source, situation.destination))
    evidence = {"table": step.place.table.name, "chain": step.place.chain.name, "rule": text}
    yield finding(BRIDGES_ISOLATED, of_network(candidate.network), message, remedy=remedy, evidence=evidence)


def _at_the_host(situation: Situation, candidate: Candidate) -> Findings:
    """Find that no program answers at a port of the host, published or not."""
    if situation.transport is None:
        return
    found = published(situation, candidate)
    if found is None:
        yield unseen(HOST, "The service does not look at the programs of Podman's host.", port=situation.port)
        return
    container, port = found
    # The packet would go back to the port of the bridge that it came from, which needs hairpin mode there.
    if situation.source.container is not None and situation.source.container.id == container.id:
        message = f"Whether {container.name} reaches its own published port is not predicted on Podman."
        yield unseen(component_of(situation.source), message, port=situation.port)
        return
    behind = situation.state.attachment_of(container.id)
    yield from unserved(situation, behind, port.container_port, _address_of(behind, candidate), candidate.version)


def published(situation: Situation, candidate: Candidate) -> tuple[Container, PublishedPort] | None:
    """Return the container that publishes the port of the question at the address, and the port."""
    key = (situation.port or 0, situation.transport or "")
    for container, port in situation.snapshot.publishers_by_port.get(key, ()):
        if container.running and overlap(port.host_ip, candidate.address):
            return container, port
    return None


def _address_of(behind: Attachment, candidate: Candidate) -> str:
    addresses = [address for endpoint in behind.endpoints for address in endpoint.addresses]
    return next((address for address in addresses if (":" in address) == (":" in candidate.address)), candidate.address)
