"""Snapshots for the tests of core, put together from short words; nothing here asks an engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.case import Case
from bridgework.analysis.docker_rules.written import written_rules
from bridgework.firewall.iptables_save import is_built_in
from bridgework.http.schemas.actions import call_of
from bridgework.model.checks import (
    AddressDestination,
    ContainerDestination,
    Destination,
    HostDestination,
    NameDestination,
    ProbeRequest,
    Protocol,
    Question,
)
from bridgework.model.observations import (
    NOTHING_SEEN,
    DockerRules,
    FirewallChain,
    FirewallRules,
    HostObservation,
    ListeningSocket,
    Observation,
    Observations,
)
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot

DESTINATIONS: dict[str, Callable[[str], Destination]] = {"name": NameDestination, "address": AddressDestination}


def identity(name):
    """A full id, the same for the same name every time."""
    return hashlib.sha256(name.encode()).hexdigest()


def network(name, subnet="10.1.0.0/24", **facts):
    """A bridge network with the usual gateway, dual-stack if ``subnet6`` is given."""
    subnet6 = facts.pop("subnet6", None)
    pools = [Pool(subnet, gateway=subnet.rsplit(".", 1)[0] + ".1")] if subnet else []
    pools += [Pool(subnet6, gateway=subnet6.split("/")[0] + "1")] if subnet6 else []
    options = facts.pop("options", {})
    if name == "bridge":
        options = {"com.docker.network.bridge.name": "docker0"} | options
    return Network(
        identity("network " + name), name, pools=tuple(pools), ipv6_enabled=bool(subnet6), options=options, **facts
    )


def container(name, *places, state="running", ports=(), **facts):
    """A container; ``places`` are ``(network, address)``, ``(network, address, more)`` or a network alone."""
    own = identity("container " + name)
    endpoints = tuple(_endpoint(own, name, state, place) for place in places)
    published = tuple(ports)
    configured = facts.pop("configured_ports", published)
    return Container(
        own,
        name,
        state=state,
        hostname=facts.pop("hostname", own[:12]),
        endpoints=endpoints,
        published_ports=published if state in {"running", "paused"} else (),
        configured_ports=tuple(configured),
        **facts,
    )


def _endpoint(own, name, state, place):
    there, address, more = (*place, None, {})[:3] if isinstance(place, tuple) else (place, None, {})
    more = more or {}
    active = state in {"running", "paused"}
    bridge = there.driver in {"bridge", "macvlan", "ipvlan"} and not there.internal
    gateways = {":" in (pool.gateway or ""): pool.gateway for pool in there.pools}
    aliases = tuple(more.get("aliases", ()))
    facts = {
        "state": "active" if active else "configured",
        "ipv4_address": address if active else None,
        "ipv4_prefix_len": 24 if address and active else None,
        "ipv6_prefix_len": 64 if more.get("ipv6_address") and active else None,
        "gateway": gateways.get(False) if bridge and address and active else None,
        "ipv6_gateway": gateways.get(True) if bridge and more.get("ipv6_address") and active else None,
        "dns_names": () if there.is_default_bridge else (name, *aliases, own[:12]),
    }
    return Endpoint(there.id, there.name, own, name, **(facts | more | {"aliases": aliases}))


def world(*things):
    """A snapshot of these networks and containers, and of every network that a container is on."""
    networks = {thing.id: thing for thing in things if isinstance(thing, Network)}
    containers = [thing for thing in things if isinstance(thing, Container)]
    return Snapshot(
        tuple(sorted(networks.values(), key=lambda n: (n.name, n.id))),
        tuple(sorted(containers, key=lambda c: (c.name, c.id))),
    )


def target(snapshot, question, observations=NOTHING_SEEN):
    """The first address that a prediction is about, which the measurement asks too."""
    return Case.of(snapshot, question, observations).situations[0].candidate.address


def ask(source, destination, protocol="icmp", port=None, **facts):
    """A question: containers as they are, ``"host"``, ``"name:x"``, ``"address:x"``."""
    if isinstance(destination, Container):
        aimed: Destination = ContainerDestination(destination.id)
    elif destination == "host":
        aimed = HostDestination()
    else:
        kind, _, value = destination.partition(":")
        aimed = DESTINATIONS[kind](value)
    probe = ProbeRequest(Protocol(protocol), port=port, **facts)
    return Question(None if source == "host" else source.id, aimed, probe)


def predict(snapshot, question, observations=NOTHING_SEEN):
    """The prediction for a question."""
    return Case.of(snapshot, question, observations).predict()


def published(host_port, container_port=8080, host_ip="0.0.0.0", protocol="tcp"):
    """A published port."""
    return PublishedPort(container_port, protocol, host_ip, host_port)


def listening(*where, protocol="tcp"):
    """An observation of a namespace in which these ``address:port`` are listened on."""
    sockets = tuple(
        ListeningSocket(
            protocol,
            "ipv6" if ":" in a.rsplit(":", 1)[0] else "ipv4",
            a.rsplit(":", 1)[0].strip("[]"),
            int(a.rsplit(":", 1)[1]),
        )
        for a in where
    )
    return Observation(1, sockets=sockets)


def seen(observations=(), host=None, **facts):
    """Observations: pairs of container and observation, and the host's observation or its facts; a proxy by default."""
    facts.setdefault("userland_proxy", True)
    if isinstance(host, Observation):
        host = HostObservation(host)
    return Observations(inside={c.id: observation for c, observation in observations}, host=host, **facts)


def rules_of_engine(snapshot, **facts):
    """The rules of the engine for the snapshot as they are read, with each that depends on a hidden setting."""
    state = EngineState(snapshot, seen(**facts))
    chains = {version: _chains(written_rules(state, version)) for version in (4, 6)}
    return FirewallRules(chains[4], chains[6], "", docker=DockerRules(ipv4=True, ipv6=True))


def _chains(written):
    # A chain that is called and has no rules is there as well.
    names = {(table.name, chain): () for table in written.ruleset.tables for chain in table.chains} | written.rules
    return tuple(
        FirewallChain(table, name, "ACCEPT" if is_built_in(name) else None, tuple((0, 0, rule.text) for rule in rules))
        for (table, name), rules in names.items()
    )


def with_routes(observation, *routes):
    """The same observation with a routing table."""
    return replace(observation, routes=routes)


def way(prediction):
    """Kind and status of every hop of a prediction's path."""
    return [(hop.kind, hop.status.value) for hop in prediction.path]


def codes(thing):
    """The codes of a prediction, a result or a list of findings, as a list."""
    return [finding.code for finding in getattr(thing, "findings", thing)]


def finding_of(thing, code):
    """The one finding with that code."""
    (found,) = [finding for finding in getattr(thing, "findings", thing) if finding.code == code]
    return found


BRIDGE = network("bridge", "172.17.0.0/24")
NONE = Network(identity("network none"), "none", driver="null")
HOST_NETWORK = Network(identity("network host"), "host", driver="host")
BUILTIN = (BRIDGE, NONE, HOST_NETWORK)


def calls_of(remedy):
    """The requests that a client is told to send."""
    return tuple(call_of(action) for action in remedy.actions)
