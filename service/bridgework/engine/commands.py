"""Changes, through the Docker SDK's low-level client: one method for each verb, every id a full one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any

import docker
import requests
from docker import auth
from docker.utils import parse_repository_tag

from bridgework.engine.bodies import container_body, endpoint_body, network_body
from bridgework.engine.client import EngineAddress
from bridgework.engine.errors import TABLE, Row, translate, translated
from bridgework.engine.faults import patience
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.errors import BridgeworkError, Conflict, EngineMisbehaved, InvalidInput, quoted
from bridgework.telemetry import deadline, progress

# A piece is read until it is complete, and each byte of it may take the whole limit: with pieces of 16 bytes, an answer
# of one byte each 0.9 s took 14 s before a limit of 1 s was noticed. The answer to a change is short: 200 bytes one by
# one take 0.4 ms (0.05 ms in pieces of 16), and the change itself takes 20 ms and more.
ANSWER_PIECE_BYTES = 1

# A pull that reports nothing for this long has failed.
STALLED_S = 120

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# 64 hex digits for a container or a local network, 25 of base 36 for a network of a swarm.
_FULL_ID = re.compile(r"[0-9a-f]{64}|[0-9a-z]{25}")


class SdkClient(docker.APIClient):
    """The SDK's client, with the endpoints whose newer fields its own methods lack, and an end to every answer."""

    @property
    def timeout(self) -> Any:
        """The time limit of each call: the client's own, or what is left of the request's deadline if that is less."""
        return patience(self._limit_s)

    @timeout.setter
    def timeout(self, limit_s: float) -> None:
        self._limit_s = limit_s

    # docker.APIClient is a requests.Session: every request of the SDK passes here.
    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request. An answer that is not a stream is read within the limit, however slowly it arrives."""
        # The timeout of requests bounds the wait for each piece, not the whole answer.
        streamed = kwargs.pop("stream", False)
        response = super().send(request, stream=True, **kwargs)
        if not streamed:
            response._content = _bounded(response, self._limit_s)
        return response

    def create_network_from(self, body: dict[str, Any]) -> str:
        """Send ``POST /networks/create``; return the id. The SDK's method lacks ``EnableIPv4`` and ``ConfigFrom``."""
        sdk: Any = self  # the SDK's types do not have its internals
        answer = sdk._result(sdk._post_json(sdk._url("/networks/create"), data=body), json=True)
        return str(answer["Id"])

    def connect_from(self, network_id: str, body: dict[str, Any]) -> None:
        """Send ``POST /networks/{id}/connect``: the SDK's method lacks ``GwPriority``."""
        sdk: Any = self
        sdk._raise_for_status(sdk._post_json(sdk._url("/networks/{0}/connect", network_id), data=body))

    def update_nothing(self, container_id: str) -> None:
        """Send ``POST /containers/{id}/update`` with an empty body."""
        sdk: Any = self
        sdk._raise_for_status(sdk._post_json(sdk._url("/containers/{0}/update", container_id), data={}))

    def pull_from(self, image: str) -> Iterator[dict[str, Any]]:
        """Send ``POST /images/create`` and return its steps, as the SDK's ``pull``, but with a timeout."""
        sdk: Any = self
        # The credentials are those of the service's own Docker configuration, as for the SDK's pull.
        registry, _ = auth.resolve_repository_name(image)
        header = auth.get_config_header(sdk, registry)
        repository, tag = parse_repository_tag(image)
        response = sdk._post(
            sdk._url("/images/create"),
            params={"fromImage": repository, "tag": tag or "latest"},  # without a tag the engine would pull all of them
            headers={"X-Registry-Auth": header} if header else {},
            stream=True,
            timeout=STALLED_S,
        )
        sdk._raise_for_status(response)
        yield from sdk._stream_helper(response, decode=True)


def _bounded(response: requests.Response, limit_s: float) -> bytes:
    end = time.monotonic() + limit_s
    pieces: list[bytes] = []
    # The limit is looked at after each piece, so a piece must not take long (see ANSWER_PIECE_BYTES).
    for piece in response.iter_content(ANSWER_PIECE_BYTES):
        pieces.append(piece)
        patience(limit_s, end - time.monotonic())
    return b"".join(pieces)


