"""What undoes a change: the changes that bring the engine back to the state before it, as far as the engine can."""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.model import actions
from bridgework.model.actions import Change, Connect, CreateNetwork, DeleteContainer, DeleteNetwork, Disconnect
from bridgework.model.create_specs import EndpointSpec, NetworkSpec
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot


def inverse(before: Snapshot, after: Snapshot, change: Change) -> tuple[Change, ...] | None:
    """Return the changes that undo ``change``, in order; ``None`` where nothing can.

    A container that is deleted is gone with its file system, and this service pauses no container. A network that is
    made again has another id, and a container that is connected again may get another address, as it would by hand.
    """
    # A restart leaves nothing that could be compared, except where it unpauses the container.
    if isinstance(change, actions.RestartContainer) and before is not after:
        return ()
    return differing(before, after)


def of_failed(before: Snapshot, now: Snapshot, change: Change, planned: tuple[Change, ...]) -> tuple[Change, ...]:
    """Return the changes that undo what ``change`` did before it failed.

    ``before`` and ``now`` are the real engine's, and other clients may have changed it meanwhile. So only what
    ``planned`` would undo is undone, and a restart that stopped its container and did not start it.
    """
    meant = {_target(one) for one in planned}
    if isinstance(change, actions.RestartContainer):
        meant |= {_target(actions.StartContainer(one.id)) for one in before.containers}
    return tuple(one for one in differing(before, now) or () if _target(one) in meant)


def _target(change: Change) -> tuple[type, str, str]:
    made = change.spec.name if isinstance(change, CreateNetwork) else ""
    return type(change), made or str(getattr(change, "network", "")), str(getattr(change, "container", ""))


def differing(before: Snapshot, after: Snapshot) -> tuple[Change, ...] | None:
    """Return the changes that lead from ``after`` back to ``before``, found object by object."""
    if not before.containers_by_id.keys() <= after.containers_by_id.keys():
        return None
    undone: list[Change] = []
    for container_id, now in after.containers_by_id.items():
        was = before.containers_by_id.get(container_id)
        if was is now:
            continue
        steps = _of_new(now) if was is None else _of_container(before, after, was, now)
        if steps is None:
            return None
        undone += steps
    made = [network for network in after.networks if network.id not in before.networks_by_id]
    gone = [network for network in before.networks if network.id not in after.networks_by_id]
    # A network is made again before anything is connected to it, and is empty before it is deleted.
    return (
        *(CreateNetwork(_spec_of(network)) for network in gone),
        *undone,
        *(DeleteNetwork(network.name) for network in made),
    )


def _of_new(container: Container) -> list[Change]:
    stop: list[Change] = [actions.StopContainer(container.name, grace_s=0)] if container.running else []
    return [*stop, DeleteContainer(container.name)]


def _of_container(before: Snapshot, after: Snapshot, was: Container, now: Container) -> list[Change] | None:
    if was.running != now.running:
        # It may have been paused, and this service pauses nothing.
        if was.paused:
            return None
        return [actions.StartContainer(was.id) if was.running else actions.StopContainer(was.id)]
    if was.paused != now.paused:
        return None
    here = {endpoint.network_id for endpoint in now.endpoints}
    there = {endpoint.network_id for endpoint in was.endpoints}
    left = [endpoint for endpoint in was.endpoints if endpoint.network_id not in here]
    # The API of a connect has no links.
    if any(endpoint.links for endpoint in left):
        return None
    joined = [endpoint for endpoint in now.endpoints if endpoint.network_id not in there]
    return [
        *(Disconnect(_name(after, endpoint), was.id) for endpoint in joined),
        *_reconnects(before, was, left),
    ]


def _reconnects(before: Snapshot, container: Container, left: list[Endpoint]) -> Iterator[Change]:
    for endpoint in left:
        # Settings for a network that was gone before cannot come back, and were of no use.
        if endpoint.network_id in before.networks_by_id:
            yield Connect(_name(before, endpoint), container.id, _settings_of(endpoint))


def _name(snapshot: Snapshot, endpoint: Endpoint) -> str:
    """Return the network's name, since a network that is made again has another id; the id where names repeat."""
    alike = snapshot.networks_by_name.get(endpoint.network_name, ())
    return endpoint.network_name if len(alike) == 1 else endpoint.network_id


def _settings_of(endpoint: Endpoint) -> EndpointSpec:
    return EndpointSpec(
        aliases=endpoint.aliases,
        ipv4_address=endpoint.configured_ipv4,
        ipv6_address=endpoint.configured_ipv6,
        link_local_addresses=endpoint.link_local_addresses,
        driver_options=endpoint.driver_options,
        # Engines before Docker 28 know no priority, and report 0.
        gateway_priority=endpoint.gateway_priority or None,
    )


def _spec_of(network: Network) -> NetworkSpec:
    """Return what makes the network again, with the subnets that the engine had chosen."""
    if network.config_from is not None:
        return NetworkSpec(
            network.name,
            driver=network.driver,
            internal=network.internal,
            attachable=network.attachable,
            config_from=network.config_from,
        )
    return NetworkSpec(
        network.name,
        driver=network.driver,
        internal=network.internal,
        attachable=network.attachable,
        # Engines before Docker 28 take no switch for IPv4; None leaves it on.
        ipv4_enabled=None if network.ipv4_enabled else False,
        ipv6_enabled=network.ipv6_enabled,
        config_only=network.config_only,
        ipam_driver=network.ipam_driver,
        ipam_options=network.ipam_options,
        pools=network.pools,
        options=network.options,
        labels=network.labels,
    )
