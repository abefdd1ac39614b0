"""The service's own paths: index, liveness, readiness, and what the engine is."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from service import __version__
from service.api.contract import Answer, Asked, Resource
from service.api.fields import Derived, RemedySchema, described
from service.core.access import Role
from service.operations import service_info

RESOURCE = Resource("service", "The service itself, and the engine behind it.")


class ServiceIndexSchema(Schema):
    """Where to go from here."""

    name = fields.String(required=True, metadata=described("`bridgework`."))
    version = fields.String(required=True, metadata=described("The service's version."))
    links = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, metadata=described("Paths by what they are.")
    )


class LivenessSchema(Schema):
    """That the process answers."""

    status = fields.String(required=True, validate=validate.OneOf(["live"]), metadata=described("Always `live`."))


class ProbeRunnerSchema(Schema):
    """How checks run."""

    kind = fields.String(
        required=True, validate=validate.OneOf(["namespace", "sidecar", "unavailable"]),
        metadata=described("In the namespace itself, in a helper container, or not at all."),
    )  # fmt: skip
    reason = fields.String(required=True, metadata=described("Why that one."))
    missing = fields.List(fields.String(), required=True, metadata=described("What a better one would need."))


class ReadinessSchema(Schema):
    """Whether requests can be served, and how checks run."""

    status = fields.String(
        required=True, validate=validate.OneOf(["ready", "not-ready"]), metadata=described("In a word.")
    )
    probe_runner = fields.Nested(ProbeRunnerSchema, required=True, metadata=described("How checks run."))
    missing = fields.List(fields.String(), required=True, metadata=described("What keeps it from being ready."))
    remedy = fields.Nested(RemedySchema, required=True, allow_none=True, metadata=described("What mends it."))


class AddressPoolSchema(Schema):
    """A range that the engine makes subnets from."""

    base = fields.String(required=True, metadata=described("In CIDR notation."))
    prefix_len = fields.Integer(required=True, metadata=described("Of each subnet made from it.", maximum=128))


class EngineSchema(Schema):
    """The engine."""

    id = fields.String(required=True, attribute="facts.id", metadata=described("Its id."))
    name = fields.String(required=True, attribute="facts.name", metadata=described("Its host's name."))
    version = fields.String(required=True, attribute="facts.version", metadata=described("The engine's version."))
    api_version = fields.String(required=True, attribute="facts.api_version", metadata=described("The newest API."))
    operating_system = fields.String(
        required=True, attribute="facts.operating_system", metadata=described("Of its host.")
    )
    kernel_version = fields.String(required=True, attribute="facts.kernel_version", metadata=described("Of its host."))
    network_drivers = fields.List(
        fields.String(), required=True, attribute="facts.network_drivers", metadata=described("Its network drivers.")
    )
    default_address_pools = Derived(
        AddressPoolSchema,
        lambda view: [{"base": base, "prefix_len": length} for base, length in view.default_address_pools],
        many=True, required=True, metadata=described("Where subnets come from when none is named."),
    )  # fmt: skip
    swarm_state = fields.String(
        required=True, attribute="facts.swarm_state",
        validate=validate.OneOf(["inactive", "pending", "active", "error", "locked"]),
        metadata=described("Whether it is in a swarm, in Docker's word.", x_known_values=True),
    )  # fmt: skip
    probe_runner = fields.Nested(
        ProbeRunnerSchema, required=True, attribute="runner", metadata=described("How checks run.")
    )
    neighbour_limit = fields.Integer(
        required=True, allow_none=True,
        metadata=described("The kernel's limit of ARP entries over all namespaces (gc_thresh3); it bounds a matrix."),
    )  # fmt: skip
    neighbours_in_use = fields.Integer(
        required=True, allow_none=True, metadata=described("How many of them are in use now.")
    )


class CallerSchema(Schema):
    """The caller, as the service knows it by the token."""

    name = fields.String(
        required=True,
        metadata=described("The token's name in the tokens file, or the subject of a JWT. It is in the audit."),
    )
    role = fields.String(
        required=True, attribute="role.word", validate=validate.OneOf([role.word for role in Role]),
        metadata=described(
            "What the caller may do: a `viewer` reads and checks, an `operator` changes too, an `admin` may also use "
            "host mode, share a container's network, force and prune.",
            x_known_values=True,
        ),
    )  # fmt: skip
    project = fields.String(
        required=True, allow_none=True,
        metadata=described("The only project whose networks and containers the caller may change; null for all."),
    )  # fmt: skip


@RESOURCE.operation("GET", "/", role=None, answers={200: ServiceIndexSchema})
def get_index(_: Asked) -> Answer:
    """Show where to go from here.

    The paths of the documents, the pages and the collections, by what they are. Needs no token.
    """
    links = {
        "live": "/livez", "ready": "/readyz", "openapi": "/openapi.yaml", "docs": "/docs",
        "console": "/console", "metrics": "/metrics", "caller": "/v1/caller", "engine": "/v1/engine",
        "nodes": "/v1/nodes",
        "networks": "/v1/networks", "available_subnets": "/v1/subnets/available", "containers": "/v1/containers",
        "host_interfaces": "/v1/host/interfaces", "events": "/v1/events", "checks": "/v1/connectivity/checks",
        "matrix": "/v1/connectivity/matrix", "assertions": "/v1/connectivity/assertions",
        "diagnostics": "/v1/diagnostics", "explanations": "/v1/explanations", "problems": "/v1/problems",
        "topology": "/v1/topology",
    }  # fmt: skip
    return Answer({"name": "bridgework", "version": __version__, "links": links})


@RESOURCE.operation("GET", "/livez", role=None, answers={200: LivenessSchema})
def get_liveness(_: Asked) -> Answer:
    """Say that the process answers.

    Never asks the engine, and needs no token: an orchestrator restarts what does not answer here.
    """
    return Answer({"status": "live"})


@RESOURCE.operation("GET", "/readyz", role=None, answers={200: ReadinessSchema, 503: ReadinessSchema})
def get_readiness(asked: Asked) -> Answer:
    """Say whether requests can be served.

    Asks the engine now, and whether its API is one that this service speaks. 503 says what is missing; it recovers by
    itself when the engine appears.
    """
    found = service_info.readiness(asked.house)
    value = {
        "status": "ready" if found.ready else "not-ready",
        "probe_runner": found.runner,
        "missing": [found.problem.detail] if found.problem else [],
        "remedy": found.problem.remedy if found.problem else None,
    }
    return Answer(value, 200 if found.ready else 503, {} if found.ready else {"Retry-After": "1"})


@RESOURCE.operation("GET", "/v1/caller", role=Role.VIEWER, answers={200: CallerSchema})
def get_caller(asked: Asked) -> Answer:
    """Say who the caller is.

    The name, the role and the project that belong to the token of this request. A user interface offers what the role
    allows; every request is checked again. The engine is not asked.
    """
    return Answer(asked.caller)


@RESOURCE.operation("GET", "/v1/engine", role=Role.VIEWER, answers={200: EngineSchema})
def get_engine(asked: Asked) -> Answer:
    """Describe the engine.

    Its versions, drivers and default address pools, how checks run and why, and the kernel limits that bound a matrix.
    """
    return Answer(service_info.describe_engine(asked.house))
