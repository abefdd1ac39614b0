"""The settings of the service, from environment variables ``BRIDGEWORK_*``. An unknown or invalid one stops the start.

The engine's address is no such setting: it is found as Docker's own clients find it, by ``DOCKER_HOST``.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from environs import Env, EnvError, validate

from bridgework.policy.access import Policy

PREFIX = "BRIDGEWORK_"
MAX_PORT = 65_535


class BadSettings(Exception):
    """A setting is unknown or invalid; the message is a sentence for the person who set it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, by its variable's name after the prefix. Durations are in seconds, sizes in bytes."""

    bind: str = "127.0.0.1:8080"
    tokens_file: Path | None = None
    workers: int = 1
    threads: int = 44
    engine_timeout_s: float = 20.0
    request_timeout_s: float = 60.0
    max_body_bytes: int = 262_144
    max_checks: int = 8
    max_traces: int = 2
    max_matrices: int = 2
    max_plans: int = 2
    max_queries: int = 2
    max_diagnoses: int = 2
    max_probes: int = 16
    max_streams: int = 8
    rate_per_minute: int = 6000
    stop_grace_s: int = 10
    proxies: int = 0
    log_level: str = "info"
    allowed_images: tuple[str, ...] | None = None
    allowed_drivers: tuple[str, ...] | None = ("bridge", "macvlan", "ipvlan", "overlay")
    allowed_subnets: tuple[str, ...] | None = None
    allowed_host_ports: str = "1024-65535"
    allowed_published_addresses: tuple[str, ...] | None = None
    allow_host_mode: bool = True
    allow_trace: bool = True
    allow_public_subnets: bool = False
    probe_allowed_cidrs: tuple[str, ...] = ()
    probe_image: str | None = None
    probe_runner: str = "auto"
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_jwks_url: str | None = None
    oidc_role_claim: str = "bridgework_role"
    oidc_project_claim: str = "bridgework_project"
    cors_origins: tuple[str, ...] = ()
    metrics_dir: Path | None = None
    peers: tuple[str, ...] = ()
    peer_token_file: Path | None = None
    state_dir: Path | None = None
    state_days: int = 90
    state_changes: int = 100_000
    expectations_dir: Path | None = None
    webhooks_file: Path | None = None

    @property
    def pools(self) -> Mapping[str, int]:
        """The settings that limit long requests, by the noun of the requests."""
        nouns = ("checks", "traces", "matrices", "plans", "queries", "diagnoses", "probes", "streams")
        return {noun: getattr(self, f"max_{noun}") for noun in nouns}

    @property
    def policy(self) -> Policy:
        """The settings that limit what callers may do."""
        low, _, high = self.allowed_host_ports.partition("-")
        return Policy(
            allowed_images=self.allowed_images,
            allowed_drivers=self.allowed_drivers,
            allowed_subnets=self.allowed_subnets,
            host_ports=(int(low), int(high or low)),
            published_addresses=self.allowed_published_addresses,
            host_mode=self.allow_host_mode,
            trace=self.allow_trace,
            public_subnets=self.allow_public_subnets,
            probe_allowed_subnets=self.probe_allowed_cidrs,
        )


def read_settings() -> Settings:
    """Read the settings from the process's environment. Raises ``BadSettings``."""
    _refuse_unknown(os.environ)
    try:
        settings = _parsed(Env(prefix=PREFIX))
        _check_words(settings)
        _check(settings)
    except (EnvError, ValueError) as error:
        message = str(error)
        raise BadSettings(message if PREFIX in message else f"A {PREFIX} setting makes no sense: {message}.") from error
    return settings


# The smallest and the largest value of each number.
_RANGES: Mapping[str, tuple[float, float]] = {
    "workers": (1, 64),
    "threads": (2, 256),
    "engine_timeout_s": (0.1, 600),
    "request_timeout_s": (1, 3600),
    "max_body_bytes": (1024, 64_000_000),
    "state_days": (1, 3650),
    "state_changes": (10, 10_000_000),
    "max_checks": (1, 256),
    "max_traces": (1, 64),
    "max_matrices": (1, 64),
    "max_plans": (1, 64),
    "max_queries": (1, 64),
    "max_diagnoses": (1, 64),
    "max_probes": (1, 64),
    "max_streams": (1, 250),
    "rate_per_minute": (1, 10_000_000),
    "stop_grace_s": (0, 300),
    "proxies": (0, 8),
}
_CHOICES: Mapping[str, list[str]] = {
    "log_level": ["debug", "info", "warning", "error"],
    "probe_runner": ["auto", "namespace", "sidecar"],
}


def _parsed(env: Env) -> Settings:
    """Read each field of ``Settings`` by its type. Raises ``EnvError`` or ``ValueError``."""
    return Settings(**{field.name: _read(env, field) for field in fields(Settings)})


