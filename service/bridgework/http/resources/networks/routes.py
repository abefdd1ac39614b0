"""The paths under ``/v1/networks`` and ``/v1/subnets``."""

from __future__ import annotations

from functools import partial
from typing import Any

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.paging import page
from bridgework.http.resources.endpoints.schemas import (
    ConnectedEndpointSchema,
    EndpointConnectSchema,
    EndpointPageSchema,
    EndpointSchema,
)
from bridgework.http.resources.networks.schemas import (
    AvailableSubnetsSchema,
    ForceQuery,
    NetworkAddressesSchema,
    NetworkCreateSchema,
    NetworkPageSchema,
    NetworkQuery,
    NetworkSchema,
    PageQuery,
    PruneQuery,
    PruneResultSchema,
    SubnetQuery,
)
from bridgework.model import references
from bridgework.model.create_specs import EndpointSpec, NetworkSpec
from bridgework.model.snapshot import Pool
from bridgework.policy.access import Role
from bridgework.use_cases import endpoints, networks, prune
from bridgework.use_cases.idempotency import retry_key
from bridgework.use_cases.views import DescribedNetwork, describe_network

RESOURCE = Resource(
    "networks", "Create, prune and delete networks, connect containers to them, and see how addresses are used."
)

_FINDING_A_NETWORK = {400: ("ambiguous-reference",), 404: ("network-not-found",)}
_FINDING_BOTH = {400: ("ambiguous-reference",), 404: ("network-not-found", "container-not-found")}


@RESOURCE.operation(
    "GET", "/v1/networks", role=Role.VIEWER, query=NetworkQuery(), answers={200: NetworkPageSchema}, cached=True
)
def list_networks(context: RequestContext) -> ViewResult:
    """List networks.

    The list holds all networks of the engine, the built-in ones too, sorted by name. A network must match every filter
    that you give.
    """
    query = context.query
    wanted = networks.NetworkFilter(
        drivers=query["driver"],
        scopes=query["scope"],
        types=query["type"],
        names=query["name"],
        labels=tuple(query["label"]),
        dangling=query["dangling"],
        projects=query["project"],
    )
    found = networks.list_networks(context.snapshot, wanted)
    described = partial(describe_network, context.snapshot)
    return ViewResult(page(found, context, lambda network: (network.name, network.id), described))


@RESOURCE.operation(
    "POST", "/v1/networks", role=Role.OPERATOR, body=NetworkCreateSchema(), supports_dry_run=True, idempotent=True,
    answers={201: NetworkSchema},
    problems={400: ("ambiguous-reference",),
              403: ("driver-not-allowed", "subnet-not-allowed", "parent-not-allowed"),
              409: ("network-name-taken", "subnet-overlaps", "address-space-exhausted", "bridge-name-taken",
                    "parent-unusable", "not-a-swarm-manager"),
              404: ("network-not-found",),
              422: ("driver-unknown", "idempotency-key-reused", "address-configuration-invalid", "option-invalid",
                    "configuration-conflict", "network-name-reserved", "driver-single-instance",
                    "ingress-scope-invalid")},
)  # fmt: skip
def create_network(context: RequestContext) -> ViewResult:
    """Create a network.

    The service checks the name, the driver's options, and the subnets against the engine's networks and the host's
    routes before it asks the engine to create anything. A conflict names what the network conflicts with, and a free
    subnet that you can use instead.
    """
    body = context.body
    spec = NetworkSpec(
        **{name: body[name] for name in _PLAIN},
        ipam_driver=body["ipam"].get("driver", "default"),
        ipam_options=body["ipam"].get("options", {}),
        pools=tuple(Pool(**pool) for pool in body["ipam"].get("pools", ())),
    )
    key = retry_key(context.caller, context.idempotency_key, body)
    done = networks.create_network(context.services, context.caller, spec, key, dry_run=context.dry_run)
    if isinstance(done, DescribedNetwork):
        return ViewResult(done, 201)
    made = networks.get_network(context.services.engine.snapshot(), done.id)
    return ViewResult(made, 201, _created(f"/v1/networks/{made.id}", replayed=done.replayed))


