"""Authentication: a bearer token against the tokens file, or a JWT of an identity provider (see ``oidc``).

The file holds names, roles, projects and SHA-256 digests, never a token. It is read again when it changes. Digests are
compared in constant time. Wrong tokens are counted for each address, and after ten of them further ones get a 429. A
valid token is always accepted: behind a proxy, all callers have one address.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import structlog

from bridgework.http.oidc import NAME_PREFIX, Oidc, is_name
from bridgework.http.problems.documents import HttpProblem
from bridgework.policy.access import Caller, Role

MAX_TOKEN_LENGTH = 4096
JWT_DOTS = 2
FAILURES_BEFORE_DELAY = 10
FAILURE_WINDOW_S = 60.0
MAX_ADDRESSES = 10_000
DIGEST_BYTES = 32
IPV6_SITE_PREFIX = 64
_ROLES = {role.word: role for role in Role}
_FIELDS = {"name", "role", "project", "sha256", "expires_at"}
log = structlog.get_logger()


class BadTokensFile(Exception):
    """The tokens file cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One token of the tokens file."""

    caller: Caller
    digest: bytes
    expires_at: datetime | None


def read_tokens(path: Path) -> tuple[Entry, ...]:
    """Read a tokens file. Raises ``BadTokensFile``."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return _distinct(tuple(_entry(item) for item in _listed(raw["tokens"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} is no tokens file: {error!r}"
        raise BadTokensFile(message) from error


def _listed(items: Any) -> list[Any]:
    if not isinstance(items, list):
        raise TypeError("tokens must be a list")
    return items


def _distinct(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    names = [entry.caller.name for entry in entries]
    if len(set(names)) < len(names):
        raise ValueError("a name appears twice")
    return entries


def _entry(item: dict[str, Any]) -> Entry:
    unknown = set(item) - _FIELDS
    if unknown:
        raise ValueError(f"unknown field {min(unknown)!r}")
    name, project, expires = item["name"], item.get("project"), item.get("expires_at")
    if not is_name(name) or name.startswith(NAME_PREFIX):
        raise ValueError(f"{name!r} is no name for a token")
    if project is not None and not is_name(project):
        raise ValueError(f"{name}: the project must be a printable text or null")
    digest = bytes.fromhex(item["sha256"])
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"{name}: sha256 must be 64 hexadecimal digits")
    moment = datetime.fromisoformat(expires) if expires is not None else None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Entry(Caller(name, _ROLES[item["role"]], project), digest, moment)


class TokensFile:
    """The callers of a tokens file. It is read again when it changes; a file that cannot be used changes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] | None = self._stamp_now()
        self._entries = read_tokens(path)
        self._lock = threading.Lock()

    def caller_of(self, token: str) -> Caller | None:
        """Return the caller of this token, or ``None`` if the token is unknown or has expired."""
        self._refresh()
        digest = hashlib.sha256(token.encode()).digest()
        known_entry = None
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest):
                known_entry = entry
        if known_entry is None or (known_entry.expires_at is not None and known_entry.expires_at <= datetime.now(UTC)):
            return None
        return known_entry.caller

    def _stamp_now(self) -> tuple[int, ...]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino

    def _refresh(self) -> None:
        try:
            stamp: tuple[int, ...] | None = self._stamp_now()
        except OSError:
            stamp = None
        if stamp == self._stamp:
            return
        with self._lock:
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._entries = read_tokens(self._path)
                log.warning("tokens-reloaded", file=str(self._path), tokens=len(self._entries))
            except BadTokensFile as error:
                log.warning("tokens-not-reloaded", reason=str(error), in_force="the last good ones")


class Failures:
    """Counts the wrong tokens of each address within the last minute. Each worker counts for itself."""

    def __init__(self) -> None:
        self._moments: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def count(self, address: str) -> int:
        """Count one more and return how many there were within the window, at most one more than the limit."""
        site = _site(address)
        horizon = time.monotonic() - FAILURE_WINDOW_S
        with self._lock:
            if len(self._moments) > MAX_ADDRESSES:
                self._moments.clear()
            recent = [moment for moment in self._moments.get(site, ()) if moment > horizon]
            self._moments[site] = [*recent, time.monotonic()][-FAILURES_BEFORE_DELAY - 1 :]
            return len(self._moments[site])


def _site(address: str) -> str:
    """Return what is counted as one address: for IPv6 the /64 subnet, since a client may use any address in it."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    return (
        str(ip_network(f"{known}/{IPV6_SITE_PREFIX}", strict=False)) if isinstance(known, IPv6Address) else str(known)
    )


class Authenticator:
    """Finds the caller of a request by its ``Authorization`` header."""

    def __init__(self, tokens: TokensFile | None, oidc: Oidc | None = None) -> None:
        self._tokens = tokens
        self._oidc = oidc
        self._failures = Failures()

    def authenticate(self, header: str | None, address: str) -> Caller:
        """Return the caller; ``address`` is the client's. Raises ``HttpProblem`` 401, or 429 after many failures."""
        if not header:
            raise _unauthorized("token-required", "This path needs a bearer token.", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip() or len(token) > MAX_TOKEN_LENGTH:
            raise _unauthorized("token-required", "The Authorization header is no bearer token.", "")
        caller = self._caller_of(token.strip())
        if caller is None:
            raise self._failure(address)
        return caller

    def _caller_of(self, token: str) -> Caller | None:
        caller = self._tokens.caller_of(token) if self._tokens else None
        if caller is None and self._oidc is not None and token.count(".") == JWT_DOTS:
            return self._oidc.caller_of(token)
        return caller

    def _failure(self, address: str) -> HttpProblem:
        if self._failures.count(address) <= FAILURES_BEFORE_DELAY:
            return _unauthorized("token-invalid", "The token is unknown or has expired.", ', error="invalid_token"')
        return HttpProblem(
            "too-many-failures",
            f"More than {FAILURES_BEFORE_DELAY} wrong tokens came from {address} within {FAILURE_WINDOW_S:.0f} s.",
            headers={"Retry-After": str(int(FAILURE_WINDOW_S))},
        )


def _unauthorized(code: str, detail: str, attributes: str) -> HttpProblem:
    return HttpProblem(
        code,
        detail,
        headers={"WWW-Authenticate": f'Bearer realm="bridgework"{attributes}'},
        remedy="Send the header Authorization: Bearer <token>.",
    )
