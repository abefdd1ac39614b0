"""The query of a check for Prometheus."""

from __future__ import annotations

from marshmallow import fields, validate

from bridgework.http.resources.checks.requests import MAX_PORT, PORT_TEXT, PROTOCOLS
from bridgework.http.schemas.fields import Choice, Strict, Text, absent, optional, required


class ProbeQuery(Strict):
    """One check, as a scrape configuration can say it."""

    source = Text(min_length=1, **required("The container to check from, by name or id, or `host`."))
    destination = Text(
        min_length=1,
        max_length=253,
        **required(
            "What to reach: `container:web`, `name:web`, `address:10.77.0.3` or `host`; without a prefix, a container."
        ),
    )
    protocol = Choice(PROTOCOLS, **optional("The kind of probe to send; `icmp` sends ICMP echo requests.", "icmp"))
    port = fields.Integer(
        validate=validate.Range(1, MAX_PORT),
        **absent(PORT_TEXT),
    )
    ip_version = Choice(
        ["any", "4", "6"], **optional("The IP version to use; `any` means the addresses of both.", "any")
    )
    timeout_ms = fields.Integer(
        validate=validate.Range(1, 30_000), **optional("Milliseconds to wait for the answer.", 1000)
    )
