"""Classes of containers that the rules of reachability treat alike.

The trait of a container is everything that a rule reads of it, except the identity of its networks. Equal traits form
one class. In a trait the kind of a network stands for the network: its driver, the options that rules read, and whether
the host has an address on it. The signature of a container stands for the host's firewall and routing
(``signatures``).
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bridgework.analysis.address_choice import overlapping_networks, vlan_mode
from bridgework.analysis.all_pairs.non_uniform import non_uniform
from bridgework.analysis.all_pairs.signatures import Signatures
from bridgework.analysis.as_made import changed_networks
from bridgework.analysis.attachment import IPV4, IPV6, Attachment, Condition, EngineState
from bridgework.analysis.name_lookup import link_parts
from bridgework.analysis.routing import default_exit, gateway_mode, host_address_on
from bridgework.analysis.rules.listener import is_loopback
from bridgework.model.checks import Protocol
from bridgework.model.observations import MAPPED, Observations
from bridgework.model.snapshot import Container, Network, Snapshot

# The wildcard addresses, by the families that they receive: :: receives both, unless the socket says otherwise.
_ANYWHERE = {"0.0.0.0": "any4", "::": "any", "*": "any"}
_BYTE, _SAMPLES = 256, 2


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of containers, which are given by position.

    ``class_of`` and ``group_of`` map a position to the number of its class and group. A group is the containers of one
    class that are on the same networks in the same order. ``class_bytes`` are the classes as bytes, modulo 256.
    ``samples_of_class`` has two containers of each group, in different namespaces.
    """

    class_of: array[int]
    class_bytes: bytes
    group_of: array[int]
    networks_of: tuple[tuple[str, ...], ...]
    namespaces: tuple[Hashable, ...]
    members_of_network: dict[str, list[int]]
    members_of_namespace: dict[Hashable, list[int]]
    samples_of_class: dict[int, list[int]]
    # Destination whose verdict its class does not decide → sources for which their group does not decide it either.
    non_uniform: Mapping[int, frozenset[int]]

    @property
    def kinds(self) -> Iterable[int]:
        """Every class."""
        return self.samples_of_class.keys()

    def meeting(self, source: int, destination: int) -> tuple[tuple[int, int], ...] | Literal["same"]:
        """Return the positions, in both lists, of the networks that both are on; ``same`` for one namespace."""
        # In one namespace the networks do not matter: the packet stays on lo.
        if self.namespaces[source] == self.namespaces[destination]:
            return "same"
        theirs = self.networks_of[destination]
        return tuple((at, theirs.index(n)) for at, n in enumerate(self.networks_of[source]) if n in theirs)

    def met_by(self, source: int) -> Iterable[int]:
        """Yield the containers on the source's networks, the source included."""
        # A container that is on several of the source's networks is yielded once for each. The caller overwrites.
        for network_id in self.networks_of[source]:
            yield from self.members_of_network[network_id]

    def twin(self, source: int) -> int | None:
        """Return another container of the source's group, in another namespace."""
        alike = (c for c in self.samples_of_class[self.class_of[source]] if self.group_of[c] == self.group_of[source])
        return next((c for c in alike if self.namespaces[c] != self.namespaces[source]), None)

    def spread(self, codes: Mapping[int, int]) -> bytearray:
        """Return a byte for each container: the code of its class."""
        # Up to 256 classes, bytes.translate does this in C. Real engines have fewer.
        if len(self.samples_of_class) <= _BYTE:
            table = bytes(codes.get(kind, 0) for kind in range(_BYTE))
            return bytearray(self.class_bytes.translate(table))
        return bytearray(codes.get(kind, 0) for kind in self.class_of)

    def same_namespace(self, source: int) -> list[int]:
        """Return the containers in the source's namespace, the source included."""
        return self.members_of_namespace[self.namespaces[source]]

    def stranger(self, source: int, kind: int) -> int | None:
        """Return a container of the class that shares no network with the source; ``None`` if all share one."""
        samples = (c for c in self.samples_of_class[kind] if c not in self.non_uniform)
        return next((c for c in samples if not self.meeting(source, c)), None)


