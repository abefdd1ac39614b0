"""The path of a packet as hops, with names that can be looked up on the host, up to the hop that stops it.

Each hop belongs to a step (``Step``). The table of rules says at which step a packet stops, or from which step on that
is unknown. A step without a device, such as a firewall rule or an unknown name, is a hop only where the packet stops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridgework.analysis.attachment import THE_HOST, Attachment
from bridgework.analysis.endpoint_links import host_end_of, interface_on
from bridgework.analysis.routing import Candidate, Way, is_vlan
from bridgework.analysis.rules.base import Situation, Step
from bridgework.analysis.rules.host import publication
from bridgework.analysis.rules.listener import bound, listener
from bridgework.analysis.rules.overlay import tunnel
from bridgework.analysis.rules.table import Judgement
from bridgework.model.checks import (
    AddressDestination,
    Finding,
    Hop,
    HopStatus,
    HostDestination,
    NameDestination,
)
from bridgework.model.snapshot import Network

_Steps = list[tuple[Step, Hop]]
_FORWARD = "FORWARD"


def path_of(situation: Situation, judgement: Judgement) -> tuple[Hop, ...]:
    """List the hops from the source to the destination's program. If a rule stops the packet, the last hop does."""
    candidate = situation.candidate
    # Without an address or a route no device is on the path, only the hop of the step that stops the packet.
    steps: _Steps = [] if candidate is None or candidate.way is Way.NO_ROUTE else list(_steps(situation, candidate))
    unsure, stop = judgement.unsure, None
    # The hop of the first unknown step must exist before the path is cut at the step that stops the packet.
    if unsure is not None:
        unsure = _with_hop(situation, steps, unsure, None)
    if judgement.stop is not None:
        stop = _with_hop(situation, steps, *judgement.stop)
        steps = [(step, hop) for step, hop in steps if step <= stop]
    path = [
        # After an unknown hop each later hop is unknown too: the packet may not have come so far.
        replace(hop, status=HopStatus.UNKNOWN) if unsure is not None and step >= unsure else hop
        for step, hop in steps
    ]
    if stop is not None:
        # The steps are sorted, so the last one left is the one that stops the packet.
        path[-1] = replace(path[-1], status=HopStatus.STOPPED)
    return tuple(path)


def _with_hop(situation: Situation, steps: _Steps, step: Step, found: Finding | None) -> Step:
    """Make sure that a hop stands for the step, and return the step of that hop.

    A step whose device was not observed has no hop of its own: the hop before it stands for it.
    """
    if any(at is step for at, _ in steps):
        return step
    # A device that was not observed has no hop. A step without a device has one only here, where the packet stops.
    own = _hop_of(situation, step, found)
    before = [at for at, _ in steps if at < step]
    if own is None and before:
        return before[-1]
    # A packet always has a source, so the source stands for a step that has nothing before it.
    made = (step, own) if own is not None else (Step.SOURCE, _end(situation.source))
    steps.insert(len([at for at, _ in steps if at < made[0]]), made)
    return made[0]


def _hop_of(situation: Situation, step: Step, found: Finding | None) -> Hop | None:
    """Return the hop of a step without a device; ``found`` is the finding that stops the packet there."""
    # The whole table is made for one entry, since that is short and happens once for a path that ends early.
    candidate, source, destination = situation.candidate, situation.source, situation.destination
    asked = _asked(situation)
    address = candidate.address if candidate is not None else asked
    # The finding names the chain that drops. FORWARD is the hook for everything between bridges.
    chain = str(found.evidence.get("chain", _FORWARD)) if found is not None else _FORWARD
    port = "port" if situation.port is None else f"{situation.transport} {situation.port}"
    holder = candidate.attachment if candidate is not None and candidate.attachment is not None else THE_HOST
    published = publication(situation)
    return {
        Step.SOURCE: _end(source),
        Step.DESTINATION: _end(destination or source),
        Step.NAME: Hop("name", asked, source.name),
        Step.ADDRESS: Hop("address", asked, source.name),
        Step.OWN_ROUTE: Hop("routing", address, source.name),
        Step.FIREWALL: Hop("firewall", chain, THE_HOST.name),
        # The answer is lost on its way to the source, after the published container or the holder sent it.
        Step.REPLY: Hop("reply", source.name, published.attachment.name if published is not None else holder.name),
        Step.PORT: Hop("port", port, holder.name),
        Step.OUTSIDE: Hop("address", address),
    }.get(step)


def _end(attachment: Attachment) -> Hop:
    return Hop("container" if attachment.container else "host", attachment.name)


