"""Render the actions of a remedy as requests to this API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from bridgework.http.resources.endpoints.requests import EndpointConnectSchema
from bridgework.http.resources.networks.requests import NetworkCreateSchema
from bridgework.http.schemas.answers import plain
from bridgework.http.schemas.fields import Request
from bridgework.model import actions
from bridgework.model.actions import Action, Call

_REQUESTS: Mapping[type, tuple[str, str]] = {
    actions.CreateNetwork: ("POST", "/v1/networks"),
    actions.DeleteNetwork: ("DELETE", "/v1/networks/{network}"),
    actions.RehearsePrune: ("POST", "/v1/network-prunes?dry_run=true"),
    actions.Connect: ("PUT", "/v1/networks/{network}/endpoints/{container}"),
    actions.Disconnect: ("DELETE", "/v1/networks/{network}/endpoints/{container}"),
    actions.StartContainer: ("POST", "/v1/containers/{container}/start"),
    actions.StopContainer: ("POST", "/v1/containers/{container}/stop"),
    actions.RestartContainer: ("POST", "/v1/containers/{container}/restart"),
    actions.DeleteContainer: ("DELETE", "/v1/containers/{container}"),
    actions.FindFreeSubnets: ("GET", "/v1/subnets/available?prefix_len={prefix_len}&count=5"),
}
_READS: Mapping[str, str] = {
    "networks": "/v1/networks",
    "containers": "/v1/containers",
    "nodes": "/v1/nodes",
    "engine": "/v1/engine",
    "network": "/v1/networks/{of}",
    "container": "/v1/containers/{of}",
    "endpoints": "/v1/networks/{of}/endpoints",
    "addresses": "/v1/networks/{of}/addresses",
    "expectations": "/v1/expectations",
    "document": "/openapi.json",
}
_BODIES: Mapping[type, Request] = {
    actions.CreateNetwork: NetworkCreateSchema(),
    actions.Connect: EndpointConnectSchema(),
}
_IN_QUERY = ("force", "grace_s")
"""The fields of an action that are parameters of the query. One that is left out of the action is left out there."""


def call_of(action: Action) -> Call:
    """Return the request that does ``action``: the method, the path with its query, and the JSON body."""
    if isinstance(action, Call):
        return action
    if isinstance(action, actions.Read):
        return Call("GET", _READS[action.resource].format(of=action.of))
    method, path = _REQUESTS[type(action)]
    given = plain(action)
    schema = _BODIES.get(type(action))
    body = schema.dump(given["spec"]) if schema else None
    return Call(method, path.format(**given) + _query(given), body)


def _query(given: Mapping[str, Any]) -> str:
    found = {name: given[name] for name in _IN_QUERY if given.get(name) not in (None, False)}
    words = {name: "true" if value is True else value for name, value in found.items()}
    return f"?{urlencode(words)}" if words else ""
