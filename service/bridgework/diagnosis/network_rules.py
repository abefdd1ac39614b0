"""Rules about networks: stale endpoints, missing and unused networks, and limits of drivers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridgework.diagnosis.container_findings import forgotten_network, gone_networks
from bridgework.diagnosis.view import VLAN_DRIVERS, View
from bridgework.explanations import finding, of_network
from bridgework.explanations.links import BRIDGE_PORT_LIMIT, VLAN_WITHOUT_PARENT
from bridgework.explanations.networks import NETWORK_UNUSED, STALE_ENDPOINT
from bridgework.explanations.overlay import OVERLAY_NOT_ATTACHABLE
from bridgework.explanations.remedies import is_plain, network_reference
from bridgework.model.actions import CreateNetwork, DeleteNetwork, Disconnect
from bridgework.model.checks import Component, Finding, Severity
from bridgework.model.create_specs import NetworkSpec
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Network

# The kernel's limit for one bridge: BR_MAX_PORTS is 1024, and port 0 is never used.
BRIDGE_PORTS = 1023
_NEARLY_ALL_PORTS = 900
_ENDPOINT_OF_A_CONTAINER = re.compile(r"[0-9a-f]{64}|ep-.+")


def endpoints_without_container(view: View) -> Iterator[Finding]:
    """Find endpoints whose container does not exist."""
    # The engine's own endpoints (load balancers, the ingress sandbox) have no container either, and other ids.
    known = view.snapshot.containers_by_id
    for network in view.snapshot.networks:
        for key, name in sorted(view.engine.network_endpoint_ids.get(network.id, {}).items()):
            if key in known or not _ENDPOINT_OF_A_CONTAINER.fullmatch(key):
                continue
            label = name or key
            reference = label if is_plain(label) else key
            action = Disconnect(network_reference(view.snapshot, network), reference, force=True)
            yield finding(
                STALE_ENDPOINT,
                Component("endpoint", key, label),
                f"{network.name} lists the endpoint of {label}, which does not exist.",
                remedy=Remedy(f"Disconnect {label} from {network.name} with force.", (action,)),
                evidence={"network": {"id": network.id, "name": network.name}},
            )


def networks_are_missing(view: View) -> Iterator[Finding]:
    """Find containers that name a network that is gone, or would start without the one they were created for."""
    for container in view.snapshot.containers:
        yield from gone_networks(view.snapshot, container)
        yield from forgotten_network(view.snapshot, container)


def networks_are_unused(view: View) -> Iterator[Finding]:
    """Find networks that nothing uses: each occupies a subnet of the engine's pools."""
    for network in view.unused():
        delete = DeleteNetwork(network_reference(view.snapshot, network))
        yield finding(
            NETWORK_UNUSED,
            of_network(network),
            f"{network.name} has no endpoint, not even of a stopped container.",
            remedy=Remedy(f"Remove {network.name} if nothing needs it.", (delete,)),
            evidence={"subnets": [pool.subnet for pool in network.pools], "affected": 0},
        )


def bridges_are_full(view: View) -> Iterator[Finding]:
    """Find bridges that are full, so that the next container does not start, or nearly full."""
    for network in view.snapshot.networks:
        count = len(view.active(network)) if network.bridge_name else 0
        if count >= _NEARLY_ALL_PORTS:
            yield finding(
                BRIDGE_PORT_LIMIT,
                of_network(network),
                f"{network.name} has {count} endpoints; a bridge can have {BRIDGE_PORTS}.",
                severity=Severity.BLOCKING if count >= BRIDGE_PORTS else None,
                remedy=Remedy(
                    "Place new containers on another network.", (CreateNetwork(NetworkSpec(f"{network.name}-more")),)
                ),
                evidence={"endpoints": count, "limit": BRIDGE_PORTS, "affected": count},
            )


def kinds_of_network_have_limits(view: View) -> Iterator[Finding]:
    """Find overlay networks for services only, and macvlan and ipvlan networks without a parent."""
    for network in view.snapshot.networks:
        if network.driver == "overlay" and not network.attachable and not network.ingress:
            yield finding(
                OVERLAY_NOT_ATTACHABLE,
                of_network(network),
                f"{network.name} is not attachable: only services can use it.",
                severity=Severity.INFO,
                remedy=Remedy(f"If containers should use it, create {network.name} again with attachable: true."),
            )
        elif (
            network.driver in VLAN_DRIVERS and not network.internal and not network.config_only and _parentless(network)
        ):
            yield finding(
                VLAN_WITHOUT_PARENT,
                of_network(network),
                f"{network.name} has no parent link: nothing outside of it is reachable.",
                remedy=Remedy(f"Create {network.name} again with a parent link of the host."),
                evidence={"affected": len(view.active(network))},
            )


def _parentless(network: Network) -> bool:
    """Return whether the network has no parent link of the host."""
    # Without one the engine makes a dummy link: dm-… for macvlan, di-… for ipvlan.
    return network.options.get("parent", "").startswith(("dm-", "di-")) or not network.options.get("parent")
