"""Values of the model from the engine's JSON, one function for each noun.

Docker writes an absent address as ``""``, an absent list as ``null`` and an absent time as year 1. The model has
``None`` and empty tuples. Source: Docker Engine API v1.45.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bridgework.model.driver_options import ignored
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Snapshot

Json = Mapping[str, Any]
# What Docker writes for a time that never came.
_NEVER = "0001-01-01T00:00:00Z"


def read_network(raw: Json, api_version: tuple[int, int]) -> Network:
    """Read a ``NetworkInspect``, or an item of ``NetworkList``.

    ``api_version`` is the newest that the engine speaks; it decides which options the engine ignores.
    """
    ipam = raw.get("IPAM") or {}
    # Docker writes an empty map as null in some answers and as {} in others (26 to 29).
    options = dict(raw.get("Options") or {})
    return Network(
        id=raw["Id"],
        name=raw["Name"],
        driver=raw.get("Driver") or "",
        scope=raw.get("Scope") or "local",
        created_at=read_time(raw.get("Created")) or _NEVER,
        internal=bool(raw.get("Internal")),
        attachable=bool(raw.get("Attachable")),
        ingress=bool(raw.get("Ingress")),
        ipv4_enabled=bool(raw.get("EnableIPv4", True)),
        ipv6_enabled=bool(raw.get("EnableIPv6")),
        config_only=bool(raw.get("ConfigOnly")),
        config_from=(raw.get("ConfigFrom") or {}).get("Network") or None,
        ipam_driver=ipam.get("Driver") or "default",
        ipam_options=dict(ipam.get("Options") or {}),
        pools=tuple(_read_pool(pool) for pool in ipam.get("Config") or ()),
        options=options,
        ignored_options=ignored(options, api_version),
        labels=dict(raw.get("Labels") or {}),
        peers=tuple(f"{peer['Name']}={peer['IP']}" for peer in raw.get("Peers") or ()),
    )


def _read_pool(raw: Json) -> Pool:
    gateway = raw.get("Gateway") or None
    # Some drivers report the gateway with the prefix length of the subnet.
    return Pool(
        subnet=raw.get("Subnet") or "",
        gateway=gateway.split("/")[0] if gateway else None,
        ip_range=raw.get("IPRange") or None,
        auxiliary_addresses=dict(raw.get("AuxiliaryAddresses") or raw.get("AuxAddress") or {}),
    )


def read_container(raw: Json, known: Snapshot) -> Container:
    """Read a ``ContainerInspect``; ``known`` has the networks, of which a stopped container has the names alone."""
    state, config, host = raw.get("State") or {}, raw.get("Config") or {}, raw.get("HostConfig") or {}
    settings = raw.get("NetworkSettings") or {}
    status = state.get("Status") or "created"
    name = raw["Name"].removeprefix("/")
    mode, shares_with = _read_mode(host.get("NetworkMode") or "default")
    # A restarting container has no process between two starts, so its endpoints are only configured.
    running = status in {"running", "paused"}
    return Container(
        id=raw["Id"],
        name=name,
        image=config.get("Image") or "",
        image_id=raw.get("Image") or "",
        state=status,
        created_at=read_time(raw.get("Created")) or _NEVER,
        started_at=read_time(state.get("StartedAt")),
        finished_at=read_time(state.get("FinishedAt")),
        exit_code=None if status == "created" else int(state.get("ExitCode") or 0),  # 0 before the first run, too
        error=state.get("Error") or "",
        restart_count=int(raw.get("RestartCount") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        pid=int(state.get("Pid") or 0),
        hostname=config.get("Hostname") or "",
        command=(*_strings(config.get("Entrypoint")), *_strings(config.get("Cmd"))),
        network_mode=mode,
        shares_with=shares_with,
        endpoints=_read_endpoints(settings.get("Networks") or {}, raw["Id"], name, known, running=running),
        published_ports=read_ports(settings.get("Ports") or {}),
        configured_ports=read_ports(host.get("PortBindings") or {}),
        exposed_ports=tuple(sorted(config.get("ExposedPorts") or {})),
        labels=dict(config.get("Labels") or {}),
        dns=_strings(host.get("Dns")),
        dns_search=_strings(host.get("DnsSearch")),
        dns_options=_strings(host.get("DnsOptions")),
        extra_hosts=dict(_split_host(entry) for entry in host.get("ExtraHosts") or ()),
        links=tuple(sorted(_strings(host.get("Links")))),  # the engine lists them in the order of a Go map
        sysctls=dict(host.get("Sysctls") or {}),
        restart_policy=(host.get("RestartPolicy") or {}).get("Name") or "no",
        auto_remove=bool(host.get("AutoRemove")),
        namespace_path=settings.get("SandboxKey") or None,
        resolver_path=raw.get("ResolvConfPath") or None,
        hosts_path=raw.get("HostsPath") or None,
    )


def _read_mode(mode: str) -> tuple[str, str | None]:
    """Return Docker's mode, and the full id of ``container:<id>`` (the engine stores the id, not the name)."""
    kind, _, owner = mode.partition(":")
    if kind == "container":
        return mode, owner
    return ("bridge" if mode == "default" else mode), None