class Commands:
    """The changing half of the engine's port. Each method raises what its rows in the error table say."""

    def __init__(self, address: EngineAddress, timeout_s: float) -> None:
        self.address = address
        self._timeout_s = timeout_s

    def _api(self) -> SdkClient:
        raise NotImplementedError

    def _refusals(self, operation: str, container_id: str | None = None) -> AbstractContextManager[None]:
        return translated(operation, self.address, self._timeout_s, container_id, table=self._table())

    def _table(self) -> tuple[Row, ...]:
        """Return the refusals that this engine words."""
        return TABLE

    def create_network(self, spec: NetworkSpec) -> str:
        """Create a network and return its full id."""
        with self._refusals("create_network"):
            return self._api().create_network_from(network_body(spec))

    def remove_network(self, network_id: str) -> None:
        """Remove a network."""
        with self._refusals("remove_network"):
            self._api().remove_network(_full(network_id))

    def connect(self, network_id: str, container_id: str, spec: EndpointSpec) -> None:
        """Connect a container to a network."""
        # Not the SDK's method: it takes no gateway priority.
        body = {"Container": _full(container_id), "EndpointConfig": endpoint_body(spec)}
        try:
            with self._refusals("connect"):
                self._api().connect_from(_full(network_id), body)
        except (Conflict, InvalidInput, EngineMisbehaved):
            self._announce(container_id)
            raise

    def _announce(self, container_id: str) -> None:
        """Let the engine write an event that names the container, by an update of nothing."""
        # A connect that the engine refuses leaves its settings on a running container, without an event (Docker 26 to
        # 29). Every worker's snapshot would miss them.
        with suppress(BridgeworkError), self._refusals("update_container", container_id):
            self._api().update_nothing(_full(container_id))

    def disconnect(self, network_id: str, container_ref: str, *, force: bool = False) -> None:
        """Disconnect a container; ``container_ref`` is its id, or the name of a stale endpoint."""
        # The name of a stale endpoint is in the body, so it never becomes a path. A network that is gone, and left an
        # endpoint behind, is known by its name alone; that becomes a path, so it must be a plain one.
        network = network_id if _PLAIN.fullmatch(network_id) else _full(network_id)
        with self._refusals("disconnect"):
            self._api().disconnect_container_from_network(container_ref, network, force=force)

    def pull_image(self, image: str) -> None:
        """Pull an image, and wait until it is complete."""
        # The engine pulls as long as the stream is read; closing it would cancel the pull.
        with self._refusals("pull_image"):
            for step in self._api().pull_from(image):
                if "error" in step:  # a failure midway is in the stream, after the status 200
                    raise translate("pull_image", str(step["error"]), None)
                progress.tell(f"Pulling {image}: {step.get('status', 'reading')}")

    def create_container(self, spec: ContainerSpec) -> str:
        """Create a container, not started, and return its full id."""
        with self._refusals("create_container"):
            # The SDK's create_container would build another body; bodies.py is the one place for it.
            api: Any = self._api()
            answer = api.create_container_from_config(container_body(spec), spec.name)
            return str(answer["Id"])

    def start_container(self, container_id: str) -> None:
        """Start a container."""
        with self._refusals("start_container", container_id):
            self._api().start(_full(container_id))

    def stop_container(self, container_id: str, grace_s: int) -> None:
        """Stop a container, killing it after ``grace_s`` seconds."""
        # The caller chose the grace period, so it does not count against the request's deadline.
        deadline.extend(grace_s)
        with self._refusals("stop_container", container_id):
            self._api().stop(_full(container_id), timeout=grace_s)

    def restart_container(self, container_id: str, grace_s: int) -> None:
        """Stop and start a container."""
        deadline.extend(grace_s)
        with self._refusals("restart_container", container_id):
            self._api().restart(_full(container_id), timeout=grace_s)

    def unpause_container(self, container_id: str) -> None:
        """Resume a paused container."""
        with self._refusals("unpause_container", container_id):
            self._api().unpause(_full(container_id))

    def rename_container(self, container_id: str, name: str) -> None:
        """Rename a container."""
        with self._refusals("rename_container", container_id):
            self._api().rename(_full(container_id), name)

    def remove_container(self, container_id: str, *, force: bool = False) -> None:
        """Remove a container and its anonymous volumes."""
        with self._refusals("remove_container", container_id):
            # v: anonymous volumes would stay behind, and nothing names them any more.
            self._api().remove_container(_full(container_id), v=True, force=force)


def _full(object_id: str) -> str:
    """Return the id. Raises ``InvalidInput`` on anything else, which could become another path of the engine's API."""
    if not _FULL_ID.fullmatch(object_id):
        raise InvalidInput(code="input-invalid", detail=f"{quoted(object_id)} is not a full id (64 hex digits).")
    return object_id
