"""Every route, with every role and every project: derived from the declarations; a route without a rule fails."""

import itertools
import json
from dataclasses import dataclass

import pytest

from bridgework.app import RESOURCES, create_app
from bridgework.engine.client import EngineAddress
from bridgework.http.limits import RETRY_AFTER_S, Pools
from bridgework.model.checks import AddressDestination, CheckRequest, ProbeRequest, Protocol, Verdict
from bridgework.model.expectations import Assertion, ExpectationSet
from bridgework.policy.access import Caller, Role
from bridgework.settings import Settings
from tests.support.api import entry
from tests.support.fake_engine import BlindRunner, FakeEngine

OPEN_PATHS = {"/", "/livez", "/readyz", "/metrics", "/openapi.json", "/openapi-3.0.json", "/openapi.yaml", "/docs",
              "/console", "/problems/{code}"}  # fmt: skip
ROLES = ("viewer", "operator", "admin")
OUT_OF_REACH = {"namespace-out-of-reach", "container-not-running"}
"""What a look inside answers where the runner can enter nothing."""
PROJECTS = (None, "alpha", "beta")
OPERATIONS = [operation for resource in RESOURCES for operation in resource.operations]


@dataclass(frozen=True)
class Change:
    """How a change is sent: ``{p}`` stands for the project whose things it concerns.

    ``own`` is false where the request names no thing of anybody's: what it makes is stamped with the caller's project.
    """

    path: str
    body: dict | None = None
    own: bool = True


CHANGES = {
    "createNetwork": Change("/v1/networks", {"name": "new-net"}, own=False),
    "deleteNetwork": Change("/v1/networks/{p}-unused"),
    "pruneNetworks": Change("/v1/network-prunes", own=False),
    "connectContainer": Change("/v1/networks/{p}-net/endpoints/{p}-free", {}),
    "disconnectContainer": Change("/v1/networks/{p}-net/endpoints/{p}-run"),
    "createContainer": Change("/v1/containers", {"name": "new", "image": "busybox", "network_mode": "{p}-net"}),
    "deleteContainer": Change("/v1/containers/{p}-still"),
    "startContainer": Change("/v1/containers/{p}-still/start"),
    "stopContainer": Change("/v1/containers/{p}-run/stop"),
    "restartContainer": Change("/v1/containers/{p}-run/restart"),
    "renameContainer": Change("/v1/containers/{p}-still/rename", {"name": "renamed"}),
    "putExpectations": Change(
        "/v1/expectations/{p}-set",
        {
            "expectations": [
                {
                    "name": "a",
                    "expect": "reachable",
                    "source": {"container": "{p}-run"},
                    "destination": {"container": "{p}-run"},
                }
            ]
        },
    ),
    "deleteExpectations": Change("/v1/expectations/{p}-set"),
}
"""The rule of each operation that changes something. A new one that is not here fails the walk."""

CHECK = {"source": {"container": "alpha-still"}, "destination": {"container": "beta-run"}}
READS = {
    "checkConnectivity": CHECK,
    "measureMatrix": {"containers": ["alpha-still", "beta-still"]},
    "planChanges": {"changes": [{"method": "POST", "path": "/v1/containers/alpha-still/start"}]},
    "searchConnectivity": {"find": "sources", "of": {"container": "alpha-still"}},
    "checkAssertions": [{"name": "a", **CHECK, "expect": "unreachable"}],
}
"""Bodies of what reads by POST: the viewer's checks."""


def token_name(role, project):
    return f"{role}-of-{project}"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    path = tmp_path_factory.mktemp("walk") / "tokens.json"
    callers = itertools.product(ROLES, PROJECTS)
    path.write_text(json.dumps({"tokens": [entry(token_name(r, p), r, p) for r, p in callers]}))
    return path


@pytest.fixture(scope="module")
def application(tokens, tmp_path_factory):
    engine = FakeEngine()
    settings = Settings(tokens_file=tokens, rate_per_minute=1_000_000, state_dir=tmp_path_factory.mktemp("state"))
    app = create_app(settings, EngineAddress("unix:///nowhere"), engine=engine, runner=BlindRunner())
    return app, engine, Stored(app.config["EXPECTATIONS"].store)


class Stored:
    """The sets of expectations: one of each project. What differs from these was changed."""

    def __init__(self, store):
        self.store = store
        probe = ProbeRequest(Protocol.ICMP)
        one = Assertion("b", CheckRequest(None, AddressDestination("10.0.0.1"), probe), Verdict.REACHABLE)
        self.first = [ExpectationSet(f"{name}-set", (one,), project=name) for name in ("alpha", "beta")]

    def reset(self):
        if self.changes():
            for name in ("alpha-set", "beta-set"):
                self.store.delete(name)
            for one in self.first:
                self.store.put(one)

    def changes(self):
        return [("expectations", one.name) for one in set(self.first) ^ set(self.store.sets())]


@pytest.fixture
def send(application):
    """Send one request to a world as new; the answer and what was changed."""
    app, engine, stored = application

    def one(operation, caller, path, body):
        engine.reset()
        stored.reset()
        headers = {"Authorization": f"Bearer token-of-{token_name(*caller)}"} if caller else {}
        given = {} if body is None else {"json": body}
        response = app.test_client().open(path, method=operation.method, headers=headers, **given)
        return response, [*engine.changes, *stored.changes()]

    return one


