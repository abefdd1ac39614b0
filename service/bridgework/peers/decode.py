"""Values of the model from a peer's JSON, which has the shapes of this service's own answers.

A peer can be newer or older than this instance. So a missing field gets its default, and an unknown one is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from typing import Any, ClassVar, Protocol, TypeVar

from bridgework.explanations.limitations import of_pairs
from bridgework.model.actions import Call
from bridgework.model.checks import (
    AnsweringNode,
    CheckResult,
    Component,
    ComposeFile,
    ComposePart,
    Finding,
    Hop,
    HopStatus,
    Limitation,
    Measurement,
    Phases,
    Prediction,
    Reason,
    RoundTrip,
    Severity,
    TriedAddress,
    Verdict,
)
from bridgework.model.errors import Remedy
from bridgework.model.peers import Node, OverlayPlace, RemoteEnd
from bridgework.model.snapshot import Container, Endpoint, Network, Pool, PublishedPort, Reference

Json = Mapping[str, Any]


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


_Value = TypeVar("_Value", bound=_Dataclass)


def _plain(kind: type[_Value], raw: Json, **given: Any) -> _Value:
    """Make a dataclass from the JSON properties that have the names of its fields; lists become tuples."""
    own: dict[str, Any] = {}
    for name in kind.__dataclass_fields__:
        if name in raw and name not in given:
            field_value = raw[name]
            own[name] = tuple(field_value) if isinstance(field_value, list) else field_value
    return kind(**own, **given)


def read_node(raw: Json) -> Node:
    """Read an item of ``GET /v1/nodes``."""
    overlays = tuple(
        _plain(OverlayPlace, item, network=_reference(item["network"])) for item in raw.get("overlays", ())
    )
    return _plain(Node, raw, overlays=overlays)


def read_network(raw: Json) -> Network:
    """Read an item of ``GET /v1/networks``."""
    ipam = raw.get("ipam") or {}
    pools = tuple(_plain(Pool, pool) for pool in ipam.get("pools", ()))
    return _plain(Network, raw, pools=pools)


def read_container(raw: Json) -> Container:
    """Read an item of ``GET /v1/containers``."""
    sharing = raw.get("shares_network_with") or {}
    return _plain(
        Container,
        raw,
        shares_with=sharing.get("id"),
        endpoints=tuple(_endpoint(item) for item in raw.get("endpoints", ())),
        published_ports=tuple(_plain(PublishedPort, item) for item in raw.get("published_ports", ())),
        configured_ports=(),
    )


def _endpoint(raw: Json) -> Endpoint:
    network, container = raw["network"], raw["container"]
    return _plain(
        Endpoint,
        raw,
        network_id=network["id"],
        network_name=network["name"],
        container_id=container["id"],
        container_name=container["name"],
    )


def _reference(raw: Json) -> Reference:
    return Reference(raw["id"], raw["name"])


def read_check(raw: Json, answered_by: AnsweringNode) -> CheckResult:
    """Read the answer to ``POST /v1/connectivity/checks``."""
    predicted, measured = raw["predicted"], raw["measured"]
    findings = tuple(_finding(item) for item in raw["findings"])
    return CheckResult(
        Verdict(raw["verdict"]),
        Prediction(Verdict(predicted["verdict"]), tuple(_hop(hop) for hop in predicted["path"])),
        _measurement(measured),
        findings,
        answered_by,
        addresses=tuple(_tried(item) for item in raw.get("addresses") or ()),
        limited=tuple(_plain(Limitation, item) for item in raw.get("limited") or ()),
    )


def read_matrix_end(raw: Json) -> RemoteEnd:
    """Read the last line of ``POST /v1/connectivity/matrix``.

    Why pairs are inconclusive is left out of ``limited``: the reasons came with the rows.
    """
    of_rows = {(limit.code, limit.what) for limit in of_pairs(raw["summary"].get("reasons") or {})}
    limited = (_plain(Limitation, item) for item in raw.get("limited") or ())
    unseen = tuple(limit for limit in limited if (limit.code, limit.what) not in of_rows)
    # An instance of an older version tells no addresses.
    addresses = tuple(raw.get("addresses") or ())
    count = raw["summary"].get("addresses_differ", len(addresses))
    return RemoteEnd(raw["summary"]["surprises"], tuple(raw["surprises"]), count, addresses, unseen)


def _tried(raw: Json) -> TriedAddress:
    return _plain(
        TriedAddress,
        raw,
        network=_reference(raw["network"]) if raw.get("network") else None,
        predicted=Verdict(raw["predicted"]),
        measured=Verdict(raw["measured"]) if raw.get("measured") else None,
        reason=Reason(raw["reason"]) if raw.get("reason") in set(Reason) else None,
    )


def _hop(raw: Json) -> Hop:
    """Read a hop; a missing or unknown status is ``unknown``."""
    known = raw.get("status") in set(HopStatus)
    return _plain(Hop, raw, status=HopStatus(raw["status"]) if known else HopStatus.UNKNOWN)


def _measurement(raw: Json) -> Measurement:
    return _plain(
        Measurement,
        raw,
        verdict=Verdict(raw["verdict"]),
        reason=Reason(raw["reason"]) if raw.get("reason") in set(Reason) else None,
        rtt_ms=_plain(RoundTrip, raw["rtt_ms"]) if raw.get("rtt_ms") else None,
        phases_ms=_plain(Phases, raw.get("phases_ms") or {}),
    )


def _finding(raw: Json) -> Finding:
    remedy = raw.get("remedy")
    return _plain(
        Finding,
        raw,
        severity=Severity(raw["severity"]),
        component=_plain(Component, raw["component"]),
        remedy=_remedy(remedy) if remedy else None,
        compose=_compose(raw["compose"]) if raw.get("compose") else None,
    )


def _compose(raw: Json) -> ComposePart:
    files = tuple(_plain(ComposeFile, file) for file in raw.get("files", ()))
    return _plain(ComposePart, raw, files=files)


def _remedy(raw: Json) -> Remedy:
    return Remedy(raw["summary"], tuple(_plain(Call, call) for call in raw["calls"]), tuple(raw["commands"]))
