"""Facts about the engine, and the version of its API to speak."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bridgework.model.engine_port import EngineFacts
from bridgework.model.errors import EngineMisbehaved, Remedy

# Docker 25 and 29.6. Docker 24 speaks 1.43, which has no endpoint's MAC address, no DNSNames, and no container that is
# created with several networks (moby, api/docs/CHANGELOG.md, v1.44).
OLDEST_API, NEWEST_API = (1, 44), (1, 55)
PROXY_TOLD_SINCE = (29, 5)
# Podman 5's Docker-compatible API; it calls itself by a component of its version.
PODMAN_API = (1, 41)
_PODMAN = "Podman Engine"


def is_podman(version: Any) -> bool:
    """Return whether ``GET /version`` is Podman's answer."""
    components = version.get("Components") if isinstance(version, Mapping) else None
    return any(isinstance(part, Mapping) and part.get("Name") == _PODMAN for part in components or ())


def negotiate(version: Any) -> tuple[str, tuple[int, int]]:
    """Return the API version to speak, within what this service knows, and the engine's newest.

    Raises:
        EngineMisbehaved: the answer is not from a Docker engine, or the engine is too old.
    """
    # Engines before Docker 1.13 do not report MinAPIVersion; their ApiVersion is too old anyway.
    try:
        newest = _pair(version["ApiVersion"])
        oldest = _pair(version.get("MinAPIVersion") or "1.12")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EngineMisbehaved(
            code="engine-answered-strangely", detail="The server at this address is not a Docker engine."
        ) from error
    if is_podman(version) and newest >= PODMAN_API:
        return _text(PODMAN_API), PODMAN_API
    # Not newer than this service knows: a newer API may change what a field means.
    chosen = min(newest, NEWEST_API)
    if chosen < OLDEST_API or chosen < oldest:
        raise _unsupported(version["ApiVersion"], oldest if chosen < oldest else None)
    return _text(chosen), newest


def _unsupported(newest: str, engine_oldest: tuple[int, int] | None) -> EngineMisbehaved:
    """Return the error for an engine that shares no API version; ``engine_oldest`` where the engine is too new."""
    if engine_oldest is not None:
        spoken = f"The engine speaks API {_text(engine_oldest)} to {newest}"
        detail = f"{spoken}; Bridgework knows up to {_text(NEWEST_API)}."
        remedy = Remedy("Use a newer version of Bridgework.")
    else:
        detail = f"The engine speaks API {newest}; Bridgework needs {_text(OLDEST_API)} (Docker 25) or newer."
        remedy = Remedy("Upgrade the engine to Docker 25 or newer.")
    return EngineMisbehaved(code="engine-version-unsupported", detail=detail, remedy=remedy)


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _pair(version: str) -> tuple[int, int]:
    # As numbers: as text, "1.9" would be newer than "1.45".
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def read_facts(info: Mapping[str, Any], version: Mapping[str, Any]) -> EngineFacts:
    """Read the answers of ``GET /info`` and ``GET /version``."""
    swarm = info.get("Swarm") or {}
    # Older engines do not report FirewallBackend.
    firewall = info.get("FirewallBackend") or {}
    podman = is_podman(version)
    facts = EngineFacts(
        # Podman makes up another id for each answer.
        id=_id_of_podman(info) if podman else info.get("ID") or "",
        product="podman" if podman else "docker",
        name=info.get("Name") or "",
        version=version.get("Version") or "",
        api_version=version.get("ApiVersion") or "",
        min_api_version=version.get("MinAPIVersion") or "",
        operating_system=info.get("OperatingSystem") or "",
        kernel_version=info.get("KernelVersion") or "",
        network_drivers=tuple(sorted((info.get("Plugins") or {}).get("Network") or ())),
        default_address_pools=tuple((p["Base"], int(p["Size"])) for p in info.get("DefaultAddressPools") or ()),
        swarm_state=swarm.get("LocalNodeState") or "inactive",
        swarm_node_id=swarm.get("NodeID") or None,
        firewall_backend=firewall.get("Driver"),
        # Podman has netavark's rules, its own pools (containers.conf), and a unique local subnet for each IPv6 network.
        writes_dockers_rules=not podman,
        chooses_ipv6_subnets=podman,
        uses_dockers_pools=not podman,
    )
    # Podman's port forwarding is done by netavark's rules alone.
    return replace(facts, userland_proxy=False if podman else _userland_proxy(facts.release, firewall))


def is_elsewhere(info: Any) -> bool:
    """Return whether ``GET /info`` is of an engine whose networks are not where the process at its socket is.

    Docker Desktop's engine is in a virtual machine, and the process at the socket passes its API on. An engine without
    root can have its networks in a namespace of their own (RootlessKit's ``detach-netns``), apart from its process.
    """
    if not isinstance(info, Mapping):
        return False
    options = info.get("SecurityOptions") or ()
    return info.get("OperatingSystem") == "Docker Desktop" or any("name=rootless" in str(option) for option in options)


def _id_of_podman(info: Mapping[str, Any]) -> str:
    """Return an id that stays: of the host's name and the folder of Podman's data."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"podman://{info.get('Name')}{info.get('DockerRootDir')}"))


def _userland_proxy(release: tuple[int, int], firewall: Mapping[str, Any]) -> bool | None:
    """Return whether docker-proxy serves published ports; ``None`` before Docker 29.5."""
    # Since then GET /info lists the proxy's path, and leaves it out where the proxy is off or its program is missing.
    if release < PROXY_TOLD_SINCE:
        return None
    return "UserlandProxyPath" in {str(line[0]) for line in firewall.get("Info") or () if line}
