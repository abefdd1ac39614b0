"""The client: all operations of the API, and what is convenient beside them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from bridgework_client.errors import ServiceUnreachable
from bridgework_client.operations import Operations
from bridgework_client.transport import DEFAULT_URL, Request, Transport

if TYPE_CHECKING:
    from bridgework_client.documents import (
        Call,
        CheckRequest,
        CheckResult,
        Event,
        Plan,
        PlannedCall,
        PlanUndo,
        Readiness,
        Remedy,
    )

POLL_SECONDS = 0.5


class Client(Operations):
    """A client of one service.

    Each operation of the OpenAPI document is a method, in Python's spelling: ``createNetwork`` is ``create_network``.
    Answers are plain dictionaries with types (``bridgework_client.documents``). Use it as a context manager, or call
    ``close()``.

        with Client("http://127.0.0.1:8080", token) as client:
            for network in client.list_networks(type=["custom"]):
                print(network["name"])

    Raises:
        Problem: The service refused the request.
        ServiceUnreachable: No answer came.
        NotBridgework: The answer was not one of Bridgework.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str | None = None,
        *,
        ca_file: str | None = None,
        timeout_s: float = 75.0,
        retries: int = 2,
    ) -> None:
        self.transport = Transport(url, token, ca_file=ca_file, timeout_s=timeout_s, retries=retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that wait for a next request."""
        self.transport.close()

    def send(self, call: Call) -> Any:
        """Send one call of a remedy as it is, and return the document of its answer."""
        repeatable = call["method"] != "POST"
        return self.transport.document(Request(call["method"], call["path"], body=call["body"], repeatable=repeatable))

    def send_remedy(self, remedy: Remedy) -> list[Any]:
        """Send the calls of a remedy in their order; stop at the first that fails."""
        return [self.send(call) for call in remedy["calls"]]

    def plan(self, changes: list[PlannedCall]) -> tuple[Plan, str | None]:
        """Plan changes; return the plan and its ``ETag``, which ``apply`` takes."""
        return self.transport.document_and_tag(Request("POST", "/v1/plans", body={"changes": changes}))

    def apply(self, changes: list[PlannedCall], etag: str | None, *, undo: PlanUndo = "on-failure") -> Plan:
        """Make the changes of a plan, measure whether they did what was planned, and undo them if not.

        ``applied`` of the answer says what happened.

        Raises:
            Problem: ``precondition-failed`` means that the state has changed since the plan was made.
        """
        return self.plan_changes({"changes": changes, "apply": True, "undo": undo}, if_match=etag)

    def wait_until_ready(self, timeout_s: float = 30.0) -> Readiness:
        """Wait until the service is ready to answer about its engine.

        Raises:
            TimeoutError: The service was not ready in time. The text says why.
        """
        ends = time.monotonic() + timeout_s
        while True:
            try:
                answer: Readiness = self.get_readiness()
                if answer["status"] == "ready":
                    return answer
                why = " ".join(answer["missing"])
            except ServiceUnreachable as error:
                why = str(error)
            if time.monotonic() + POLL_SECONDS > ends:
                raise TimeoutError(why)
            time.sleep(POLL_SECONDS)

    def wait_for_verdict(self, body: CheckRequest, verdict: str = "reachable", timeout_s: float = 30.0) -> CheckResult:
        """Repeat a check until its verdict is the expected one or the time is over; return the last answer."""
        ends = time.monotonic() + timeout_s
        while True:
            answer = self.check_connectivity(body)
            if answer["verdict"] == verdict or time.monotonic() + POLL_SECONDS > ends:
                return answer
            time.sleep(POLL_SECONDS)

    def follow_events(
        self,
        *,
        type: str | None = None,  # noqa: A002 - the parameter's name in the API
        action: str | None = None,
        network: str | None = None,
        container: str | None = None,
        project: str | None = None,
        last_event_id: str | None = None,
        resume: bool = True,
    ) -> Iterator[Event]:
        """Yield the changes of networks and containers as they happen, without an end.

        After a lost connection the stream continues with the event after the last one, unless ``resume`` is false.
        """
        query = {"type": type, "action": action, "network": network, "container": container, "project": project}
        failures = 0
        while True:
            headers = {"Last-Event-ID": last_event_id}
            request = Request("GET", "/v1/events", query=query, headers=headers, accept="text/event-stream")
            try:
                for identity, event in _events(self.transport.raw_lines(request)):
                    last_event_id, failures = identity or last_event_id, 0
                    if event is not None:
                        yield event
            except ServiceUnreachable:
                failures += 1
                if not resume or failures > self.transport.retries:
                    raise
            if not resume:
                return
            time.sleep(POLL_SECONDS)


def _events(lines: Iterator[str]) -> Iterator[tuple[str | None, Event | None]]:
    """Read Server-Sent Events; the event is None where only an id arrived, as it does while nothing happens."""
    identity: str | None = None
    data: list[str] = []
    for line in lines:
        name, _, value = line.rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            identity = value
        elif name == "data":
            data.append(value)
        elif not line.strip():
            yield identity, json.loads("\n".join(data)) if data else None
            data = []
