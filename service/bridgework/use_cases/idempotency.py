"""Safe retries without a database: a created thing carries, as labels, a digest of the key and one of the request.

The digest of the key includes the caller's name and project, so no caller replays the request of another. Docker keeps
names unique. So when many clients send one key at once, one of them creates; the others find the name taken, look
again, and answer with what was created.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Generic, Protocol, TypeVar

from bridgework.model.errors import InputFault, InvalidInput
from bridgework.policy.access import IDEMPOTENCY_BODY_LABEL, IDEMPOTENCY_KEY_LABEL, Caller

PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds to wait between attempts while the engine is making the same thing for another request. The engine takes the
name, and brings a network's bridge up, before it lists the thing."""


class _Labelled(Protocol):
    @property
    def labels(self) -> Mapping[str, str]: ...


_Thing = TypeVar("_Thing", bound=_Labelled)
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class RetryKey:
    """The digests of one request: of its key, and of what it asks for."""

    key: str
    body: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the created thing gets."""
        return {IDEMPOTENCY_KEY_LABEL: self.key, IDEMPOTENCY_BODY_LABEL: self.body}


@dataclass(frozen=True, slots=True)
class Created(Generic[_Value]):
    """What a create made, and whether an earlier request with the same key made it."""

    value: _Value
    replayed: bool = False


def retry_key(caller: Caller, key: str | None, request: Any) -> RetryKey | None:
    """Return the digests of a request for ``request`` (a dataclass), or ``None`` if the client sent no key."""
    if key is None:
        return None
    body = json.dumps(asdict(request), sort_keys=True)
    return RetryKey(_digest(f"{caller.name}\0{caller.project or ''}\0{key}"), _digest(body))


def earlier(things: Iterable[_Thing], key: RetryKey | None) -> _Thing | None:
    """Return what an earlier request with this key made. Raises ``InvalidInput`` if that request had another body."""
    if key is None:
        return None
    for thing in things:
        if thing.labels.get(IDEMPOTENCY_KEY_LABEL) == key.key:
            if thing.labels.get(IDEMPOTENCY_BODY_LABEL) != key.body:
                raise InvalidInput(
                    code="idempotency-key-reused",
                    detail="This Idempotency-Key was used before, with another body.",
                    faults=[InputFault("Idempotency-Key", "Use a new key for a new request.")],
                )
            return thing
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]
