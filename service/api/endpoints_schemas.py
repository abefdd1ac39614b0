"""The shapes of endpoints: a container's place in a network, as it is and as it is wished."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from service.api.fields import Assigned, FindingSchema, ReferenceSchema, Strict, Text, TextMap, Whole, described

MAX_PRIORITY = 2_147_483_647


class EndpointContainerSchema(Schema):
    """The container of an endpoint, by id and name."""

    id = Assigned("The container's full id, 64 hexadecimal digits.")
    name = fields.String(required=True, metadata=described("The container's name.", examples=["tomcat81"]))


class EndpointSchema(Schema):
    """A container's place in a network."""

    network = fields.Nested(ReferenceSchema, required=True, metadata=described("The network."))
    container = fields.Nested(
        EndpointContainerSchema, required=True, metadata=described("The container that has this endpoint.")
    )
    state = fields.String(
        required=True, validate=validate.OneOf(["active", "configured"]),
        metadata=described("`active` while the container runs, `configured` while it does not."),
    )  # fmt: skip
    endpoint_id = fields.String(required=True, allow_none=True, metadata=described("Of an active one."))
    ipv4_address = fields.String(required=True, allow_none=True, metadata=described("The IPv4 address it holds."))
    ipv4_prefix_len = fields.Integer(
        required=True, allow_none=True, metadata=described("Its prefix length.", maximum=128)
    )
    ipv6_address = fields.String(required=True, allow_none=True, metadata=described("The IPv6 address it holds."))
    ipv6_prefix_len = fields.Integer(
        required=True, allow_none=True, metadata=described("Its prefix length.", maximum=128)
    )
    mac_address = fields.String(required=True, allow_none=True, metadata=described("The MAC address."))
    gateway = fields.String(required=True, allow_none=True, metadata=described("The IPv4 gateway."))
    ipv6_gateway = fields.String(required=True, allow_none=True, metadata=described("The IPv6 gateway."))
    aliases = fields.List(fields.String(), required=True, metadata=described("Names it was given here."))
    dns_names = fields.List(fields.String(), required=True, metadata=described("Names it answers to here."))
    link_local_addresses = fields.List(
        fields.String(), required=True, metadata=described("Link-local addresses it was given.")
    )
    driver_options = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, metadata=described("Options of this endpoint.")
    )
    gateway_priority = fields.Integer(
        required=True,
        metadata=described(
            "The endpoint with the highest gives the default route.", minimum=-MAX_PRIORITY, maximum=MAX_PRIORITY
        ),
    )
    configured_ipv4_address = fields.String(
        required=True, allow_none=True, attribute="configured_ipv4", metadata=described("The IPv4 address asked for.")
    )
    configured_ipv6_address = fields.String(
        required=True, allow_none=True, attribute="configured_ipv6", metadata=described("The IPv6 address asked for.")
    )


class ConnectedEndpointSchema(EndpointSchema):
    """An endpoint as a connect made it, with what the engine did otherwise than asked."""

    findings = fields.List(fields.Nested(FindingSchema), required=True, metadata=described("What is to be said of it."))


class EndpointPageSchema(Schema):
    """A page of endpoints, by container."""

    items = fields.List(fields.Nested(EndpointSchema), required=True, metadata=described("The endpoints."))
    next_cursor = fields.String(
        required=True, allow_none=True, metadata=described("The `cursor` of the next page; null on the last.")
    )


class EndpointFieldsSchema(Strict):
    """A wished place in a network."""

    aliases = fields.List(
        Text(min_length=1, max_length=63, validate=validate.Regexp(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z")),
        load_default=list, validate=validate.Length(max=64),
        metadata=described("Further names for it in this network."),
    )  # fmt: skip
    ipv4_address = fields.IPv4(allow_none=True, load_default=None, metadata=described("A fixed address."))
    ipv6_address = fields.IPv6(allow_none=True, load_default=None, metadata=described("A fixed address."))
    link_local_addresses = fields.List(
        fields.IP(),
        load_default=list,
        validate=validate.Length(max=8),
        metadata=described("Addresses of `169.254.0.0/16` or `fe80::/10`."),
    )
    mac_address = Text(
        allow_none=True, load_default=None,
        validate=validate.Regexp(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}\Z"),
        metadata=described("A MAC address.", examples=["02:42:ac:11:00:02"]),
    )  # fmt: skip
    driver_options = TextMap(load_default=dict, metadata=described("Options of this endpoint."))
    gateway_priority = Whole(
        -MAX_PRIORITY, MAX_PRIORITY, allow_none=True, load_default=None, metadata=described("Needs Docker 28.")
    )


class EndpointConnectSchema(EndpointFieldsSchema):
    """How to connect. An empty object leaves everything to the engine."""
