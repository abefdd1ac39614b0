"""The routes of containers: ``/v1/containers``. What is inside a container has routes of its own."""

from __future__ import annotations

from functools import partial

from flask import Response

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.paging import filters, page
from bridgework.http.progress import LINES, answered
from bridgework.http.resources.containers.requests import (
    ContainerCreateSchema,
    ContainerQuery,
    ContainerRenameSchema,
    StopQuery,
)
from bridgework.http.resources.containers.schemas import ContainerPageSchema, ContainerSchema
from bridgework.http.schemas.queries import ForceQuery
from bridgework.use_cases import container_creation, containers
from bridgework.use_cases.views import describe_container

RESOURCE = Resource("containers", "Create, start, stop, restart, rename and delete containers.")
_FINDING = {400: "ambiguous-reference", 404: "container-not-found"}
_STARTING = (
    "port-taken host-address-unknown protocol-not-supported shared-network-owner-down shared-network-owner-gone "
    "network-gone static-address-taken pool-exhausted parent-unusable overlay-not-attachable network-config-only "
    "sysctl-refused command-not-runnable container-removing container-paused container-not-paused "
    "shared-namespace-owner-down link-target-down engine-rules-flushed"
)
_ENDPOINTS = "address-not-in-subnet fixed-address-not-supported mac-address-invalid option-invalid"
"""What the engine or the kernel may refuse of a container's endpoints, as late as at its start."""
_STARTED = {409: _STARTING, 422: _ENDPOINTS, 502: "container-runtime-failed"}


@RESOURCE.get(
    "/v1/containers",
    ContainerPageSchema,
    query=ContainerQuery(),
    cached=True,
    problems={400: "ambiguous-reference", 404: "network-not-found"},
)
def list_containers(context: RequestContext) -> ViewResult:
    """List containers.

    The list holds running and stopped containers, sorted by name. A container must match every filter that you give.
    """
    matching = containers.list_containers(context.snapshot, containers.ContainerFilter(**filters(context)))
    described = partial(describe_container, context.snapshot)
    return ViewResult(page(matching, context, lambda container: (container.name, container.id), described))


@RESOURCE.change(
    "POST",
    "/v1/containers",
    {201: (ContainerSchema, LINES)},
    body=ContainerCreateSchema(),
    idempotent=True,
    problems={
        400: "ambiguous-reference",
        403: "image-not-allowed host-mode-not-allowed host-port-not-allowed project-mismatch "
        "published-address-not-allowed",
        404: "image-not-found network-not-found container-not-found",
        409: f"container-name-taken earlier-request-failed mac-address-taken {_STARTING}",
        422: "idempotency-key-reused combination-invalid image-reference-invalid alias-not-supported "
        f"container-name-invalid {_ENDPOINTS}",
        502: "registry-unreachable container-runtime-failed",
    },
)
def create_container(context: RequestContext) -> ViewResult | Response:
    """Create a container.

    The container is also started, unless `start` is false. If the start fails, the container is removed again, so that
    nothing is left half done. Host mode and sharing the network of another container need the role `admin`. With
    `Accept: application/x-ndjson`, the service answers 201 at once and sends a line for each step, such as the pull of
    the image; the last line holds the container or the problem.
    """
    key = context.idempotency_key
    return answered(context, lambda: container_creation.create_container(context.actor, context.body, key), 201)


@RESOURCE.get("/v1/containers/{container}", ContainerSchema, cached=True, problems=_FINDING)
def get_container(context: RequestContext) -> ViewResult:
    """Get a container.

    You can name the container by its name, its full id or an unambiguous prefix of its id.
    """
    return ViewResult(containers.get_container(context.snapshot, context.path["container"]))


@RESOURCE.change(
    "DELETE",
    "/v1/containers/{container}",
    {204: None},
    query=ForceQuery(),
    problems={**_FINDING, 409: "container-running container-removing container-is-shared"},
)
def delete_container(context: RequestContext) -> ViewResult:
    """Delete a container.

    A running container is deleted only with `force=true`, which needs the role `admin`.
    """
    containers.delete_container(context.actor, context.path["container"], force=context.query["force"])
    return ViewResult(status=204)


@RESOURCE.change("POST", "/v1/containers/{container}/start", {200: ContainerSchema}, problems={**_FINDING, **_STARTED})
def start_container(context: RequestContext) -> ViewResult:
    """Start a container.

    A paused container is unpaused. A running container stays as it is, and the answer is 200: the operation is
    idempotent, so you can repeat a request that got no answer. It therefore takes no `Idempotency-Key`.
    """
    return ViewResult(containers.start_container(context.actor, context.path["container"]))


@RESOURCE.change(
    "POST", "/v1/containers/{container}/stop", {200: (ContainerSchema, LINES)}, query=StopQuery(), problems=_FINDING
)
def stop_container(context: RequestContext) -> ViewResult | Response:
    """Stop a container.

    The engine sends SIGTERM and, after `grace_s` seconds, SIGKILL. A stopped container stays as it is, and the answer
    is 200: the operation is idempotent, so you can repeat a request that got no answer. It therefore takes no
    `Idempotency-Key`.
    """
    grace_s = context.query["grace_s"]
    return answered(context, lambda: containers.stop_container(context.actor, context.path["container"], grace_s))


@RESOURCE.change(
    "POST",
    "/v1/containers/{container}/restart",
    {200: (ContainerSchema, LINES)},
    query=StopQuery(),
    problems={**_FINDING, **_STARTED},
)
def restart_container(context: RequestContext) -> ViewResult | Response:
    """Restart a container.

    The engine stops the container, with `grace_s` as in stop, and starts it again. A stopped container is only started.
    A restart also fixes a container that shares the network of another container when that network has gone.

    Each request restarts the container, a repeated one too: the container runs afterwards, but it is interrupted once
    more. The operation takes no `Idempotency-Key`; one that you send has no effect. To repeat a request safely, send
    the `ETag` of the container as `If-Match`. A restart changes `started_at` and with it the `ETag`, so the service
    refuses the repeat with 412.
    """
    grace_s = context.query["grace_s"]
    return answered(context, lambda: containers.restart_container(context.actor, context.path["container"], grace_s))


@RESOURCE.change(
    "POST",
    "/v1/containers/{container}/rename",
    {200: ContainerSchema},
    body=ContainerRenameSchema(),
    problems={
        **_FINDING,
        409: "container-name-taken container-restarting endpoint-half-made",
        422: "container-name-invalid",
    },
)
def rename_container(context: RequestContext) -> ViewResult:
    """Rename a container.

    A running container keeps running. If the container has the new name already, nothing changes and the answer is 200.
    If another container has the new name, the answer is 409. The operation is idempotent and takes no
    `Idempotency-Key`. To repeat a request that got no answer, name the container by its id: the old name is gone.
    """
    return ViewResult(containers.rename_container(context.actor, context.path["container"], context.body["name"]))
