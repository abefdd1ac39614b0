"""The shapes of endpoints: a container's place in a network, as it is and as it is configured."""

from __future__ import annotations

from marshmallow import Schema

from bridgework.http.schemas.answers import (
    Assigned,
    ReferenceSchema,
    list_of,
    number,
    page_of,
    part,
    text,
    text_map,
    texts,
    word,
)
from bridgework.http.schemas.fields import MAX_PRIORITY
from bridgework.http.schemas.findings import FindingSchema


class EndpointContainerSchema(Schema):
    """The container of an endpoint, named by its id and its name."""

    id = Assigned("The container's full id, 64 hexadecimal digits.")
    name = text("The name of the container, such as `tomcat81`.", examples=["tomcat81"])


class EndpointSchema(Schema):
    """An endpoint: the place of one container in one network."""

    network = part(ReferenceSchema, "The network that the endpoint is in.")
    container = part(EndpointContainerSchema, "The container that has this endpoint.")
    state = word("`active` while the container runs, `configured` while it does not.", "active configured")
    endpoint_id = text("The id that Docker gave the endpoint; null while the container does not run.", null=True)
    ipv4_address = text("The IPv4 address of the endpoint, such as `10.77.0.2`; null when it has none.", null=True)
    ipv4_prefix_len = number(
        "The prefix length of the IPv4 subnet, such as 24; null without an IPv4 address.", null=True, maximum=128
    )
    ipv6_address = text("The IPv6 address of the endpoint, such as `fd00:77::2`; null when it has none.", null=True)
    ipv6_prefix_len = number(
        "The prefix length of the IPv6 subnet, such as 64; null without an IPv6 address.", null=True, maximum=128
    )
    mac_address = text("The MAC address, such as `02:42:ac:11:00:02`; null when there is none.", null=True)
    gateway = text("The IPv4 gateway of the endpoint, such as `10.77.0.1`; null when it has none.", null=True)
    ipv6_gateway = text("The IPv6 gateway of the endpoint, such as `fd00:77::1`; null when it has none.", null=True)
    aliases = texts("The aliases that were requested in this network, such as `web`.")
    dns_names = texts("All names that resolve to this endpoint in this network, including the aliases.")
    link_local_addresses = texts("The link-local addresses that were requested.")
    driver_options = text_map("The options of the network driver for this endpoint, by their full names.")
    gateway_priority = number(
        "The endpoint with the highest priority provides the default route of the container.",
        minimum=-MAX_PRIORITY,
        maximum=MAX_PRIORITY,
    )
    configured_ipv4_address = text(
        "The fixed IPv4 address that was requested; null when the engine chooses the address.",
        null=True,
        attribute="configured_ipv4",
    )
    configured_ipv6_address = text(
        "The fixed IPv6 address that was requested; null when the engine chooses the address.",
        null=True,
        attribute="configured_ipv6",
    )


class ConnectedEndpointSchema(EndpointSchema):
    """The endpoint after a connect, with findings where the engine did not do what was asked."""

    findings = list_of(FindingSchema, "What the engine did differently from the request; empty when nothing differs.")


EndpointPageSchema = page_of(
    EndpointSchema, "One page of endpoints, sorted by the name of the container.", "The endpoints on this page."
)
