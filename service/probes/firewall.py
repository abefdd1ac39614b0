"""The firewall of the calling thread's namespace, as iptables-save(8) prints it with its counters.

Only read, never changed. A program started from a thread inherits that thread's namespace.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field

from service.core.observations import FirewallChain

TIMEOUT_S = 5
_CHAIN = re.compile(r":(?P<name>\S+) (?P<policy>\S+)")
_RULE = re.compile(r"\[(?P<packets>\d+):(?P<bytes>\d+)\] (?P<text>-A (?P<chain>\S+).*)")


@dataclass(slots=True)
class _Chain:
    policy: str | None
    rules: list[tuple[int, int, str]] = field(default_factory=list)


def chains() -> tuple[FirewallChain, ...] | None:
    """IPv4's chains; ``None`` when the program is missing or not allowed to look."""
    try:
        done = subprocess.run(
            ["/usr/sbin/iptables-save", "-c"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse(done.stdout)


def parse(text: str) -> tuple[FirewallChain, ...]:
    """The chains of ``iptables-save -c``; the policy of a chain that users made is ``None``."""
    found: dict[tuple[str, str], _Chain] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif chain := _CHAIN.match(line):
            policy = chain["policy"]
            found[table, chain["name"]] = _Chain(None if policy == "-" else policy)
        elif (rule := _RULE.match(line)) and (table, rule["chain"]) in found:
            found[table, rule["chain"]].rules.append((int(rule["packets"]), int(rule["bytes"]), rule["text"]))
    return tuple(
        FirewallChain(table=of, name=name, policy=chain.policy, rules=tuple(chain.rules))
        for (of, name), chain in found.items()
    )
