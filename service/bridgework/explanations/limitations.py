"""The catalogue of limitations: what an answer leaves open, why, and what to change.

Every view has ``limited``, and each item of it has a code of ``LIMITATIONS``, a ``Reason`` that makes a measurement
inconclusive, or the code of a finding that makes a prediction inconclusive. To add a limitation, add a row here.
docs/limitations.md lists the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bridgework.explanations import CATALOGUE
from bridgework.model.checks import Limitation, Reason
from bridgework.printable import printable

_ROWS: Mapping[str, tuple[str, str | None]] = {
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
        "The service could not look or measure in the network namespace, and no helper container did it in its place.",
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
    "addresses-not-foreseen": (
        "The engine or an IPAM driver chooses these while it makes the change, so the plan does not have them.",
        "Name the subnet or the address in the change.",
    ),
    "expectations-file-invalid": (
        "A file of expectations cannot be used. Its last good content stays in force, if there was one.",
        "Correct the file. `bridgework assert FILE` reads it in the same way.",
    ),
    "expectations-not-kept": (
        (
            "The sets of the API need a file of the service. Without it, sets come from files, and the last 1,000 "
            "changes are in memory until the service ends."
        ),
        "Set BRIDGEWORK_STATE_DIR to a folder that only the service can write.",
    ),
    "exposure-not-compared": (
        "There are more than 200,000 rows, so those from other networks were left out. The pairs have them.",
        "Plan fewer changes at once.",
    ),
    "findings-not-foreseen": (
        ("They depend on the rules that the firewall of the host has after the changes. The plan does not have these."),
        "Read the diagnosis after the changes.",
    ),
    "firewall-not-foreseen": (
        (
            "The rules were not read, or the service does not know how this engine writes its rules. So the plan "
            "predicts by the rules that Docker would write, and the rules of other programs do not count."
        ),
        "Check the pairs after the changes, or apply the plan, which measures them.",
    ),
    "firewall-not-visible": (
        (
            "The program that prints these rules, or the right to read them (CAP_NET_ADMIN), is missing where the "
            "service looks."
        ),
        (
            "Give the service CAP_NET_ADMIN, and install the programs iptables, nft and ipset where it runs. The "
            "image of the service has them."
        ),
    ),
    "host-out-of-reach": (
        "The service could not enter the network namespace of the engine's host, and no helper container looked there.",
        (
            "Run the service with the host's pid namespace and CAP_SYS_ADMIN, or set BRIDGEWORK_PROBE_IMAGE so that it "
            "can start helper containers."
        ),
    ),
    "inside-not-foreseen": (
        (
            "A program changed them, so that they are not as Docker makes them. A connect, a disconnect or a start "
            "makes others, and the plan does not know what the program changes then. So the plan predicts the "
            "container as Docker makes it."
        ),
        "Check the pairs of the container after the changes, or apply the plan, which measures them.",
    ),
    "links-not-asked": (
        "The request did not ask for them, because that takes a look into every namespace.",
        "Ask with links=true.",
    ),
    "not-all-read": (
        "There are more than the service reads of one namespace.",
        None,
    ),
    "outside-of-host": (
        "The LAN reaches these ports without the host, so no rule of the host decides about them.",
        "Check a port from a machine of that LAN.",
    ),
    "port-of-host": (
        "A container in network mode host has no ports of its own: its ports are those of a program of the host.",
        "Check the port with the destination host.",
    ),
    "release-newer-than-known": (
        "The service does not know how this release writes its rules, nor what else is new in it.",
        "Read the release notes of the releases between the two, and install a newer version of the service.",
    ),
    "rule-not-read": (
        "The change deletes this rule of Docker's, and it is not among the rules of the host as Docker writes it.",
        "Restart the engine, which writes its rules again, and make the plan again.",
    ),
    "rule-without-ends": (
        "A rule of must_not that names no container holds always, and may be misspelt.",
        "Correct the rule, or remove it.",
    ),
    "rules-of-release-not-known": (
        "The service does not know them exactly, and takes those of the most similar release.",
        "Ask for another minor release of Docker: the rules of 26.1, and of 28.2 and later, are known.",
    ),
    "sockets-not-visible": (
        "The service could not read which programs listen there, so it does not know whether one answers.",
        "Give the service CAP_NET_ADMIN.",
    ),
    "too-many-changed": (
        (
            "The routes, links or rules inside are not as Docker makes them. Their pairs are predicted one by one, so "
            "only those of the first containers are."
        ),
        "Ask about fewer containers, or check a pair.",
    ),
}

LIMITATIONS: Mapping[str, tuple[str, str | None]] = MappingProxyType({str(code): row for code, row in _ROWS.items()})
"""By code: why something is left open, and what to change; ``None`` where nothing helps."""


def limitation(code: str, what: str, fact: str = "") -> Limitation:
    """Return the limitation for a code. ``fact`` is a sentence with what was measured, and stands after the reason.

    A code of a newer peer that is not known here has the usual words.
    """
    row = CATALOGUE.get(code, CATALOGUE["analysis-limited"])
    why, remedy = LIMITATIONS.get(code, (row.meaning, row.remedy))
    return Limitation(code, printable(what), printable(f"{why} {fact}".strip()), remedy)


def of_pairs(reasons: Mapping[str, int], missing_rights: str = "") -> tuple[Limitation, ...]:
    """Return why pairs are inconclusive, with the number of pairs, the most frequent reason first.

    ``missing_rights`` is a sentence with the rights that the service lacks to measure in a namespace.
    """
    facts = {str(Reason.NAMESPACE_OUT_OF_REACH): missing_rights}
    most_first = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    return tuple(
        limitation(code, f"{count:,} inconclusive {'pair' if count == 1 else 'pairs'}", facts.get(code, ""))
        for code, count in most_first
    )
