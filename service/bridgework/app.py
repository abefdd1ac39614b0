"""The composition root: it makes the application of one worker process out of all packages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from bridgework.engine.client import EngineAddress
from bridgework.engine.docker_engine import DockerEngine
from bridgework.engine.helper_launcher import HelperLauncher
from bridgework.engine.swarm import EngineSwarm
from bridgework.expectations.files import SetFiles
from bridgework.expectations.state import CHANGES_IN_MEMORY, Bounds, Codec, StateFile
from bridgework.expectations.webhooks import Webhooks
from bridgework.http import compression, cors, every_request, static_files
from bridgework.http.auth import Authenticator, TokensFile
from bridgework.http.caching import KeptAnswers
from bridgework.http.contract import Operation, Resource
from bridgework.http.dispatch import RequestPipeline, flask_view
from bridgework.http.limits import WAITING_FOR_EACH, WITH_OWN_THREADS, Pools, RateLimit
from bridgework.http.oidc import Keys, Oidc
from bridgework.http.problems import documents
from bridgework.http.resources import diagnosis, events, exposure, info, metrics, nodes
from bridgework.http.resources import problems as problem_pages
from bridgework.http.resources.addresses import routes as addresses
from bridgework.http.resources.assertions import routes as assertions
from bridgework.http.resources.assertions.schemas import AssertionSchema
from bridgework.http.resources.checks import routes as connectivity
from bridgework.http.resources.checks.requests import CheckRequestSchema
from bridgework.http.resources.containers import routes as containers
from bridgework.http.resources.endpoints import routes as endpoints
from bridgework.http.resources.expectations import routes as expectation_routes
from bridgework.http.resources.expectations.schemas import change_to_json, set_of_file
from bridgework.http.resources.inside import routes as inside
from bridgework.http.resources.matrix import routes as matrix
from bridgework.http.resources.matrix.requests import MatrixRequestSchema
from bridgework.http.resources.networks import routes as networks
from bridgework.http.resources.plans import routes as plans
from bridgework.http.resources.probe import routes as probe
from bridgework.http.resources.queries import routes as queries
from bridgework.http.resources.topology import routes as topology
from bridgework.http.schemas.answers import plain
from bridgework.http.schemas.findings import FindingSchema
from bridgework.lifetime import PROCESS
from bridgework.model.engine_port import Engine
from bridgework.model.expectations import ExpectationPorts
from bridgework.model.peers import Peers, Swarm
from bridgework.model.probe_port import ProbeRunner
from bridgework.runners.auto_runner import AutoRunner
from bridgework.runners.helper_runner import HelperRunner
from bridgework.runners.namespace_runner import NamespaceRunner
from bridgework.settings import Settings
from bridgework.telemetry.metrics import MeteredRunner, metered_engine
from bridgework.use_cases.expectations.watch import Watch
from bridgework.use_cases.services import Services

RESOURCES: Sequence[Resource] = (
    info.RESOURCE,
    problem_pages.RESOURCE,
    networks.RESOURCE,
    endpoints.RESOURCE,
    addresses.RESOURCE,
    containers.RESOURCE,
    inside.RESOURCE,
    connectivity.RESOURCE,
    matrix.RESOURCE,
    assertions.RESOURCE,
    expectation_routes.RESOURCE,
    queries.RESOURCE,
    plans.RESOURCE,
    probe.RESOURCE,
    diagnosis.RESOURCE,
    exposure.RESOURCE,
    topology.RESOURCE,
    nodes.RESOURCE,
    events.RESOURCE,
    metrics.RESOURCE,
)


class _OrderedJson(DefaultJSONProvider):
    """JSON with its keys in the order of the schema or dataclass."""

    sort_keys = False
    default = staticmethod(plain)


class _Application(Flask):
    """Flask without its test, for each function of each request, whether it is a coroutine; none is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function itself."""
        return func


def create_app(
    settings: Settings, address: EngineAddress, *, engine: Engine | None = None, runner: ProbeRunner | None = None
) -> Flask:
    """Make the application. ``engine`` and ``runner`` replace the real ones in tests."""
    docker = DockerEngine(address, timeout_s=settings.engine_timeout_s, threads=settings.threads)
    metered = metered_engine(engine or docker)
    metered_runner = MeteredRunner(runner or _runner(settings, docker))
    swarm = None if engine else EngineSwarm(address, settings.engine_timeout_s)
    services = Services(
        engine=metered,
        runner=metered_runner,
        policy=settings.policy,
        stop_grace_s=settings.stop_grace_s,
        peers=_peers(settings, metered, metered_runner, swarm),
        has_peers=bool(settings.peers),
        swarm=swarm,
    )
    expectations = _expectations(settings)
    pipeline = RequestPipeline(
        services=services,
        expectations=expectations,
        authenticator=_authenticator(settings),
        rate=RateLimit(settings.rate_per_minute),
        pools=Pools(settings.pools, settings.threads),
        kept=KeptAnswers(),
        request_timeout_s=settings.request_timeout_s,
    )
    app = _Application("bridgework", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["SERVICES"] = services
    app.config["EXPECTATIONS"] = expectations
    app.config["WATCH"] = Watch(services, expectations)
    if settings.proxies:
        served: Any = app  # assigning wsgi_app is Flask's documented way to add middleware, and its type is a method
        served.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=0)
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    app.json = _OrderedJson(app)
    documents.register(app)
    every_request.prepare(app)
    cors.allow(app, settings.cors_origins)
    compression.enable(app)
    metrics.watch(app, settings.threads, {operation.id for operation in _with_own_threads()})
    for operation in (operation for resource in RESOURCES for operation in resource.operations):
        _register(app, pipeline, operation)
    static_files.register(app)
    return app


def own_threads(settings: Settings) -> Mapping[str, int]:
    """Return the number of threads for each path that has its own: one for each request that runs or waits."""
    return {
        operation.path: settings.pools[operation.concurrency_pool] * (1 + WAITING_FOR_EACH[operation.concurrency_pool])
        for operation in _with_own_threads()
    }


def _with_own_threads() -> Sequence[Operation]:
    operations = (operation for resource in RESOURCES for operation in resource.operations)
    return [operation for operation in operations if operation.concurrency_pool in WITH_OWN_THREADS]


def _peers(settings: Settings, engine: Engine, runner: ProbeRunner, swarm: Swarm | None) -> Callable[[], Peers]:
    """Return a function that makes the port to the other nodes when it is first called.

    It imports their code only then: the service of a single engine never calls it.
    """

    @functools.cache
    def peers() -> Peers:
        from bridgework.peers.instances import Instances
        from bridgework.peers.survey import Sources
        from bridgework.peers.swarm_peers import SwarmPeers

        names, token = settings.peers, settings.peer_token_file
        instances = Instances(names, token, lambda: engine.facts().id) if names else None
        bodies = CheckRequestSchema().dump, MatrixRequestSchema().dump
        return SwarmPeers(Sources(engine, swarm, instances, *bodies), runner)

    return peers


def _runner(settings: Settings, docker: DockerEngine) -> ProbeRunner:
    launcher = HelperLauncher(docker.address, settings.probe_image) if settings.probe_image else None
    if settings.probe_runner == "sidecar" and launcher is not None:
        return HelperRunner(launcher, "BRIDGEWORK_PROBE_RUNNER asks for it")
    namespace = NamespaceRunner(docker.pid)
    return namespace if settings.probe_runner == "namespace" else AutoRunner(namespace, launcher)


def _authenticator(settings: Settings) -> Authenticator:
    oidc = None
    if settings.oidc_jwks_url and settings.oidc_issuer and settings.oidc_audience:
        oidc = Oidc(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            keys=Keys(settings.oidc_jwks_url),
            role_claim=settings.oidc_role_claim,
            project_claim=settings.oidc_project_claim,
        )
    return Authenticator(TokensFile(settings.tokens_file) if settings.tokens_file else None, oidc)


def _expectations(settings: Settings) -> ExpectationPorts:
    codec = Codec(AssertionSchema().dump, AssertionSchema().load)
    bounds = Bounds(settings.state_changes if settings.state_dir else CHANGES_IN_MEMORY, settings.state_days)
    files = SetFiles(settings.expectations_dir, set_of_file)
    return ExpectationPorts(
        StateFile(settings.state_dir, codec, files, bounds, PROCESS.shared_folder),
        Webhooks(settings.webhooks_file),
        FindingSchema(many=True).dump,
        change_to_json,
    )


def _register(app: Flask, pipeline: RequestPipeline, operation: Operation) -> None:
    reader = next(
        (
            other
            for resource in RESOURCES
            for other in resource.operations
            if other.method == "GET" and other.path in _resources_of(operation)
        ),
        None,
    )
    app.add_url_rule(
        operation.path.replace("{", "<").replace("}", ">"),
        endpoint=operation.id,
        view_func=flask_view(pipeline, operation, reader),
        methods=[operation.method],
        provide_automatic_options=False,
    )


def _resources_of(operation: Operation) -> tuple[str, ...]:
    """Return the paths of the resource that preconditions are about: the operation's own, or without its verb."""
    parent, _, verb = operation.path.rpartition("/")
    return (
        (operation.path, parent)
        if operation.method == "POST" and "{" in parent and "{" not in verb
        else (operation.path,)
    )
