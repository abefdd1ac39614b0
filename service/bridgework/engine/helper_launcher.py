"""Helper containers: each runs once in the network namespace of another container, and is removed afterwards.

A helper has the service's own image, no capability except raw sockets, a read-only root, bounded memory and processes,
and a label. It ends when the worker's connection does: the engine then closes the helper's standard input, at which the
helper ends, and the engine removes a container that has ended. Only a helper that was created and not yet started can
outlive a killed worker. Another worker removes that one, within ``START_WITHIN_S`` and ``TIDY_EVERY_S``.

Source: Docker Engine API v1.45, ContainerCreate (``StdinOnce``) and ContainerAttach.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

import docker
import docker.errors
import requests.exceptions

from bridgework.engine.client import EngineAddress, LazyClient
from bridgework.engine.errors import translated
from bridgework.engine.facts import OLDEST_API
from bridgework.model.errors import BridgeworkError
from bridgework.model.probe_port import Place
from bridgework.model.snapshot import HELPER_LABEL

START_BY_LABEL, UNTIL_LABEL = HELPER_LABEL + "-start-by", HELPER_LABEL + "-until"
# A helper that was created and not started within this time has lost its worker: two time limits of the engine.
START_WITHIN_S = 40
TIDY_EVERY_S = 30

# Limits for a program that may run beside any container: a fault in it must not starve the host.
MEMORY_BYTES = 128 * 1024 * 1024
MAX_PROCESSES = 64
MAX_OUTPUT_BYTES = 64 * 1024 * 1024

# Each running helper keeps one connection of the pool.
MAX_CONNECTIONS = 16
# The oldest version that the service speaks has all that a helper needs, and a fixed one needs no negotiation.
API_VERSION = ".".join(map(str, OLDEST_API))

_HEADER_BYTES = 8
_PIECE_BYTES = 65_536
COMMAND = ("python3", "-m", "bridgework.runners.helper")


class HelperLauncher:
    """Launches helpers from ``image``, and removes those of killed workers; safe to call from any thread."""

    def __init__(self, address: EngineAddress, image: str, *, timeout_s: float = 20.0) -> None:
        self._address = address
        self._image = image
        self._timeout_s = timeout_s
        self._client = LazyClient(docker.APIClient, address, API_VERSION, timeout_s, MAX_CONNECTIONS)
        # A daemon thread: it must not keep a worker alive that is told to end.
        threading.Thread(target=self._keep_tidy, name="helpers-tidy", daemon=True).start()

    def launch(self, place: Place, argument_json: str, timeout_s: float) -> Generator[str]:
        """Run a helper in the place's network namespace and yield the lines that it prints.

        The helper is removed when the iterator ends or is closed. ``argument_json`` is its only argument.
        Raises ``BridgeworkError`` as the error table has it for ``create_container`` and ``start_container``.
        """
        ends = time.monotonic() + timeout_s
        api = self._api()
        with translated("create_container", self._address, self._timeout_s):
            made = api.create_container_from_config(self._body(place, argument_json, timeout_s))["Id"]
        with contextlib.ExitStack() as ending:  # it runs its callbacks in reverse order
            ending.callback(self._end, made)
            with translated("start_container", self._address, self._timeout_s):
                # Attached before the start, so that no line of output is missed.
                stream = api.attach_socket(made, params={"stdin": 1, "stdout": 1, "stream": 1, "logs": 1})
                ending.callback(_hang_up, stream)
                api.start(made)
            # A read of the stream has no timeout of its own that would count for the whole output.
            watchdog = threading.Timer(max(0.0, ends - time.monotonic()), _hang_up, args=(stream,))
            ending.callback(watchdog.cancel)
            watchdog.start()
            with contextlib.suppress(OSError):
                yield from _lines(_output(stream))

    def _body(self, place: Place, argument_json: str, timeout_s: float) -> dict[str, Any]:
        now = int(time.time())
        labels = {START_BY_LABEL: now + START_WITHIN_S, UNTIL_LABEL: now + int(timeout_s + self._timeout_s)}
        # The namespace of another container, without any right in it beyond the network.
        mode = f"container:{place.container_id}" if place.container_id else "host"
        return {
            "Image": self._image,
            # The image's own entry point would start the service.
            "Entrypoint": [],
            "Cmd": [*COMMAND, argument_json],
            "User": "0:0",
            "AttachStdin": True,
            "AttachStdout": True,
            # The helper ends at the end of its standard input, and the engine closes that when the one client of it
            # disconnects. So a helper never outlives its worker's connection.
            "OpenStdin": True,
            "StdinOnce": True,
            "Labels": {HELPER_LABEL: "true", **{name: str(moment) for name, moment in labels.items()}},
            "HostConfig": {
                "NetworkMode": mode,
                "AutoRemove": True,
                # A probe needs raw sockets for ICMP, and no other capability.
                "CapDrop": ["ALL"],
                "CapAdd": ["NET_RAW"],
                "SecurityOpt": ["no-new-privileges"],
                "ReadonlyRootfs": True,
                "Memory": MEMORY_BYTES,
                "PidsLimit": MAX_PROCESSES,
            },
        }

    def _end(self, container_id: str) -> None:
        """Remove a helper in any state; it may be gone already."""
        with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
            try:
                self._api().remove_container(container_id, force=True, v=True)
            except docker.errors.APIError:
                # The engine is removing it itself (AutoRemove). Wait, so that the next helper finds nothing left.
                self._api().wait(container_id, timeout=self._timeout_s, condition="removed")

    def _api(self) -> Any:
        with translated("create_container", self._address, self._timeout_s):
            return self._client.get()

    def _keep_tidy(self) -> None:
        while True:
            with contextlib.suppress(BridgeworkError, docker.errors.APIError, requests.exceptions.RequestException):
                self._sweep_leftovers()
            time.sleep(TIDY_EVERY_S)

    def _sweep_leftovers(self) -> None:
        """Remove the helpers whose worker was killed before it could start or end them."""
        # Any worker removes the leftovers of any other, by the times in the labels; a helper in time is left alone.
        for raw in self._api().containers(all=True, filters={"label": HELPER_LABEL}):
            label = START_BY_LABEL if raw["State"] == "created" else UNTIL_LABEL
            if int(raw["Labels"].get(label, "0")) < time.time():
                self._end(raw["Id"])


def _hang_up(stream: Any) -> None:
    """Shut the connection down: a reader sees its end, and the engine closes the helper's standard input."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(stream.fileno())) as connection:
        connection.shutdown(socket.SHUT_RDWR)


