"""The routes of networks: ``/v1/networks`` and ``/v1/network-prunes``."""

from __future__ import annotations

from functools import partial

from bridgework.http.contract import RequestContext, Resource, ViewResult, created
from bridgework.http.paging import filters, page
from bridgework.http.resources.networks.requests import NetworkCreateSchema, NetworkQuery, PruneQuery
from bridgework.http.resources.networks.schemas import NetworkPageSchema, NetworkSchema, PruneResultSchema
from bridgework.http.schemas.queries import ForceQuery
from bridgework.policy.access import Role
from bridgework.use_cases import networks, prune
from bridgework.use_cases.views import describe_network

RESOURCE = Resource(
    "networks", "Create, prune and delete networks, connect containers to them, and see how addresses are used."
)
FINDING_A_NETWORK = {400: "ambiguous-reference", 404: "network-not-found"}


@RESOURCE.get("/v1/networks", NetworkPageSchema, query=NetworkQuery(), cached=True)
def list_networks(context: RequestContext) -> ViewResult:
    """List networks.

    The list holds all networks of the engine, the built-in ones too, sorted by name. A network must match every filter
    that you give.
    """
    matching = networks.list_networks(context.snapshot, networks.NetworkFilter(**filters(context)))
    described = partial(describe_network, context.snapshot)
    return ViewResult(page(matching, context, lambda network: (network.name, network.id), described))


@RESOURCE.change(
    "POST",
    "/v1/networks",
    {201: NetworkSchema},
    body=NetworkCreateSchema(),
    idempotent=True,
    problems={
        400: "ambiguous-reference",
        403: "driver-not-allowed subnet-not-allowed parent-not-allowed",
        404: "network-not-found",
        409: "network-name-taken subnet-overlaps address-space-exhausted bridge-name-taken parent-unusable "
        "not-a-swarm-manager engine-rules-flushed",
        422: "driver-unknown idempotency-key-reused address-configuration-invalid option-invalid "
        "configuration-conflict network-name-reserved driver-single-instance ingress-scope-invalid",
    },
)
def create_network(context: RequestContext) -> ViewResult:
    """Create a network.

    The service checks the name, the driver's options, and the subnets against the engine's networks and the host's
    routes before it asks the engine to create anything. A conflict names what the network conflicts with, and a free
    subnet that you can use instead.
    """
    return created(context, networks.create_network(context.actor, context.body, context.idempotency_key))


@RESOURCE.get("/v1/networks/{network}", NetworkSchema, problems=FINDING_A_NETWORK, cached=True)
def get_network(context: RequestContext) -> ViewResult:
    """Get a network.

    You can name the network by its name, its full id or an unambiguous prefix of its id.
    """
    return ViewResult(networks.get_network(context.snapshot, context.path["network"]))


@RESOURCE.change(
    "DELETE",
    "/v1/networks/{network}",
    {204: None},
    query=ForceQuery(),
    problems={**FINDING_A_NETWORK, 409: "network-in-use network-builtin"},
)
def delete_network(context: RequestContext) -> ViewResult:
    """Delete a network.

    The answer is 409 while running or stopped containers are in the network. `force=true` (role `admin`) disconnects
    them first, and removes stale endpoints.
    """
    networks.delete_network(context.actor, context.path["network"], force=context.query["force"])
    return ViewResult(status=204)


@RESOURCE.change("POST", "/v1/network-prunes", {200: PruneResultSchema}, role=Role.ADMIN, query=PruneQuery())
def prune_networks(context: RequestContext) -> ViewResult:
    """Remove unused networks.

    Unlike `docker network prune`, this keeps networks that a stopped container is in, and lists what it kept and why.
    The operation is idempotent: a second request finds nothing more to remove. It therefore takes no `Idempotency-Key`.
    """
    return ViewResult(prune.prune_networks(context.actor, prune.PruneFilter(**context.query)))
