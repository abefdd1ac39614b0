"""The body of a connect: the settings of an endpoint."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import validate

from bridgework.http.schemas.fields import (
    MAX_PRIORITY,
    Address,
    Address4,
    Address6,
    Items,
    Request,
    Text,
    TextMap,
    Whole,
    optional,
)
from bridgework.model.create_specs import EndpointSpec

_ALIAS = "Must be letters, digits, underscores, hyphens and dots, and begin with a letter, digit or underscore."
_MAC = "Must be a MAC address, such as 02:42:ac:11:00:02."


class EndpointFieldsSchema(Request):
    """The settings of an endpoint to create."""

    makes: ClassVar = EndpointSpec

    aliases = Items(
        Text(min_length=1, max_length=63, validate=validate.Regexp(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z", error=_ALIAS)),
        64,
        **optional("Additional DNS names for the container in this network, such as `web`.", tuple),
    )
    ipv4_address = Address4(**optional("A fixed IPv4 address, such as `10.77.0.9`; null lets the engine choose one."))
    ipv6_address = Address6(**optional("A fixed IPv6 address, such as `fd00:77::9`; null lets the engine choose one."))
    link_local_addresses = Items(
        Address(), 8, **optional("Link-local addresses to add, in `169.254.0.0/16` or `fe80::/10`.", tuple)
    )
    mac_address = Text(
        validate=validate.Regexp(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}\Z", error=_MAC),
        **optional("A fixed MAC address; null lets the engine choose one.", examples=["02:42:ac:11:00:02"]),
    )
    driver_options = TextMap(**optional("Options of the network driver for this endpoint, by their full names.", dict))
    gateway_priority = Whole(
        -MAX_PRIORITY,
        MAX_PRIORITY,
        **optional("The endpoint with the highest priority provides the default route; null means 0. Needs Docker 28."),
    )


class EndpointConnectSchema(EndpointFieldsSchema):
    """The settings of the endpoint to create. An empty object leaves everything to the engine."""
