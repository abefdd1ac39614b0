"""The routes of addresses: ``/v1/networks/{network}/addresses`` and ``/v1/subnets/available``."""

from __future__ import annotations

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.resources.addresses.schemas import AvailableSubnetsSchema, NetworkAddressesSchema, SubnetQuery
from bridgework.http.resources.networks.routes import FINDING_A_NETWORK
from bridgework.model import references
from bridgework.use_cases import addresses

RESOURCE = Resource("networks")


@RESOURCE.get("/v1/networks/{network}/addresses", NetworkAddressesSchema, problems=FINDING_A_NETWORK, cached=True)
def list_addresses(context: RequestContext) -> ViewResult:
    """Show how the addresses of a network are used.

    For each pool, the answer holds its size, the number of used and free addresses, the next free address, and what
    uses each address.
    """
    network = references.network(context.snapshot, context.path["network"])
    return ViewResult({"network": network, "pools": addresses.addresses(context.snapshot, network)})


@RESOURCE.get(
    "/v1/subnets/available", AvailableSubnetsSchema, query=SubnetQuery(), problems={409: "address-space-exhausted"}
)
def list_available_subnets(context: RequestContext) -> ViewResult:
    """Find free subnets.

    The subnets overlap no Docker network and no route of the host, so you can create a network with any of them.
    """
    subnets = addresses.free_subnets(context.services, context.snapshot, **context.query)
    return ViewResult({"items": subnets, "next_cursor": None})
