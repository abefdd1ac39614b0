"""Helper containers: made in the network of the container that is asked about, run once, always gone afterwards.

A helper has the service's own image, no capability but raw sockets, a read-only root, bounded memory and processes, and
a label. The engine removes it when it ends, also when the worker that asked was killed; one that was made but never
started (a worker killed in between) is swept up by the next launcher. Source: Docker Engine API v1.45, ContainerCreate.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import docker
import docker.errors
import requests.exceptions

from service.core.ports import Place
from service.core.snapshot import HELPER_LABEL
from service.engine.connection import EngineAddress
from service.engine.errors import translated

UNTIL_LABEL = HELPER_LABEL + "-until"
MEMORY_BYTES = 128 * 1024 * 1024
MAX_PROCESSES = 64
COMMAND = ("python3", "-m", "service.probes.helper")


class SidecarLauncher:
    """Launches helpers from ``image``; safe to call from any thread."""

    def __init__(self, address: EngineAddress, image: str, *, timeout_s: float = 20.0) -> None:
        self._address = address
        self._image = image
        self._timeout_s = timeout_s
        self._client: Any = None
        self._lock = threading.Lock()

    def launch(self, place: Place, argument_json: str, timeout_s: float) -> Iterator[str]:
        """Run a helper in the place's network; yields the lines it prints. Gone when the iterator ends or is closed.

        Raises ``BridgeworkError`` as the error table has it for ``create_container`` and ``start_container``.
        """
        api = self._api()
        with translated("create_container", self._address, self._timeout_s):
            made = api.create_container_from_config(self._body(place, argument_json, timeout_s))["Id"]
        watchdog = threading.Timer(timeout_s, self._end, args=(made,))
        try:
            with translated("start_container", self._address, self._timeout_s):
                output = api.attach(made, stdout=True, stderr=False, stream=True, logs=True)
                api.start(made)
            watchdog.start()
            yield from _lines(output)
        finally:
            watchdog.cancel()
            self._end(made)

    def _body(self, place: Place, argument_json: str, timeout_s: float) -> dict[str, Any]:
        mode = f"container:{place.container_id}" if place.container_id else "host"
        return {
            "Image": self._image,
            "Entrypoint": [],
            "Cmd": [*COMMAND, argument_json],
            "User": "0:0",
            "AttachStdout": True,
            "Labels": {HELPER_LABEL: "true", UNTIL_LABEL: str(int(time.time() + timeout_s + self._timeout_s))},
            "HostConfig": {
                "NetworkMode": mode,
                "AutoRemove": True,
                "CapDrop": ["ALL"],
                "CapAdd": ["NET_RAW"],
                "SecurityOpt": ["no-new-privileges"],
                "ReadonlyRootfs": True,
                "Memory": MEMORY_BYTES,
                "PidsLimit": MAX_PROCESSES,
            },
        }

    def _end(self, container_id: str) -> None:
        """Remove it, whatever state it is in; that it is gone already is what we want."""
        with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
            self._api().remove_container(container_id, force=True, v=True)

    def _api(self) -> Any:
        with self._lock:
            if self._client is None:
                with translated("create_container", self._address, self._timeout_s):
                    self._client = docker.APIClient(
                        base_url=self._address.url, version="auto", timeout=int(self._timeout_s), num_pools=16
                    )
                    _sweep_leftovers(self._client)
            return self._client


def _sweep_leftovers(client: Any) -> None:
    """Remove helpers that outlived their time: their worker was killed before it could start or end them."""
    for raw in client.containers(all=True, filters={"label": HELPER_LABEL}):
        if int(raw["Labels"].get(UNTIL_LABEL, "0")) < time.time():
            with contextlib.suppress(docker.errors.APIError):
                client.remove_container(raw["Id"], force=True, v=True)


def _lines(output: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for piece in output:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")
