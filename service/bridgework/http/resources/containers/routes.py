"""The paths under ``/v1/containers`` that change or describe containers; what is inside has a module of its own."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.paging import page
from bridgework.http.progress import LINES, NDJSON, streamed
from bridgework.http.resources.containers.schemas import (
    ContainerCreateSchema,
    ContainerPageSchema,
    ContainerQuery,
    ContainerRenameSchema,
    ContainerSchema,
    StopQuery,
)
from bridgework.http.resources.networks.routes import endpoint_spec
from bridgework.http.resources.networks.schemas import ForceQuery
from bridgework.model.create_specs import ContainerSpec
from bridgework.model.snapshot import PublishedPort
from bridgework.policy.access import Role
from bridgework.use_cases import container_creation, containers
from bridgework.use_cases.idempotency import retry_key
from bridgework.use_cases.preflight.container import WantedContainer
from bridgework.use_cases.views import DescribedContainer, describe_container

RESOURCE = Resource("containers", "Create, start, stop, restart, rename and delete containers.")
_FINDING = {400: ("ambiguous-reference",), 404: ("container-not-found",)}
_STARTING = ("port-taken", "host-address-unknown", "protocol-not-supported", "shared-network-owner-down",
             "shared-network-owner-gone", "network-gone", "static-address-taken", "pool-exhausted",
             "parent-unusable", "overlay-not-attachable", "network-config-only", "sysctl-refused",
             "command-not-runnable", "container-removing", "container-paused", "container-not-paused",
             "shared-namespace-owner-down", "link-target-down")  # fmt: skip
_ENDPOINTS = ("address-not-in-subnet", "fixed-address-not-supported", "mac-address-invalid", "option-invalid")
"""What the engine or the kernel may refuse of a container's endpoints, as late as at its start."""
_STARTED = {409: _STARTING, 422: _ENDPOINTS, 502: ("container-runtime-failed",)}


@RESOURCE.operation(
    "GET", "/v1/containers", role=Role.VIEWER, query=ContainerQuery(), answers={200: ContainerPageSchema},
    problems={400: ("ambiguous-reference",), 404: ("network-not-found",)}, cached=True,
)  # fmt: skip
def list_containers(context: RequestContext) -> ViewResult:
    """List containers.

    The list holds running and stopped containers, sorted by name. A container must match every filter that you give.
    """
    query = context.query
    wanted = containers.ContainerFilter(
        names=query["name"],
        states=query["state"],
        networks=query["network"],
        labels=tuple(query["label"]),
        images=query["image"],
        ports=query["publishes"],
        projects=query["project"],
    )
    found = containers.list_containers(context.snapshot, wanted)
    described = partial(describe_container, context.snapshot)
    return ViewResult(page(found, context, lambda container: (container.name, container.id), described))


@RESOURCE.operation(
    "POST", "/v1/containers", role=Role.OPERATOR, body=ContainerCreateSchema(), supports_dry_run=True, idempotent=True,
    answers={201: [ContainerSchema, LINES]},
    problems={400: ("ambiguous-reference",),
              403: ("image-not-allowed", "host-mode-not-allowed", "host-port-not-allowed", "project-mismatch",
                    "published-address-not-allowed"),
              404: ("image-not-found", "network-not-found", "container-not-found"),
              409: ("container-name-taken", "earlier-request-failed", "mac-address-taken", *_STARTING),
              422: ("idempotency-key-reused", "combination-invalid", "image-reference-invalid", "alias-not-supported",
                    "container-name-invalid", *_ENDPOINTS),
              502: ("registry-unreachable", "container-runtime-failed")},
)  # fmt: skip
def create_container(context: RequestContext) -> ViewResult | Response:
    """Create a container.

    The container is also started, unless `start` is false. If the start fails, the container is removed again, so that
    nothing is left half done. Host mode and sharing the network of another container need the role `admin`. With
    `Accept: application/x-ndjson`, the service answers 201 at once and sends a line for each step, such as the pull of
    the image; the last line holds the container or the problem.
    """
    body = context.body
    key = retry_key(context.caller, context.idempotency_key, body)

    def create() -> ViewResult:
        done = container_creation.create_container(
            context.services, context.caller, _wanted(body), key, dry_run=context.dry_run
        )
        if isinstance(done, DescribedContainer):
            return ViewResult(done, 201)
        made = container_creation.described(context.services, done)
        replayed = {"Idempotent-Replayed": "true"} if done.replayed else {}
        return ViewResult(made, 201, {"Location": f"/v1/containers/{made.id}", **replayed})

    return streamed(create, 201) if context.media_type == NDJSON else create()


