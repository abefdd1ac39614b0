"""Why an answer is inconclusive, and what to change: for a reason of a measurement, or a code of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridgework.explanations import CATALOGUE
from bridgework.model.checks import Reason


@dataclass(frozen=True, slots=True)
class Limitation:
    """Something that an answer leaves open: the part of the answer, why, and what to change, all but ``code`` as text.

    ``code`` is a ``Reason`` or a code of the catalogue.
    """

    code: str
    what: str
    why: str
    remedy: str


# By reason: why, and what to change. These are the reasons that make a measurement inconclusive.
UNMEASURED: Mapping[Reason, tuple[str, str]] = {
    Reason.BUDGET_EXHAUSTED: (
        (
            "The kernel's neighbour table (ARP and NDP), which all namespaces of the machine share, had no room for "
            "the entries that this needs."
        ),
        (
            "Raise the kernel's limits on the engine's host: sysctl -w net.ipv4.neigh.default.gc_thresh2=4096 "
            "net.ipv4.neigh.default.gc_thresh3=8192, and the same below net.ipv6 for IPv6. Give the service "
            "CAP_NET_ADMIN, so that it can delete the entries that it makes."
        ),
    ),
    Reason.RESOURCES_EXHAUSTED: (
        "The service's machine had no descriptor or no memory left for the probe.",
        "Raise the service's limit of open files (LimitNOFILE of its unit, ulimits of its container), or free memory.",
    ),
    Reason.DEADLINE: (
        "The time of the whole request ended before this was measured.",
        "Ask for fewer containers at once or for a shorter timeout_ms, or raise BRIDGEWORK_REQUEST_TIMEOUT_S.",
    ),
    Reason.NO_ANSWER: (
        "No answer came, and UDP does not tell a lost datagram from a program that has nothing to say.",
        "Check a TCP port of the same program. Check a name server with the protocol dns.",
    ),
    Reason.NAMESPACE_OUT_OF_REACH: (
        (
            "The service could not enter the network namespace of the source, and no helper container measured in its "
            "place."
        ),
        (
            "Give the service the rights that /readyz names as missing, such as CAP_SYS_ADMIN, or "
            "set BRIDGEWORK_PROBE_IMAGE so that it can start helper containers."
        ),
    ),
    Reason.NOT_ALLOWED: (
        "No setting allows the service to probe the address.",
        "Add the subnet of the address to BRIDGEWORK_PROBE_ALLOWED_CIDRS. A port of the host must be published.",
    ),
    Reason.SOURCE_NOT_RUNNING: (
        "The source does not run, so nothing was sent from it.",
        "Start the source, and ask again.",
    ),
}


def limitation(code: str, what: str) -> Limitation:
    """Return the limitation for a code. A code of a newer peer that is not known here has the usual words."""
    known = {reason.value: words for reason, words in UNMEASURED.items()}
    if code in known:
        return Limitation(code, what, *known[code])
    row = CATALOGUE.get(code, CATALOGUE["analysis-limited"])
    return Limitation(code, what, row.meaning, row.remedy)
