"""Changes, through the Docker SDK's low-level client: one method for each verb, every id a full one.

The client is made lazily (an engine may appear later) and in the process that uses it (never before a fork), with a
connection pool as large as the worker's threads.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import docker
import requests
from docker import auth
from docker.utils import parse_repository_tag

from bridgework.engine.bodies import container_body, endpoint_body, network_body
from bridgework.engine.client import make_client
from bridgework.engine.connection import EngineAddress, patience
from bridgework.engine.errors import translate, translated
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.errors import BridgeworkError, Conflict, EngineMisbehaved, InvalidInput, quoted
from bridgework.telemetry import deadline, progress

ANSWER_PIECE_BYTES = 1
"""A piece is read until it is whole, and each byte of it may take the whole limit: with 16 bytes, one that comes every
0.9 s had 14 s before a limit of 1 s was looked at. The answer to a change is short: 200 bytes one by one take 0.4 ms
(0.05 ms in pieces of 16), of 20 ms and more that the change takes."""

STALLED_S = 120
"""A pull that says nothing for this long has failed."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FULL_ID = re.compile(r"[0-9a-f]{64}|[0-9a-z]{25}")


class _Client(docker.APIClient):
    """The SDK's client, with the endpoints whose newer fields its own methods lack, and an end to every answer."""

    @property
    def timeout(self) -> Any:
        """What the SDK hands to each call: less than its own when the request's end is nearer."""
        return patience(self._limit_s)

    @timeout.setter
    def timeout(self, limit_s: float) -> None:
        self._limit_s = limit_s

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """An answer that is to be read whole is read within its time, however it trickles."""
        streamed = kwargs.pop("stream", False)
        response = super().send(request, stream=True, **kwargs)
        if not streamed:
            response._content = _bounded(response, self._limit_s)
        return response

    def create_network_from(self, body: dict[str, Any]) -> str:
        """``POST /networks/create`` with a body of our own making."""
        sdk: Any = self
        answer = sdk._result(sdk._post_json(sdk._url("/networks/create"), data=body), json=True)
        return str(answer["Id"])

    def connect_from(self, network_id: str, body: dict[str, Any]) -> None:
        """``POST /networks/{id}/connect`` with a body of our own making."""
        sdk: Any = self
        sdk._raise_for_status(sdk._post_json(sdk._url("/networks/{0}/connect", network_id), data=body))

    def update_nothing(self, container_id: str) -> None:
        """``POST /containers/{id}/update`` with an empty body."""
        sdk: Any = self
        sdk._raise_for_status(sdk._post_json(sdk._url("/containers/{0}/update", container_id), data={}))

    def pull_from(self, image: str) -> Iterator[dict[str, Any]]:
        """``POST /images/create``, step by step, as the SDK's ``pull``, but with a time-out."""
        sdk: Any = self
        registry, _ = auth.resolve_repository_name(image)
        header = auth.get_config_header(sdk, registry)
        repository, tag = parse_repository_tag(image)
        response = sdk._post(
            sdk._url("/images/create"),
            params={"fromImage": repository, "tag": tag or "latest"},
            headers={"X-Registry-Auth": header} if header else {},
            stream=True,
            timeout=STALLED_S,
        )
        sdk._raise_for_status(response)
        yield from sdk._stream_helper(response, decode=True)


def _bounded(response: requests.Response, limit_s: float) -> bytes:
    end = time.monotonic() + limit_s
    pieces: list[bytes] = []
    for piece in response.iter_content(ANSWER_PIECE_BYTES):
        pieces.append(piece)
        patience(limit_s, end - time.monotonic())
    return b"".join(pieces)