def _output(stream: Any) -> Iterator[bytes]:
    """Yield what the helper writes, out of frames with a header of 8 bytes, the last 4 their length (ContainerAttach).

    Behind TLS the SDK's own reader waits too long: it waits until the kernel has bytes, and does not see those that
    were decrypted together with the frame before.
    """
    # The SDK hands out the socket itself behind TLS, and a file around it elsewhere.
    sock: socket.socket = getattr(stream, "_sock", stream)
    sock.settimeout(None)  # the watchdog ends the connection in time
    while header := b"".join(_received(sock, _HEADER_BYTES)):
        yield from _received(sock, int.from_bytes(header[4:]))


def _received(sock: socket.socket, count: int) -> Iterator[bytes]:
    """Yield ``count`` bytes, or fewer where the other side closes before."""
    while count:
        piece = sock.recv(min(count, _PIECE_BYTES))
        if not piece:
            return
        count -= len(piece)
        yield piece


def _lines(output: Iterator[bytes]) -> Iterator[str]:
    """Yield the lines, up to ``MAX_OUTPUT_BYTES`` in all."""
    # A line of many pieces is joined once: joining at each piece would take quadratic time.
    begun: list[bytes] = []
    # A helper runs beside programs that are not trusted, which may fill what it reads.
    left = MAX_OUTPUT_BYTES
    for piece in output:
        left -= len(piece)
        if left < 0:
            return
        *whole, end = piece.split(b"\n")
        for line in whole:
            yield b"".join((*begun, line)).decode(errors="replace")
            begun.clear()
        begun.append(end)
    if last := b"".join(begun):
        yield last.decode(errors="replace")
