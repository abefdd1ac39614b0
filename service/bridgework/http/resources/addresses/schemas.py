"""The schemas of addresses and subnets."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates

from bridgework.http.schemas.answers import ReferenceSchema, list_of, part, text, texts, word
from bridgework.http.schemas.fields import CIDR, Strict, described, optional
from bridgework.http.schemas.queries import QueryWhole
from bridgework.ipam.usage import PREFIX_LENGTHS

MAX_SAFE = 2**53 - 1


class SubnetQuery(Strict):
    """The query for free subnets."""

    prefix_len = QueryWhole(
        8,
        126,
        **optional(
            "The prefix length of the subnets: 8 to 30 for IPv4, 48 to 126 for IPv6.",
            24,
            **{"not": {"minimum": 31, "maximum": 47}},
        ),
    )
    count = QueryWhole(1, 256, **optional("How many free subnets to list, at most.", 5))

    @validates("prefix_len")
    def check_prefix_len(self, value: int, **_: Any) -> None:
        """Reject a prefix length that no subnet of a network can have."""
        if not any(shortest <= value <= longest for shortest, longest in PREFIX_LENGTHS.values()):
            raise ValidationError("Must be 8 to 30 (IPv4) or 48 to 126 (IPv6).")


class AddressHolderSchema(Schema):
    """An address in use, and what uses it."""

    address = text("The IP address, such as `10.77.0.2`.")
    kind = word(
        "What uses the address. `configured`: a stopped container requests it; it can still be taken.",
        "gateway container auxiliary configured",
    )
    container_id = text("The full id of the container; null when no container uses the address.", null=True)
    name = text("The name of the container, or of the gateway or auxiliary address.")


class Count(fields.Integer):
    """A number that may exceed what every JSON reader holds (RFC 8259, 6), as an IPv6 subnet's size does."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return super()._serialize(min(value, MAX_SAFE), attr, obj, **kwargs)


class PoolUsageSchema(Schema):
    """How many addresses of a pool are in use, and what uses them."""

    subnet = fields.String(required=True, metadata=CIDR)
    ip_range = text("The part of the subnet that containers get addresses from; null for the whole subnet.", null=True)
    gateway = text("The address of the gateway; null when there is none.", null=True)
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
    next_free = text("The lowest free address, such as `10.77.0.4`; null when the pool is full.", null=True)
    holders = list_of(AddressHolderSchema, "The addresses in use, and what uses each of them.")


class NetworkAddressesSchema(Schema):
    """How the addresses of a network are used, by pool."""

    network = part(ReferenceSchema, "The network that the pools belong to.")
    pools = list_of(PoolUsageSchema, "The pools of the network, one for each subnet.")


class AvailableSubnetsSchema(Schema):
    """Subnets that overlap no Docker network and no route of the host."""

    items = texts("Free subnets in CIDR notation, such as `172.16.0.0/24`.")
    next_cursor = text("Always null: ask for more subnets with a larger `count`.", null=True)
