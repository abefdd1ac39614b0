"""What undoes a change: the changes that bring the engine back to the state before it, as far as the engine can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridgework.model import actions
from bridgework.model.actions import Change, Connect, CreateNetwork, DeleteContainer, DeleteNetwork, Disconnect
from bridgework.model.create_specs import EndpointSpec, NetworkSpec
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot
from bridgework.plans.changes import planned_id
from bridgework.policy.access import PROJECT_LABEL, is_reserved


class CannotUndoError(Exception):
    """Nothing undoes a change; the text says what is lost, in a sentence."""


def inverse(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """Return the changes that lead from ``after`` back to ``before``, in order, found object by object.

    A network that is made again has another id, and a container that is connected or started again may get another
    address, as it would by hand. Raises ``CannotUndoError`` where a container was deleted, a pause or legacy links
    ended, or undoing would delete a container.
    """
    undone: list[Change] = []
    for gone in before.containers:
        if gone.id not in after.containers_by_id:
            raise CannotUndoError(f"{gone.name} is deleted with its file system.")
    for container_id, now in after.containers_by_id.items():
        was = before.containers_by_id.get(container_id)
        if was is not now:
            undone += _of_new(now) if was is None else _of_container(before, after, was, now)
    made = [network for network in after.networks if network.id not in before.networks_by_id]
    missing = [network for network in before.networks if network.id not in after.networks_by_id]
    # A network is made again before anything is connected to it, and is empty before it is deleted.
    return (
        *(CreateNetwork(_spec_of(network)) for network in missing),
        *undone,
        *(DeleteNetwork(network.name) for network in made),
    )


def lost(before: Snapshot, undone: Snapshot) -> str:
    """Return what differs between the state before a change and the one after its undoing; empty if nothing does.

    Only what others rely on counts: the ports of the host, and whose network it is.
    """
    for was in before.containers:
        now = undone.containers_by_id.get(was.id, was)
        ports = set(was.published_ports) - set(now.published_ports)
        if was.running and ports:
            port = min(ports, key=lambda one: (one.container_port, one.protocol))
            return (
                f"The engine chose port {port.host_port} of the host for port {port.container_port}/{port.protocol} of "
                f"{was.name}, and chooses another one afterwards."
            )
    for network in before.networks:
        alike = undone.networks_by_name.get(network.name, ())
        owner = network.labels.get(PROJECT_LABEL)
        if alike and owner not in {one.labels.get(PROJECT_LABEL) for one in alike}:
            return f"{network.name} belongs to the project {owner}, and only a token of that project makes it again."
    return ""


def of_failed(before: Snapshot, now: Snapshot, change: Change, planned: tuple[Change, ...]) -> tuple[Change, ...]:
    """Return the changes that undo what ``change`` did before it failed.

    ``before`` and ``now`` are the real engine's, and other clients may have changed it meanwhile. So only what
    ``planned`` would undo is undone, and a restart that stopped its container and did not start it.
    """
    meant = {_target(one) for one in planned}
    if isinstance(change, actions.RestartContainer):
        meant |= {_target(actions.StartContainer(one.id)) for one in before.containers}
    try:
        return tuple(one for one in inverse(before, now) if _target(one) in meant)
    except CannotUndoError:
        return ()


def _target(change: Change) -> tuple[type, str, str]:
    made = change.spec.name if isinstance(change, CreateNetwork) else ""
    return type(change), made or str(getattr(change, "network", "")), str(getattr(change, "container", ""))


def _of_new(container: Container) -> list[Change]:
    stop: list[Change] = [actions.StopContainer(container.name, grace_s=0)] if container.running else []
    # The engine deletes a container of ``docker run --rm`` itself when it stops.
    return stop if stop and container.auto_remove else [*stop, DeleteContainer(container.name)]


def _of_container(before: Snapshot, after: Snapshot, was: Container, now: Container) -> list[Change]:
    if was.paused and not now.paused:
        raise CannotUndoError(f"{was.name} is paused, and this service pauses no container.")
    if was.running or was.state == "restarting":
        started = was.started_at != now.started_at
        if now.running and not started:
            return _of_endpoints(before, after, was, now)
        start: list[Change] = [] if now.running else [actions.StartContainer(reference(was))]
        return [*start, *_rejoined(before, after, was)]
    if now.running:
        if was.auto_remove:
            raise CannotUndoError(f"The engine deletes {was.name} when it stops, because it was created with --rm.")
        return [actions.StopContainer(reference(was))]
    return _of_endpoints(before, after, was, now)


def _rejoined(before: Snapshot, after: Snapshot, owner: Container) -> Iterator[Change]:
    """Restart the containers in mode ``container:``: they keep the owner's old namespace, which has ``lo`` alone."""
    for was in before.sharers_by_owner.get(owner.id, ()):
        now = after.containers_by_id.get(was.id)
        if now is None or not now.running:
            continue
        if now.paused:
            raise CannotUndoError(
                f"{now.name} shares the network of {owner.name} and is paused: no start joins it again."
            )
        yield actions.RestartContainer(reference(was))
        yield from _rejoined(before, after, was)


def _of_endpoints(before: Snapshot, after: Snapshot, was: Container, now: Container) -> list[Change]:
    here = {endpoint.network_id for endpoint in now.endpoints}
    there = {endpoint.network_id for endpoint in was.endpoints}
    left = [endpoint for endpoint in was.endpoints if endpoint.network_id not in here]
    if any(endpoint.links for endpoint in left):
        raise CannotUndoError(f"{was.name} has links there, and the API of a connect has none.")
    joined = [endpoint for endpoint in now.endpoints if endpoint.network_id not in there]
    return [
        *(Disconnect(_name(after, endpoint), reference(was)) for endpoint in joined),
        *_reconnects(before, was, left),
    ]


def reference(container: Container) -> str:
    """Return what a path names the container by: its id, or its name if the plan made the id up."""
    return container.name if container.id == planned_id("container", container.name) else container.id


def _reconnects(before: Snapshot, container: Container, left: list[Endpoint]) -> Iterator[Change]:
    for endpoint in left:
        # Settings for a network that was gone before cannot come back, and were of no use.
        if endpoint.network_id in before.networks_by_id:
            yield Connect(_name(before, endpoint), reference(container), _settings_of(endpoint))


def as_request(change: Change) -> Change:
    """Return the change as a request can make it: without the labels that only the service may set."""
    if not isinstance(change, CreateNetwork):
        return change
    labels = {key: value for key, value in change.spec.labels.items() if not is_reserved(key)}
    return replace(change, spec=replace(change.spec, labels=labels))


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
