"""The body of a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, post_load, validate, validates_schema

from bridgework.http.resources.checks.requests import PORT_RULE, port_faults, port_field, protocol_field
from bridgework.http.schemas.fields import Choice, Flag, Items, Request, Text, Whole, described, optional
from bridgework.model.checks import Protocol, WantedMatrix

MAX_CONTAINERS = 1000


class MatrixRequestSchema(Request):
    """A matrix to measure. Name exactly one of `containers`, `network` and `all`."""

    keywords: ClassVar[Mapping[str, Any]] = {
        "if": {"oneOf": [{"required": [name], "properties": {name: {}}} for name in ("containers", "network", "all")]},
        "then": PORT_RULE,
        "else": {"not": {}},
    }

    makes = WantedMatrix

    containers = Items(
        Text(min_length=1),
        MAX_CONTAINERS,
        least=1,
        metadata=described("The containers to measure between, each by its name or id."),
    )
    network = Text(
        min_length=1, metadata=described("Measure between all containers that have an endpoint in this network.")
    )
    all = Flag(
        validate=validate.Equal(True),
        attribute="everything",
        metadata=described("Measure between all containers. The only value is `true`."),
    )
    protocol = protocol_field()
    port = port_field()
    by = Choice(
        ["address", "name"], **optional("Whether to probe addresses, or names as each source resolves them.", "address")
    )
    timeout_ms = Whole(1, 10_000, **optional("Milliseconds to wait for the answer of each pair.", 1000))
    max_packets_per_second = Whole(
        1, 1_000_000, **optional("The largest number of packets per second; null means 75,000.")
    )

    @validates_schema(skip_on_field_errors=True)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse what no field can refuse by itself."""
        if sum(name in data for name in ("containers", "network", "everything")) != 1:
            raise ValidationError("Name exactly one of containers, network and all.")
        faults = port_faults(data["protocol"], data["port"])
        if faults:
            raise ValidationError(faults)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        return super()._make({**data, "protocol": Protocol(data["protocol"])})