def _wanted(body: dict[str, Any]) -> WantedContainer:
    spec = ContainerSpec(
        name=body["name"] or "",
        image=body["image"],
        command=tuple(body["command"]),
        environment=body["environment"],
        labels=body["labels"],
        published_ports=tuple(one for port in body["published_ports"] for one in _ports(port)),
        hostname=body["hostname"],
        dns=tuple(str(server) for server in body["dns"]),
        dns_search=tuple(body["dns_search"]),
        dns_options=tuple(body["dns_options"]),
        extra_hosts=body["extra_hosts"],
        sysctls=body["sysctls"],
        restart_policy=body["restart_policy"],
    )
    return WantedContainer(
        spec=spec,
        name=body["name"],
        network_mode=body["network_mode"],
        networks=tuple((item["network"], endpoint_spec(item)) for item in body["networks"]),
        start=body["start"],
        pull=body["pull"],
    )


def _ports(port: dict[str, Any]) -> list[PublishedPort]:
    return [
        PublishedPort(
            container_port=port["container_port"] + step,
            protocol=port["protocol"],
            host_ip=str(port["host_ip"]) if port["host_ip"] else "",
            host_port=port["host_port"] + step if port["host_port"] else None,
        )
        for step in range(port["count"])
    ]


@RESOURCE.operation(
    "GET", "/v1/containers/{container}", role=Role.VIEWER, answers={200: ContainerSchema}, problems=_FINDING,
    cached=True,
)  # fmt: skip
def get_container(context: RequestContext) -> ViewResult:
    """Get a container.

    You can name the container by its name, its full id or an unambiguous prefix of its id.
    """
    return ViewResult(containers.get_container(context.snapshot, context.path["container"]))


@RESOURCE.operation(
    "DELETE",
    "/v1/containers/{container}",
    role=Role.OPERATOR,
    query=ForceQuery(),
    supports_dry_run=True,
    conditional=True,
    answers={204: None},
    problems={**_FINDING, 409: ("container-running", "container-removing")},
)
def delete_container(context: RequestContext) -> ViewResult:
    """Delete a container.

    A running container is deleted only with `force=true`, which needs the role `admin`.
    """
    containers.delete_container(
        context.services,
        context.caller,
        context.path["container"],
        force=context.query["force"],
        dry_run=context.dry_run,
    )
    return ViewResult(status=204)


@RESOURCE.operation(
    "POST", "/v1/containers/{container}/start", role=Role.OPERATOR, conditional=True, supports_dry_run=True,
    answers={200: ContainerSchema}, problems={**_FINDING, **_STARTED},
)  # fmt: skip
def start_container(context: RequestContext) -> ViewResult:
    """Start a container.

    A paused container is unpaused. A running container stays as it is, and the answer is 200: the operation is
    idempotent, so you can repeat a request that got no answer. It therefore takes no `Idempotency-Key`.
    """
    return ViewResult(
        containers.start_container(context.services, context.caller, context.path["container"], dry_run=context.dry_run)
    )


@RESOURCE.operation(
    "POST", "/v1/containers/{container}/stop", role=Role.OPERATOR, query=StopQuery(),
    supports_dry_run=True, conditional=True,
    answers={200: [ContainerSchema, LINES]}, problems=_FINDING,
)  # fmt: skip
def stop_container(context: RequestContext) -> ViewResult | Response:
    """Stop a container.

    The engine sends SIGTERM and, after `grace_s` seconds, SIGKILL. A stopped container stays as it is, and the answer
    is 200: the operation is idempotent, so you can repeat a request that got no answer. It therefore takes no
    `Idempotency-Key`.
    """
    grace_s = context.query["grace_s"]

    def change() -> ViewResult:
        return ViewResult(
            containers.stop_container(
                context.services, context.caller, context.path["container"], grace_s, dry_run=context.dry_run
            )
        )

    return streamed(change) if context.media_type == NDJSON else change()


@RESOURCE.operation(
    "POST", "/v1/containers/{container}/restart", role=Role.OPERATOR, query=StopQuery(),
    supports_dry_run=True, conditional=True,
    answers={200: [ContainerSchema, LINES]}, problems={**_FINDING, **_STARTED},
)  # fmt: skip
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

    def change() -> ViewResult:
        return ViewResult(
            containers.restart_container(
                context.services, context.caller, context.path["container"], grace_s, dry_run=context.dry_run
            )
        )

    return streamed(change) if context.media_type == NDJSON else change()


@RESOURCE.operation(
    "POST", "/v1/containers/{container}/rename", role=Role.OPERATOR, body=ContainerRenameSchema(),
    supports_dry_run=True, conditional=True,
    answers={200: ContainerSchema},
    problems={**_FINDING, 409: ("container-name-taken", "container-restarting", "endpoint-half-made"),
              422: ("container-name-invalid",)},
)  # fmt: skip
def rename_container(context: RequestContext) -> ViewResult:
    """Rename a container.

    A running container keeps running. If the container has the new name already, nothing changes and the answer is 200.
    If another container has the new name, the answer is 409. The operation is idempotent and takes no
    `Idempotency-Key`. To repeat a request that got no answer, name the container by its id: the old name is gone.
    """
    return ViewResult(
        containers.rename_container(
            context.services, context.caller, context.path["container"], context.body["name"], dry_run=context.dry_run
        )
    )
