"""What a run with schemathesis's own defaults found: counts, and the failures that no listed reason explains.

Schemathesis takes whatever fits the document for valid, and expects a success, 401, 403, 404, 409 or 429. JSON Schema
cannot say everything. Each reason below names what it cannot say; a failure without a reason fails the run.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parent.parent / "service" / "bridgework" / "published" / "openapi.json"
REFUSED_VALID = "positive_data_acceptance"
ACCEPTED_INVALID = "negative_data_rejection"

REASONS: tuple[tuple[str, str, str], ...] = (
    ("412 precondition-failed", r"", "An invented ETag is not that of the resource."),
    ("400 ambiguous-reference", r"", "An invented id is a prefix of several ids."),
    ("422 idempotency-key-reused", r"", "An invented key came twice, with two bodies."),
    ("431 headers-too-large", r"", "A header is longer than the bound of the HTTP edge, which is before the document."),
    ("422 input-invalid", r"query cursor ", "An invented cursor was never given."),
    (
        "422 input-invalid",
        r"body \S*/(host|all) ",
        "Only `true` makes sense; the document holds no constants, for clients.",
    ),
    ("422 input-invalid", r"(body|query) \S*/?port ", "tcp, udp and http need a port, and icmp has none."),
    ("422 input-invalid", r"body \S*/count ", "All attempts together stay within a minute."),
    ("422 input-invalid", r"body  Name exactly one ", "Exactly one of containers, network and all."),
    ("422 input-invalid", r"body \S*/(link_local_addresses|dns|host_ip|extra_hosts)\b", "No format is IPv4 or IPv6."),
    ("422 input-invalid", r"body /ipam/", "Subnets, gateways, ranges and addresses must fit each other."),
    ("422 input-invalid", r"body /options/", "Which options there are depends on the driver."),
    ("422 input-invalid", r"query prefix_len ", "The bounds of a prefix length depend on the IP version."),
    ("422 input-invalid", r"body /labels/io\.bridgework\.", "A portable pattern cannot exclude a prefix."),
)
"""Status and code, a pattern that each fault of ``errors`` must match somewhere, and the reason."""


class Report:
    """The failures of one run, by kind."""

    def __init__(self, events: Path) -> None:
        self.cases = 0
        self.operations: set[str] = set()
        self._declared = _declared()
        self.excused: Counter[str] = Counter()
        self.open: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        for scenario in _scenarios(events):
            self._read(scenario)

    def _read(self, recorder: dict[str, Any]) -> None:
        for identifier, case in recorder.get("cases", {}).items():
            value = case["value"]
            name = f"{value['method']} {value['path']}"
            answered = recorder.get("interactions", {}).get(identifier)
            if answered is None or not answered.get("response"):
                continue
            self.cases += 1
            self.operations |= {name} & self._declared
            for check in recorder.get("checks", {}).get(identifier, ()):
                if check["status"] == "failure":
                    self._judge(name, check, answered)

    def _judge(self, operation: str, check: dict[str, Any], answered: dict[str, Any]) -> None:
        status = answered["response"]["status_code"]
        body = _text(answered["response"]["content"])
        reason = _reason(check["name"], status, body)
        if reason:
            self.excused[reason] += 1
            return
        kind = f"{check['name']}: {operation} answered {status}"
        self.open[kind] += 1
        message = check["failure_info"]["failure"]["message"]
        self.examples.setdefault(
            kind, f"{json.dumps(answered['request'])[:1500]}\n    {message[:500]}\n    {body[:1000]}"
        )

    def told(self) -> str:
        """For people."""
        lines = [f"{len(self.operations)} operations, {self.cases} cases"]
        lines += [f"  explained {count:6}  {reason}" for reason, count in self.excused.most_common()]
        for kind, count in self.open.most_common():
            lines += [f"  FAILED    {count:6}  {kind}", f"    {self.examples[kind]}"]
        return "\n".join(lines)


def _declared() -> set[str]:
    paths = json.loads(DOCUMENT.read_text(encoding="utf-8"))["paths"]
    return {f"{method.upper()} {path}" for path, item in paths.items() for method in item}


def _scenarios(events: Path) -> Iterator[dict[str, Any]]:
    with events.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith('{"ScenarioFinished"'):
                yield json.loads(line)["ScenarioFinished"]["recorder"]


def _text(content: Any) -> str:
    return base64.b64decode(content["$base64"]).decode(errors="replace") if content else ""


def _reason(check: str, status: int, body: str) -> str | None:
    """The reasons of all the faults that an answer names; ``None`` when one has none."""
    if check not in {REFUSED_VALID, ACCEPTED_INVALID} or not body.startswith("{"):
        return None
    problem = json.loads(body)
    key = f"{status} {problem.get('code')}"
    faults = [
        f"{fault['in']} {fault.get('pointer', fault.get('name', ''))} {fault['message']}"
        for fault in problem.get("errors", ())
    ] or [""]
    found = [
        next((reason for of, pattern, reason in REASONS if of == key and re.match(pattern, fault)), None)
        for fault in faults
    ]
    return None if None in found else " ".join(sorted({str(reason) for reason in found}))