def classify(
    state: EngineState,
    container_ids: Sequence[str],
    protocol: Protocol,
    port: int | None,
    *,
    by_name: bool,
) -> Classes:
    """Sort the containers into classes, for questions about one protocol and port."""
    # The default port of http and dns, as the rules use it.
    asked = port if port is not None else protocol.traits.default_port
    kinds, linked = _kinds(state), _linked(state.snapshot)
    signatures = Signatures.of_host(state, protocol, asked)
    traits, networks, namespaces = [], [], []
    for container_id in container_ids:
        attachment = state.attachment_of(container_id)
        traits.append(
            (
                _trait(state, attachment, kinds),
                listening_at(attachment, protocol, asked, state.observations),
                publishes_at(attachment, protocol, asked),
                # A link opens ports to one container only, so linked containers are classes of their own.
                attachment.owner.id if attachment.owner is not None and attachment.owner.id in linked else None,
                signatures.of(attachment),
            )
        )
        networks.append(tuple(endpoint.network_id for endpoint in attachment.endpoints))
        namespaces.append(_namespace(attachment, container_id))
    disputed = non_uniform(state.snapshot, container_ids, asked, state.observations, by_name=by_name)
    # The class leaves the identity of the networks out, and the group has it.
    class_of, group_of = _numbered(traits), _numbered(list(zip(traits, networks, strict=True)))
    return Classes(
        class_of,
        bytes(number % _BYTE for number in class_of),
        group_of,
        tuple(networks),
        tuple(namespaces),
        _members(enumerate(networks)),
        _members((at, (namespace,)) for at, namespace in enumerate(namespaces)),
        _samples(class_of, group_of, namespaces, disputed),
        disputed,
    )


def _numbered(traits: Sequence[Hashable]) -> array[int]:
    """Number the traits: equal traits have equal numbers."""
    numbers: dict[Hashable, int] = {}
    return array("L", (numbers.setdefault(trait, len(numbers)) for trait in traits))


def _members(places: Iterable[tuple[int, Iterable[Hashable]]]) -> dict[Any, list[int]]:
    found: dict[Any, list[int]] = defaultdict(list)
    for at, names in places:
        for name in names:
            found[name].append(at)
    return found


def _samples(
    class_of: array[int], group_of: array[int], namespaces: Sequence[Hashable], disputed: Mapping[int, frozenset[int]]
) -> dict[int, list[int]]:
    """Map each class to two containers of each of its groups, in two namespaces."""
    # Two are needed: a container stands in as a destination only for a source in another namespace. Non-uniform
    # containers are counted apart: they can stand in as sources, but not as destinations.
    taken: dict[tuple[int, bool], list[Hashable]] = defaultdict(list)
    found: dict[int, list[int]] = defaultdict(list)
    for at, group in enumerate(group_of):
        known = taken[group, at in disputed]
        if len(known) < _SAMPLES and namespaces[at] not in known:
            known.append(namespaces[at])
            found[class_of[at]].append(at)
    return found


def _namespace(attachment: Attachment, container_id: str) -> Hashable:
    """Return an identity of the namespace: one for the host, one of its own for each container without an owner."""
    if attachment.is_host:
        return "host"
    # A container that does not run has no namespace, so it shares none with its owner.
    alone = attachment.condition in {Condition.DOWN, Condition.OWNER_DOWN, Condition.STALE}
    return container_id if alone or attachment.owner is None else attachment.owner.id


def _trait(state: EngineState, attachment: Attachment, kinds: dict[str, Hashable]) -> Hashable:
    """Return what rules read of the attachment."""
    container = attachment.container
    # Which kind of network gives the default route decides what is reachable beyond the own networks.
    exits = (default_exit(state, attachment, version) for version in (IPV4, IPV6))
    return (
        attachment.condition,
        container is not None and container.paused,
        # Sharers have findings of their own (shares-network).
        container is not attachment.owner,
        tuple((kinds[e.network_id], bool(e.ipv4_address), bool(e.ipv6_address)) for e in attachment.endpoints),
        tuple(kinds[network.id] if network else None for network in exits),
        # An observed interface, route or resolver may differ from what the engine set up: a class cannot share it.
        container.id if container is not None and _is_observed(container, attachment, state.observations) else None,
    )


