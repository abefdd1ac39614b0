"""The shapes of networks and their addresses. Requests and answers have schemas apart."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates

from service.api.fields import (
    MAX_LABELS,
    NAME,
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
)
from service.core.addresses.usage import PREFIX_LENGTHS

CIDR = described(
    "An address range in CIDR notation.",
    examples=["10.77.0.0/24"],
    format="cidr",
    pattern="^[0-9A-Fa-f:.]+/[0-9]{1,3}$",
)
MAX_SAFE = 2**53 - 1


class PoolSchema(Schema):
    """An address pool of a network."""

    subnet = fields.String(required=True, metadata=CIDR)
    gateway = fields.String(
        required=True,
        allow_none=True,
        metadata=described(
            "The gateway in force, named by you or chosen by Docker, such as `10.1.0.1`; null when there is none."
        ),
    )
    ip_range = fields.String(
        required=True, allow_none=True, metadata=described("The part that addresses are given from.")
    )
    auxiliary_addresses = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, metadata=described("Reserved addresses by name.")
    )


class IpamSchema(Schema):
    """How a network's addresses are managed."""

    driver = fields.String(required=True, attribute="ipam_driver", metadata=described("The IPAM driver."))
    options = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, attribute="ipam_options",
        metadata=described("The IPAM driver's options."),
    )  # fmt: skip
    pools = fields.List(fields.Nested(PoolSchema), required=True, metadata=described("The address pools."))


class NetworkSchema(Schema):
    """A network."""

    id = Assigned("The full id, 64 hexadecimal digits.")
    name = fields.String(required=True, metadata=described("The name.", examples=["simon_network"]))
    driver = fields.String(required=True, metadata=described("The driver.", examples=["bridge"]))
    scope = fields.String(
        required=True, validate=validate.OneOf(["local", "swarm", "global"]),
        metadata=described("How far it reaches.", x_known_values=True),
    )  # fmt: skip
    created_at = Assigned("When the network was created, RFC 3339 in UTC.", format="date-time")
    builtin = fields.Boolean(required=True, metadata=described("Whether it is the engine's own."))
    bridge_name = fields.String(
        required=True, allow_none=True, metadata=described("The bridge's name on the host, of a bridge network.")
    )
    internal = fields.Boolean(required=True, metadata=described("Whether it has no way out."))
    attachable = fields.Boolean(required=True, metadata=described("Whether containers may join an overlay network."))
    ingress = fields.Boolean(required=True, metadata=described("Whether it is the swarm's routing mesh."))
    ipv4_enabled = fields.Boolean(required=True, metadata=described("Whether it has IPv4."))
    ipv6_enabled = fields.Boolean(required=True, metadata=described("Whether it has IPv6."))
    config_only = fields.Boolean(required=True, metadata=described("Whether it is only a configuration for others."))
    config_from = fields.String(
        required=True, allow_none=True, metadata=described("The network its configuration comes from.")
    )
    ipam = Derived(
        IpamSchema, lambda network: network, required=True, metadata=described("How its addresses are managed.")
    )
    options = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, metadata=described("The driver's options.")
    )
    labels = fields.Dict(keys=fields.String(), values=fields.String(), required=True, metadata=described("Labels."))
    endpoint_count = fields.Integer(
        required=True, metadata=described("How many endpoints it has, those of stopped containers included.", minimum=0)
    )


class NetworkPageSchema(Schema):
    """A page of networks, by name."""

    items = fields.List(fields.Nested(NetworkSchema), required=True, metadata=described("The networks."))
    next_cursor = fields.String(
        required=True, allow_none=True, metadata=described("The `cursor` of the next page; null on the last.")
    )


class PoolRequestSchema(Strict):
    """A wished address pool."""

    subnet = Text(required=True, min_length=1, max_length=64, metadata=CIDR)
    gateway = Text(allow_none=True, load_default=None, max_length=64, metadata=described("Within the subnet."))
    ip_range = Text(allow_none=True, load_default=None, max_length=64, metadata=described("A CIDR within the subnet."))
    auxiliary_addresses = TextMap(load_default=dict, max_length=64, metadata=described("Reserved addresses by name."))


class IpamRequestSchema(Strict):
    """How addresses are to be managed."""

    driver = Text(load_default="default", min_length=1, metadata=described("The IPAM driver."))
    options = TextMap(load_default=dict, metadata=described("The IPAM driver's options."))
    pools = fields.List(
        fields.Nested(PoolRequestSchema), load_default=list, validate=validate.Length(max=16),
        metadata=described("Address pools; none lets the engine choose."),
    )  # fmt: skip


class NetworkCreateSchema(Strict):
    """A network to create."""

    name = Text(
        required=True,
        min_length=1,
        max_length=128,
        metadata=described(
            "The name: unique on its engine, no id's look-alike.", examples=["simon_network"], pattern=NAME
        ),
    )
    driver = Text(load_default="bridge", min_length=1, metadata=described("See `GET /v1/engine` for those it has."))
    scope = fields.String(
        allow_none=True, load_default=None, validate=validate.OneOf(["local", "swarm"]),
        metadata=described("Null leaves it to the driver."),
    )  # fmt: skip
    internal = Flag(load_default=False, metadata=described("No way out, no published ports."))
    attachable = Flag(load_default=False, metadata=described("Let containers join an overlay network."))
    ingress = Flag(load_default=False, metadata=described("Make it the swarm's routing mesh."))
    ipv4_enabled = Flag(allow_none=True, load_default=None, metadata=described("False needs Docker 28."))
    ipv6_enabled = Flag(load_default=False, metadata=described("Give it IPv6; then name an IPv6 pool."))
    config_only = Flag(load_default=False, metadata=described("Only a configuration for other networks."))
    config_from = Text(allow_none=True, load_default=None, metadata=described("The config-only network to take from."))
    ipam = fields.Nested(IpamRequestSchema, load_default=dict, metadata=described("Address management."))
    options = TextMap(load_default=dict, metadata=described("The driver's options, by their full names."))
    labels = FreeTextMap(
        load_default=dict, metadata=described("Labels; those under `io.bridgework.` are the service's.")
    )


