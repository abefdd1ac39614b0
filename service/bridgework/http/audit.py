"""The audit line of one request: every change and every refusal, with the caller and the outcome."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Response, request

from bridgework.http.contract import Operation
from bridgework.http.problems.documents import HttpProblem
from bridgework.http.progress import ProgressResponse
from bridgework.model.errors import BridgeworkError, Refused, TooBusy
from bridgework.policy.access import Caller, Role
from bridgework.telemetry.logs import audit

_REFUSING = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}


def recorder(operation: str, caller: Caller) -> Callable[..., None]:
    """Return a function that writes audit lines about parts of this request's change, also from another thread."""
    facts = {"operation": operation, "caller": caller.name, "role": caller.role.word, "project": caller.project}
    return partial(audit, "change", address=request.remote_addr, **facts)


class Record:
    """The audit record of one request. It holds names and ids, never a body."""

    def __init__(self, operation: Operation, path: dict[str, str]) -> None:
        self._changes = operation.role is not None and operation.role >= Role.OPERATOR
        self._refused = False
        self._streamed = False
        self._address: str | None = None
        self._facts: dict[str, Any] = {"operation": operation.id, "on": dict(path), "outcome": "accident"}

    def by(self, caller: Caller) -> None:
        """Note the caller."""
        self._facts |= {"caller": caller.name, "role": caller.role.word, "project": caller.project}

    def about(self, body: Any, *, dry_run: bool) -> None:
        """Note the name that a body gives, if it gives one; a dry run changes nothing."""
        self._changes = self._changes and not dry_run
        name = body.get("name") if isinstance(body, dict) else getattr(body, "name", None)
        if name is not None:
            self._facts["name"] = name

    def ended(self, response: Response) -> None:
        """Note that it was done."""
        made = response.headers.get("Location")
        self._facts |= {"outcome": "done", "status": response.status_code, **({"made": made} if made else {})}
        if response.headers.get("Idempotent-Replayed"):
            self._facts["outcome"] = "replayed"

    def streams(self, response: ProgressResponse) -> None:
        """Write the audit line when the answer in lines has ended: only then its outcome is known."""
        self._streamed = True
        self._address = request.remote_addr
        response.call_on_close(lambda: self._closed(response))

    def _closed(self, response: ProgressResponse) -> None:
        self._streamed = False
        if isinstance(response.failure, BridgeworkError | HttpProblem):
            self.failed(response.failure)
        elif response.failure is None:
            made = {"made": response.made} if response.made else {}
            self._facts |= {"outcome": "done", "status": response.status_code, **made}
        self.write()

    def failed(self, error: BridgeworkError | HttpProblem) -> None:
        """Note that it failed, or was not allowed."""
        self._facts["outcome"] = error.code
        self._refused = isinstance(error, (Refused, TooBusy)) or (
            isinstance(error, HttpProblem) and error.status in _REFUSING
        )

    def write(self) -> None:
        """Write the line, if there was a change or a refusal."""
        if (self._changes or self._refused) and not self._streamed:
            audit("refusal" if self._refused else "change", address=self._address or request.remote_addr, **self._facts)
