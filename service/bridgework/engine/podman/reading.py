"""Podman's JSON in Docker's form. Measured on Podman 5.4.2 (compatible API 1.41, netavark 1.14).

Podman answers much of Docker's API with other values: a container on a user network says that its mode is ``bridge``,
an active endpoint has no ``EndpointID``, a sharer lists its owner's endpoints as its own, and no network names its
bridge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bridgework.engine.reading import read_container, read_network
from bridgework.model.snapshot import DEFAULT_BRIDGE, Container, Network, Snapshot

Json = Mapping[str, Any]

# In place of the id that Podman leaves empty, while ``read_container`` reads: it says that the endpoint is active.
_ACTIVE = "active"
# The options of netavark that have a name in Docker.
_OPTIONS = {"mtu": "com.docker.network.driver.mtu", "mode": "macvlan_mode"}
# Podman's own states of a container that Docker does not have. A container that stops still has its network.
_STATES = {"configured": "created", "initialized": "created", "stopping": "running", "stopped": "exited",
           "unknown": "dead"}  # fmt: skip


def read_networks(
    compatible: Sequence[Json], native: Sequence[Json], api_version: tuple[int, int]
) -> tuple[Network, ...]:
    """Read ``GET /networks``, with the names of bridges and the options from libpod's ``GET /networks/json``.

    A network that only one of the two lists came or went between the calls; it is left out.
    """
    described = {raw["id"]: raw for raw in native}
    return tuple(
        read_network({**raw, "Options": _options(described[raw["Id"]])}, api_version)
        for raw in compatible
        if raw["Id"] in described
    )


def _options(native: Json) -> dict[str, str]:
    own = native.get("options") or {}
    options = {_OPTIONS.get(name, name): str(value) for name, value in own.items()}
    interface = native.get("network_interface")
    if interface:
        # Of a macvlan or ipvlan it is the parent.
        name = "com.docker.network.bridge.name" if native["driver"] == "bridge" else "parent"
        options[name] = str(interface)
    return options


def read_podman_container(raw: Json, known: Snapshot, named: frozenset[str]) -> Container:
    """Read Podman's ``ContainerInspect``. ``named`` are the ids of the networks that give names (``dns_enabled``)."""
    host, settings = raw.get("HostConfig") or {}, raw.get("NetworkSettings") or {}
    mode = host.get("NetworkMode") or DEFAULT_BRIDGE
    networks = {
        known.networks_by_id[endpoint["NetworkID"]].name: _endpoint(raw, endpoint, named)
        for endpoint in (settings.get("Networks") or {}).values()
        # Modes host and none list a network that does not exist, and a sharer lists the endpoints of its owner.
        if not mode.startswith("container:") and endpoint.get("NetworkID") in known.networks_by_id
    }
    # Podman says "bridge" for every network of that driver. Docker names the network that the container joined first.
    if mode == DEFAULT_BRIDGE and networks and DEFAULT_BRIDGE not in networks:
        mode = min(networks)
    state = raw.get("State") or {}
    state = {**state, "Status": _STATES.get(str(state.get("Status")), state.get("Status"))}
    container = read_container(
        {
            **raw,
            "State": state,
            "HostConfig": {**host, "NetworkMode": mode},
            "NetworkSettings": {**settings, "Networks": networks},
        },
        known,
    )
    return replace(container, endpoints=tuple(replace(e, endpoint_id=None) for e in container.endpoints))


def _endpoint(raw: Json, endpoint: Json, named: frozenset[str]) -> Json:
    # Podman adds the short id to the aliases that were asked for.
    aliases = endpoint.get("Aliases") or ()
    names = [raw["Name"].removeprefix("/"), *aliases]
    held = endpoint.get("IPAddress") or endpoint.get("GlobalIPv6Address")
    return {
        **endpoint,
        "Aliases": [alias for alias in aliases if alias != raw["Id"][:12]],
        "EndpointID": _ACTIVE if held else "",
        "DNSNames": names if endpoint["NetworkID"] in named else [],
    }
