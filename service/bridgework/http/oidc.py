"""JWTs (RFC 7519) of an OpenID Connect provider, signed RS256 or ES256 by keys from its JWKS (RFC 7517).

The keys are fetched when they are needed, at most once in ten seconds, and within five seconds and 1 MiB; many invented
key ids cause no more requests to the provider. A caller is named ``oidc:<sub>``, so no ``sub`` is a name of the tokens
file.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import jwt
import requests
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from bridgework.http.problems.documents import HttpProblem
from bridgework.policy.access import Caller, Role

ALGORITHMS = ("RS256", "ES256")
NAME_PREFIX = "oidc:"
FETCH_S = 5.0
FETCH_AGAIN_S = 10.0
TRUSTED_S = 3600.0
RENEWED_S = 300.0
LEEWAY_S = 30
MAX_JWKS_BYTES = 1_048_576
MIN_RSA_BITS = 2048
"""The smallest key that RFC 7518, section 3.3, allows for RS256."""
_ROLES = {role.word: role for role in Role}
_NOT_OURS = (jwt.PyJWTError, ValueError, KeyError, TypeError, OverflowError, RecursionError)
log = structlog.get_logger()


def is_name(text: object) -> bool:
    """Whether the text may be the name of a caller or project: it is printed by terminals, in logs and in answers.

    A control character or a change of writing direction could change what a reader of the log sees.
    """
    return isinstance(text, str) and text.isprintable() and bool(text.strip())


class Keys:
    """The public keys of the provider by their ids."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._lock = threading.Lock()

    def key(self, key_id: str) -> jwt.PyJWK | None:
        """Return the key, or ``None`` if it is unknown. Raises ``HttpProblem`` 503 if the keys cannot be fetched."""
        self._renew(needed=key_id not in self._keys or not self._trusted())
        if not self._trusted():
            raise HttpProblem(
                "identity-provider-unreachable",
                "The identity provider's keys cannot be read, so this token can be neither accepted nor refused.",
                headers={"Retry-After": str(int(FETCH_AGAIN_S))},
            )
        return self._keys.get(key_id)

    def _trusted(self) -> bool:
        return time.monotonic() - self._fetched <= TRUSTED_S

    def _renew(self, *, needed: bool) -> None:
        if not needed and time.monotonic() - self._fetched < RENEWED_S:
            return
        # One thread fetches. Only who needs a key that is not known yet waits for it; a provider that answers slowly
        # must not hold up tokens whose key is known.
        if not self._lock.acquire(blocking=needed):
            return
        try:
            now = time.monotonic()
            if now - self._tried < FETCH_AGAIN_S:
                return
            self._tried = now
            try:
                self._keys = _read(_fetch(self._url))
                self._fetched = now
            except (requests.RequestException, *_NOT_OURS) as error:
                log.warning("jwks-unreadable", url=self._url, error=type(error).__name__)
        finally:
            self._lock.release()


def _fetch(url: str) -> bytes:
    end = time.monotonic() + FETCH_S
    body = b""
    with requests.get(url, timeout=FETCH_S, stream=True, allow_redirects=False) as response:
        if response.status_code != HTTPStatus.OK:
            raise ValueError(f"answered {response.status_code}")
        for piece in response.iter_content(65536):
            body += piece
            if len(body) > MAX_JWKS_BYTES or time.monotonic() > end:
                raise ValueError("too large or too slow")
    return body


def _read(body: bytes) -> dict[str, jwt.PyJWK]:
    """Return the keys of the set that may sign a JWT."""
    keys: dict[str, jwt.PyJWK] = {}
    for raw in json.loads(body)["keys"]:
        if raw.get("kty") in {"RSA", "EC"} and raw.get("use", "sig") == "sig" and isinstance(raw.get("kid"), str):
            try:
                key = jwt.PyJWK(raw)
                if isinstance(key.key, RSAPublicKey | RSAPrivateKey) and key.key.key_size < MIN_RSA_BITS:
                    log.warning("jwk-unusable", error="RSA key too short", kid=raw["kid"], bits=key.key.key_size)
                else:
                    keys[raw["kid"]] = key
            except jwt.PyJWTError as error:
                log.warning("jwk-unusable", error=type(error).__name__)
    return keys


@dataclass(frozen=True, slots=True)
class Oidc:
    """What makes a JWT valid, and which of its claims hold the role and the project."""

    issuer: str
    audience: str
    keys: Keys
    role_claim: str
    project_claim: str

    def caller_of(self, token: str) -> Caller | None:
        """Return the caller that a valid JWT names, or ``None`` for any other token."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
                return None
            key = self.keys.key(header["kid"])
            return self._caller(self._claims(token, key)) if key is not None else None
        except _NOT_OURS:
            return None

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=self.audience,
            issuer=self.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "sub", "iss", "aud"]},
        )
        return claims

    def _caller(self, claims: dict[str, Any]) -> Caller | None:
        subject, project = claims["sub"], claims.get(self.project_claim)
        if not is_name(subject) or not (project is None or is_name(project)):
            return None
        return Caller(NAME_PREFIX + subject, _ROLES[claims[self.role_claim]], project)