class NetworkQuery(Strict):
    """Filters and paging of the list of networks."""

    limit = QueryWhole(1, 1000, load_default=100, metadata=described("How many items a page has at most."))
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
        metadata=described("Only networks with this label, `key` or `key=value`. Given several times, all must fit."),
    )  # fmt: skip
    dangling = QueryFlag(
        load_default=None,
        metadata=described("Only networks that no container names, running or stopped; `false` for the others."),
    )
    project = Filter(Text(), "Only networks that belong to this project.")


class ForceQuery(Strict):
    """Whether to override."""

    force = QueryFlag(load_default=False, metadata=described("Needs the role admin."))


class PruneQuery(Strict):
    """What to prune."""

    label = fields.List(
        Text(), load_default=list, validate=validate.Length(max=MAX_LABELS),
        metadata=described("Only networks with this label; repeatable."),
    )  # fmt: skip
    until = fields.AwareDateTime(
        load_default=None, format="iso", metadata=described("Only networks created before this time."),
        error_messages=dict.fromkeys(
            ("invalid", "invalid_awareness"), "Must be an RFC 3339 time with its offset, such as 2026-01-31T12:00:00Z."
        ),
    )  # fmt: skip
    include_configured = QueryFlag(
        load_default=False, metadata=described("Also networks that stopped containers still name.")
    )


class KeptNetworkSchema(Schema):
    """A network that prune spared."""

    network = fields.Nested(ReferenceSchema, required=True, metadata=described("The network."))
    reason = fields.String(required=True, metadata=described("Why it was kept."))


class PruneResultSchema(Schema):
    """What prune did."""

    removed = fields.List(fields.Nested(ReferenceSchema), required=True, metadata=described("The networks removed."))
    kept = fields.List(fields.Nested(KeptNetworkSchema), required=True, metadata=described("The networks kept."))


class PageQuery(Strict):
    """Paging."""

    limit = QueryWhole(1, 1000, load_default=100, metadata=described("How many at most."))
    cursor = Cursor()


class AddressHolderSchema(Schema):
    """Who holds an address."""

    address = fields.String(required=True, metadata=described("The address."))
    kind = fields.String(
        required=True, validate=validate.OneOf(["gateway", "container", "auxiliary", "configured"]),
        metadata=described("`configured`: asked for by a stopped container, and free to be taken."),
    )  # fmt: skip
    container_id = fields.String(required=True, allow_none=True, metadata=described("The container's id, of one."))
    name = fields.String(required=True, metadata=described("The holder's name."))


class Count(fields.Integer):
    """A number that may exceed what every JSON reader holds (RFC 8259, 6), as an IPv6 subnet's size does."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return super()._serialize(min(value, MAX_SAFE), attr, obj, **kwargs)


class PoolUsageSchema(Schema):
    """A pool's use."""

    subnet = fields.String(required=True, metadata=CIDR)
    ip_range = fields.String(required=True, allow_none=True, metadata=described("The part addresses are given from."))
    gateway = fields.String(required=True, allow_none=True, metadata=described("The gateway."))
    size = Count(required=True, metadata=described("How many addresses can be given; 2^53-1 says more.", minimum=0))
    used = Count(required=True, metadata=described("How many are held.", minimum=0))
    free = Count(required=True, metadata=described("How many are left; 2^53-1 says more.", minimum=0))
    next_free = fields.String(required=True, allow_none=True, metadata=described("The lowest free address."))
    holders = fields.List(fields.Nested(AddressHolderSchema), required=True, metadata=described("Who holds which."))


class NetworkAddressesSchema(Schema):
    """The addresses of a network."""

    network = fields.Nested(ReferenceSchema, required=True, metadata=described("The network."))
    pools = fields.List(fields.Nested(PoolUsageSchema), required=True, metadata=described("Each pool's use."))


class SubnetQuery(Strict):
    """Which subnets are wished."""

    prefix_len = QueryWhole(8, 126, load_default=24, metadata=described("8 to 30 for IPv4, 48 to 126 for IPv6."))
    count = QueryWhole(1, 256, load_default=5, metadata=described("How many."))

    @validates("prefix_len")
    def check_prefix_len(self, value: int, **_: Any) -> None:
        """No subnet of a network has any other length."""
        if not any(shortest <= value <= longest for shortest, longest in PREFIX_LENGTHS.values()):
            raise ValidationError("Must be 8 to 30 (IPv4) or 48 to 126 (IPv6).")


class AvailableSubnetsSchema(Schema):
    """Subnets that overlap no network of the engine and no route of its host."""

    items = fields.List(
        fields.String(), required=True, metadata=described("Free subnets in CIDR notation, such as `172.16.0.0/24`.")
    )
    next_cursor = fields.String(
        required=True, allow_none=True,
        metadata=described("Always null: ask for more subnets with a larger `count`."),
    )  # fmt: skip
