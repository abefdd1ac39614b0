"""Webhooks, signed as the Standard Webhooks specification says (standardwebhooks.com, version 1.0.0).

Names, addresses and secrets are in a file of the operator; no address ever comes from a request. The file is read again
when it changes. A receiver finds doubles by the header ``webhook-id``, which is the id of the change.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

TIMEOUT_S = 15.0
"""The specification names 15 to 30 s as the time that a receiver has to answer."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of every secret
SECRET_BYTES = range(24, 65)
_FIELDS = {"name", "url", "secret"}


class BadWebhooksFile(Exception):
    """The file cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver."""

    name: str
    url: str
    secret: bytes


def read_webhooks(path: Path) -> Mapping[str, Webhook]:
    """Read a file of webhooks. Raises ``BadWebhooksFile``."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        read = [_webhook(item) for item in raw["webhooks"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadWebhooksFile(f"{path} is no file of webhooks: {error!r}") from error
    if len({one.name for one in read}) < len(read):
        raise BadWebhooksFile(f"{path} is no file of webhooks: a name appears twice")
    return {one.name: one for one in read}


def _webhook(item: Mapping[str, Any]) -> Webhook:
    name, url, secret = item["name"], item["url"], item["secret"]
    if set(item) - _FIELDS:
        raise ValueError(f"unknown field {min(set(item) - _FIELDS)!r}")
    if not isinstance(name, str) or not name or not name.isprintable():
        raise ValueError(f"{name!r} is no name")
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise ValueError(f"{name}: the url is no address such as https://hooks.example/bridgework")
    try:
        key = base64.b64decode(str(secret).removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"{name}: the secret is not base64") from error
    if not str(secret).startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise ValueError(f"{name}: the secret is not {SECRET_PREFIX} and 24 to 64 bytes in base64")
    return Webhook(name, url, key)


class Webhooks:
    """A ``Notifier``. Without a file there is no webhook. A file that cannot be used later changes nothing."""

    def __init__(self, path: Path | None) -> None:
        """Raise ``BadWebhooksFile`` where the file cannot be used at the start."""
        self._path = path
        self._stamp = _stamp(path)
        self._known = read_webhooks(path) if path is not None else {}

    def names(self) -> frozenset[str]:
        """See ``Notifier``."""
        return frozenset(self._refreshed())

    def send(self, webhook: str, message_id: str, body: bytes) -> str | None:
        """See ``Notifier``."""
        known = self._refreshed().get(webhook)
        if known is None:
            return "no webhook has this name in the file any more"
        moment = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(moment),
            "webhook-signature": signature(known.secret, message_id, moment, body),
        }
        try:
            # A redirect could lead the signed message to an address that is not in the file.
            answer = requests.post(known.url, body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
        except requests.RequestException as error:
            return f"{type(error).__name__}: the receiver does not answer"
        return None if answer.ok and not answer.is_redirect else f"the receiver answered {answer.status_code}"

    def _refreshed(self) -> Mapping[str, Webhook]:
        stamp = _stamp(self._path)
        if self._path is not None and stamp != self._stamp:
            self._stamp = stamp
            with contextlib.suppress(BadWebhooksFile):
                self._known = read_webhooks(self._path)
        return self._known


def signature(secret: bytes, message_id: str, moment: int, body: bytes) -> str:
    """Return the value of the header ``webhook-signature``."""
    signed = f"{message_id}.{moment}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def _stamp(path: Path | None) -> tuple[int, ...] | None:
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
