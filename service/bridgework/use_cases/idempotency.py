"""Safe retries without a database: a created thing carries, as labels, a digest of the key and of the body.

The digest of the key includes the caller's name and project, so nobody replays another's. Docker keeps names unique,
so of many clients that send one key at once a single one creates; the others meet its name, look again and answer the
same thing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from bridgework.model.errors import InputFault, InvalidInput
from bridgework.policy.access import IDEMPOTENCY_BODY_LABEL, IDEMPOTENCY_KEY_LABEL, Caller

PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)
"""How long to wait, again and again, for a thing that the engine is just making: it holds the name, and a network's
bridge is up, before the thing is to be seen."""


class _Labelled(Protocol):
    @property
    def labels(self) -> Mapping[str, str]: ...


_Thing = TypeVar("_Thing", bound=_Labelled)


@dataclass(frozen=True, slots=True)
class RetryKey:
    """The digests of one request."""

    key: str
    body: str

    @property
    def labels(self) -> dict[str, str]:
        """What the created thing is to carry."""
        return {IDEMPOTENCY_KEY_LABEL: self.key, IDEMPOTENCY_BODY_LABEL: self.body}


def retry_key(caller: Caller, key: str | None, body: Any) -> RetryKey | None:
    """The digests, where the client sent a key."""
    if key is None:
        return None
    return RetryKey(
        _digest(f"{caller.name}\0{caller.project or ''}\0{key}"), _digest(json.dumps(body, sort_keys=True, default=str))
    )


def earlier(things: Iterable[_Thing], key: RetryKey | None) -> _Thing | None:
    """What an earlier request with this key made. Raises ``InvalidInput`` when that had another body."""
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
