"""The body of a search, and the shapes of what is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from bridgework.http.resources.checks.requests import MAX_PORT, PREDICTED_PROTOCOLS, WITHOUT_PORT
from bridgework.http.resources.checks.schemas import VERDICTS, HopSchema, TriedAddressSchema
from bridgework.http.schemas.answers import Variants, flag, list_of, number, text, word
from bridgework.http.schemas.fields import (
    Choice,
    ExactlyOne,
    Flag,
    Items,
    Request,
    Text,
    Whole,
    described,
    optional,
    required,
)
from bridgework.http.schemas.findings import ComponentSchema, FindingSchema, LimitationSchema
from bridgework.model.checks import Protocol
from bridgework.use_cases.connectivity.query import Match, WantedQuery

MAX_RULES = 64


class QueryEndSchema(ExactlyOne):
    """The known end of a search: exactly one of these properties."""

    container = Text(min_length=1, metadata=described("The container, by its name or id."))
    host = Flag(validate=validate.Equal(True), metadata=described("The engine's host. The only value is `true`."))


class QueryMatchSchema(ExactlyOne):
    """Which ends a rule means: exactly one of these properties."""

    container = Text(min_length=1, metadata=described("One container, by its name or id."))
    network = Text(min_length=1, metadata=described("All containers that have an endpoint in this network."))
    service = Text(min_length=1, metadata=described("All containers of this service of Docker Compose: `shop/web`."))
    label = Text(min_length=1, metadata=described("All containers with this label, `key` or `key=value`."))
    host = Flag(validate=validate.Equal(True), metadata=described("The engine's host. The only value is `true`."))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Match:
        return Match(**data)


class QueryRequestSchema(Request):
    """A search over all containers and the host."""

    makes = WantedQuery
    keywords: ClassVar[Mapping[str, Any]] = {
        "if": {"properties": {"protocol": {"enum": list(WITHOUT_PORT)}}},
        "then": {"properties": {"port": {"type": "null"}}},
    }

    find = Choice(
        ["sources", "destinations"],
        **required("What to search for: the `sources` that reach `of`, or the `destinations` that `of` reaches."),
    )
    of = fields.Nested(QueryEndSchema, **required("The known end: the destination of the sources, or the source."))
    protocol = Choice(PREDICTED_PROTOCOLS, **optional("The protocol to ask for; `icmp` means a ping.", "icmp"))
    port = Whole(
        1,
        MAX_PORT,
        **optional("The destination port; null asks for every port that is published, exposed or listened on."),
    )
    must_not = Items(
        fields.Nested(QueryMatchSchema),
        MAX_RULES,
        **optional("Ends that must not be found. Each one that is reachable is a violation.", tuple),
    )
    include_unreachable = Flag(
        **optional("Whether the answer also holds the ends that are unreachable, with the step that stops them.", False)
    )

    @validates_schema(skip_on_field_errors=True)
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse what no field can refuse by itself."""
        if data["protocol"] in WITHOUT_PORT and data["port"] is not None:
            raise ValidationError({"port": [f"The protocol {data['protocol']} has no port."]})

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        end = data.pop("of")
        return WantedQuery(**{**data, "container": end.get("container"), "protocol": Protocol(data["protocol"])})


class QueryGroupSchema(Schema):
    """Ends that were found and are alike: one path stands for all of them."""

    ends = list_of(ComponentSchema, "The sources or destinations that were found, the first one with its path.")
    protocol = word("The protocol; `icmp` means a ping.", *PREDICTED_PROTOCOLS, grows=True)
    port = number("The destination port; null for `icmp`.", null=True)
    verdict = word(
        "`inconclusive` when something that matters was not visible; `unreachable` only with `include_unreachable`.",
        *VERDICTS,
    )
    reason = text("Why the ends are inconclusive, as the code of a finding; null when that is known.", null=True)
    violates = flag("Whether `must_not` names these ends. A reachable group that violates makes the query fail.")
    path = list_of(HopSchema, "The steps of a packet between the first of `ends` and the known end, in order.")
    addresses = list_of(
        TriedAddressSchema,
        "The addresses of the destination that the source can send to, for the first of `ends`. Nothing is measured.",
    )
    findings = list_of(
        FindingSchema,
        "What is known about the way between the first of `ends` and the known end, with the remedy that closes it. "
        "Only groups that violate, are inconclusive or are unreachable have findings.",
    )


class QueryCountsSchema(Schema):
    """The number of ends that were found, counted once for each port."""

    reachable = number("The number of ends that are reachable.", minimum=0)
    inconclusive = number("The number of ends that may be reachable: the prediction cannot say it.", minimum=0)
    unreachable = number("The number of ends that are unreachable; 0 without `include_unreachable`.", minimum=0)
    violations = number("The number of reachable ends that `must_not` names.", minimum=0)


LIMITED = "Why ends are inconclusive, what could not be seen, and the rules of `must_not` that name no end."


def _outcome() -> fields.String:
    words = (
        "`failed` when an end that `must_not` names is reachable, `inconclusive` when it is not known whether one is, "
        "`passed` otherwise."
    )
    return word(words, "passed failed inconclusive", grows=True)


class QueryResultSchema(Schema):
    """What a search found. Ends that are predicted unreachable are left out, unless `include_unreachable` is true."""

    outcome = _outcome()
    counts = fields.Nested(
        QueryCountsSchema, required=True, metadata=described("The number of ends that were found, by kind.")
    )
    groups = list_of(QueryGroupSchema, "The ends that were found, in groups that are alike.")
    limited = list_of(LimitationSchema, LIMITED)


class QueryGroupLineSchema(QueryGroupSchema):
    """One group, sent as soon as it is found."""

    type = word("The kind of this line, `group`.", "group")


class QueryEndLineSchema(Schema):
    """The last line of a streamed search."""

    type = word("The kind of this line, `end`.", "end")
    outcome = _outcome()
    counts = fields.Nested(
        QueryCountsSchema, required=True, metadata=described("The number of ends that were found, by kind.")
    )
    limited = list_of(LimitationSchema, LIMITED)


class QueryLineSchema(Variants):
    """One line of a streamed search. `type` names the kind of line."""

    variants: ClassVar = {"group": QueryGroupLineSchema, "end": QueryEndLineSchema}
