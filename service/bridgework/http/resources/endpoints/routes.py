"""The routes of endpoints: ``/v1/networks/{network}/endpoints``."""

from __future__ import annotations

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.paging import page
from bridgework.http.resources.endpoints.requests import EndpointConnectSchema
from bridgework.http.resources.endpoints.schemas import ConnectedEndpointSchema, EndpointPageSchema, EndpointSchema
from bridgework.http.resources.networks.routes import FINDING_A_NETWORK
from bridgework.http.schemas.queries import ForceQuery, PageQuery
from bridgework.use_cases import endpoints

RESOURCE = Resource("networks")
_ENDPOINT = "/v1/networks/{network}/endpoints/{container}"
_FINDING_BOTH = {400: "ambiguous-reference", 404: "network-not-found container-not-found"}


@RESOURCE.get(
    "/v1/networks/{network}/endpoints", EndpointPageSchema, query=PageQuery(), problems=FINDING_A_NETWORK, cached=True
)
def list_endpoints(context: RequestContext) -> ViewResult:
    """List the endpoints of a network.

    The list holds the endpoints of running and of stopped containers.
    """
    in_network = endpoints.list_endpoints(context.snapshot, context.path["network"])
    return ViewResult(page(in_network, context, lambda endpoint: (endpoint.container_name, endpoint.container_id)))


@RESOURCE.get(_ENDPOINT, EndpointSchema, problems={**_FINDING_BOTH, 404: f"{_FINDING_BOTH[404]} endpoint-not-found"})
def get_endpoint(context: RequestContext) -> ViewResult:
    """Get an endpoint.

    The endpoint is the place of one container in one network. For a stopped container it holds what was requested.
    """
    return ViewResult(endpoints.get_endpoint(context.snapshot, **context.path))


@RESOURCE.change(
    "PUT",
    _ENDPOINT,
    {201: ConnectedEndpointSchema, 200: ConnectedEndpointSchema},
    body=EndpointConnectSchema(),
    problems={
        **_FINDING_BOTH,
        409: "endpoint-differs static-address-taken pool-exhausted network-mode-conflict network-shared "
        "overlay-not-attachable network-config-only container-restarting container-removing parent-unusable port-taken "
        "host-address-unknown protocol-not-supported sysctl-refused endpoint-exists endpoint-vanished "
        "mac-address-taken network-gone engine-rules-flushed default-route-taken",
        422: "address-not-in-subnet fixed-address-not-supported mac-address-invalid alias-not-supported option-invalid",
    },
)
def connect_container(context: RequestContext) -> ViewResult:
    """Connect a container to a network.

    If the container is connected with the same settings, nothing changes and the answer is 200. If it is connected with
    other settings, the answer is 409.
    """
    done = endpoints.connect(context.actor, spec=context.body, **context.path)
    return ViewResult(done.endpoint, 201 if done.created else 200)


@RESOURCE.change(
    "DELETE",
    _ENDPOINT,
    {204: None},
    query=ForceQuery(),
    problems={
        **_FINDING_BOTH,
        409: "network-mode-conflict endpoint-half-made container-removing default-route-taken port-taken "
        "host-address-unknown protocol-not-supported",
    },
)
def disconnect_container(context: RequestContext) -> ViewResult:
    """Disconnect a container from a network.

    If the container is not connected, nothing changes and the answer is 204. `force=true` (role `admin`) also removes
    an endpoint whose container is gone; name the endpoint in place of the container.
    """
    endpoints.disconnect(context.actor, force=context.query["force"], **context.path)
    return ViewResult(status=204)
