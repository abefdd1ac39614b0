"""The shapes of networks and their addresses. Requests and answers have separate schemas."""

from __future__ import annotations

from marshmallow import Schema, fields

from bridgework.http.schemas.answers import (
    Assigned,
    Derived,
    ReferenceSchema,
    flag,
    list_of,
    number,
    page_of,
    part,
    text,
    text_map,
    word,
)
from bridgework.http.schemas.fields import CIDR, described


class PoolSchema(Schema):
    """An address pool of a network: one subnet and its settings."""

    subnet = fields.String(required=True, metadata=CIDR)
    gateway = text(
        "The gateway in force, set by you or chosen by Docker, such as `10.77.0.1`; null when there is none.", null=True
    )
    ip_range = text("The part of the subnet that containers get addresses from; null for the whole subnet.", null=True)
    auxiliary_addresses = text_map("Addresses that no container gets, by the name of what has them.")


class IpamSchema(Schema):
    """How the addresses of a network are managed (IPAM)."""

    driver = text("The name of the IPAM driver; `default` is Docker's own.", attribute="ipam_driver")
    options = text_map("The options of the IPAM driver by name.", attribute="ipam_options")
    pools = list_of(PoolSchema, "The address pools, one for each subnet.")


class NetworkSchema(Schema):
    """A Docker network, as the engine describes it."""

    id = Assigned("The full id, 64 hexadecimal digits.")
    name = text("The name of the network, unique on its engine.", examples=["simon_network"])
    driver = text("The name of the network driver.", examples=["bridge"])
    scope = word(
        "Where the network exists: on one engine (`local`) or in a whole swarm.", "local swarm global", grows=True
    )
    created_at = Assigned("When the network was created, RFC 3339 in UTC.", format="date-time")
    builtin = flag("Whether the network is one of the engine's own: `bridge`, `host` or `none`.")
    bridge_name = text("The name of the bridge on the host, such as `docker0`; null for other drivers.", null=True)
    internal = flag("Whether the network has no route to the outside.")
    attachable = flag("Whether containers outside of swarm services may join this overlay network.")
    ingress = flag("Whether this is the routing mesh of the swarm.")
    ipv4_enabled = flag("Whether the network has IPv4 addresses.")
    ipv6_enabled = flag("Whether the network has IPv6 addresses.")
    config_only = flag("Whether this is only a configuration that other networks refer to by `config_from`.")
    config_from = text("The name of the config-only network that the settings come from; otherwise null.", null=True)
    ipam = Derived(
        IpamSchema,
        lambda network: network,
        required=True,
        metadata=described("How the addresses of the network are managed."),
    )
    options = text_map("The options of the network driver, by their full names.")
    labels = text_map("The labels by key, such as `team: edge`, including those that this service sets.")
    endpoint_count = number("The number of endpoints, including those of stopped containers.", minimum=0)


NetworkPageSchema = page_of(NetworkSchema, "One page of networks, sorted by name.", "The networks on this page.")


class KeptNetworkSchema(Schema):
    """A network that the prune kept, and the reason."""

    network = part(ReferenceSchema, "The network that was kept.")
    reason = text("Why the network was kept, in one sentence.")


class PruneResultSchema(Schema):
    """What the prune removed and kept; in a dry run, what it would remove and keep."""

    removed = list_of(ReferenceSchema, "The networks that were removed.")
    kept = list_of(KeptNetworkSchema, "The networks that were kept, each with the reason.")
