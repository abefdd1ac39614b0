"""What the operator of the service sets: environment variables ``BRIDGEWORK_*``; an unknown or bad one stops the start.

The engine's own address is found as Docker's clients find it (``DOCKER_HOST``), not through a setting of ours.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from environs import Env, EnvError, validate

from bridgework.policy.access import Policy

PREFIX = "BRIDGEWORK_"
MAX_PORT = 65_535


class BadSettings(Exception):
    """A setting is unknown or makes no sense; the message is a sentence for the person who set it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, by its variable's name after the prefix. Durations are in seconds, sizes in bytes."""

    bind: str = "127.0.0.1:8080"
    tokens_file: Path | None = None
    workers: int = 1
    threads: int = 16
    engine_timeout_s: float = 20.0
    request_timeout_s: float = 60.0
    max_body_bytes: int = 262_144
    max_matrices: int = 2
    max_probes: int = 8
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

    @property
    def policy(self) -> Policy:
        """The part of the settings that bounds what callers may do."""
        low, _, high = self.allowed_host_ports.partition("-")
        return Policy(
            allowed_images=self.allowed_images,
            allowed_drivers=self.allowed_drivers,
            allowed_subnets=self.allowed_subnets,
            host_ports=(int(low), int(high or low)),
            published_addresses=self.allowed_published_addresses,
            host_mode=self.allow_host_mode,
            public_subnets=self.allow_public_subnets,
            probe_allowed_subnets=self.probe_allowed_cidrs,
        )


def read_settings() -> Settings:
    """Settings from the process's environment. Raises ``BadSettings``."""
    _refuse_unknown(os.environ)
    try:
        settings = _parsed(Env(prefix=PREFIX))
        _check_words(settings)
        _check(settings)
    except (EnvError, ValueError) as error:
        message = str(error)
        raise BadSettings(message if PREFIX in message else f"A {PREFIX} setting makes no sense: {message}.") from error
    return settings


def _parsed(env: Env) -> Settings:
    given = Settings()
    return Settings(
        bind=env.str("BIND", given.bind),
        tokens_file=env.path("TOKENS_FILE", None),
        workers=env.int("WORKERS", given.workers, validate=validate.Range(1, 64)),
        threads=env.int("THREADS", given.threads, validate=validate.Range(2, 256)),
        engine_timeout_s=env.float("ENGINE_TIMEOUT_S", given.engine_timeout_s, validate=validate.Range(0.1, 600)),
        request_timeout_s=env.float("REQUEST_TIMEOUT_S", given.request_timeout_s, validate=validate.Range(1, 3600)),
        max_body_bytes=env.int("MAX_BODY_BYTES", given.max_body_bytes, validate=validate.Range(1024, 64_000_000)),
        max_matrices=env.int("MAX_MATRICES", given.max_matrices, validate=validate.Range(1, 64)),
        max_probes=env.int("MAX_PROBES", given.max_probes, validate=validate.Range(1, 256)),
        max_streams=env.int("MAX_STREAMS", given.max_streams, validate=validate.Range(1, 250)),
        rate_per_minute=env.int("RATE_PER_MINUTE", given.rate_per_minute, validate=validate.Range(1, 10_000_000)),
        stop_grace_s=env.int("STOP_GRACE_S", given.stop_grace_s, validate=validate.Range(0, 300)),
        proxies=env.int("PROXIES", given.proxies, validate=validate.Range(0, 8)),
        log_level=env.str("LOG_LEVEL", given.log_level, validate=validate.OneOf(["debug", "info", "warning", "error"])),
        allowed_images=_words(env, "ALLOWED_IMAGES", given.allowed_images),
        allowed_drivers=_words(env, "ALLOWED_DRIVERS", given.allowed_drivers),
        allowed_subnets=_words(env, "ALLOWED_SUBNETS", given.allowed_subnets),
        allowed_host_ports=env.str("ALLOWED_HOST_PORTS", given.allowed_host_ports),
        allowed_published_addresses=_words(env, "ALLOWED_PUBLISHED_ADDRESSES", given.allowed_published_addresses),
        allow_host_mode=env.bool("ALLOW_HOST_MODE", given.allow_host_mode),
        allow_public_subnets=env.bool("ALLOW_PUBLIC_SUBNETS", given.allow_public_subnets),
        probe_allowed_cidrs=_words(env, "PROBE_ALLOWED_CIDRS", ()) or (),
        probe_image=env.str("PROBE_IMAGE", None),
        probe_runner=env.str("PROBE_RUNNER", "auto", validate=validate.OneOf(["auto", "namespace", "sidecar"])),
        oidc_issuer=env.str("OIDC_ISSUER", None),
        oidc_audience=env.str("OIDC_AUDIENCE", None),
        oidc_jwks_url=env.str("OIDC_JWKS_URL", None),
        oidc_role_claim=env.str("OIDC_ROLE_CLAIM", given.oidc_role_claim),
        oidc_project_claim=env.str("OIDC_PROJECT_CLAIM", given.oidc_project_claim),
        cors_origins=_words(env, "CORS_ORIGINS", ()) or (),
        metrics_dir=env.path("METRICS_DIR", None),
        peers=_words(env, "PEERS", ()) or (),
        peer_token_file=env.path("PEER_TOKEN_FILE", None),
    )


def _words(env: Env, name: str, default: tuple[str, ...] | None) -> tuple[str, ...] | None:
    words: list[str] | None = env.list(name, None)
    return default if words is None else tuple(word.strip() for word in words if word.strip())


def _check(settings: Settings) -> None:
    if settings.tokens_file is not None and not settings.tokens_file.is_file():
        raise BadSettings(f"BRIDGEWORK_TOKENS_FILE is {settings.tokens_file}, and there is no such file.")
    if settings.peer_token_file is not None and not settings.peer_token_file.is_file():
        raise BadSettings(f"BRIDGEWORK_PEER_TOKEN_FILE is {settings.peer_token_file}: there is no such file.")
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
            "BRIDGEWORK_OIDC_JWKS_URL must be https:// (or http:// on the loopback): keys decide who is who."
        )


def _check_words(settings: Settings) -> None:
    """What is a place, an address or a port by its form."""
    for place in settings.bind.split(","):
        if not _is_place(place.strip()):
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


def _is_place(bind: str) -> bool:
    """Whether gunicorn can listen there, by its form."""
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


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {PREFIX + field.name.upper() for field in fields(Settings)}
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise BadSettings(f"{name} is no setting of Bridgework.{hint}")
