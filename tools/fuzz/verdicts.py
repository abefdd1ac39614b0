"""What a run of schemathesis found: counts, and the failures that no listed reason explains.

Schemathesis takes whatever fits the document for valid, and expects a success, 401, 403, 404, 409 or 429; of what does
not fit, it expects no 412, 413, 414 and 431. JSON Schema cannot say everything. Each reason below names what it cannot
say, and fits only the faults of certain fields. A failure without a reason fails the run; the summary counts each.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[2] / "service" / "bridgework" / "published" / "openapi.json"
VALID = "positive_data_acceptance"
FAULTY = "negative_data_rejection"
LONG_WAIT = "A container may have 300 seconds to stop (`grace_s`), longer than schemathesis waits here."

INPUT = "422 input-invalid"
REASONS: tuple[tuple[str, str, str, str], ...] = (
    (VALID, "412 precondition-failed", "", "An invented ETag is not that of the resource."),
    (VALID, "400 ambiguous-reference", "", "An invented id is a prefix of several ids."),
    (VALID, "422 idempotency-key-reused", "header Idempotency-Key ", "An invented key came twice, with two bodies."),
    (VALID, INPUT, "query cursor Not a cursor ", "An invented cursor was never given."),
    (VALID, "(413|414|431) ", "", "Each value is within its bounds, and all together exceed those of a request."),
    (VALID, INPUT, r"query port The protocol \w+ (needs a|has no) port\.$",
     "One parameter of a query cannot depend on another."),
    (VALID, INPUT, r"body (/expectations)?(/\d+)?/count The check could take more than a minute: ",
     "JSON Schema has no bound of a product."),
    (VALID, INPUT, r"body (/expectations)?(/\d+)?/trace_payload_bytes Needs `trace`: ",
     "One field of a body cannot depend on the value of another."),
    (VALID, INPUT, r"body /published_ports/\d+/(host|container)_port The range ends above 65535\.$",
     "JSON Schema has no bound of a sum."),
    (VALID, INPUT, r"body /published_ports Must have at most 256 items\.$", "JSON Schema has no bound of a sum."),
    (VALID, INPUT, r"body /ipam/pools/\d+(/(subnet|gateway|ip_range|auxiliary_addresses/.*))? ",
     "No format stands for a subnet, and subnets, gateways and ranges must fit each other."),
    (VALID, INPUT,
     r"body (/networks/\d+)?/(aliases|ipv[46]_address|link_local_addresses/\d+) (\S+ (is|has no)|The default bridge) ",
     "What an endpoint may have depends on its network."),
    (VALID, INPUT, r"body (/networks/\d+)?/\w+ The engine is too old for this field; ",
     "The document is the same for all versions of the engine."),
    (VALID, INPUT, r"body /labels/io\.bridgework\.", "Portable patterns have no look-ahead."),
    (VALID, INPUT, "body /(driver|ingress|config_from|ipv6_enabled|options/.*) ",
     "What a network may have depends on its driver."),
    (VALID, INPUT, r"body /\S+ (A configuration network does not take |This value comes from )",
     "What a network may have depends on `config_only` and `config_from`."),
    (VALID, INPUT,
     (r"body (/\w+ Not (with host|allowed in container) mode: |/networks/\d+(/network)? |"
      r"/published_ports The host's port )"),
     "What a container may have depends on its network mode."),
    (VALID, "422 (driver-unknown|driver-single-instance|ingress-scope-invalid|configuration-conflict)$", "",
     "The engine has no such driver, or makes no such network with it."),
    (VALID, "422 (option-invalid|combination-invalid|address-configuration-invalid|image-reference-invalid)$", "",
     "Only the engine, its driver or the kernel can say whether they take it."),
    (VALID, "422 (address-not-in-subnet|fixed-address-not-supported|mac-address-invalid|alias-not-supported)$", "",
     "What an endpoint may have depends on its network."),
    (VALID, INPUT, r"body /changes/\d+/(path|method|body\S*) ",
     "What a change of a plan may hold depends on its method and path."),
    (VALID, "400 json-invalid$", "", "A change's body is any object, so the document bounds none of its numbers."),
    (VALID, INPUT,
     r"body /changes/\d+/upgrade_engine/version (The rules of Docker before |Docker \S+ does not exist)",
     "The list of releases grows, so the document leaves it open."),
    (VALID, INPUT, r"body /changes/\d+/upgrade_engine/(firewall_backend|allow_direct_routing) Docker \S+ has no ",
     "What an upgrade may set depends on its release."),
    (VALID, INPUT, r"body /changes/\d+/upgrade_engine Must be the last change: ",
     "JSON Schema has no last item of a list."),
    (VALID, "422 plan-not-applicable$", "", "One field of a body cannot depend on the value of another."),
    (VALID, INPUT, r"body /expectations/\d+/name Another expectation of the set has this name\.$",
     "JSON Schema has no field that is unique in a list."),
    (VALID, INPUT, r"body /notify/\d+ The operator's file of webhooks has no such name\.$",
     "An invented webhook is in no file of the operator."),
    (VALID, INPUT, r"query symptom Must be one of these: ",
     "The list of symptoms grows, so the document leaves it open."),
    (FAULTY, "(412|413|414|431) ", "", "It is refused, by a status that schemathesis does not count."),
)  # fmt: skip
"""A check, a pattern of status and code, a pattern of each fault in ``errors`` from its start, and the reason."""


class Report:
    """The failures of one run, by kind."""

    def __init__(self, events: Path) -> None:
        self.cases = 0
        self.operations: set[str] = set()
        self._declared = _declared()
        self.explained = 0
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
            self.explained += 1
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
            reasons = _still_there(told, body, around)
        else:
            reasons = _reasons(check["name"], status, body)
        if reasons:
            self.explained += 1
            self.excused.update(reasons)
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
        failures = f"{self.open.total()} failures without a reason, {self.explained} with one"
        lines = [f"{len(self.operations)} operations, {self.cases} cases, {failures}"]
        lines += [f"  explained {count:6}  {reason}" for reason, count in self.excused.most_common()]
        for kind, count in self.open.most_common():
            lines += [f"  FAILED    {count:6}  {kind}", f"    {self.examples[kind]}"]
        return "\n".join(lines)


def _declared() -> set[str]:
    paths = json.loads(DOCUMENT.read_text(encoding="utf-8"))["paths"]
    return {f"{method.upper()} {path}" for path, item in paths.items() for method in item}


def _still_there(told: str, body: str, around: dict[str, dict[str, Any]]) -> set[str]:
    """Why what was deleted is answered all the same; ``told`` ends with the call that deleted it."""
    deletions = [one for one in around.values() if one["request"]["method"] == "DELETE" and one.get("response")]
    if any("bridgework-dry-run" in one["response"]["headers"] for one in deletions):
        return {"A dry run deletes nothing."}
    deleted = re.search(r"/([0-9a-f]{1,63})`", told)
    if deleted and f'"id": "{deleted[1]}' in body:
        return {"What was a prefix of the deleted thing's id is one of another's now."}
    return set()


def _text(content: Any) -> str:
    return base64.b64decode(content["$base64"]).decode(errors="replace") if content else ""


def _reasons(check: str, status: int, body: str) -> set[str]:
    """The reasons of all the faults that an answer names; none when one fault has none."""
    if not body.startswith("{"):
        return set()
    problem = json.loads(body)
    key = f"{status} {problem.get('code')}"
    faults = [
        f"{fault['in']} {fault.get('pointer', fault.get('name', ''))} {fault['message']}"
        for fault in problem.get("errors", ())
    ] or [""]
    rows = [(pattern, reason) for of, code, pattern, reason in REASONS if of == check and re.match(code, key)]
    found = [next((reason for pattern, reason in rows if re.match(pattern, fault)), None) for fault in faults]
    return set() if None in found else {reason for reason in found if reason}
