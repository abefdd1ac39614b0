"""``GET /v1/exposure``: what is reachable from the LAN, from the host, and from each network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema

from bridgework.analysis.exposure.judge import Exposure
from bridgework.analysis.exposure.questions import OriginKind
from bridgework.analysis.exposure.reasons import REASONS
from bridgework.analysis.host_rules import owner_of, program_of
from bridgework.firewall.simulate import Step
from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.paging import filters, page
from bridgework.http.resources.checks.schemas import VERDICTS
from bridgework.http.resources.containers.schemas import MAX_PORT, PublishedPortSchema
from bridgework.http.resources.diagnosis import LONGEST_WAIT_S
from bridgework.http.schemas.answers import ReferenceSchema, flag, list_of, next_page, number, part, text, word
from bridgework.http.schemas.fields import Choice, Text, absent
from bridgework.http.schemas.findings import FindingSchema, LimitationSchema
from bridgework.http.schemas.queries import Filter, PageQuery, QueryFlag
from bridgework.model.snapshot import Snapshot
from bridgework.use_cases.connectivity.exposure import ExposureFilter, ask_exposure, question_key

RESOURCE = Resource("diagnostics")
# A row takes about 2 ms on a host with 400 published ports: its packet is led through all of their rules.
_MOST_SIMULATED = 2000
_ORIGINS = tuple(kind.value for kind in OriginKind)


class ExposureQuery(PageQuery):
    """The filters of the exposure, and paging."""

    project = Filter(Text(), "Only ports of containers that belong to this project.")
    container = Filter(Text(min_length=1), "Only ports of this container, by its name or id.")
    network = Filter(Text(min_length=1), "Only ports of containers in this network, by its name or id.")
    origin = Filter(
        Choice(_ORIGINS),
        "Only from the neighbours on the host's links (`lan`), from the `host`, or from other networks (`network`).",
    )
    verdict = Filter(Choice(VERDICTS), "Only rows with this verdict, such as `reachable`.")
    published = QueryFlag(
        **absent(
            "With `true`, only published ports at the host; with `false`, only ports at a container's own address."
        )
    )


class ExposureOriginSchema(Schema):
    """A place from which a port is asked for."""

    kind = word(
        "`lan`: a neighbour on a link of the host. `host`: the host itself. `network`: a container on that network.",
        *_ORIGINS,
        grows=True,
    )
    name = text("The name of the host's interface, or of the network; `host` for the host itself.")
    family = word("The family of the addresses that are used from there.", "ipv4 ipv6")


class FirewallRuleSchema(Schema):
    """A rule of the host's firewall, or the policy of a chain."""

    table = text("The table of the rule with its family, such as `ip filter`.")
    chain = text("The chain of the rule, such as `DOCKER-USER`.")
    rule = text("The rule as its program prints it; null for the policy of the chain.", null=True)
    effect = text("What the rule did to the packet, such as `accept`, `dnat` or `drop`.")
    owner = text("The program that wrote the rule, such as `Docker` or `ufw`; null where it is not known.", null=True)


class ExposureSchema(Schema):
    """Whether one port of a container is reachable from one place."""

    container = part(ReferenceSchema, "The container that has the port.")
    network = part(ReferenceSchema, "The network by which the container gets the packet.")
    container_port = number("The port inside the container, such as 8080.", minimum=1, maximum=MAX_PORT)
    protocol = word("The transport protocol of the port.", "tcp udp", grows=True)
    published = part(
        PublishedPortSchema,
        "The published port that is asked for; null where the port is asked for at the container's own address.",
        null=True,
    )
    origin = part(ExposureOriginSchema, "Where the packet comes from.")
    address = text("The address that a client there asks for, such as `192.0.2.1`.")
    port = number("The port that a client there asks for.", minimum=1, maximum=MAX_PORT)
    verdict = word(
        "Whether the packet arrives at the container, and its answer at the place. It does not say that a program "
        "answers: see `listening`.",
        *VERDICTS,
    )
    reason = word("Why the port is not `reachable`; null where it is.", *REASONS, grows=True, null=True)
    listening = flag(
        "Whether a program in the container listens on the port; null where that was not visible.", null=True
    )
    by_proxy = flag("Whether docker-proxy answers, a program of the host, so that the host's own firewall decides.")
    rules = list_of(FirewallRuleSchema, "The rules that let the packet through or translate it, in order.")
    stopped_by = part(
        FirewallRuleSchema,
        "The rule that stops the packet or its answer, or sends it to another container or program; null where no rule "
        "does. With `container-firewall` it is a rule inside the container, otherwise one of the host.",
        null=True,
    )
    finding = part(
        FindingSchema,
        "What stops the packet or its answer, with the remedy: how a kernel routes it elsewhere or drops it "
        "(`routed-elsewhere`), which link or address is at fault (`link-fault`), or which rule for frames drops it "
        "(`link-rule`); null for other reasons.",
        null=True,
    )
    host_firewall = part(
        FirewallRuleSchema,
        "What would stop the packet if a program of the host listened at this port; null where nothing would.",
        null=True,
    )
    past_host_firewall = flag(
        "Whether the port is reachable although `host_firewall` was meant to stop such packets: Docker's rules lead "
        "them past it."
    )


