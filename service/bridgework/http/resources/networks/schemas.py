"""The shapes of networks and their addresses. Requests and answers have schemas apart."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates

from bridgework.http.fields import (
    MAX_LABELS,
    NAME,
    NOT_AN_ID,
    Assigned,
    Cursor,
    Derived,
    Filter,
    Flag,
    FreeTextMap,
    QueryFlag,
    QueryWhole,
    ReferenceSchema,
    Strict,
    Text,
    TextMap,
    described,
    never,
)
from bridgework.ipam.usage import PREFIX_LENGTHS
from bridgework.model.snapshot import BUILTIN_NETWORKS

CIDR = described(
    "The subnet in CIDR notation, such as `10.77.0.0/24`.",
    examples=["10.77.0.0/24"],
    format="cidr",
    pattern="^[0-9A-Fa-f:.]+/[0-9]{1,3}$",
)
MAX_SAFE = 2**53 - 1


class PoolSchema(Schema):
    """An address pool of a network: one subnet and its settings."""

    subnet = fields.String(required=True, metadata=CIDR)
    gateway = fields.String(
        required=True,
        allow_none=True,
        metadata=described(
            "The gateway in force, set by you or chosen by Docker, such as `10.77.0.1`; null when there is none."
        ),
    )
    ip_range = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The part of the subnet that containers get addresses from; null for the whole subnet."),
    )
    auxiliary_addresses = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata=described("Addresses that no container gets, by the name of what has them."),
    )


class IpamSchema(Schema):
    """How the addresses of a network are managed (IPAM)."""

    driver = fields.String(
        required=True,
        attribute="ipam_driver",
        metadata=described("The name of the IPAM driver; `default` is Docker's own."),
    )
    options = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, attribute="ipam_options",
        metadata=described("The options of the IPAM driver by name."),
    )  # fmt: skip
    pools = fields.List(
        fields.Nested(PoolSchema), required=True, metadata=described("The address pools, one for each subnet.")
    )


class NetworkSchema(Schema):
    """A Docker network, as the engine describes it."""

    id = Assigned("The full id, 64 hexadecimal digits.")
    name = fields.String(
        required=True, metadata=described("The name of the network, unique on its engine.", examples=["simon_network"])
    )
    driver = fields.String(required=True, metadata=described("The name of the network driver.", examples=["bridge"]))
    scope = fields.String(
        required=True,
        validate=validate.OneOf(["local", "swarm", "global"]),
        metadata=described(
            "Where the network exists: on one engine (`local`) or in a whole swarm.", x_known_values=True
        ),
    )
    created_at = Assigned("When the network was created, RFC 3339 in UTC.", format="date-time")
    builtin = fields.Boolean(
        required=True, metadata=described("Whether the network is one of the engine's own: `bridge`, `host` or `none`.")
    )
    bridge_name = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The name of the bridge on the host, such as `docker0`; null for other drivers."),
    )
    internal = fields.Boolean(required=True, metadata=described("Whether the network has no route to the outside."))
    attachable = fields.Boolean(
        required=True, metadata=described("Whether containers outside of swarm services may join this overlay network.")
    )
    ingress = fields.Boolean(required=True, metadata=described("Whether this is the routing mesh of the swarm."))
    ipv4_enabled = fields.Boolean(required=True, metadata=described("Whether the network has IPv4 addresses."))
    ipv6_enabled = fields.Boolean(required=True, metadata=described("Whether the network has IPv6 addresses."))
    config_only = fields.Boolean(
        required=True,
        metadata=described("Whether this is only a configuration that other networks refer to by `config_from`."),
    )
    config_from = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The name of the config-only network that the settings come from; otherwise null."),
    )
    ipam = Derived(
        IpamSchema,
        lambda network: network,
        required=True,
        metadata=described("How the addresses of the network are managed."),
    )
    options = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata=described("The options of the network driver, by their full names."),
    )
    labels = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata=described("The labels by key, such as `team: edge`, including those that this service sets."),
    )
    endpoint_count = fields.Integer(
        required=True, metadata=described("The number of endpoints, including those of stopped containers.", minimum=0)
    )


class NetworkPageSchema(Schema):
    """One page of networks, sorted by name."""

    items = fields.List(fields.Nested(NetworkSchema), required=True, metadata=described("The networks on this page."))
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The `cursor` that the request for the next page needs; null on the last page."),
    )


class PoolRequestSchema(Strict):
    """An address pool for a new network: one subnet and its settings."""

    subnet = Text(required=True, min_length=1, max_length=64, metadata=CIDR)
    gateway = Text(
        allow_none=True,
        load_default=None,
        max_length=64,
        metadata=described("The address of the gateway within the subnet; null lets the engine choose it."),
    )
    ip_range = Text(
        allow_none=True,
        load_default=None,
        max_length=64,
        metadata=described(
            "The part of the subnet that containers get addresses from, such as `10.77.0.128/25`; null for all."
        ),
    )
    auxiliary_addresses = TextMap(
        load_default=dict,
        max_length=64,
        metadata=described("Addresses that no container gets, by a name of your choice: `router: 10.77.0.2`."),
    )


class IpamRequestSchema(Strict):
    """How the addresses of a new network are managed (IPAM)."""

    driver = Text(
        load_default="default",
        min_length=1,
        metadata=described("The name of the IPAM driver; `default` is Docker's own."),
    )
    options = TextMap(load_default=dict, metadata=described("The options of the IPAM driver by name."))
    pools = fields.List(
        fields.Nested(PoolRequestSchema), load_default=list, validate=validate.Length(max=16),
        metadata=described("The address pools, one for each subnet; an empty list lets the engine choose a subnet."),
    )  # fmt: skip


class NetworkCreateSchema(Strict):
    """A network to create. Only `name` is required."""

    name = Text(
        required=True,
        min_length=1,
        max_length=128,
        metadata=described(
            "The name of the network: unique on its engine, and different from any id.",
            examples=["simon_network"],
            pattern=NAME,
            **never("|".join(sorted({*BUILTIN_NETWORKS, "default", NOT_AN_ID}))),
        ),
    )
    driver = Text(
        load_default="bridge",
        min_length=1,
        metadata=described("The name of the network driver. `GET /v1/engine` lists those that the engine has."),
    )
    scope = fields.String(
        allow_none=True, load_default=None, validate=validate.OneOf(["local", "swarm"]),
        metadata=described("Where the network exists: on one engine or in a swarm; null leaves it to the driver."),
    )  # fmt: skip
    internal = Flag(
        load_default=False,
        metadata=described("Give the network no route to the outside. Published ports do not work in it."),
    )
    attachable = Flag(
        load_default=False, metadata=described("Let containers outside of swarm services join this overlay network.")
    )
    ingress = Flag(load_default=False, metadata=described("Make this network the routing mesh of the swarm."))
    ipv4_enabled = Flag(
        allow_none=True,
        load_default=None,
        metadata=described("Whether the network has IPv4; null means yes. `false` needs Docker 28."),
    )
    ipv6_enabled = Flag(
        load_default=False,
        metadata=described("Whether the network has IPv6. With `true`, name an IPv6 subnet in `ipam.pools`."),
    )
    config_only = Flag(
        load_default=False,
        metadata=described("Create only a configuration that other networks refer to by `config_from`."),
    )
    config_from = Text(
        allow_none=True,
        load_default=None,
        metadata=described(
            "The name of a config-only network to take the settings from; null takes them from this request."
        ),
    )
    ipam = fields.Nested(
        IpamRequestSchema,
        load_default=dict,
        metadata=described("How the addresses of the network are managed; an empty object leaves it to the engine."),
    )
    options = TextMap(
        load_default=dict,
        metadata=described("Options of the network driver by their full names: `com.docker.network.driver.mtu: 1400`."),
    )
    labels = FreeTextMap(
        load_default=dict,
        metadata=described(
            "Labels by key, such as `team: edge`. Keys under `io.bridgework.` are reserved for this service."
        ),
    )


class NetworkQuery(Strict):
    """Filters and paging of the list of networks."""

    limit = QueryWhole(1, 1000, load_default=100, metadata=described("The largest number of items on the page."))
    cursor = Cursor()
    driver = Filter(Text(), "Only networks of this driver, such as `bridge`.")
    scope = Filter(Text(), "Only networks of this scope: `local`, `swarm` or `global`.")
    type = Filter(
        fields.String(validate=validate.OneOf(["builtin", "custom"])),
        "Only the engine's own networks (`builtin`), or only the others (`custom`).",
    )
    name = Filter(Text(), "Only networks whose name contains this text.")
    label = fields.List(
        Text(), load_default=list, validate=validate.Length(max=MAX_LABELS),
        metadata=described("Only networks with this label, `key` or `key=value`. Repeat it to require several labels."),
    )  # fmt: skip
    dangling = QueryFlag(
        load_default=None,
        metadata=described(
            "With `true`, only networks without running or stopped containers; with `false`, only the others."
        ),
    )
    project = Filter(Text(), "Only networks that belong to this project.")


class ForceQuery(Strict):
    """Whether to override."""

    force = QueryFlag(
        load_default=False,
        metadata=described(
            "Make the change even if the resource is in use, as the operation says. `true` needs the role `admin`."
        ),
    )


class PruneQuery(Strict):
    """What to prune."""

    label = fields.List(
        Text(),
        load_default=list,
        validate=validate.Length(max=MAX_LABELS),
        metadata=described(
            "Only remove networks with this label, `key` or `key=value`. Repeat it to require several labels."
        ),
    )
    until = fields.AwareDateTime(
        load_default=None,
        format="iso",
        metadata=described("Only remove networks that were created before this RFC 3339 time."),
        error_messages=dict.fromkeys(
            ("invalid", "invalid_awareness"), "Must be an RFC 3339 time with its offset, such as 2026-01-31T12:00:00Z."
        ),
    )
    include_configured = QueryFlag(
        load_default=False, metadata=described("Whether to also remove networks that only stopped containers are in.")
    )


class KeptNetworkSchema(Schema):
    """A network that the prune kept, and the reason."""

    network = fields.Nested(ReferenceSchema, required=True, metadata=described("The network that was kept."))
    reason = fields.String(required=True, metadata=described("Why the network was kept, in one sentence."))


class PruneResultSchema(Schema):
    """What the prune removed and kept; in a dry run, what it would remove and keep."""

    removed = fields.List(
        fields.Nested(ReferenceSchema), required=True, metadata=described("The networks that were removed.")
    )
    kept = fields.List(
        fields.Nested(KeptNetworkSchema),
        required=True,
        metadata=described("The networks that were kept, each with the reason."),
    )


class PageQuery(Strict):
    """Paging."""

    limit = QueryWhole(1, 1000, load_default=100, metadata=described("The largest number of items on the page."))
    cursor = Cursor()


class AddressHolderSchema(Schema):
    """An address in use, and what uses it."""

    address = fields.String(required=True, metadata=described("The IP address, such as `10.77.0.2`."))
    kind = fields.String(
        required=True,
        validate=validate.OneOf(["gateway", "container", "auxiliary", "configured"]),
        metadata=described(
            "What uses the address. `configured`: a stopped container asked for it; it can still be taken."
        ),
    )
    container_id = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The full id of the container; null when no container uses the address."),
    )
    name = fields.String(
        required=True, metadata=described("The name of the container, or of the gateway or auxiliary address.")
    )


class Count(fields.Integer):
    """A number that may exceed what every JSON reader holds (RFC 8259, 6), as an IPv6 subnet's size does."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return super()._serialize(min(value, MAX_SAFE), attr, obj, **kwargs)