def _is_observed(container: Container, attachment: Attachment, observations: Observations) -> bool:
    """Whether more than its sockets was observed inside: then the container is a class of its own."""
    owner = attachment.owner.id if attachment.owner is not None else container.id
    seen = [observations.inside[i] for i in (container.id, owner) if i in observations.inside]
    return any(part is not None for o in seen for part in (o.interfaces, o.routes, o.resolver, o.routing, o.firewall))


def listening_at(attachment: Attachment, protocol: Protocol, port: int | None, observations: Observations) -> Hashable:
    """Return the kinds of sockets that listen at the port; ``unseen`` where they were not observed."""
    if protocol is Protocol.ICMP:
        return None
    # All containers in a namespace have the same sockets.
    ids = [c.id for c in (attachment.container, attachment.owner) if c is not None]
    seen = next((observations.inside[i] for i in ids if i in observations.inside), None)
    if seen is None or seen.sockets is None:
        return "unseen"
    own = [address for endpoint in attachment.endpoints for address in (endpoint.ipv4_address, endpoint.ipv6_address)]
    return frozenset((s.protocol, s.ipv6_only, _bound_to(s.address, own)) for s in seen.sockets if s.port == port)


def publishes_at(attachment: Attachment, protocol: Protocol, port: int | None) -> bool:
    """Whether the container publishes the port: a routed network opens published ports to other networks."""
    transport = protocol.transport
    if attachment.owner is None or port is None or transport is None:
        return False
    return attachment.owner.publishes(port, transport)


def _linked(snapshot: Snapshot) -> frozenset[str]:
    """Return the containers with links that open ports between them. Each is a class of its own."""
    # A link opens ports only on a default bridge that keeps its containers apart (enable_icc=false).
    closed = any(n.is_default_bridge and not n.inter_container_enabled for n in snapshot.networks)
    linking = [container for container in snapshot.containers if container.links] if closed else []
    names = {link_parts(link)[0] for container in linking for link in container.links}
    return frozenset(c.id for c in (*linking, *(c for c in snapshot.containers if c.name in names)))


def _bound_to(address: str, own: list[str | None]) -> Hashable:
    """Return the kind of a socket's address: any, loopback, the position of an own address, or elsewhere."""
    if address in _ANYWHERE:
        return _ANYWHERE[address]
    if is_loopback(address):
        return "loopback"
    # Java binds ::ffff:10.0.0.2 for 10.0.0.2.
    held = address.removeprefix(MAPPED)
    if held in own:
        return own.index(held)
    return "any4" if held == "0.0.0.0" else "elsewhere"


def _kinds(state: EngineState) -> dict[str, Hashable]:
    """Map each network id to the kind of the network."""
    # Where subnets overlap, an address may be in the subnet of a network that it is not on. Such networks keep their
    # identity, and so do those whose bridge a program changed.
    alone = overlapping_networks(state.snapshot) | state.once(changed_networks)
    return {n.id: n.id if n.id in alone else _kind(state.snapshot, n) for n in state.snapshot.networks}


def _kind(snapshot: Snapshot, network: Network) -> Hashable:
    return (
        network.driver,
        network.internal,
        network.is_default_bridge,
        network.inter_container_enabled,
        network.options.get("com.docker.network.bridge.enable_ip_masquerade"),
        # These are exactly the options that the rules read. A rule that reads another option must add it here.
        vlan_mode(network),
        *(gateway_mode(network, version) for version in (IPV4, IPV6)),
        *(host_address_on(snapshot, network, version) is not None for version in (IPV4, IPV6)),
    )
