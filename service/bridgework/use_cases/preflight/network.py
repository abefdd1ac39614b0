"""Check a new network before a call of the engine: faults of the request, the policy, names and subnets in use.

The engine accepts much of it silently (unknown options, public subnets) or answers with a status that misleads. So it
is all decided here, from a snapshot and the routes of the host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridgework.ipam.input import validate_network_name, validate_pools
from bridgework.ipam.usage import DEFAULT_BASES, Overlap, available_subnets, overlaps
from bridgework.model import references
from bridgework.model.actions import FindFreeSubnets, Read
from bridgework.model.create_specs import NetworkSpec
from bridgework.model.driver_options import ENGINE_OF_API, faults_of
from bridgework.model.errors import Conflict, InputFault, Refused, Remedy, invalid
from bridgework.model.observations import Route
from bridgework.model.snapshot import Network, Snapshot
from bridgework.policy.access import reserved_label_faults, subnet_allowed
from bridgework.topology.host_links import host_links
from bridgework.use_cases.services import Services

IPV4_SWITCH_API = (1, 48)
IPV6_POOL_API = (1, 46)
"""Docker 27 chooses a unique local IPv6 subnet for a network that names none."""
SINGLE_DRIVERS = frozenset({"host", "null", "none"})
ON_A_PARENT = frozenset({"macvlan", "ipvlan"})
MTU = "com.docker.network.driver.mtu"
IPV6_LEAST_MTU = 1280


def source_of(snapshot: Snapshot, spec: NetworkSpec) -> Network | None:
    """Return the network that ``config_from`` names. Raises ``NotFound`` or ``AmbiguousReference``."""
    return references.network(snapshot, spec.config_from) if spec.config_from else None


def validate(services: Services, spec: NetworkSpec, source: Network | None) -> None:
    """Raise ``InvalidInput`` with every fault at once, or ``Refused`` when the policy does not allow the network."""
    services.engine.require_supported(spec)
    api = api_version(services)
    faults = validate_network_name(spec.name) + reserved_label_faults(spec.labels)
    faults += validate_pools(
        spec.pools,
        ipv4_enabled=spec.ipv4_enabled is not False,
        ipv6_enabled=spec.ipv6_enabled,
        driver="" if spec.config_only else spec.driver,
        allow_public=services.policy.public_subnets,
    )
    faults += faults_of(None if spec.config_only else spec.driver, spec.options, api)
    faults += _faults_of_families(spec, api) + _faults_of_kind(spec) + _faults_of_source(spec, source)
    require_valid(faults)
    _require_allowed(services, spec)


def require_valid(faults: Sequence[InputFault]) -> None:
    """Raise ``InvalidInput`` when there are faults."""
    if faults:
        raise invalid("The body", faults)


def api_version(services: Services) -> tuple[int, int]:
    """Return the engine's newest API version, such as ``(1, 45)``."""
    major, minor = services.engine.facts().api_version.split(".")[:2]
    return int(major), int(minor)


def _faults_of_families(spec: NetworkSpec, api: tuple[int, int]) -> list[InputFault]:
    faults = []
    if spec.ipv4_enabled is False:
        if api < IPV4_SWITCH_API:
            since = ENGINE_OF_API[IPV4_SWITCH_API]
            faults.append(InputFault("/ipv4_enabled", f"The engine is too old for this field; {since} supports it."))
        if not spec.ipv6_enabled:
            faults.append(InputFault("/ipv6_enabled", "Without IPv4 a network needs IPv6."))
    mtu = spec.options.get(MTU, "")
    if spec.ipv6_enabled and mtu.isascii() and mtu.isdecimal() and 0 < int(mtu[:9]) < IPV6_LEAST_MTU:
        faults.append(InputFault(f"/options/{MTU}", f"IPv6 needs an MTU of at least {IPV6_LEAST_MTU} bytes."))
    return faults


def _faults_of_kind(spec: NetworkSpec) -> list[InputFault]:
    faults = []
    if spec.driver in SINGLE_DRIVERS:
        faults.append(InputFault("/driver", "The engine has one network of this driver, and makes no second."))
    if spec.ingress and spec.driver != "overlay":
        faults.append(InputFault("/ingress", "Only an overlay network of a swarm can be the routing mesh."))
    if spec.config_only:
        faults += [
            InputFault(
                f"/{name}",
                "A configuration network does not take this field. Set it on the networks that use the configuration.",
            )
            for name in ("internal", "attachable", "ingress", "scope", "config_from")
            if getattr(spec, name)
        ]
    return faults


