"""The symptoms: what a user sees before any check, and the first step from there.

The row of a cause names the symptoms that it has. docs/symptoms.md lists the causes of each symptom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Symptom:
    """What a user sees. ``first_step`` says how to find the cause."""

    name: str
    title: str
    first_step: str


_CHECK = "Check from the container that fails to the destination"
_DIAGNOSIS = "Read the diagnosis of the engine"

_ROWS = (
    Symptom(
        "name-does-not-resolve",
        "A name does not resolve",
        f"{_CHECK}, with `name` as the destination.",
    ),
    Symptom(
        "wrong-container-answers",
        "A name or an address leads to another container than intended",
        f"{_DIAGNOSIS}.",
    ),
    Symptom(
        "published-port-refused",
        "A published port refuses the connection, or does not answer",
        "Check from `host` to `host`, with the published port.",
    ),
    Symptom(
        "bad-gateway",
        "A reverse proxy answers 502 Bad Gateway or 504 Gateway Timeout",
        "Check from the proxy to the container, with the port of its program.",
    ),
    Symptom(
        "containers-do-not-reach-each-other",
        "One container does not reach another one",
        f"{_CHECK}.",
    ),
    Symptom(
        "outside-unreachable",
        "A container does not reach the internet or the LAN",
        f"{_CHECK}, with an `address` outside.",
    ),
    Symptom(
        "works-from-host-not-from-container",
        "It works from the host and not from a container",
        f"{_CHECK}, and the same check from `host`.",
    ),
    Symptom(
        "works-from-container-not-from-host",
        "It works from a container, or from other machines, and not from the host",
        "Check from `host` to the container.",
    ),
    Symptom(
        "open-that-should-be-closed",
        "Something can be reached that should not be",
        f"{_DIAGNOSIS}.",
    ),
    Symptom(
        "slow-then-hangs",
        "A connection opens, and then it is slow or hangs",
        f"{_CHECK}, with `icmp`, `dont_fragment` and a `payload_bytes` of 1472.",
    ),
    Symptom(
        "works-sometimes",
        "It works sometimes",
        f"{_DIAGNOSIS}.",
    ),
    Symptom(
        "worked-until-reboot",
        "It worked until a reboot, a restart or a reload",
        f"{_DIAGNOSIS}.",
    ),
    Symptom(
        "container-does-not-start",
        "A container does not start, or starts without its network",
        "Read the `findings` of the container.",
    ),
    Symptom(
        "network-cannot-be-created-or-removed",
        "A network cannot be created or removed",
        f"{_DIAGNOSIS}.",
    ),
    Symptom(
        "log-shows-gateway-as-client",
        "The log of a program shows the gateway instead of the client's address",
        "Check from the client to the published port, with `trace`.",
    ),
    Symptom(
        "ping-differs-from-tcp",
        "Pings fail and connections work, or the reverse",
        f"{_CHECK}, once with `icmp` and once with `tcp`.",
    ),
    Symptom(
        "ipv6-does-not-work",
        "IPv6 does not work",
        f"{_CHECK}, with `ip_version` 6.",
    ),
    Symptom(
        "answer-is-uncertain",
        "A check is inconclusive, or its answer surprises",
        "Repeat the check, and read `limited` of the diagnosis.",
    ),
)

SYMPTOMS: Mapping[str, Symptom] = MappingProxyType({row.name: row for row in _ROWS})