class Commands:
    """The engine's verbs. Each raises what its rows in the error table say."""

    def __init__(self, address: EngineAddress, api_version: str, timeout_s: float, pool_size: int) -> None:
        self._address = address
        self._api_version = api_version
        self._timeout_s = timeout_s
        self._pool_size = pool_size
        self._client: _Client | None = None
        self._lock = threading.Lock()

    def create_network(self, spec: NetworkSpec) -> str:
        """Make a network; its full id."""
        with self._translated("create_network"):
            return self._api().create_network_from(network_body(spec))

    def remove_network(self, network_id: str) -> None:
        """Remove a network."""
        with self._translated("remove_network"):
            self._api().remove_network(_full(network_id))

    def connect(self, network_id: str, container_id: str, spec: EndpointSpec) -> None:
        """Give a container an endpoint."""
        body = {"Container": _full(container_id), "EndpointConfig": endpoint_body(spec)}
        try:
            with self._translated("connect"):
                self._api().connect_from(_full(network_id), body)
        except (Conflict, InvalidInput, EngineMisbehaved):
            self._announce(container_id)
            raise

    def _announce(self, container_id: str) -> None:
        """Write an event that names the container, by an update of nothing.

        A connect that the engine refuses leaves its settings behind on a running container, and writes no event: every
        worker's snapshot would miss that.
        """
        with suppress(BridgeworkError), self._translated("update_container", container_id):
            self._api().update_nothing(_full(container_id))

    def disconnect(self, network_id: str, container_ref: str, *, force: bool = False) -> None:
        """Take an endpoint away.

        A stale endpoint goes by its name, in the body, so that it never becomes a path. The network of an endpoint
        that outlived it goes by its name too, which must be a plain one.
        """
        network = network_id if _PLAIN.fullmatch(network_id) else _full(network_id)
        with self._translated("disconnect"):
            self._api().disconnect_container_from_network(container_ref, network, force=force)

    def pull_image(self, image: str) -> None:
        """Fetch an image, to its end. What fails midway the engine says in the stream, after its status of 200."""
        with self._translated("pull_image"):
            for step in self._api().pull_from(image):
                if "error" in step:
                    raise translate("pull_image", str(step["error"]), None)
                progress.tell(f"Pulling {image}: {step.get('status', 'reading')}")

    def create_container(self, spec: ContainerSpec) -> str:
        """Make a container, not started; its full id."""
        with self._translated("create_container"):
            api: Any = self._api()
            answer = api.create_container_from_config(container_body(spec), spec.name)
            return str(answer["Id"])

    def start_container(self, container_id: str) -> None:
        """Start a container."""
        with self._translated("start_container", container_id):
            self._api().start(_full(container_id))

    def stop_container(self, container_id: str, grace_s: int) -> None:
        """Stop a container, killing it after ``grace_s`` seconds."""
        deadline.extend(grace_s)
        with self._translated("stop_container", container_id):
            self._api().stop(_full(container_id), timeout=grace_s)

    def restart_container(self, container_id: str, grace_s: int) -> None:
        """Stop and start a container."""
        deadline.extend(grace_s)
        with self._translated("restart_container", container_id):
            self._api().restart(_full(container_id), timeout=grace_s)

    def unpause_container(self, container_id: str) -> None:
        """Unfreeze a container."""
        with self._translated("unpause_container", container_id):
            self._api().unpause(_full(container_id))

    def rename_container(self, container_id: str, name: str) -> None:
        """Rename a container."""
        with self._translated("rename_container", container_id):
            self._api().rename(_full(container_id), name)

    def remove_container(self, container_id: str, *, force: bool = False) -> None:
        """Remove a container and its anonymous volumes."""
        with self._translated("remove_container", container_id):
            self._api().remove_container(_full(container_id), v=True, force=force)

    def _translated(self, operation: str, container_id: str | None = None) -> Any:
        return translated(operation, self._address, self._timeout_s, container_id)

    def _api(self) -> _Client:
        with self._lock:
            if self._client is None:
                self._client = make_client(
                    _Client,
                    self._address,
                    version=self._api_version,
                    timeout_s=self._timeout_s,
                    pool_size=self._pool_size,
                )
            return self._client


def _full(object_id: str) -> str:
    """The last gate before an id becomes a path of the engine's API."""
    if not _FULL_ID.fullmatch(object_id):
        raise InvalidInput(code="input-invalid", detail=f"{quoted(object_id)} is not a full id.")
    return object_id
