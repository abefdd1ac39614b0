"""The requests about networks: bodies and queries."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from bridgework.http.schemas.answers import Derived
from bridgework.http.schemas.fields import (
    CIDR,
    NAME,
    NOT_AN_ID,
    Choice,
    Flag,
    FreeTextMap,
    Items,
    Request,
    Strict,
    Text,
    TextMap,
    absent,
    never,
    optional,
    required,
)
from bridgework.http.schemas.queries import Filter, LabelFilter, PageQuery, QueryFlag
from bridgework.model.create_specs import NetworkSpec
from bridgework.model.snapshot import BUILTIN_NETWORKS, Pool


class PoolRequestSchema(Request):
    """An address pool for a new network: one subnet and its settings."""

    makes = Pool

    subnet = Text(required=True, min_length=1, max_length=64, metadata=CIDR)
    gateway = Text(
        max_length=64, **optional("The address of the gateway within the subnet; null lets the engine choose it.")
    )
    ip_range = Text(
        max_length=64,
        **optional(
            "The part of the subnet that containers get addresses from, such as `10.77.0.128/25`; null for all."
        ),
    )
    auxiliary_addresses = TextMap(
        max_length=64,
        **optional("Addresses that no container gets, by a name of your choice: `router: 10.77.0.2`.", dict),
    )


class IpamRequestSchema(Request):
    """How the addresses of a new network are managed (IPAM)."""

    makes = dict

    driver = Text(
        min_length=1,
        attribute="ipam_driver",
        **optional("The name of the IPAM driver; `default` is Docker's own.", "default"),
    )
    options = TextMap(attribute="ipam_options", **optional("The options of the IPAM driver by name.", dict))
    pools = Items(
        fields.Nested(PoolRequestSchema),
        16,
        **optional("The address pools, one for each subnet; an empty list lets the engine choose a subnet.", tuple),
    )


class NetworkCreateSchema(Request):
    """A network to create. Only `name` is required."""

    makes = NetworkSpec

    name = Text(
        min_length=1,
        max_length=128,
        **required(
            "The name of the network: unique on its engine, and different from any id.",
            examples=["simon_network"],
            pattern=NAME,
            **never("|".join(sorted({*BUILTIN_NETWORKS, "default", NOT_AN_ID}))),
        ),
    )
    driver = Text(
        min_length=1,
        **optional("The name of the network driver. `GET /v1/engine` lists those that the engine has.", "bridge"),
    )
    scope = Choice(
        ["local", "swarm"],
        **optional("Where the network exists: on one engine or in a swarm; null leaves it to the driver."),
    )
    internal = Flag(**optional("Give the network no route to the outside. Published ports do not work in it.", False))
    attachable = Flag(**optional("Let containers outside of swarm services join this overlay network.", False))
    ingress = Flag(**optional("Make this network the routing mesh of the swarm.", False))
    ipv4_enabled = Flag(**optional("Whether the network has IPv4; null means yes. `false` needs Docker 28."))
    ipv6_enabled = Flag(
        **optional("Whether the network has IPv6. With `true`, name an IPv6 subnet in `ipam.pools`.", False)
    )
    config_only = Flag(**optional("Create only a configuration that other networks refer to by `config_from`.", False))
    config_from = Text(
        **optional("The name of a config-only network to take the settings from; null takes them from this request.")
    )
    ipam = Derived(
        IpamRequestSchema,
        lambda spec: spec,
        **optional("How the addresses of the network are managed; an empty object leaves it to the engine.", dict),
    )
    options = TextMap(
        **optional("Options of the network driver by their full names: `com.docker.network.driver.mtu: 1400`.", dict)
    )
    labels = FreeTextMap(
        **optional(
            "Labels by key, such as `team: edge`. Keys under `io.bridgework.` are reserved for this service.", dict
        )
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        ipam = data.pop("ipam")
        return super()._make({**data, **ipam})


class NetworkQuery(PageQuery):
    """Filters and paging of the list of networks."""

    driver = Filter(Text(), "Only networks of this driver, such as `bridge`.")
    scope = Filter(Text(), "Only networks of this scope: `local`, `swarm` or `global`.")
    type = Filter(
        Choice(["builtin", "custom"]), "Only the engine's own networks (`builtin`), or only the others (`custom`)."
    )
    name = Filter(Text(), "Only networks whose name contains this text.")
    label = LabelFilter("Only networks with this label")
    dangling = QueryFlag(
        **absent("With `true`, only networks without running or stopped containers; with `false`, only the others.")
    )
    project = Filter(Text(), "Only networks that belong to this project.")


class PruneQuery(Strict):
    """What to prune."""

    label = LabelFilter("Only remove networks with this label")
    until = fields.AwareDateTime(
        format="iso",
        error_messages=dict.fromkeys(
            ("invalid", "invalid_awareness"), "Must be an RFC 3339 time with its offset, such as 2026-01-31T12:00:00Z."
        ),
        **absent("Only remove networks that were created before this RFC 3339 time."),
    )
    include_configured = QueryFlag(
        **optional("Whether to also remove networks that only stopped containers are in.", False)
    )
