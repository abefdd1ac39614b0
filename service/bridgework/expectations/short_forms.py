"""Source and destination as text, as ``bridgework assert`` reads them: ``web`` and ``db:5432``.

The command line has the same forms (``bridgework_cli.targets``), and shares no code with the service.
``tests/unit/expectations/test_files.py`` compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

KINDS = ("container", "name", "address")
LARGEST_PORT = 65_535


class BadForm(ValueError):
    """The text is no source or destination; the message is a sentence."""


def expanded(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an expectation as the API takes it. Raises ``BadForm``; the fields are judged by their schema."""
    made = {"expect": "reachable", **item}
    source, destination = made.get("source"), made.get("destination")
    if not isinstance(destination, str):
        return made
    if not isinstance(source, str):
        raise BadForm("A destination as text needs a source as text.")
    written = _check(source, destination, made.get("protocol"))
    made = {**written, **{key: value for key, value in made.items() if key not in {"source", "destination"}}}
    made.setdefault("name", f"{_described(written)} is {made['expect']}")
    return made


def _check(source: str, text: str, protocol: str | None) -> dict[str, Any]:
    origin = {"host": True} if source == "host" else {"container": source.removeprefix("container:")}
    url = urlsplit(text) if "://" in text else None
    if url is None:
        where, port = _split(text)
        body = {
            "source": origin,
            "destination": _destination(where),
            "protocol": protocol or ("tcp" if port else "icmp"),
        }
        return body if port is None else {**body, "port": port}
    if url.scheme != "http" or protocol not in {None, "http"} or not url.hostname:
        raise BadForm(f"{text!r} is no destination: write http://name:port/path, or name:port.")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    at = {"source": origin, "destination": _destination(url.hostname)}
    return {**at, "protocol": "http", "port": url.port or 80, "path": path}


def _destination(where: str) -> dict[str, Any]:
    kind, colon, value = where.partition(":")
    if colon and kind in KINDS:
        return {kind: value}
    if where == "host":
        return {"host": True}
    try:
        return {"address": str(ip_address(where))}
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
            raise BadForm(f"{text!r} is no destination: write [address]:port.")
        return where, _port(rest[1:], text) if rest else None
    if text.count(":") > 1:  # an IPv6 address
        return text, None
    if not prefix:
        raise BadForm(f"{text!r} names no destination.")
    return prefix, _port(rest, text) if colon else None


def _port(text: str, whole: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= LARGEST_PORT:
        return int(text)
    raise BadForm(f"The port of {whole!r} is not a number from 1 to {LARGEST_PORT}.")


def _described(body: Mapping[str, Any]) -> str:
    origin = body["source"].get("container") or "host"
    target, port = body["destination"], body.get("port")
    where = next((str(target[kind]) for kind in KINDS if kind in target), "host")
    address = where if port is None else f"[{where}]:{port}" if ":" in where else f"{where}:{port}"
    return f"{origin} -> {address} ({body['protocol']})"