def _faults_of_source(spec: NetworkSpec, source: Network | None) -> list[InputFault]:
    if source is None:
        return []
    faults = []
    if not source.config_only:
        faults.append(InputFault("/config_from", f"{source.name} is a network and not a configuration."))
    asked: Mapping[str, object] = {
        "ipam/pools": spec.pools,
        "ipam/options": spec.ipam_options,
        "options": spec.options,
        "labels": spec.labels,
        "ipv6_enabled": spec.ipv6_enabled,
    }
    return faults + [
        InputFault(f"/{name}", f"This value comes from the configuration {source.name}.")
        for name in asked
        if asked[name]
    ]


def _require_allowed(services: Services, spec: NetworkSpec) -> None:
    allowed = services.policy.allowed_drivers
    if allowed is not None and spec.driver not in allowed:
        raise Refused(
            code="driver-not-allowed", detail=f"The policy of this service allows the drivers {', '.join(allowed)}."
        )
    for pool in spec.pools:
        if not subnet_allowed(services.policy, pool.subnet):
            raise Refused(
                code="subnet-not-allowed", detail=f"The policy of this service does not allow the subnet {pool.subnet}."
            )


def require_parent_allowed(services: Services, snapshot: Snapshot, spec: NetworkSpec, source: Network | None) -> None:
    """Raise ``Refused`` (``parent-not-allowed``) when the parent interface is part of another Docker network.

    A macvlan or ipvlan on a Docker bridge connects its containers to that bridge, without the network's owner and
    without Docker's rules between networks (26.1.5, measured: they answer ARP there and receive the frames).
    """
    parent = (source or spec).options.get("parent")
    if parent is None or spec.driver not in ON_A_PARENT or spec.config_only:
        return
    observation = services.runner.observe(services.engine.host_place(snapshot), ("interfaces",))
    known = host_links(snapshot, (observation.interfaces or ()) if observation else ())
    link = known.docker_link_behind(parent)
    if link is None:
        return
    network = known.networks.get(link)
    whose = f"the network {network.name}" if network else "Docker"
    through = "" if link == parent else f" leads to {link}, which"
    raise Refused(
        code="parent-not-allowed",
        detail=f"The parent interface {parent}{through} belongs to {whose}.",
        remedy=Remedy(
            "Use an interface of the host's own LAN as parent, or connect the containers to that network instead."
        ),
    )


def require_free(services: Services, snapshot: Snapshot, spec: NetworkSpec, source: Network | None) -> None:
    """Raise ``Conflict`` that names what has the name, the bridge or the addresses."""
    for network in snapshot.networks:
        if network.name == spec.name:
            raise _name_taken(network)
        if _same_bridge(network, spec, source):
            raise _bridge_taken(network)
    subnets = [pool.subnet for pool in (source or spec).pools]
    if subnets and not spec.config_only:
        met = _meets(services, snapshot, spec, subnets)
        if met:
            raise _overlap(services, snapshot, met[0])


def foresee(services: Services, spec: NetworkSpec, source: Network | None) -> None:
    """Raise ``Conflict`` as the engine itself would; for a dry run, in which the engine is not asked.

    Not all refusals of an engine and its kernel can be foreseen: whether a parent interface can be used is not known.
    """
    of_swarm = spec.driver == "overlay" or spec.scope == "swarm"
    if of_swarm and services.swarm and not services.swarm.membership().manager:
        raise Conflict(
            code="not-a-swarm-manager",
            detail="This engine is not a swarm manager, and only a manager can create such a network.",
            remedy=Remedy("Send the request to a manager, or start a swarm.", commands=("docker swarm init",)),
        )
    bases = (base for base, _ in services.engine.facts().default_address_pools)
    subnets = (pool.subnet for pool in (source or spec).pools)
    if services.engine.facts().chooses_ipv6_subnets:
        return
    own = api_version(services) >= IPV6_POOL_API or any(":" in subnet for subnet in (*bases, *subnets))
    if spec.ipv6_enabled and not spec.config_only and spec.ipam_driver == "default" and not own:
        raise Conflict(
            code="address-space-exhausted",
            detail="The engine's default address pools have no IPv6 subnet.",
            remedy=Remedy("Set an IPv6 subnet yourself.", (FindFreeSubnets(64),)),
        )


