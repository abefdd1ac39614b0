"""Who is calling: a bearer token against the tokens file, or a platform's own JWT (OIDC).

The file holds names, roles, projects and SHA-256 digests, never a token; it is read again when it changes. Digests are
compared in constant time. Failures slow down the address they come from.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt

from service.api.problems import HttpProblem
from service.core.access import Caller, Role

MAX_TOKEN_LENGTH = 4096
JWT_DOTS = 2
FAILURES_BEFORE_DELAY = 10
FAILURE_WINDOW_S = 60.0
MAX_ADDRESSES = 10_000
_ROLES = {role.word: role for role in Role}


class BadTokensFile(Exception):
    """The tokens file makes no sense; the message says where."""


@dataclass(frozen=True, slots=True)
class _Entry:
    caller: Caller
    digest: bytes
    expires_at: datetime | None


def read_tokens(path: Path) -> tuple[_Entry, ...]:
    """The entries of a tokens file. Raises ``BadTokensFile``."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_entry(item) for item in raw["tokens"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} is no tokens file: {error!r}"
        raise BadTokensFile(message) from error


def _entry(item: dict[str, Any]) -> _Entry:
    expires = item.get("expires_at")
    moment = datetime.fromisoformat(expires) if expires else None
    return _Entry(
        caller=Caller(str(item["name"]), _ROLES[item["role"]], item.get("project") or None),
        digest=bytes.fromhex(item["sha256"]),
        expires_at=moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC),
    )


class TokensFile:
    """The callers of a tokens file, read again whenever the file changes (a bad edit keeps the last good one)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._stamp_now()
        self._entries = read_tokens(path)
        self._lock = threading.Lock()

    def caller_of(self, token: str) -> Caller | None:
        """The caller this token names, unless it is unknown or has expired."""
        self._refresh()
        digest = hashlib.sha256(token.encode()).digest()
        found = None
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest):
                found = entry
        if found is None or (found.expires_at is not None and found.expires_at <= datetime.now(UTC)):
            return None
        return found.caller

    def _stamp_now(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _refresh(self) -> None:
        try:
            stamp = self._stamp_now()
            if stamp == self._stamp:
                return
            with self._lock:
                self._entries = read_tokens(self._path)
                self._stamp = stamp
        except (OSError, BadTokensFile):
            return


@dataclass(frozen=True, slots=True)
class Oidc:
    """A platform's identity provider: JWTs (RFC 7519) with RS256 or ES256, keys from its JWKS."""

    issuer: str
    audience: str
    keys: jwt.PyJWKClient
    role_claim: str
    project_claim: str

    def caller_of(self, token: str) -> Caller | None:
        """The caller a valid JWT names; ``None`` for any other token."""
        try:
            key = self.keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256", "ES256"],
                audience=self.audience,
                issuer=self.issuer,
                options={"require": ["exp", "sub"]},
            )
            return Caller(str(claims["sub"]), _ROLES[claims[self.role_claim]], claims.get(self.project_claim) or None)
        except (jwt.PyJWTError, KeyError, TypeError):
            return None


class Authenticator:
    """From an ``Authorization`` header to a caller. Raises ``HttpProblem`` 401, or 429 after many failures."""

    def __init__(self, tokens: TokensFile | None, oidc: Oidc | None = None) -> None:
        self._tokens = tokens
        self._oidc = oidc
        self._failures: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def authenticate(self, header: str | None, address: str) -> Caller:
        """The caller; ``address`` is where the request came from, for slowing down guesses."""
        if not header:
            raise _unauthorized("token-required", "This path needs a bearer token.", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip() or len(token) > MAX_TOKEN_LENGTH:
            raise _unauthorized("token-required", "The Authorization header is no bearer token.", "")
        self._refuse_guessing(address)
        caller = self._caller_of(token.strip())
        if caller is None:
            self._count_failure(address)
            raise _unauthorized("token-invalid", "The token is unknown or has expired.", ', error="invalid_token"')
        return caller

    def _caller_of(self, token: str) -> Caller | None:
        caller = self._tokens.caller_of(token) if self._tokens else None
        if caller is None and self._oidc is not None and token.count(".") == JWT_DOTS:
            return self._oidc.caller_of(token)
        return caller

    def _recent(self, address: str) -> list[float]:
        horizon = time.monotonic() - FAILURE_WINDOW_S
        return [moment for moment in self._failures.get(address, ()) if moment > horizon]

    def _refuse_guessing(self, address: str) -> None:
        with self._lock:
            recent = self._recent(address)
        if len(recent) >= FAILURES_BEFORE_DELAY:
            raise HttpProblem(
                429,
                "too-many-failures",
                f"{len(recent)} wrong tokens came from {address} within {FAILURE_WINDOW_S:.0f} s.",
                headers={"Retry-After": str(int(FAILURE_WINDOW_S))},
            )

    def _count_failure(self, address: str) -> None:
        with self._lock:
            if len(self._failures) > MAX_ADDRESSES:
                self._failures.clear()
            self._failures[address] = [*self._recent(address), time.monotonic()]


def _unauthorized(code: str, detail: str, attributes: str) -> HttpProblem:
    return HttpProblem(
        401,
        code,
        detail,
        headers={"WWW-Authenticate": f'Bearer realm="bridgework"{attributes}'},
        remedy="Send the header Authorization: Bearer <token>.",
    )