def _read(env: Env, field: Field[Any]) -> Any:
    name, kind = field.name.upper(), str(field.type)  # the type is text: annotations are not evaluated
    default: Any = field.default
    if kind.startswith("tuple"):
        return _words(env, name, default)
    if field.name in _CHOICES:
        return env.str(name, default, validate=validate.OneOf(_CHOICES[field.name]))
    if field.name in _RANGES:
        number: Any = env.int if kind == "int" else env.float
        return number(name, default, validate=validate.Range(*_RANGES[field.name]))
    read: Any = env.bool if kind == "bool" else env.path if kind.startswith("Path") else env.str
    return read(name, default)


def _words(env: Env, name: str, default: tuple[str, ...] | None) -> tuple[str, ...] | None:
    words: list[str] | None = env.list(name, None)
    return default if words is None else tuple(word.strip() for word in words if word.strip())


def _check_paths(settings: Settings) -> None:
    for name in ("tokens_file", "peer_token_file", "webhooks_file"):
        path: Path | None = getattr(settings, name)
        if path is not None and not path.is_file():
            raise BadSettings(f"{PREFIX}{name.upper()} is {path}, and there is no such file.")
    for name in ("state_dir", "expectations_dir"):
        folder: Path | None = getattr(settings, name)
        if folder is not None and not folder.is_dir():
            raise BadSettings(f"{PREFIX}{name.upper()} is {folder}, and there is no such folder.")


def _check(settings: Settings) -> None:
    _check_paths(settings)
    for name in settings.peers:
        if not name.rpartition(":")[2].isdigit():
            raise BadSettings(f"BRIDGEWORK_PEERS names {name!r}, which is not host:port.")
    if settings.probe_runner == "sidecar" and settings.probe_image is None:
        raise BadSettings("BRIDGEWORK_PROBE_RUNNER=sidecar needs BRIDGEWORK_PROBE_IMAGE, the image of its helpers.")
    oidc = (settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url)
    if any(oidc) and not all(oidc):
        raise BadSettings("OIDC needs BRIDGEWORK_OIDC_ISSUER, _AUDIENCE and _JWKS_URL together.")
    if settings.oidc_jwks_url is not None and not _is_safe(settings.oidc_jwks_url):
        raise BadSettings(
            "BRIDGEWORK_OIDC_JWKS_URL must be https:// (or http:// on the loopback): its keys identify callers."
        )


def _check_words(settings: Settings) -> None:
    """Return what is a place, an address or a port by its form."""
    for address in settings.bind.split(","):
        if not _is_bind(address.strip()):
            raise BadSettings(f"BRIDGEWORK_BIND is {settings.bind!r}, not host:port or unix:/path.")
    for origin in settings.cors_origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise BadSettings(
                f"BRIDGEWORK_CORS_ORIGINS names {origin}, which is no origin such as https://portal.example."
            )
    _check_each("PROBE_ALLOWED_CIDRS", settings.probe_allowed_cidrs, ip_network)
    _check_each("ALLOWED_SUBNETS", settings.allowed_subnets, ip_network)
    _check_each("ALLOWED_PUBLISHED_ADDRESSES", settings.allowed_published_addresses, ip_address)
    if not _is_range_of_ports(settings.allowed_host_ports):
        raise BadSettings(f"BRIDGEWORK_ALLOWED_HOST_PORTS is {settings.allowed_host_ports!r}, not a range of ports.")


def _check_each(name: str, words: tuple[str, ...] | None, parse: Callable[[str], object]) -> None:
    for word in words or ():
        try:
            parse(word)
        except ValueError as error:
            raise BadSettings(f"{PREFIX}{name} makes no sense: {error}.") from error


def _is_bind(bind: str) -> bool:
    """Return whether gunicorn can listen there, by its form."""
    if bind.startswith(("unix:", "fd://")):
        return bool(bind.partition(":")[2].strip("/"))
    host, _, port = bind.rpartition(":")
    return bool(host) and _is_port(port, least=0)


def _is_range_of_ports(text: str) -> bool:
    low, dash, high = text.partition("-")
    return _is_port(low) and (not dash or (_is_port(high) and int(low) <= int(high)))


def _is_port(text: str, least: int = 1) -> bool:
    return text.isascii() and text.isdecimal() and least <= int(text) <= MAX_PORT


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    loopback = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and loopback))


CLIENT_VARIABLES = {"BRIDGEWORK_URL", "BRIDGEWORK_TOKEN", "BRIDGEWORK_PROFILE"}
"""Those of the command line. A person who has set them can also start a service."""


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {PREFIX + field.name.upper() for field in fields(Settings)}
    for name in environment:
        if name.startswith(PREFIX) and name not in known and name not in CLIENT_VARIABLES:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise BadSettings(f"{name} is no setting of Bridgework.{hint}")
