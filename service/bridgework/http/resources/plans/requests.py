"""The body of a plan: its changes, in the words of the calls that a remedy has."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from bridgework.firewall.docker.releases import VERSION
from bridgework.http.problems import faults
from bridgework.http.problems.faults import near
from bridgework.http.resources.containers.requests import ContainerCreateSchema, StopQuery
from bridgework.http.resources.endpoints.requests import EndpointConnectSchema
from bridgework.http.resources.networks.requests import NetworkCreateSchema, PruneQuery
from bridgework.http.schemas.fields import Choice, Flag, Items, Request, Strict, Text, absent, optional, required
from bridgework.http.schemas.queries import ForceQuery
from bridgework.model import actions
from bridgework.model.actions import Call, Change
from bridgework.plans.upgrade import BACKENDS, NOT_A_VERSION
from bridgework.use_cases.plans.make import WantedChange, WantedPlan

MAX_CHANGES = 200
MAX_FIELDS = 64
"""The fields of one body: more than any change has."""
_SEGMENT = "[^/]+"


@dataclass(frozen=True)
class _Form:
    """A call that a plan may hold: its method and path, what its query and body are, and the change that it means."""

    method: str
    path: str
    means: Callable[..., Change]
    query: Schema | None = None
    body: Schema | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a path of this form matches."""
        return re.compile(re.sub(r"\\{(\w+)\\}", rf"(?P<\1>{_SEGMENT})", re.escape(self.path)))


_CONTAINER, _ENDPOINT = "/v1/containers/{container}", "/v1/networks/{network}/endpoints/{container}"
_FORMS = (
    _Form("POST", "/v1/networks", actions.CreateNetwork, body=NetworkCreateSchema()),
    _Form("DELETE", "/v1/networks/{network}", actions.DeleteNetwork, query=ForceQuery()),
    _Form(
        "POST", "/v1/network-prunes", lambda label, **more: actions.PruneNetworks(tuple(label), **more), PruneQuery()
    ),
    _Form("PUT", _ENDPOINT, actions.Connect, body=EndpointConnectSchema()),
    _Form("DELETE", _ENDPOINT, actions.Disconnect, query=ForceQuery()),
    _Form("POST", "/v1/containers", actions.CreateContainer, body=ContainerCreateSchema()),
    _Form("POST", f"{_CONTAINER}/start", actions.StartContainer),
    _Form("POST", f"{_CONTAINER}/stop", actions.StopContainer, query=StopQuery()),
    _Form("POST", f"{_CONTAINER}/restart", actions.RestartContainer, query=StopQuery()),
    _Form("DELETE", _CONTAINER, actions.DeleteContainer, query=ForceQuery()),
)
FORMS = tuple(f"{form.method} {form.path}" for form in _FORMS)
"""Every call that a plan may hold."""


def _prune(label: list[str], until: datetime | None, *, include_configured: bool) -> Change:
    return actions.PruneNetworks(tuple(label), until, include_configured)


class UpgradeEngineSchema(Request):
    """Another release of Docker, or the same with other settings. What is left out stays as it is."""

    makes = actions.UpgradeEngine
    keywords: ClassVar = {"minProperties": 1}

    version = Text(
        min_length=1,
        max_length=32,
        validate=validate.Regexp(rf"{VERSION}\Z", error=NOT_A_VERSION),
        **optional(
            "The version with major and minor, and the patch level if known, such as `29.7` or `28.3.3`; null for "
            "the one that runs. A version that is newer than the newest known one is answered as that one, and "
            "`limited` says so.",
            examples=["29.7"],
        ),
    )
    firewall_backend = Choice(
        BACKENDS, **absent("The daemon's `firewall-backend`; left out, it stays as it is. Docker 29 has `nftables`.")
    )
    userland_proxy = Flag(**optional("The daemon's `userland-proxy`; null leaves it as it is."))
    iptables = Flag(**optional("The daemon's `iptables`; null leaves it as it is."))
    ip6tables = Flag(
        **optional(
            "The daemon's `ip6tables`; null leaves it as it is. Between Docker 26 and a later release, null means the "
            "default of the target: off in Docker 26, on since Docker 27."
        )
    )
    icc = Flag(**optional("The daemon's `icc`, which is about the default bridge; null leaves it as it is."))
    allow_direct_routing = Flag(
        **optional("The daemon's `allow-direct-routing`, since Docker 28.2; null leaves it as it is.")
    )

    @validates_schema(pass_original=True)
    def _require_one(self, _: dict[str, Any], original: Any, **__: Any) -> None:
        if not original:  # as minProperties says; a plan with nulls alone is about the engine as it is
            raise ValidationError("Name a version or a setting.")