def _read_endpoints(
    networks: Json, container_id: str, container_name: str, known: Snapshot, *, running: bool
) -> tuple[Endpoint, ...]:
    return tuple(
        _read_endpoint(
            raw or {},
            # The key is the name or the id, as the caller of the create wrote it, until the first start.
            network_name=known.networks_by_id[key].name if key in known.networks_by_id else key,
            network_id=(raw or {}).get("NetworkID") or _id_of(key, known),
            container_id=container_id,
            container_name=container_name,
            running=running,
        )
        for key, raw in sorted(networks.items())
    )


def _id_of(name: str, known: Snapshot) -> str:
    """Return the id of the network of that name, the last of several; else the key, which may be an id."""
    namesakes = known.networks_by_name.get(name)
    return namesakes[-1].id if namesakes else name


def _read_endpoint(
    raw: Json, *, network_name: str, network_id: str, container_id: str, container_name: str, running: bool
) -> Endpoint:
    # What the caller of a connect asked for; the fields beside it are what the endpoint has now.
    asked = raw.get("IPAMConfig") or {}
    return Endpoint(
        network_id=network_id,
        network_name=network_name,
        container_id=container_id,
        container_name=container_name,
        # A network that a running container failed to join has settings, and no endpoint id.
        state="active" if running and raw.get("EndpointID") else "configured",
        endpoint_id=raw.get("EndpointID") or None,
        ipv4_address=raw.get("IPAddress") or None,
        ipv4_prefix_len=raw.get("IPPrefixLen") or None,
        ipv6_address=raw.get("GlobalIPv6Address") or None,
        ipv6_prefix_len=raw.get("GlobalIPv6PrefixLen") or None,
        mac_address=raw.get("MacAddress") or None,
        gateway=raw.get("Gateway") or None,
        ipv6_gateway=raw.get("IPv6Gateway") or None,
        aliases=_strings(raw.get("Aliases")),
        dns_names=_strings(raw.get("DNSNames")),
        driver_options=dict(raw.get("DriverOpts") or {}),
        gateway_priority=int(raw.get("GwPriority") or 0),
        links=_strings(raw.get("Links")),
        configured_ipv4=asked.get("IPv4Address") or None,
        configured_ipv6=asked.get("IPv6Address") or None,
        link_local_addresses=_strings(asked.get("LinkLocalIPs")),
    )


def read_ports(raw: Mapping[str, Sequence[Json] | None]) -> tuple[PublishedPort, ...]:
    """Read a ``PortMap`` such as ``{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}``; the result is sorted."""
    ports = [
        PublishedPort(
            container_port=int(key.partition("/")[0]),
            protocol=key.partition("/")[2] or "tcp",
            host_ip=binding.get("HostIp") or "",
            host_port=int(binding["HostPort"]) if (binding.get("HostPort") or "").isdecimal() else None,
        )
        for key, bindings in raw.items()
        for binding in bindings or ()
    ]
    return tuple(
        sorted(ports, key=lambda port: (port.container_port, port.protocol, port.host_ip, port.host_port or 0))
    )


def read_time(raw: object) -> str | None:
    """Return an RFC 3339 time in UTC, to the nanosecond; ``None`` for the year 1, the engine's "never"."""
    if not isinstance(raw, str) or raw.startswith("0001-") or not re.match(r"\d{4}-\d\d-\d\dT", raw):
        return None
    if raw.endswith("Z"):
        return raw
    # The engine writes a container's time in UTC, but a network's in its own time zone.
    moment = datetime.fromisoformat(re.sub(r"\.\d+", "", raw)).astimezone(UTC)
    fraction = re.search(r"\.\d+", raw)
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction.group() if fraction else ''}Z"


def time_ns_of(raw: str) -> int:
    """Return an RFC 3339 time as nanoseconds since 1970."""
    # datetime holds microseconds, and the engine writes nanoseconds.
    fraction = re.search(r"\.(\d+)", raw)
    whole = datetime.fromisoformat(re.sub(r"\.\d+", "", raw))
    return int(whole.timestamp()) * 1_000_000_000 + int((fraction[1] if fraction else "0").ljust(9, "0")[:9])


def _split_host(entry: str) -> tuple[str, str]:
    # "name:address" or "name=address". An IPv6 address has colons and no "=", so "=" separates where there is one.
    name, _, address = entry.partition("=" if "=" in entry else ":")
    return name, address


def _strings(raw: object) -> tuple[str, ...]:
    return tuple(str(item) for item in raw) if isinstance(raw, list) else ()
