"""Read the source and the destination of a check as they are written on a command line or in a file.

A source is the name of a container, or ``host``. A destination is what a program inside would be given: ``db:5432``,
``db``, ``10.77.0.3:80``, ``[fd00::3]:80``, ``http://db:8080/health``, or ``host``. A plain word is a name that the
source resolves. ``container:db`` means the container itself, by its addresses and without its name.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridgework_client.documents import CheckDestination, CheckRequest, CheckSource

KINDS = ("container", "name", "address")
LARGEST_PORT = 65535
PROTOCOLS = ("icmp", "tcp", "udp", "http", "dns")


class BadTarget(ValueError):
    """The text is no source or destination; the message says what is wrong."""


def source(text: str) -> CheckSource:
    """Read a source."""
    if text == "host":
        return {"host": True}
    return {"container": text.removeprefix("container:")}


def check(origin: str, text: str, protocol: str | None = None, **more: Any) -> CheckRequest:
    """Make the body of a check: with a port the protocol is tcp, without one it is icmp, unless it is given.

    Raises:
        BadTarget: The destination cannot be read, or it does not fit the protocol.
    """
    url = urlsplit(text) if "://" in text else None
    if url is None:
        where, port = _split(text)
        body: CheckRequest = {"source": source(origin), "destination": _destination(where)}
        body["protocol"] = protocol or ("icmp" if port is None else "tcp")  # type: ignore[typeddict-item]  # click checks
        if port is not None:
            body["port"] = port
    else:
        if url.scheme != "http" or protocol not in {None, "http"} or not url.hostname:
            raise BadTarget(f"{text!r} is no destination: write http://name:port/path, or name:port.")
        body = {"source": source(origin), "destination": _destination(url.hostname), "protocol": "http"}
        body["port"] = url.port or 80
        body["path"] = (url.path or "/") + (f"?{url.query}" if url.query else "")
    body.update({key: value for key, value in more.items() if value is not None})  # type: ignore[typeddict-item]  # likewise
    return body


def _destination(where: str) -> CheckDestination:
    kind, colon, value = where.partition(":")
    if colon and kind in KINDS:
        return {kind: value}  # type: ignore[misc]  # one of three properties
    if where == "host":
        return {"host": True}
    try:
        return {"address": str(ipaddress.ip_address(where))}
    except ValueError:
        return {"name": where}


def _split(text: str) -> tuple[str, int | None]:
    """Split ``db:5432``, ``[fd00::1]:80`` and ``container:db:5432`` into the destination and the port."""
    prefix, colon, rest = text.partition(":")
    if colon and prefix in KINDS:
        where, port = _split(rest)
        return f"{prefix}:{where}", port
    if text.startswith("["):
        where, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise BadTarget(f"{text!r} is no destination: write [address]:port.")
        return where, _port(rest[1:], text) if rest else None
    if text.count(":") > 1:  # an IPv6 address
        return text, None
    if not prefix:
        raise BadTarget(f"{text!r} names no destination.")
    return prefix, _port(rest, text) if colon else None


def _port(text: str, whole: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= LARGEST_PORT:
        return int(text)
    raise BadTarget(f"The port of {whole!r} is not a number from 1 to {LARGEST_PORT}.")


def end(text: str) -> tuple[str, int | None]:
    """Read a container or ``host``, with or without a port: ``db``, ``db:5432``, ``container:db:5432``.

    Raises:
        BadTarget: The text names no container, or its port is not a port.
    """
    name, port = _split(text)
    return name.removeprefix("container:"), port


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a sentence with the words that look like this one; empty where none does."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a misspelt word needs it

    similar = get_close_matches(word, words, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(similar)}?" if similar else ""


def described(body: CheckRequest) -> str:
    """Write a check in one line: ``web -> db:5432 (tcp)``."""
    origin = body["source"].get("container") or "host"
    target = body["destination"]
    where = next((str(target[kind]) for kind in KINDS if kind in target), "host")  # type: ignore[literal-required]
    port = body.get("port")
    address = where if port is None else f"[{where}]:{port}" if ":" in where else f"{where}:{port}"
    return f"{origin} -> {address} ({body.get('protocol', 'icmp')})"
