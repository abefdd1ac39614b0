"""The routes of the service itself: its index, liveness, readiness, caller and engine."""

from __future__ import annotations

from marshmallow import Schema, fields

from bridgework import __version__
from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.schemas.answers import number, part, plain, text, text_map, texts, word
from bridgework.http.schemas.fields import required
from bridgework.http.schemas.findings import RemedySchema
from bridgework.policy.access import Role
from bridgework.use_cases import info

RESOURCE = Resource(
    "service", "Read about the service, its problems and metrics, the engine, and the nodes of the swarm."
)


class ServiceIndexSchema(Schema):
    """The paths where a client can start."""

    name = text("The name of the service, always `bridgework`.")
    version = text("The version of the service, such as `0.1.0`.")
    links = text_map("Paths of this service by their meaning, such as `networks: /v1/networks`.")


class LivenessSchema(Schema):
    """The answer of a process that is alive."""

    status = word("The state of the process, always `live`.", "live")


class ProbeRunnerSchema(Schema):
    """How the service runs checks inside of network namespaces."""

    kind = word(
        "`namespace`: directly; `sidecar`: in a helper container; `unavailable`: not at all.",
        "namespace sidecar unavailable",
    )
    reason = text("Why checks run in this way, in one sentence.")
    missing = texts("What the service would need to run checks in a better way; empty when nothing is missing.")


class StateSchema(Schema):
    """How the state of expectations is kept."""

    kind = word("`file`: in the folder of `BRIDGEWORK_STATE_DIR`; `memory`: until the service ends.", "file memory")
    problem = text("What is wrong with the file; null when nothing is wrong.", null=True)


class ReadinessSchema(Schema):
    """Whether the service can serve requests, and how checks run."""

    status = word("Whether the service can serve requests now.", "ready not-ready")
    probe_runner = part(ProbeRunnerSchema, "How the service runs checks.")
    missing = texts("What keeps the service from being ready; empty when it is ready.")
    expectations = part(
        StateSchema, "How the state of expectations is kept. A problem of it does not make the service unready."
    )
    remedy = part(RemedySchema, "How to make the service ready; null when it is ready or no fix is known.", null=True)


class AddressPoolSchema(Schema):
    """An address range that the engine takes subnets for new networks from."""

    base = text("The address range in CIDR notation, such as `172.20.0.0/14`.")
    prefix_len = number("The prefix length of the subnets that are taken from the range, such as 16.", maximum=128)


class EngineSchema(Schema):
    """The Docker engine that the service works with, and its host."""

    id = text("The id of the engine, unique for each installation.")
    name = text("The host name of the machine that the engine runs on.")
    product = word("Which engine it is.", "docker podman", grows=True)
    version = text("The version of the engine, such as `26.1.5`.")
    api_version = text("The newest version of Docker's API that the engine has, such as `1.45`.")
    operating_system = text("The operating system of the engine's host.")
    kernel_version = text("The kernel version of the engine's host.")
    network_drivers = texts("The network drivers that the engine has, such as `bridge`.")
    default_address_pools = fields.Nested(
        AddressPoolSchema,
        many=True,
        **required("Where the engine takes subnets from when a new network names no subnet."),
    )
    swarm_state = word(
        "Whether the engine is in a swarm, as Docker reports it.", "inactive pending active error locked", grows=True
    )
    probe_runner = part(ProbeRunnerSchema, "How the service runs checks.")
    neighbour_limit = number(
        "The kernel's limit of ARP entries over all namespaces (gc_thresh3). The limit bounds a matrix. Null "
        "when it cannot be read.",
        null=True,
    )
    neighbours_in_use = number("The number of ARP entries in use now; null when it cannot be read.", null=True)


class CallerSchema(Schema):
    """The caller, as the service knows the caller from the token."""

    name = text("The name of the token in the tokens file, or the subject of a JWT, as in the audit log.")
    role = word(
        "What the caller may do: a `viewer` reads and checks, an `operator` also makes changes, an `admin` "
        "may also use host mode, share a container's network, force and prune.",
        *(role.word for role in Role),
        grows=True,
        attribute="role.word",
    )
    project = text("The only project whose networks and containers the caller may change; null for all.", null=True)


_LINKS = {
    "live": "/livez", "ready": "/readyz", "openapi": "/openapi.yaml", "docs": "/docs",
    "console": "/console", "metrics": "/metrics", "caller": "/v1/caller", "engine": "/v1/engine",
    "nodes": "/v1/nodes",
    "networks": "/v1/networks", "available_subnets": "/v1/subnets/available", "containers": "/v1/containers",
    "host_interfaces": "/v1/host/interfaces", "events": "/v1/events", "checks": "/v1/connectivity/checks",
    "matrix": "/v1/connectivity/matrix", "assertions": "/v1/connectivity/assertions",
    "diagnostics": "/v1/diagnostics", "explanations": "/v1/explanations", "problems": "/v1/problems",
    "topology": "/v1/topology", "exposure": "/v1/exposure",
    "expectations": "/v1/expectations",
}  # fmt: skip


@RESOURCE.get("/", ServiceIndexSchema, role=None)
def get_index(_: RequestContext) -> ViewResult:
    """Get the paths to start from.

    The answer names the paths of the document, the pages and the lists. No token is needed.
    """
    return ViewResult({"name": "bridgework", "version": __version__, "links": _LINKS})


@RESOURCE.get("/livez", LivenessSchema, role=None)
def get_liveness(_: RequestContext) -> ViewResult:
    """Check that the process answers.

    This never asks the engine and needs no token. An orchestrator restarts a process that does not answer here.
    """
    return ViewResult({"status": "live"})


@RESOURCE.operation("GET", "/readyz", {200: ReadinessSchema, 503: ReadinessSchema}, role=None)
def get_readiness(context: RequestContext) -> ViewResult:
    """Check whether the service can serve requests.

    The service asks the engine now, and checks that the engine's API version is supported. Status 503 says what is
    missing. The service becomes ready by itself when the engine answers. Where checks run directly in the namespaces,
    it enters the namespace of a running container and reads the resolver file there, and `probe_runner` says what did
    not work. No token is needed.
    """
    found = info.readiness(context.services)
    value = {
        "status": "ready" if found.ready else "not-ready",
        "probe_runner": found.runner,
        "expectations": context.expectations.store.kept(),
        "missing": [found.problem.detail] if found.problem else [],
        "remedy": found.problem.remedy if found.problem else None,
    }
    return ViewResult(value, 200 if found.ready else 503, {} if found.ready else {"Retry-After": "1"})


@RESOURCE.get("/v1/caller", CallerSchema)
def get_caller(context: RequestContext) -> ViewResult:
    """Get the caller of this request.

    The answer holds the name, the role and the project that belong to the token of this request. A user interface can
    use it to offer only what the role allows. The engine is not asked.
    """
    return ViewResult(context.caller)


@RESOURCE.get("/v1/engine", EngineSchema)
def get_engine(context: RequestContext) -> ViewResult:
    """Describe the engine.

    The answer holds the engine's versions, drivers and default address pools, how checks run and why, and the kernel
    limits that bound a matrix.
    """
    found = info.describe_engine(context.services)
    pools = [{"base": base, "prefix_len": length} for base, length in found.default_address_pools]
    return ViewResult({**plain(found.facts), **plain(found), "default_address_pools": pools})
