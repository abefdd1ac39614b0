"""What apispec cannot know of our schemas, said for the whole document at once, so that clients can be generated well.

Closed sets get a name of their own; sets that may grow become plain strings with their known values listed; every
number has its format; a request refuses what it does not know, while an answer may grow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bridgework.http.schemas.fields import ANY_IP_VERSION, NAMES_PATTERN

INT32_MAX = 2**31 - 1
SAFE_MAX = 2**53 - 1
"""The largest integer that every language of our clients holds exactly (RFC 8259, 6)."""

ENUMS: Mapping[str, tuple[str, ...]] = {
    "AddressFamily": ("ipv4", "ipv6"),
    "AddressHolderKind": ("gateway", "container", "auxiliary", "configured"),
    "AssertionOutcomeKind": ("passed", "failed", "error"),
    "CallMethod": ("GET", "POST", "PUT", "DELETE"),
    "ChangeMethod": ("POST", "PUT", "DELETE"),
    "CheckProtocol": ("icmp", "tcp", "udp", "http", "dns"),
    "ContainerState": ("created", "running", "paused", "restarting", "removing", "exited", "dead"),
    "EndpointState": ("active", "configured"),
    "EventType": ("network", "container", "expectation"),
    "ExpectationStatus": ("met", "violated", "unknown"),
    "ExposureOriginKind": ("lan", "host", "network"),
    "ExpectedVerdict": ("reachable", "unreachable"),
    "FirewallBackend": ("iptables", "nftables"),
    "GapReason": ("engine-restarted", "log-overrun"),
    "IpVersion": ("any", "4", "6"),
    "MatrixAim": ("address", "name"),
    "NeighbourState": ("incomplete", "reachable", "stale", "delay", "probe", "failed", "permanent"),
    "NetworkScope": ("local", "swarm"),
    "NetworkType": ("builtin", "custom"),
    "ProbeRunnerKind": ("namespace", "sidecar", "unavailable"),
    "PullPolicy": ("never", "missing", "always"),
    "ReadinessStatus": ("ready", "not-ready"),
    "RestartPolicy": ("no", "always", "unless-stopped", "on-failure"),
    "StateKind": ("file", "memory"),
    "Severity": ("blocking", "warning", "info"),
    "SocketProtocol": ("tcp", "udp"),
    "TopologyEdgeKind": ("endpoint", "host-link", "shares-network", "uplink"),
    "TopologyNodeKind": ("container", "host", "interface", "network"),
    "TopologyScope": ("engine", "swarm"),
    "TransportProtocol": ("tcp", "udp", "sctp"),
    "PairProtocol": ("icmp", "tcp", "udp"),
    "PlanUndo": ("on-failure", "never"),
    "QueryFind": ("sources", "destinations"),
    "Verdict": ("reachable", "unreachable", "inconclusive"),
}
"""Closed sets by their components' names; a test fails when the document holds one that is not here."""

GROWING = "x-known-values"
"""The extension that lists what an open set holds today. A client must expect others."""

_BY_VALUES = {frozenset(values): name for name, values in ENUMS.items()}


def finish(document: dict[str, Any]) -> dict[str, Any]:
    """Say in place what apispec could not."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    requested = set(_reachable(document, schemas))
    for name, schema in schemas.items():
        if name in requested:
            schema["additionalProperties"] = False
            for field in schema.get("properties", {}).values():
                _tell_default(field)
        else:
            schema.pop("additionalProperties", None)
    for node in _schemas(document):
        for tidy in _TIDYINGS:
            tidy(node)
    for parameter in _parameters(document):
        _without_null(parameter["schema"])
    used = {node["$ref"].rsplit("/", 1)[1] for node in _dicts(document) if "$ref" in node}
    for name in sorted(used & ENUMS.keys()):
        schemas[name] = {"type": "string", "enum": list(ENUMS[name])}
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _reachable(document: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """The components that request bodies are made of."""
    waiting: list[Any] = [node["requestBody"] for node in _dicts(document["paths"]) if "requestBody" in node]
    seen: set[str] = set()
    while waiting:
        for node in _dicts(waiting.pop()):
            name = str(node.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas and name not in seen:
                seen.add(name)
                waiting.append(schemas[name])
                yield name


def _dicts(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from _dicts(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _dicts(inner)


def _schemas(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every schema, those within schemas too; a list, since tidying changes what would be walked."""
    roots = [*document["components"]["schemas"].values()]
    roots += [node["schema"] for node in _dicts([document["paths"], document["components"]]) if "schema" in node]
    return [node for root in roots for node in _within(root)]


