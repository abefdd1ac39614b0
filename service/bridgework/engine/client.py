"""The engine's address, and the two HTTP clients that are made from it.

``open_http`` is the standard library's client, for reads. ``make_client`` is the Docker SDK's client, for changes. Both
find the engine as Docker's own clients do: by ``DOCKER_HOST``, ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH``.
"""

from __future__ import annotations

import http.client
import math
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import docker

STANDARD_HOST = "unix:///var/run/docker.sock"
_Client = TypeVar("_Client", bound=docker.APIClient)


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where the engine listens. ``certificates`` is a folder with ``ca.pem``, ``cert.pem`` and ``key.pem``, or None."""

    url: str
    certificates: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> EngineAddress:
        """Read ``DOCKER_HOST``, ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH``.

        Raises:
            ValueError: The address is one of ssh, or TLS needs certificates and their folder is not known.
        """
        url = environment.get("DOCKER_HOST") or STANDARD_HOST
        if urlsplit(url).scheme not in {"unix", "tcp", "http", "https"}:
            message = f"DOCKER_HOST is {url!r}; Bridgework speaks unix:// and tcp:// (forward ssh to a local socket)."
            raise ValueError(message)
        # For Docker's own clients, too, any value of DOCKER_TLS_VERIFY means TLS with both sides verified, "0" as well.
        tls = bool(environment.get("DOCKER_TLS_VERIFY")) or urlsplit(url).scheme == "https"
        if not tls:
            return cls(url)
        folder = environment.get("DOCKER_CERT_PATH")
        try:
            return cls(url, Path(folder) if folder else Path.home() / ".docker")
        except RuntimeError as error:  # a user without a home, as DynamicUser of systemd makes one
            raise ValueError("The user has no home: set DOCKER_CERT_PATH for DOCKER_TLS_VERIFY.") from error

    @property
    def socket_path(self) -> str | None:
        """The path of a unix socket, else ``None``."""
        parts = urlsplit(self.url)
        return parts.path if parts.scheme == "unix" else None


# The standard library's client knows TCP alone.
class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def open_http(address: EngineAddress, timeout_s: float) -> http.client.HTTPConnection:
    """Make an HTTP connection to the engine; it connects at its first request."""
    if address.socket_path is not None:
        return _UnixConnection(address.socket_path, timeout_s)
    # 2375 and 2376 are the ports that Docker registered for plain text and for TLS.
    parts = urlsplit(address.url)
    if address.certificates is None:
        return http.client.HTTPConnection(parts.hostname or "", parts.port or 2375, timeout=timeout_s)
    context = ssl.create_default_context(cafile=str(address.certificates / "ca.pem"))
    context.load_cert_chain(address.certificates / "cert.pem", address.certificates / "key.pem")
    return http.client.HTTPSConnection(parts.hostname or "", parts.port or 2376, timeout=timeout_s, context=context)


def make_client(
    kind: type[_Client], address: EngineAddress, *, version: str, timeout_s: float, pool_size: int
) -> _Client:
    """Make a client without asking the engine anything. Raises ``docker.errors.DockerException`` on bad certificates.

    Call it in the process that uses the client: its connections must not be shared across a fork.
    """
    # The same three files as in open_http: a change must not go to an engine that reads would refuse.
    folder = address.certificates
    tls = folder is not None and docker.tls.TLSConfig(
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")), ca_cert=str(folder / "ca.pem"), verify=True
    )
    client = kind(base_url=address.url, version=version, timeout=math.ceil(timeout_s), num_pools=pool_size, tls=tls)
    # requests would prefer REQUESTS_CA_BUNDLE to the engine's own authority, and send a change to HTTP_PROXY while
    # reads (engine/connection.py) go straight to the engine.
    client.trust_env = False
    return client


class LazyClient(Generic[_Client]):
    """A client that is made at its first use, because the engine may appear after the service has started."""

    def __init__(
        self, kind: type[_Client], address: EngineAddress, version: str, timeout_s: float, pool_size: int
    ) -> None:
        self._kind = kind
        self._address = address
        self._version = version
        self._timeout_s = timeout_s
        self._pool_size = pool_size
        self._made: _Client | None = None
        self._lock = threading.Lock()

    def get(self) -> _Client:
        """Return the client; the threads of a process share it. Raises as ``make_client``."""
        # Only a made client is kept: after bad certificates were replaced, the next call makes one.
        with self._lock:
            if self._made is None:
                self._made = make_client(
                    self._kind,
                    self._address,
                    version=self._version,
                    timeout_s=self._timeout_s,
                    pool_size=self._pool_size,
                )
            return self._made
