"""The engine's JSON bodies, made from typed specs.

Source: Docker Engine API v1.45, NetworkCreate, NetworkConnect, ContainerCreate.
"""

from __future__ import annotations

from typing import Any

from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.snapshot import Pool, PublishedPort

Body = dict[str, Any]


def network_body(spec: NetworkSpec) -> Body:
    """Return the body of ``POST /networks/create``."""
    body: Body = {
        "Name": spec.name,
        "Driver": spec.driver,
        "Internal": spec.internal,
        "Attachable": spec.attachable,
        "Ingress": spec.ingress,
        "EnableIPv6": spec.ipv6_enabled,
        "ConfigOnly": spec.config_only,
        "IPAM": {
            "Driver": spec.ipam_driver,
            "Options": dict(spec.ipam_options),
            "Config": [_pool_body(pool) for pool in spec.pools],
        },
        "Options": dict(spec.options),
        "Labels": dict(spec.labels),
    }
    if spec.scope is not None:
        body["Scope"] = spec.scope
    # Engines before API 1.48 ignore it, so it is sent only where the caller set it.
    if spec.ipv4_enabled is not None:
        body["EnableIPv4"] = spec.ipv4_enabled
    if spec.config_from is not None:
        body["ConfigFrom"] = {"Network": spec.config_from}
    return body


def _pool_body(pool: Pool) -> Body:
    body: Body = {"Subnet": pool.subnet}
    if pool.gateway:
        body["Gateway"] = pool.gateway
    if pool.ip_range:
        body["IPRange"] = pool.ip_range
    if pool.auxiliary_addresses:
        body["AuxiliaryAddresses"] = dict(pool.auxiliary_addresses)
    return body


def endpoint_body(spec: EndpointSpec) -> Body:
    """Return an ``EndpointSettings``."""
    asked: Body = {}
    if spec.ipv4_address:
        asked["IPv4Address"] = spec.ipv4_address
    if spec.ipv6_address:
        asked["IPv6Address"] = spec.ipv6_address
    if spec.link_local_addresses:
        asked["LinkLocalIPs"] = list(spec.link_local_addresses)
    body: Body = {"Aliases": list(spec.aliases), "DriverOpts": dict(spec.driver_options)}
    if asked:
        body["IPAMConfig"] = asked
    if spec.mac_address:
        body["MacAddress"] = spec.mac_address
    if spec.gateway_priority is not None:
        body["GwPriority"] = spec.gateway_priority
    return body


def container_body(spec: ContainerSpec) -> Body:
    """Return the body of ``POST /containers/create``; ``spec.networks`` has the names of networks as keys."""
    # Names, not ids: the engine keeps the key as given until the first start, and a disconnect before that looks for
    # the name alone.
    # A port must be exposed to be published, and the engine keeps one entry for each port and protocol.
    ports = sorted({_port_key(port) for port in spec.published_ports})
    body: Body = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in sorted(spec.environment.items())],
        "Labels": dict(spec.labels),
        "ExposedPorts": {port: {} for port in ports},
        "HostConfig": _host_config(spec, ports),
        "NetworkingConfig": {
            "EndpointsConfig": {network: endpoint_body(endpoint) for network, endpoint in spec.networks.items()}
        },
    }
    if spec.command:
        body["Cmd"] = list(spec.command)
    if spec.hostname:
        body["Hostname"] = spec.hostname
    return body


def _host_config(spec: ContainerSpec, ports: list[str]) -> Body:
    return {
        # The network that the container joins at its start first; the others are in EndpointsConfig.
        "NetworkMode": spec.network_mode,
        "PortBindings": {
            key: [_binding(port) for port in spec.published_ports if _port_key(port) == key] for key in ports
        },
        "RestartPolicy": {"Name": spec.restart_policy},
        "Dns": list(spec.dns),
        "DnsSearch": list(spec.dns_search),
        "DnsOptions": list(spec.dns_options),
        "ExtraHosts": [f"{name}:{address}" for name, address in sorted(spec.extra_hosts.items())],
        "Sysctls": dict(spec.sysctls),
    }


def _port_key(port: PublishedPort) -> str:
    return f"{port.container_port}/{port.protocol}"


def _binding(port: PublishedPort) -> Body:
    return {"HostIp": port.host_ip, "HostPort": str(port.host_port) if port.host_port else ""}
