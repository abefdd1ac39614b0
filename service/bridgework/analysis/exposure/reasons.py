"""Why a port is not reachable from a place, or why that is not known."""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.firewall import simulate
from bridgework.firewall.simulate import Outcome, Step
from bridgework.model.checks import Finding, Verdict

RULE, ELSEWHERE, FORWARDING_OFF, LOOPBACK, NOT_SERVED, NO_ROUTE, ROUTE = (
    "firewall-rule", "translated-elsewhere", "forwarding-off", "loopback-address", "not-served", "no-route",
    "routed-elsewhere",
)  # fmt: skip
LINK, FRAME_RULE, ADDRESS = "link-fault", "link-rule", "container-address"
INSIDE_RULE, INSIDE_ROUTE = "container-firewall", "container-route"
RULES_UNSEEN, RULE_UNKNOWN, PROXY_UNSEEN = "rules-unseen", "rule-not-understood", "proxy-unseen"
INSIDE_UNSEEN, FORWARDED_ON, OTHER_GATEWAY = "container-unseen", "container-forwards", "container-gateway"
UNDECIDED = frozenset({RULES_UNSEEN, RULE_UNKNOWN, PROXY_UNSEEN, INSIDE_UNSEEN, FORWARDED_ON, OTHER_GATEWAY})
REASONS = (
    RULE, ELSEWHERE, FORWARDING_OFF, LOOPBACK, NOT_SERVED, NO_ROUTE, ROUTE,
    LINK, FRAME_RULE, ADDRESS, INSIDE_RULE, INSIDE_ROUTE,
    RULES_UNSEEN, RULE_UNKNOWN, PROXY_UNSEEN, INSIDE_UNSEEN, FORWARDED_ON, OTHER_GATEWAY,
)  # fmt: skip
"""Why a port is not reachable, or why that is not known."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a packet or its answer does not arrive, with the rule or the finding that shows it; empty where both do."""

    reason: str | None = None
    step: Step | None = None
    finding: Finding | None = None

    @property
    def verdict(self) -> Verdict:
        """What the reason means for the port."""
        if self.reason is None:
            return Verdict.REACHABLE
        return Verdict.INCONCLUSIVE if self.reason in UNDECIDED else Verdict.UNREACHABLE


ARRIVES = Stop()


def stop_of_rules(outcome: Outcome, stopped: str = RULE) -> Stop:
    """Return why the way through rules ended before its end. ``stopped`` is the reason where a rule stops it."""
    if outcome.verdict in {simulate.DROPPED, simulate.REJECTED}:
        return Stop(stopped, outcome.step)
    # Neither accepted nor stopped: a rule was not understood, or the kernel has no route for the packet.
    if outcome.verdict == simulate.UNKNOWN:
        return Stop(RULE_UNKNOWN, outcome.step)
    return ARRIVES if outcome.verdict == simulate.ACCEPTED else Stop(NO_ROUTE)
