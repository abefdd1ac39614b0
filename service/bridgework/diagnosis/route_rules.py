"""Rules about the host's routing: policy rules that lead packets of networks elsewhere, and the reverse path filter.

The kernel is asked for one container of each network and IP version, in each direction: from the host, from an address
outside, and from the container. So three questions are enough for a network, of about 10 µs each. A rule for the
address of another container, or for a mark or a port, is found only by a check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from itertools import islice

from bridgework.analysis import kernel_routes
from bridgework.analysis.attachment import IPV4, version_of
from bridgework.analysis.exposure.questions import Origin, lan_origins
from bridgework.analysis.routing import host_address_on
from bridgework.diagnosis.view import View
from bridgework.model.checks import Finding
from bridgework.model.observations import HostObservation, Route, RouteAnswer, RouteQuestion
from bridgework.model.snapshot import Network, Snapshot

_DEFAULT_ROUTES = frozenset({"0.0.0.0/0", "::/0"})


@dataclass(frozen=True, slots=True)
class _Asked:
    """The questions about one network and IP version.

    ``sent`` comes from the host, ``returned`` from an address outside of it, and ``left`` from the container.
    """

    network: Network
    sent: RouteQuestion
    returned: RouteQuestion | None
    left: RouteQuestion | None


def route_questions(snapshot: Snapshot, host: HostObservation | None) -> tuple[RouteQuestion, ...]:
    """Return what the kernel is to be asked; nothing where the host's routes were not observed."""
    found = (question for one in _asked(snapshot, host) for question in (one.sent, one.returned, one.left))
    return tuple(question for question in found if question is not None)


def packets_are_routed_elsewhere(view: View) -> Iterator[Finding]:
    """Find networks whose packets the host's policy rules lead elsewhere, or its reverse path filter drops."""
    routes = view.engine.observations.routes
    for one in _asked(view.snapshot, view.engine.observations.host) if routes else ():
        for question in _answered(routes, one):
            reply = question is one.returned
            found = kernel_routes.finding_of(view.snapshot, question, routes[question], reply=reply)
            if found is not None:
                yield replace(found, evidence={**found.evidence, "affected": len(view.active(one.network))})


def _answered(routes: Mapping[RouteQuestion, RouteAnswer], one: _Asked) -> Iterator[RouteQuestion]:
    """Yield the questions whose answers are faults of their own."""
    # Another route of the main table is ``subnet-overlaps-host-route``, which needs no question. A rule that diverts
    # the host's own packets mostly diverts those from outside as well.
    diverted = (question for question in (one.sent, one.returned) if question and _by_rule(routes.get(question)))
    yield from islice(diverted, 1)
    answer = routes.get(one.left) if one.left is not None else None
    if one.left is not None and answer is not None and answer.reverse_path_filter is not None:
        yield one.left


def _by_rule(answer: RouteAnswer | None) -> bool:
    return answer is not None and answer.rule is not None and answer.reverse_path_filter is None


def _asked(snapshot: Snapshot, host: HostObservation | None) -> Iterator[_Asked]:
    routes = host.observation.routes if host is not None else None
    if host is None or routes is None:
        return
    by_interface: dict[str | None, list[Route]] = {}
    for route in routes:
        by_interface.setdefault(route.interface, []).append(route)
    outside = _outside(snapshot, host, routes)
    for network in snapshot.networks:
        own = by_interface.get(network.bridge_name, ()) if network.bridge_name else ()
        for version, address in _addresses(snapshot, network).items():
            # Where the bridge lost its address, its route is gone too, and that is another finding.
            if any(ip_address(address) in ip_network(route.destination) for route in own):
                yield _asked_about(snapshot, network, version, address, outside.get(version))


def _asked_about(snapshot: Snapshot, network: Network, version: int, address: str, outside: Origin | None) -> _Asked:
    bridge, gateway = network.bridge_name, host_address_on(snapshot, network, version)
    sent = RouteQuestion(version, address, expected=bridge)
    returned = replace(sent, source=outside.source, incoming=outside.interface) if outside is not None else None
    # Only IPv4 has the filter. It judges a packet for the host itself as it judges one for elsewhere.
    filtered = version == IPV4 and gateway is not None
    left = RouteQuestion(version, gateway or "", source=address, incoming=bridge) if filtered else None
    return _Asked(network, sent, returned, left)


def _addresses(snapshot: Snapshot, network: Network) -> Mapping[int, str]:
    """Return the address of one running container for each IP version."""
    found: dict[int, str] = {}
    # Sorted, so that the rule finds the answers to the same questions: the diagnosis has a snapshot in another order.
    for endpoint in sorted(snapshot.endpoints_of(network), key=lambda e: (e.container_name, e.container_id)):
        for address in endpoint.addresses if endpoint.state == "active" else ():
            version = version_of(address)
            if version is not None:
                found.setdefault(version, address)
    return found


def _outside(snapshot: Snapshot, host: HostObservation, routes: Sequence[Route]) -> Mapping[int, Origin]:
    """Return a neighbour of the host for each IP version, on the link of the default route if there is one."""
    default = {route.interface for route in routes if route.destination in _DEFAULT_ROUTES}
    found: dict[int, Origin] = {}
    for origin in sorted(lan_origins(snapshot, host), key=lambda one: one.interface not in default):
        if origin.source is not None:
            found.setdefault(origin.version, origin)
    return found