def _within(schema: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword in ("items", "additionalProperties"):
        yield from _within(schema.get(keyword))
    for one in [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("properties", {}).values()]:
        yield from _within(one)


def _parameters(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for node in _dicts(document["paths"]):
        yield from (one for one in node.get("parameters", ()) if isinstance(one, dict) and "schema" in one)


def _types(schema: dict[str, Any]) -> list[str]:
    found = schema.get("type", [])
    return [found] if isinstance(found, str) else list(found)


def _tell_default(field: dict[str, Any]) -> None:
    """Say the default of a request's property in its description only.

    openapi-typescript demands every property of a component that has a ``default``, in a request too. Clients that send
    the default themselves would keep the old one when it changes. Where null is the default, the text says its meaning.
    """
    value = field.pop("default", None)
    if value is not None:
        shown = value if isinstance(value, str) else json.dumps(value)
        field["description"] = f"{field['description']} Default: `{shown}`."


def _tidy_lengths(schema: dict[str, Any]) -> None:
    """Marshmallow has one ``Length`` for texts, lists and objects."""
    if "object" in _types(schema):
        for text, properties in (("minLength", "minProperties"), ("maxLength", "maxProperties")):
            if text in schema:
                schema[properties] = schema.pop(text)
    if schema.get("minLength") == 0:
        del schema["minLength"]


def _tidy_pattern(schema: dict[str, Any]) -> None:
    """``Regexp`` matches from the start; ECMA 262 does not, and ends a pattern otherwise than Python."""
    if "pattern" in schema:
        schema["pattern"] = "^" + re.sub(r"\\Z$", "$", schema["pattern"].removeprefix("^"))


def _tidy_number(schema: dict[str, Any]) -> None:
    types = _types(schema)
    if "number" in types:
        schema.setdefault("format", "double")
    elif "integer" in types:
        small = schema.get("maximum", SAFE_MAX) <= INT32_MAX and schema.get("minimum", 0) >= -INT32_MAX - 1
        schema.setdefault("format", "int32" if small else "int64")


def _tidy_address(schema: dict[str, Any]) -> None:
    """The length is that of the longest IPv6 address."""
    if schema.get("format") == "ip":
        del schema["format"]
        schema |= {"maxLength": 45, **ANY_IP_VERSION}


def _tidy_names(schema: dict[str, Any]) -> None:
    """Apispec does not know ``propertyNames``, so our fields say it with an extension of their own."""
    if NAMES_PATTERN in schema:
        schema["propertyNames"] = {"maxLength": 255, "pattern": schema.pop(NAMES_PATTERN)}


def _tidy_free_object(schema: dict[str, Any]) -> None:
    """An object whose keys and values are not fixed says so, or generators make an empty class."""
    if "object" in _types(schema) and "properties" not in schema and not schema.get("additionalProperties"):
        schema["additionalProperties"] = True


def _tidy_enum(schema: dict[str, Any]) -> None:
    if "enum" not in schema:
        return
    values = [value for value in schema["enum"] if value is not None]
    nullable = len(values) < len(schema["enum"])
    if schema.pop(GROWING, False):
        del schema["enum"]
        schema.setdefault("type", "string")
        schema[GROWING] = values
        if len(values) <= _MOST_TOLD:
            schema["description"] = f"{schema.get('description', '')} {_KNOWN} {', '.join(map(str, values))}.".strip()
    elif len(values) == 1:
        # Generators in several languages refuse a constant, or an enum of booleans; the description says the value.
        del schema["enum"]
        if isinstance(values[0], bool):
            schema |= {"type": "boolean", "not": {"enum": [not values[0]]}}
        else:
            schema["type"] = "string"
    elif frozenset(values) in _BY_VALUES:
        reference = {"$ref": f"#/components/schemas/{_BY_VALUES[frozenset(values)]}"}
        del schema["enum"]
        schema.pop("type", None)
        schema.update({"anyOf": [reference, {"type": "null"}]} if nullable else reference)


_KNOWN = "Known values, to which more may be added:"
_MOST_TOLD = 20


def _without_null(schema: dict[str, Any]) -> None:
    """A query or a header holds text: it is left out rather than null."""
    if schema.get("default", "") is None:
        del schema["default"]
    if "anyOf" in schema:
        rest = [one for one in schema["anyOf"] if one != {"type": "null"}]
        if len(rest) == 1:
            del schema["anyOf"]
            schema.update(rest[0])
    types = [one for one in _types(schema) if one != "null"]
    if types:
        schema["type"] = types[0] if len(types) == 1 else types


_TIDYINGS: tuple[Callable[[dict[str, Any]], None], ...] = (
    _tidy_lengths,
    _tidy_pattern,
    _tidy_number,
    _tidy_address,
    _tidy_names,
    _tidy_free_object,
    _tidy_enum,
)
