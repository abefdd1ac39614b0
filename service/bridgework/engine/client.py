"""The Docker SDK's clients, made in one place: whoever talks to the engine has the same address, time-out and TLS."""

from __future__ import annotations

import math
from typing import TypeVar

import docker

from bridgework.engine.connection import EngineAddress

_Client = TypeVar("_Client", bound=docker.APIClient)


def make_client(
    kind: type[_Client], address: EngineAddress, *, version: str, timeout_s: float, pool_size: int
) -> _Client:
    """Make a client without asking the engine anything. Raises ``docker.errors.DockerException`` on bad certificates.

    Never before a fork: the client's connections belong to the process that made it.
    """
    client = kind(
        base_url=address.url,
        version=version,
        timeout=math.ceil(timeout_s),
        num_pools=pool_size,
        tls=_tls(address),
    )
    # requests would prefer REQUESTS_CA_BUNDLE to the engine's own authority, and send a change to HTTP_PROXY while
    # reads (engine/connection.py) go straight to the engine.
    client.trust_env = False
    return client


def _tls(address: EngineAddress) -> docker.tls.TLSConfig | bool:
    if address.certificates is None:
        return False
    folder = address.certificates
    return docker.tls.TLSConfig(
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")), ca_cert=str(folder / "ca.pem"), verify=True
    )
