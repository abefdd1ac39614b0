"""Where a traced packet was lost: the last step that was seen, and the first where it did not come."""

from __future__ import annotations

from collections.abc import Sequence

from bridgework.model.checks import Measurement, Reason, Verdict
from bridgework.model.trace import Direction, Loss, TraceStep

_SILENT = frozenset({Reason.TIMED_OUT, Reason.NO_ANSWER, Reason.DEADLINE})
_STOPS = frozenset({"drop", "reject"})
# What can stop a packet where no rule does, by where it was last seen. A packet is seen behind a tc filter where it
# leaves, and where it comes in behind an XDP program and before tc and the rules of netdev's hook ingress
# (net/core/dev.c).
_UNSENT = "a tc filter where it leaves, an XFRM policy, or a next hop that does not answer ARP or neighbour discovery"
_AT_A_LINK = (
    "a tc filter, an XDP program or a rule of the family netdev, a port of the bridge that does not forward (its "
    "state, isolation or VLANs), or a MAC address that is not that of the other end"
)
_IN_THE_HOST = (
    "a reverse path filter, forwarding that is off for an interface, or a next hop that does not answer ARP or "
    "neighbour discovery"
)
_AT_THE_END = (
    "a tc filter or a rule of the family netdev, a program that is stopped or has a full backlog, a reverse path "
    "filter or a route back that discards, or an address that is not assigned there"
)


def loss_of(steps: Sequence[TraceStep], measurement: Measurement, *, is_whole: bool) -> Loss | None:
    """Return where the packet or its answer was lost; ``None`` where an answer came back, or nothing is known.

    ``is_whole``: all was recorded, so that what was not seen was not there.
    """
    if measurement.verdict is Verdict.REACHABLE or not (is_whole or any(step.seen for step in steps)):
        return None
    request = [step for step in steps if step.direction == "request"]
    reply = [step for step in steps if step.direction == "reply"]
    ways: tuple[tuple[Direction, list[TraceStep]], ...] = (("request", request), ("reply", reply))
    for direction, way in ways:
        stopped = next((step for step in way if step.seen and is_stop(step)), None)
        if stopped is not None:
            return Loss(direction, _stopped(stopped, direction), _last(way), stopped)
    if _last(reply) is not None:
        # A refusal is an answer that came back.
        return _answer_lost(reply, is_whole=is_whole) if measurement.reason in _SILENT else None
    return _request_lost(request, is_whole=is_whole)


def is_stop(step: TraceStep) -> bool:
    """Return whether the packet ends at this step."""
    verdict = step.verdict or ""
    return verdict in _STOPS or verdict.startswith("no-route")


def _last(way: Sequence[TraceStep]) -> TraceStep | None:
    return next((step for step in reversed(way) if step.seen and step.kind != "route"), None)


def _first_silent(way: Sequence[TraceStep], last: TraceStep | None) -> TraceStep | None:
    behind = way[way.index(last) + 1 :] if last is not None else way
    return next((step for step in behind if not step.seen and step.kind == "interface"), None)


def _answer_lost(reply: Sequence[TraceStep], *, is_whole: bool) -> Loss:
    last = _last(reply)
    return _lost("reply", "The answer", last, _first_silent(reply, last), is_whole=is_whole)


def _request_lost(request: Sequence[TraceStep], *, is_whole: bool) -> Loss:
    last = _last(request)
    if last is not None and last.place == "destination":
        message = f"The packet came to {last.of}, and nothing answered.{_could_be(_AT_THE_END)}"
        return Loss("request", message, last)
    return _lost("request", "The packet", last, _first_silent(request, last), is_whole=is_whole)


def _lost(direction: Direction, what: str, last: TraceStep | None, silent: TraceStep | None, *, is_whole: bool) -> Loss:
    if last is None:
        return Loss(direction, f"{what} was seen nowhere.{_could_be(_UNSENT) if is_whole else ''}", None, None, silent)
    message = f"{what} was last seen at {where(last)}."
    if silent is not None:
        # The rules that docker-proxy's own connection meets are not traced: its source port is not known beforehand.
        if silent.proxied:
            by_rules = "The rules that docker-proxy's own connection meets are not traced."
        elif is_whole:
            by_rules = "No rule of the families ip, ip6, inet and bridge dropped it."
        else:
            by_rules = "Not all was recorded, so a rule may have dropped it."
        message += f" It did not come to {where(silent)}. {by_rules}"
        if is_whole and not silent.proxied:
            message += _could_be(_IN_THE_HOST if last.place == silent.place else _AT_A_LINK)
    return Loss(direction, message, last, None, silent)


def _could_be(possible: str) -> str:
    """Name what could be there, as possibilities: which of them it is was not seen."""
    return f" Possible are {possible}."


def where(step: TraceStep) -> str:
    """Say in words where a step is."""
    if step.kind == "interface":
        return f"{step.interface} of {step.of}"
    return f"{step.table} {step.chain} of {step.of}"


def _stopped(step: TraceStep, direction: str) -> str:
    what = "The packet" if direction == "request" else "The answer"
    if step.kind == "route":
        return f"{what} has no route on {step.of}: {(step.verdict or '').partition(': ')[2]}."
    if step.kind == "policy":
        return f"The policy of {where(step)} drops {what.lower()}."
    text = step.rule or f"with the handle {step.handle}"
    return f"A rule of {where(step)} drops {what.lower()}: {text}"