class PlannedCallSchema(Strict):
    """One change of a plan: the request that makes it, as a remedy has it, or `upgrade_engine` alone."""

    keywords: ClassVar = {
        "if": {"properties": {"upgrade_engine": {}}, "required": ["upgrade_engine"]},
        "then": {"maxProperties": 1},
        "else": {"properties": {"method": {}, "path": {}}, "required": ["method", "path"]},
    }

    method = Choice(["POST", "PUT", "DELETE"], **absent("The HTTP method of the request."))
    path = Text(
        min_length=1,
        max_length=2048,
        **absent(
            "The path of the request with its query, such as `/v1/networks/web/endpoints/tomcat81`.",
            examples=["/v1/networks/web/endpoints/tomcat81"],
        ),
    )
    body = fields.Dict(
        keys=fields.String(),
        validate=validate.Length(max=MAX_FIELDS),
        **optional("The JSON body of the request; null when the request has no body."),
    )
    upgrade_engine = fields.Nested(
        UpgradeEngineSchema,
        **absent(
            "The engine that takes the place of the present one after all other changes. It is no request, so it is "
            "alone, as the last change of the plan."
        ),
    )

    @validates_schema(pass_original=True)
    def _require_one_form(self, data: dict[str, Any], original: Any, **_: Any) -> None:
        if data["upgrade_engine"] is not None:
            others = [name for name in ("method", "path", "body") if name in original]
            if others:
                raise ValidationError({name: ["Must be left out beside upgrade_engine."] for name in others})
            return
        missing = [name for name in ("method", "path") if data[name] is None]
        if missing:
            raise ValidationError({name: [faults.REQUIRED] for name in missing})

    @post_load
    def _understand(self, data: dict[str, Any], **_: Any) -> WantedChange | actions.UpgradeEngine:
        upgrade: actions.UpgradeEngine | None = data["upgrade_engine"]
        if upgrade is not None:
            return upgrade
        call = Call(data["method"], data["path"], data["body"])
        form, names = _form_of(call)
        return WantedChange(call, form.means(**names, **_query(form, call), **_body(form, call)))


def _form_of(call: Call) -> tuple[_Form, dict[str, str]]:
    """Return the form of the call, and the names in its path. Raises ``ValidationError``."""
    path = call.path.partition("?")[0]
    fitting = [(form, found) for form in _FORMS if (found := form.pattern.fullmatch(path))]
    for form, found in fitting:
        if form.method == call.method:
            return form, {name: unquote(value) for name, value in found.groupdict().items()}
    methods = ", ".join(form.method for form, _ in fitting)
    hint = f"In a plan this path takes {methods}." if methods else f"A plan holds {', '.join(FORMS)}."
    raise ValidationError({"path": [f"{call.method} {path} is no change that a plan can hold. {hint}"]})


def _query(form: _Form, call: Call) -> dict[str, Any]:
    given = parse_qs(call.path.partition("?")[2], keep_blank_values=True)
    if form.query is None:
        if given:
            raise ValidationError({"path": [f"{form.method} {form.path} takes no query."]})
        return {}
    lists = {name for name, field in form.query.fields.items() if isinstance(field, fields.List)}
    repeated = [name for name, values in given.items() if len(values) > 1 and name not in lists]
    if repeated:
        raise ValidationError({"path": [f"{repeated[0]} must be given only once."]})
    try:
        return dict(form.query.load({name: v if name in lists else v[0] for name, v in given.items()}))
    except ValidationError as error:
        raise ValidationError({"path": [_told(error, form.query)]}) from error


def _told(error: ValidationError, query: Schema) -> str:
    """Say in one sentence what is wrong with a query."""
    name = next(iter(error.messages_dict))
    if name == "dry_run":
        return "dry_run has no place in a plan: a plan without apply changes nothing."
    if name not in query.fields:
        return f"The parameter {name} is unknown here. {near(name, query.fields)}".rstrip()
    text = error.messages_dict[name]
    while isinstance(text, dict):
        text = next(iter(text.values()))
    return f"{name}: {text[0]}"


def _body(form: _Form, call: Call) -> dict[str, Any]:
    if form.body is None:
        if call.body:
            raise ValidationError({"body": [f"{form.method} {form.path} takes no body."]})
        return {}
    try:
        return {"spec": form.body.load(dict(call.body or {}))}
    except ValidationError as error:
        raise ValidationError({"body": error.messages_dict}) from error


class PlanRequestSchema(Strict):
    """Changes to plan, in order."""

    changes = Items(
        fields.Nested(PlannedCallSchema),
        MAX_CHANGES,
        least=1,
        **required("The changes, in the order in which they are made. A later change sees what an earlier one makes."),
    )
    apply = Flag(
        **optional("Make the changes. Needs the `ETag` of the plan as `If-Match`, and the role of each change.", False)
    )
    undo = Choice(
        ["on-failure", "never"],
        **optional(
            "With `apply`: whether to undo the changes, the last one first, when one fails or a measured pair differs.",
            "on-failure",
        ),
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> WantedPlan:
        *others, last = data["changes"]
        upgrade = last if isinstance(last, actions.UpgradeEngine) else None
        early = next((at for at, one in enumerate(others) if isinstance(one, actions.UpgradeEngine)), None)
        if early is not None:
            text = "Must be the last change: the changes before it are made by the engine that runs now."
            raise ValidationError({"changes": {early: {"upgrade_engine": [text]}}})
        return WantedPlan(tuple(others) if upgrade else data["changes"], data["apply"], data["undo"], upgrade)
