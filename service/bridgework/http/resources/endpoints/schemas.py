"""The shapes of endpoints: a container's place in a network, as it is and as it is wished."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from bridgework.http.fields import Assigned, FindingSchema, ReferenceSchema, Strict, Text, TextMap, Whole, described

MAX_PRIORITY = 2_147_483_647
_ALIAS = "Must be letters, digits, underscores, hyphens and dots, and begin with a letter, digit or underscore."
_MAC = "Must be a MAC address, such as 02:42:ac:11:00:02."


class EndpointContainerSchema(Schema):
    """The container of an endpoint, named by its id and its name."""

    id = Assigned("The container's full id, 64 hexadecimal digits.")
    name = fields.String(
        required=True, metadata=described("The name of the container, such as `tomcat81`.", examples=["tomcat81"])
    )


class EndpointSchema(Schema):
    """An endpoint: the place of one container in one network."""

    network = fields.Nested(ReferenceSchema, required=True, metadata=described("The network that the endpoint is in."))
    container = fields.Nested(
        EndpointContainerSchema, required=True, metadata=described("The container that has this endpoint.")
    )
    state = fields.String(
        required=True, validate=validate.OneOf(["active", "configured"]),
        metadata=described("`active` while the container runs, `configured` while it does not."),
    )  # fmt: skip
    endpoint_id = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The id that Docker gave the endpoint; null while the container does not run."),
    )
    ipv4_address = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The IPv4 address of the endpoint, such as `10.77.0.2`; null when it has none."),
    )
    ipv4_prefix_len = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described(
            "The prefix length of the IPv4 subnet, such as 24; null without an IPv4 address.", maximum=128
        ),
    )
    ipv6_address = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The IPv6 address of the endpoint, such as `fd00:77::2`; null when it has none."),
    )
    ipv6_prefix_len = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described(
            "The prefix length of the IPv6 subnet, such as 64; null without an IPv6 address.", maximum=128
        ),
    )
    mac_address = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The MAC address, such as `02:42:ac:11:00:02`; null when there is none."),
    )
    gateway = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The IPv4 gateway of the endpoint, such as `10.77.0.1`; null when it has none."),
    )
    ipv6_gateway = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The IPv6 gateway of the endpoint, such as `fd00:77::1`; null when it has none."),
    )
    aliases = fields.List(
        fields.String(),
        required=True,
        metadata=described("The aliases that were asked for in this network, such as `web`."),
    )
    dns_names = fields.List(
        fields.String(),
        required=True,
        metadata=described("All names that resolve to this endpoint in this network, including the aliases."),
    )
    link_local_addresses = fields.List(
        fields.String(), required=True, metadata=described("The link-local addresses that were asked for.")
    )
    driver_options = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata=described("The options of the network driver for this endpoint, by their full names."),
    )
    gateway_priority = fields.Integer(
        required=True,
        metadata=described(
            "The endpoint with the highest priority provides the default route of the container.",
            minimum=-MAX_PRIORITY,
            maximum=MAX_PRIORITY,
        ),
    )
    configured_ipv4_address = fields.String(
        required=True,
        allow_none=True,
        attribute="configured_ipv4",
        metadata=described("The fixed IPv4 address that was asked for; null when the engine chooses the address."),
    )
    configured_ipv6_address = fields.String(
        required=True,
        allow_none=True,
        attribute="configured_ipv6",
        metadata=described("The fixed IPv6 address that was asked for; null when the engine chooses the address."),
    )


class ConnectedEndpointSchema(EndpointSchema):
    """The endpoint after a connect, with findings where the engine did not do what was asked."""

    findings = fields.List(
        fields.Nested(FindingSchema),
        required=True,
        metadata=described("What the engine did differently from the request; empty when nothing differs."),
    )


class EndpointPageSchema(Schema):
    """One page of endpoints, sorted by the name of the container."""

    items = fields.List(fields.Nested(EndpointSchema), required=True, metadata=described("The endpoints on this page."))
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The `cursor` that the request for the next page needs; null on the last page."),
    )


class EndpointFieldsSchema(Strict):
    """The settings of an endpoint to create."""

    aliases = fields.List(
        Text(min_length=1, max_length=63, validate=validate.Regexp(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z", error=_ALIAS)),
        load_default=list, validate=validate.Length(max=64),
        metadata=described("Additional DNS names for the container in this network, such as `web`."),
    )  # fmt: skip
    ipv4_address = fields.IPv4(
        allow_none=True,
        load_default=None,
        metadata=described("A fixed IPv4 address, such as `10.77.0.9`; null lets the engine choose one."),
    )
    ipv6_address = fields.IPv6(
        allow_none=True,
        load_default=None,
        metadata=described("A fixed IPv6 address, such as `fd00:77::9`; null lets the engine choose one."),
    )
    link_local_addresses = fields.List(
        fields.IP(),
        load_default=list,
        validate=validate.Length(max=8),
        metadata=described("Link-local addresses to add, in `169.254.0.0/16` or `fe80::/10`."),
    )
    mac_address = Text(
        allow_none=True, load_default=None,
        validate=validate.Regexp(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}\Z", error=_MAC),
        metadata=described("A fixed MAC address; null lets the engine choose one.", examples=["02:42:ac:11:00:02"]),
    )  # fmt: skip
    driver_options = TextMap(
        load_default=dict, metadata=described("Options of the network driver for this endpoint, by their full names.")
    )
    gateway_priority = Whole(
        -MAX_PRIORITY,
        MAX_PRIORITY,
        allow_none=True,
        load_default=None,
        metadata=described(
            "The endpoint with the highest priority provides the default route; null means 0. Needs Docker 28."
        ),
    )


class EndpointConnectSchema(EndpointFieldsSchema):
    """The settings of the endpoint to create. An empty object leaves everything to the engine."""