def concrete(operation, project="beta"):
    """A path and a body that fit the operation, about a project's things."""
    change = CHANGES.get(operation.id)
    if change is not None:
        text = json.dumps(change.body).replace("{p}", project)
        return change.path.replace("{p}", project), json.loads(text)
    names = {"name": f"{project}-set", "network": f"{project}-net", "container": f"{project}-run", "code": "port-taken"}
    path = operation.path.format(**names)
    if operation.id == "probeForPrometheus":
        path += "?source=alpha-still&destination=container:beta-run"
    return path, READS.get(operation.id)


def test_every_operation_has_a_rule():
    """A role of its own, or a place among the open paths; a change has a rule about projects."""
    for operation in OPERATIONS:
        if operation.role is None:
            assert operation.path in OPEN_PATHS, f"{operation.id} is open to everybody: is it meant to be?"
        elif operation.role is Role.VIEWER:
            assert operation.method == "GET" or operation.id in READS, f"{operation.id} changes nothing?"
        else:
            assert operation.id in CHANGES, f"{operation.id} has no rule about roles and projects in CHANGES"
    assert set(CHANGES) <= {operation.id for operation in OPERATIONS}


def test_every_route_of_the_application_is_an_operation_or_an_open_document(tokens):
    app = create_app(Settings(tokens_file=tokens), EngineAddress("unix:///nowhere"), engine=FakeEngine())
    declared = {(operation.method, operation.path.replace("{", "<").replace("}", ">")) for operation in OPERATIONS}
    for rule in app.url_map.iter_rules():
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            undeclared = (method, rule.rule) not in declared
            assert not undeclared or rule.rule in OPEN_PATHS or rule.rule.startswith(("/docs/", "/console/")), rule


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_roles(send, operation):
    for caller in (None, *itertools.product(ROLES, PROJECTS)):
        if operation.path == "/v1/events" and caller:
            continue  # a stream without an end; its role is the same declaration
        response, changes = send(operation, caller, *concrete(operation, (caller and caller[1]) or "beta"))
        problem = response.get_json(silent=True) or {}
        if operation.role is None:
            assert response.status_code not in {401, 403}
        elif caller is None:
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"].startswith("Bearer ")
            assert changes == []
        elif Role[caller[0].upper()] < operation.role:
            assert (response.status_code, problem["code"]) == (403, "role-insufficient"), (caller, problem)
            assert changes == []
        else:
            assert response.status_code < 300 or problem["code"] in OUT_OF_REACH, (caller, problem)


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.id in CHANGES], ids=lambda operation: operation.id)
def test_projects(send, operation):
    for role in (role for role in ROLES if Role[role.upper()] >= operation.role):
        allowed, changes = send(operation, (role, "alpha"), *concrete(operation, "alpha"))
        assert allowed.status_code < 300, allowed.get_data(as_text=True)
        assert changes
        assert not any("beta" in word for change in changes for word in change)
        if CHANGES[operation.id].own:
            refused, changes = send(operation, (role, "alpha"), *concrete(operation, "beta"))
            assert (refused.status_code, refused.get_json()["code"]) == (403, "project-mismatch")
            assert changes == []


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.supports_dry_run], ids=lambda operation: operation.id)
def test_a_rehearsal_asks_the_same_and_changes_nothing(send, operation):
    path, body = concrete(operation, "beta")
    callers = {("admin", None): 200, ("viewer", None): 403}
    if CHANGES[operation.id].own:
        callers["admin", "alpha"] = 403
    for caller, status in callers.items():
        response, changes = send(operation, caller, f"{path}?dry_run=true", body)
        refused = response.status_code if response.status_code >= 400 else 200
        assert refused == status, response.get_data(as_text=True)
        assert changes == []


class KeptPools(Pools):
    """The pools of the application that was made last."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        KeptPools.made = self


@pytest.mark.parametrize(
    ("operation", "pool"), [(operation, pool) for operation in OPERATIONS for pool in operation.pools],
    ids=lambda one: getattr(one, "id", one),
)  # fmt: skip
def test_a_caller_over_its_share_gets_429_with_the_number(tokens, monkeypatch, operation, pool):
    monkeypatch.setattr("bridgework.app.Pools", KeptPools)
    monkeypatch.setattr(type(operation), "longest_wait_s", lambda *_: 0.0)
    engine, settings = FakeEngine(), Settings(tokens_file=tokens)
    app = create_app(settings, EngineAddress("unix:///nowhere"), engine=engine, runner=BlindRunner())
    share = -(-settings.pools[pool] // 2)
    for _ in range(share):
        KeptPools.made.acquire(pool, Caller(token_name("admin", None), Role.ADMIN))
    path, body = concrete(operation)
    body = {**body, operation.pool_of_field[0]: True} if pool != operation.concurrency_pool else body
    headers = {"Authorization": f"Bearer token-of-{token_name('admin', None)}"}
    refused = app.test_client().open(path, method=operation.method, headers=headers, json=body)
    problem = refused.get_json()
    assert (refused.status_code, problem["code"]) == (429, f"too-many-{pool}"), problem
    assert f"already runs {share} {pool}, its share of the {settings.pools[pool]}" in problem["detail"]
    assert int(refused.headers["Retry-After"]) == RETRY_AFTER_S
    assert engine.changes == []