class PoolUsageSchema(Schema):
    """How many addresses of a pool are in use, and what uses them."""

    subnet = fields.String(required=True, metadata=CIDR)
    ip_range = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The part of the subnet that containers get addresses from; null for the whole subnet."),
    )
    gateway = fields.String(
        required=True, allow_none=True, metadata=described("The address of the gateway; null when there is none.")
    )
    size = Count(
        required=True,
        metadata=described(
            "The number of addresses that the pool can give; 2^53-1 also stands for any larger number.", minimum=0
        ),
    )
    used = Count(required=True, metadata=described("The number of addresses in use.", minimum=0))
    free = Count(
        required=True,
        metadata=described("The number of free addresses; 2^53-1 also stands for any larger number.", minimum=0),
    )
    next_free = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The lowest free address, such as `10.77.0.4`; null when the pool is full."),
    )
    holders = fields.List(
        fields.Nested(AddressHolderSchema),
        required=True,
        metadata=described("The addresses in use, and what uses each of them."),
    )


class NetworkAddressesSchema(Schema):
    """How the addresses of a network are used, by pool."""

    network = fields.Nested(ReferenceSchema, required=True, metadata=described("The network that the pools belong to."))
    pools = fields.List(
        fields.Nested(PoolUsageSchema),
        required=True,
        metadata=described("The pools of the network, one for each subnet."),
    )


class SubnetQuery(Strict):
    """Which subnets are wished."""

    prefix_len = QueryWhole(
        8,
        126,
        load_default=24,
        metadata={
            **described("The prefix length of the subnets: 8 to 30 for IPv4, 48 to 126 for IPv6."),
            "not": {"minimum": 31, "maximum": 47},
        },
    )
    count = QueryWhole(1, 256, load_default=5, metadata=described("How many free subnets to list, at most."))

    @validates("prefix_len")
    def check_prefix_len(self, value: int, **_: Any) -> None:
        """No subnet of a network has any other length."""
        if not any(shortest <= value <= longest for shortest, longest in PREFIX_LENGTHS.values()):
            raise ValidationError("Must be 8 to 30 (IPv4) or 48 to 126 (IPv6).")


class AvailableSubnetsSchema(Schema):
    """Subnets that overlap no Docker network and no route of the host."""

    items = fields.List(
        fields.String(), required=True, metadata=described("Free subnets in CIDR notation, such as `172.16.0.0/24`.")
    )
    next_cursor = fields.String(
        required=True, allow_none=True,
        metadata=described("Always null: ask for more subnets with a larger `count`."),
    )  # fmt: skip
