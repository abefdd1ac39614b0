"""What a run of schemathesis found: counts, and the failures that no listed reason explains.

Schemathesis takes whatever fits the document for valid, and expects a success, 401, 403, 404, 409 or 429; of what does
not fit, it expects no 412 and no 431. JSON Schema cannot say everything. Each reason below names what it cannot say; a
failure without a reason fails the run.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parent.parent / "service" / "bridgework" / "published" / "openapi.json"
REFUSED_VALID = "positive_data_acceptance"
ACCEPTED_INVALID = "negative_data_rejection"
LONG_WAIT = "A container may have 300 seconds to stop (`grace_s`), longer than schemathesis waits here."

INVALID = "422 input-invalid"
ENGINES = (
    "422 (driver-unknown|driver-single-instance|option-invalid|combination-invalid|configuration-conflict"
    "|ingress-scope-invalid|network-name-reserved|address-not-in-subnet|address-configuration-invalid"
    "|fixed-address-not-supported|mac-address-invalid|alias-not-supported|image-reference-invalid)"
)
REASONS: tuple[tuple[str, str, str], ...] = (
    ("412 precondition-failed", "", "An invented ETag is not that of the resource."),
    ("400 ambiguous-reference", "", "An invented id is a prefix of several ids."),
    ("422 idempotency-key-reused", "", "An invented key came twice, with two bodies."),
    ("(413|414|431) ", "", "It is beyond the bound of a body, a request line or all headers."),
    (INVALID, "query cursor ", "An invented cursor was never given."),
    (INVALID, "query prefix_len ", "The bounds of a prefix length depend on the IP version."),
    (INVALID, r"body \S*/(host|all) ", "Only `true` makes sense, and the document holds no constants."),
    (INVALID, r"body  Name exactly one ", "Exactly one of containers, network and all."),
    (INVALID, r"(body|query) \S*/?port ", "tcp, udp and http need a port, and icmp has none."),
    (INVALID, r"body \S*/count ", "All attempts together stay within a minute."),
    (INVALID, r"body \S*/(host|container)_port ", "A range of ports ends within 65535."),
    (INVALID, "body /ipam/", "Subnets, gateways, ranges and addresses must fit each other."),
    (INVALID, r"body \S*/(dns|extra_hosts|host_ip|address|ipv[46]_address|link_local_addresses)\b",
     "No format stands for IPv4 or IPv6, and an address lies within its network."),
    (INVALID, "body .* The engine is too old for it;", "The schema is the same for all versions of the engine."),
    (INVALID, "body /(attachable|config_only|config_from|driver|ingress|ipv[46]_enabled|options|scope)\\b",
     "What a network may have depends on its driver."),
    (INVALID, "body (/(published_ports|networks)\\b|.* Not with (container|host) mode)",
     "What a container may have depends on its network mode."),
    (INVALID, "body /name .*(mistaken for an id|that Docker keeps|too long for DNS)",
     "Portable patterns have no look-ahead."),
    (INVALID, r"body /labels/io\.bridgework\.", "Portable patterns have no look-ahead."),
    (ENGINES, "", "It fits the schema, but not the engine, the driver or the network mode."),
)  # fmt: skip
"""A pattern of status and code, a pattern that each fault in ``errors`` must match from its start, and the reason."""


class Report:
    """The failures of one run, by kind."""

    def __init__(self, events: Path) -> None:
        self.cases = 0
        self.operations: set[str] = set()
        self._declared = _declared()
        self.excused: Counter[str] = Counter()
        self.open: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.ended = False
        with events.open(encoding="utf-8") as lines:
            for line in lines:
                self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        if "ScenarioFinished" in event:
            self._read(event["ScenarioFinished"]["recorder"])
        elif "EngineFinished" in event:
            self.ended = True
        elif "NonFatalError" in event or "FatalError" in event:
            self._fail(next(iter(event.values())))

    def _fail(self, error: dict[str, Any]) -> None:
        """Schemathesis had no answer to judge."""
        label, value = str(error.get("label")), error.get("value")
        kind = f"{value.get('type') if isinstance(value, dict) else 'error'}: {label}"
        if kind.startswith("ReadTimeout: ") and label.endswith(("/stop", "/restart")):
            self.excused[LONG_WAIT] += 1
            return
        self.open[kind] += 1
        self.examples[kind] = json.dumps(error)[:2000]

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
                    self._judge(name, check, answered, recorder["interactions"])

    def _judge(
        self, operation: str, check: dict[str, Any], answered: dict[str, Any], around: dict[str, dict[str, Any]]
    ) -> None:
        status = answered["response"]["status_code"]
        body = _text(answered["response"]["content"])
        told = check["failure_info"]["failure"]["message"]
        if check["name"] == "use_after_free":
            reason = _still_there(told, body, around)
        else:
            reason = _reason(check["name"], status, body)
        if reason:
            self.excused[reason] += 1
            return
        kind = f"{check['name']}: {operation} answered {status}"
        self.open[kind] += 1
        self.examples.setdefault(kind, f"{json.dumps(answered['request'])[:1500]}\n    {told[:500]}\n    {body[:1000]}")

    @property
    def passed(self) -> bool:
        """Whether it ran, to its end, and nothing is open."""
        return self.ended and self.cases > 0 and not self.open

    def told(self) -> str:
        """For people."""
        failures = f"{self.open.total()} failures without a reason, {self.excused.total()} with one"
        lines = [f"{len(self.operations)} operations, {self.cases} cases, {failures}"]
        lines += [f"  explained {count:6}  {reason}" for reason, count in self.excused.most_common()]
        for kind, count in self.open.most_common():
            lines += [f"  FAILED    {count:6}  {kind}", f"    {self.examples[kind]}"]
        return "\n".join(lines)


def _declared() -> set[str]:
    paths = json.loads(DOCUMENT.read_text(encoding="utf-8"))["paths"]
    return {f"{method.upper()} {path}" for path, item in paths.items() for method in item}


def _still_there(told: str, body: str, around: dict[str, dict[str, Any]]) -> str | None:
    """Why what was deleted is answered all the same; ``told`` ends with the call that deleted it."""
    deletions = [one for one in around.values() if one["request"]["method"] == "DELETE" and one.get("response")]
    if any("bridgework-dry-run" in one["response"]["headers"] for one in deletions):
        return "A dry run deletes nothing."
    deleted = re.search(r"/([0-9a-f]{1,63})`", told)
    if deleted and f'"id": "{deleted[1]}' in body:
        return "What was a prefix of the deleted thing's id is one of another's now."
    return None


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
        next((reason for of, pattern, reason in REASONS if re.match(of, key) and re.match(pattern, fault)), None)
        for fault in faults
    ]
    return None if None in found else " ".join(sorted({str(reason) for reason in found}))