def _asked(situation: Situation) -> str:
    """Return the destination of the question as the caller named it."""
    match situation.question.destination:
        case NameDestination(name):
            return name
        case AddressDestination(address):
            return address
        case HostDestination():
            return THE_HOST.name
        case _:
            return situation.destination.name if situation.destination else ""


def _steps(situation: Situation, candidate: Candidate) -> Iterator[tuple[Step, Hop]]:
    """Yield every hop, as if no rule stopped the packet."""
    source = situation.source
    if candidate.way is Way.LOCAL:
        yield Step.OWN_INTERFACE, Hop("interface", "lo", source.name)
    elif candidate.exit is not None:
        yield from zip((Step.OWN_INTERFACE, Step.OWN_VETH), _links(situation, source, candidate.exit), strict=False)
        yield Step.EXIT, _carrier(candidate.exit)
    # The host is on the path where it forwards the packet, and where it is the destination itself.
    if candidate.way is Way.FORWARDED or (candidate.is_host and candidate.way is Way.DIRECT):
        yield Step.ROUTING, Hop("routing", candidate.address, THE_HOST.name)
    # Where docker-proxy or the NAT rules answer, the path goes on to the container behind the port.
    yield from _published(situation)
    if candidate.network is not None and not candidate.is_host and candidate.way is not Way.LOCAL:
        yield from _inward(situation, candidate, candidate.network)
    # At the host the published port, not a socket, is the last hop (``_published``).
    waiting = listener(situation) if situation.transport and not candidate.is_host else None
    if waiting is not None and candidate.attachment is not None:
        yield Step.PORT, Hop("listener", f"{waiting.protocol} {bound(waiting)}", candidate.attachment.name)


def _links(situation: Situation, attachment: Attachment, network: Network) -> Iterator[Hop]:
    """Yield the interface inside, then the veth on the host, as far as they were observed."""
    inside = interface_on(situation.observations, attachment, network.id)
    if inside is not None:
        yield Hop("interface", inside.name, attachment.name)
        outside = host_end_of(situation.observations, inside)
        if outside is not None:
            yield Hop("veth", outside.name, THE_HOST.name)
    # The engine does not list which interface belongs to which network. With one network it is eth0.
    elif len(attachment.endpoints) == 1:
        yield Hop("interface", "eth0", attachment.name)


def _arriving(situation: Situation, attachment: Attachment, network: Network) -> Iterator[tuple[Step, Hop]]:
    """Yield the same links in the opposite direction, from the host inwards."""
    links = zip((Step.THEIR_INTERFACE, Step.THEIR_VETH), _links(situation, attachment, network), strict=False)
    yield from reversed(list(links))


def _carrier(network: Network) -> Hop:
    """Return the hop of the network: its bridge, its parent link, or the network itself."""
    if network.bridge_name is not None:
        return Hop("bridge", network.bridge_name, network.name)
    if is_vlan(network):
        return Hop("parent", network.options.get("parent", network.driver), network.name)
    return Hop(network.driver, network.name, network.name)


def _inward(situation: Situation, candidate: Candidate, network: Network) -> Iterator[tuple[Step, Hop]]:
    """Yield the hops from the destination's bridge to its interface."""
    # Where both are on one network, its bridge is already in the path.
    if candidate.exit is None or candidate.exit.id != network.id:
        # The host sends directly to its own bridge: there the packet leaves its source.
        yield Step.EXIT if candidate.way is Way.DIRECT else Step.NETWORK, _carrier(network)
    if candidate.attachment is not None:
        yield from ((Step.TUNNEL, hop) for hop in tunnel(candidate.attachment, network))
        yield from _arriving(situation, candidate.attachment, network)


def _published(situation: Situation) -> Iterator[tuple[Step, Hop]]:
    """Yield the published port, docker-proxy where it answers, and the hops to the container behind it."""
    found = publication(situation)
    if found is None:
        return
    host_ip = found.port.host_ip or "0.0.0.0"
    yield Step.PUBLISHED, Hop("published-port", f"{host_ip}:{found.port.host_port}", found.container.name)
    if found.by_proxy:
        yield Step.PROXY, Hop("proxy", "docker-proxy", THE_HOST.name)
    # The engine translates to the address on the network of the default route, the first in its order.
    for endpoint in found.attachment.endpoints[:1]:
        network = situation.network_of(endpoint.network_id)
        if network is not None:
            yield Step.NETWORK, _carrier(network)
            yield from _arriving(situation, found.attachment, network)
    yield Step.PORT, Hop("port", f"{found.port.protocol} {found.port.container_port}", found.container.name)