_PLAIN = (
    "name", "driver", "scope", "internal", "attachable", "ingress", "ipv4_enabled", "ipv6_enabled", "config_only",
    "config_from", "options", "labels",
)  # fmt: skip


def _created(location: str, *, replayed: bool) -> dict[str, str]:
    return {"Location": location, **({"Idempotent-Replayed": "true"} if replayed else {})}


@RESOURCE.operation(
    "GET", "/v1/networks/{network}", role=Role.VIEWER, answers={200: NetworkSchema}, problems=_FINDING_A_NETWORK,
    cached=True,
)  # fmt: skip
def get_network(context: RequestContext) -> ViewResult:
    """Get a network.

    You can name the network by its name, its full id or an unambiguous prefix of its id.
    """
    return ViewResult(networks.get_network(context.snapshot, context.path["network"]))


@RESOURCE.operation(
    "DELETE", "/v1/networks/{network}", role=Role.OPERATOR, query=ForceQuery(), supports_dry_run=True, conditional=True,
    answers={204: None},
    problems={**_FINDING_A_NETWORK, 409: ("network-in-use", "network-builtin")},
)  # fmt: skip
def delete_network(context: RequestContext) -> ViewResult:
    """Delete a network.

    The answer is 409 while running or stopped containers are in the network. `force=true` (role `admin`) disconnects
    them first, and removes stale endpoints.
    """
    networks.delete_network(
        context.services, context.caller, context.path["network"], force=context.query["force"], dry_run=context.dry_run
    )
    return ViewResult(status=204)


@RESOURCE.operation(
    "POST",
    "/v1/network-prunes",
    role=Role.ADMIN,
    query=PruneQuery(),
    supports_dry_run=True,
    answers={200: PruneResultSchema},
)
def prune_networks(context: RequestContext) -> ViewResult:
    """Remove unused networks.

    Unlike `docker network prune`, this keeps networks that a stopped container is in, and lists what it kept and why.
    The operation is idempotent: a second request finds nothing more to remove. It therefore takes no `Idempotency-Key`.
    """
    query = context.query
    return ViewResult(
        prune.prune_networks(
            context.services,
            context.caller,
            labels=tuple(query["label"]),
            until=query["until"],
            include_configured=query["include_configured"],
            dry_run=context.dry_run,
        )
    )


@RESOURCE.operation(
    "GET", "/v1/networks/{network}/endpoints", role=Role.VIEWER, query=PageQuery(), answers={200: EndpointPageSchema},
    problems=_FINDING_A_NETWORK, cached=True,
)  # fmt: skip
def list_endpoints(context: RequestContext) -> ViewResult:
    """List the endpoints of a network.

    The list holds the endpoints of running and of stopped containers.
    """
    found = endpoints.list_endpoints(context.snapshot, context.path["network"])
    return ViewResult(page(found, context, lambda endpoint: (endpoint.container_name, endpoint.container_id)))


@RESOURCE.operation(
    "GET", "/v1/networks/{network}/endpoints/{container}", role=Role.VIEWER, answers={200: EndpointSchema},
    problems={**_FINDING_BOTH, 404: ("network-not-found", "container-not-found", "endpoint-not-found")},
)  # fmt: skip
def get_endpoint(context: RequestContext) -> ViewResult:
    """Get an endpoint.

    The endpoint is the place of one container in one network. For a stopped container it holds what was asked for.
    """
    return ViewResult(endpoints.get_endpoint(context.snapshot, context.path["network"], context.path["container"]))