class ExposurePageSchema(Schema):
    """One page of the exposure, sorted by container, port and origin."""

    items = list_of(ExposureSchema, "The rows on this page, each a port and a place.")
    next_cursor = next_page()
    limited = list_of(
        LimitationSchema,
        "What could not be seen, and ports that are not led through the host; the same on every page.",
    )


@RESOURCE.get(
    "/v1/exposure",
    ExposurePageSchema,
    query=ExposureQuery(),
    concurrency_pool="diagnoses",
    longest_wait_s=lambda _: LONGEST_WAIT_S,
    problems={
        400: "ambiguous-reference",
        404: "container-not-found network-not-found",
        501: "engine-lacks-function",
    },
)
def list_exposure(context: RequestContext) -> ViewResult:
    """List what is reachable from where.

    The answer has a row for each port of a running container and each place: a neighbour on each link of the host, the
    host itself, and each other network with a running container. A published port is asked for at the host. Each
    port that is published, or that a program listens on, is also asked for at the container's own address, which a
    neighbour reaches that has a route by the host.

    A row says by which rules the packet passes or is stopped, and what the host's own firewall was meant to stop. The
    service leads the packets and their answers through the rules, routes and links of the host and of the container,
    and sends nothing. With `verdict`, a page of a large engine can hold fewer rows than `limit`, or none, and have a
    next page.
    """
    wanted = filters(context)
    verdicts = wanted.pop("verdict")
    found = ask_exposure(context.services, context.snapshot, ExposureFilter(**wanted))

    def matches(exposure: Exposure) -> bool:
        return not verdicts or exposure.verdict in verdicts

    shown = page(found.questions, context, question_key, found.judge.exposure, matches, _MOST_SIMULATED)
    rows = [_row(context.snapshot, exposure) for exposure in shown["items"]]
    return ViewResult({**shown, "items": rows, "limited": found.limited})


def _row(snapshot: Snapshot, exposure: Exposure) -> Mapping[str, Any]:
    target, origin = exposure.target, exposure.origin
    return {
        "container": target.container,
        "network": target.network,
        "container_port": target.port,
        "protocol": target.protocol,
        "published": target.published,
        "origin": {"kind": origin.kind, "name": origin.name, "family": f"ipv{origin.version}"},
        "address": exposure.address,
        "port": exposure.port,
        "verdict": exposure.verdict,
        "reason": exposure.stop.reason,
        "listening": exposure.listening,
        "by_proxy": exposure.by_proxy,
        "rules": [_rule(snapshot, step) for step in exposure.rules],
        "stopped_by": _rule(snapshot, exposure.stop.step),
        "finding": exposure.stop.finding,
        "host_firewall": _rule(snapshot, exposure.refused_by),
        "past_host_firewall": exposure.is_past_host_firewall,
    }


def _rule(snapshot: Snapshot, step: Step | None) -> Mapping[str, Any] | None:
    if step is None:
        return None
    table = step.place.table
    return {
        "table": f"{table.family} {table.name}",
        "chain": step.place.chain.name,
        "rule": step.rule.text if step.rule is not None else None,
        "effect": step.effect,
        "owner": owner_of(snapshot, step) or program_of(step),
    }