def _meets(services: Services, snapshot: Snapshot, spec: NetworkSpec, subnets: list[str]) -> list[Overlap]:
    """Return what the subnets overlap: networks of the same address space, and routes of the host.

    The networks of a swarm have an address space of their own. A macvlan or ipvlan shares its parent's LAN, so a host
    route to that subnet is expected.
    """
    swarm = spec.driver == "overlay"
    networks = [n for n in snapshot.networks if not n.config_only and (n.scope == "swarm") == swarm]
    return overlaps(subnets, networks, () if spec.driver in ON_A_PARENT else host_routes(services, snapshot))


def _same_bridge(network: Network, spec: NetworkSpec, source: Network | None) -> bool:
    name = (source or spec).options.get("com.docker.network.bridge.name")
    return name is not None and spec.driver == "bridge" and not spec.config_only and network.bridge_name == name


def _name_taken(holder: Network) -> Conflict:
    return Conflict(
        code="network-name-taken",
        detail=f"A network named {holder.name} already exists ({holder.id[:12]}).",
        remedy=Remedy("Use that network, or choose another name.", (Read("network", holder.id),)),
        facts={"network": {"id": holder.id, "name": holder.name}},
    )


def _bridge_taken(holder: Network) -> Conflict:
    return Conflict(
        code="bridge-name-taken",
        detail=f"The network {holder.name} already has the bridge {holder.bridge_name}.",
        remedy=Remedy("Choose another name for the bridge, or let the engine choose one."),
        facts={"network": {"id": holder.id, "name": holder.name}, "bridge_name": holder.bridge_name},
    )


def host_routes(services: Services, snapshot: Snapshot) -> tuple[Route, ...]:
    """Return the host's routes; none if the host cannot be inspected. The engine then still refuses what it sees."""
    observation = services.runner.observe(services.engine.host_place(snapshot), ("routes",))
    return (observation.routes or ()) if observation else ()


def _overlap(services: Services, snapshot: Snapshot, met: Overlap) -> Conflict:
    length = int(met.subnet.partition("/")[2])
    bases = services.policy.allowed_subnets or DEFAULT_BASES
    free = available_subnets(length, 1, taken_subnets(services, snapshot), bases)
    what = (
        f"the network {met.name}" if met.with_kind == "network" else f"the host's route {met.other_subnet} ({met.name})"
    )
    hint = f" {free[0]} is free." if free else ""
    return Conflict(
        code="subnet-overlaps",
        detail=f"{met.subnet} overlaps {met.other_subnet} of {what}.{hint}",
        remedy=Remedy(
            f"Use {free[0]} instead." if free else "Use a subnet that does not overlap another.",
            (FindFreeSubnets(length),),
        ),
        facts={
            "subnet": met.subnet,
            "overlaps": {"kind": met.with_kind, "name": met.name, "id": met.id, "subnet": met.other_subnet},
            "available": free,
        },
    )


def taken_subnets(services: Services, snapshot: Snapshot) -> list[str]:
    """Return every subnet in use: those of Docker's networks and of the host's routes, without default routes."""
    pools = [pool.subnet for network in snapshot.networks for pool in network.pools if pool.subnet]
    routes = host_routes(services, snapshot)
    return pools + [route.destination for route in routes if not route.destination.endswith("/0")]


def in_the_making(conflict: Conflict) -> bool:
    """Whether the conflict is with a network that the engine is making and does not list yet.

    The name is taken, and the bridge and its route exist, before the network is listed. A bridge that Docker left
    behind looks the same, and stays.
    """
    if conflict.code == "network-name-taken":
        return "network" not in conflict.facts
    met = conflict.facts.get("overlaps", {"kind": "host-route", "name": "br-"})
    return conflict.code == "subnet-overlaps" and met["kind"] == "host-route" and met["name"].startswith("br-")


def with_holder(
    services: Services, snapshot: Snapshot, spec: NetworkSpec, source: Network | None, conflict: Conflict
) -> Conflict:
    """Add to the engine's refusal what has the name or the addresses.

    ``snapshot`` is the one in which the caller looked for what an earlier request made. A later one could list the
    network that was in the making then, and a retry would be refused instead of answered.
    """
    if conflict.code == "network-name-taken":
        holder = next((n for n in snapshot.networks if n.name == spec.name), None)
        if holder is not None:
            return replace(_name_taken(holder), facts={**conflict.facts, **_name_taken(holder).facts})
    subnets = [pool.subnet for pool in (source or spec).pools]
    if conflict.code == "subnet-overlaps" and subnets:
        met = _meets(services, snapshot, spec, subnets)
        if met:
            return _overlap(services, snapshot, met[0])
    return conflict