@RESOURCE.operation(
    "PUT", "/v1/networks/{network}/endpoints/{container}", role=Role.OPERATOR, body=EndpointConnectSchema(),
    supports_dry_run=True, conditional=True,
    answers={201: ConnectedEndpointSchema, 200: ConnectedEndpointSchema},
    problems={**_FINDING_BOTH,
              409: ("endpoint-differs", "static-address-taken", "pool-exhausted", "network-mode-conflict",
                    "network-shared", "overlay-not-attachable", "network-config-only", "container-restarting",
                    "container-removing", "parent-unusable", "port-taken", "host-address-unknown",
                    "protocol-not-supported", "sysctl-refused", "endpoint-exists", "endpoint-vanished",
                    "mac-address-taken"),
              422: ("address-not-in-subnet", "fixed-address-not-supported", "mac-address-invalid",
                    "alias-not-supported", "option-invalid")},
)  # fmt: skip
def connect_container(context: RequestContext) -> ViewResult:
    """Connect a container to a network.

    If the container is connected with the same settings, nothing changes and the answer is 200. If it is connected with
    other settings, the answer is 409.
    """
    done = endpoints.connect(
        context.services,
        context.caller,
        context.path["network"],
        context.path["container"],
        endpoint_spec(context.body),
        dry_run=context.dry_run,
    )
    return ViewResult(done.endpoint, 201 if done.created else 200)


def endpoint_spec(body: dict[str, Any]) -> EndpointSpec:
    """The typed endpoint of a loaded body."""
    return EndpointSpec(
        aliases=tuple(body["aliases"]),
        ipv4_address=str(body["ipv4_address"]) if body["ipv4_address"] else None,
        ipv6_address=str(body["ipv6_address"]) if body["ipv6_address"] else None,
        link_local_addresses=tuple(str(address) for address in body["link_local_addresses"]),
        mac_address=body["mac_address"],
        driver_options=body["driver_options"],
        gateway_priority=body["gateway_priority"],
    )


@RESOURCE.operation(
    "DELETE",
    "/v1/networks/{network}/endpoints/{container}",
    role=Role.OPERATOR,
    query=ForceQuery(),
    supports_dry_run=True,
    conditional=True,
    answers={204: None},
    problems={
        **_FINDING_BOTH,
        409: (
            "network-mode-conflict",
            "endpoint-half-made",
            "container-removing",
            "port-taken",
            "host-address-unknown",
            "protocol-not-supported",
        ),
    },
)
def disconnect_container(context: RequestContext) -> ViewResult:
    """Disconnect a container from a network.

    If the container is not connected, nothing changes and the answer is 204. `force=true` (role `admin`) also removes
    an endpoint whose container is gone; name the endpoint in place of the container.
    """
    endpoints.disconnect(
        context.services,
        context.caller,
        context.path["network"],
        context.path["container"],
        force=context.query["force"],
        dry_run=context.dry_run,
    )
    return ViewResult(status=204)


@RESOURCE.operation(
    "GET", "/v1/networks/{network}/addresses", role=Role.VIEWER, answers={200: NetworkAddressesSchema},
    problems=_FINDING_A_NETWORK, cached=True,
)  # fmt: skip
def list_addresses(context: RequestContext) -> ViewResult:
    """Show how the addresses of a network are used.

    For each pool, the answer holds its size, the number of used and free addresses, the next free address, and what
    uses each address.
    """
    network = references.network(context.snapshot, context.path["network"])
    return ViewResult({"network": network, "pools": endpoints.addresses(context.snapshot, network.id)})


@RESOURCE.operation(
    "GET", "/v1/subnets/available", role=Role.VIEWER, query=SubnetQuery(), answers={200: AvailableSubnetsSchema},
    problems={409: ("address-space-exhausted",)},
)  # fmt: skip
def list_available_subnets(context: RequestContext) -> ViewResult:
    """Find free subnets.

    The subnets overlap no Docker network and no route of the host, so you can create a network with any of them.
    """
    query = context.query
    found = endpoints.free_subnets(context.services, context.snapshot, query["prefix_len"], query["count"])
    return ViewResult({"items": found, "next_cursor": None})
