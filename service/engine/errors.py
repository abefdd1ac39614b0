"""The engine's refusals, by operation and message, as core errors: one table, each row provoked in a test.

The engine's status codes mislead (no free pool is 404, connecting twice 403, active endpoints 403, disconnecting
twice 500), so the message decides. A row that matches wins; what no row matches is ``engine-answered-strangely``.
A fourth family, requests' own errors, means that the engine did not answer at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import docker.errors
import requests.exceptions

from service.core.errors import (
    BridgeworkError,
    Call,
    Conflict,
    EngineMisbehaved,
    EngineTooSlow,
    EngineUnreachable,
    InvalidInput,
    NotFound,
    Remedy,
)
from service.engine.connection import EngineAddress, too_slow, unreachable


@dataclass(frozen=True, slots=True)
class Row:
    """``operations`` is ``*`` or names; ``message`` is searched in the engine's; ``detail`` may use its groups."""

    operations: frozenset[str]
    message: str
    error: type[BridgeworkError]
    code: str
    detail: str
    remedy: Remedy | None = None


def _row(
    operations: str, message: str, error: type[BridgeworkError], code: str, detail: str, remedy: Remedy | None = None
) -> Row:
    return Row(frozenset(operations.split()), message, error, code, detail, remedy)


_FREE_SUBNET = Remedy(
    "Use a subnet that overlaps nothing.", calls=(Call("GET", "/v1/subnets/available?prefix_len=24&count=5"),)
)
_PULL = Remedy('Send the same body with "pull": "missing", or make the image known to the engine.')

TABLE: tuple[Row, ...] = (
    _row("create_network", r"network with name (\S+) already exists", Conflict, "network-name-taken",
         "A network named {0} exists already."),
    _row("create_network", r"cannot create network (?P<id>\w+) \((?P<bridge>\S+)\): conflicts with network (\w+) \((\S+)\)",
         Conflict, "bridge-name-taken", "Another network has the bridge {bridge} already."),
    _row("create_network", r"could not find an available, non-overlapping|all predefined address pools",
         Conflict, "pool-exhausted", "The engine's default address pools have no free subnet left.",
         Remedy("Name a subnet yourself, remove networks nobody uses, or widen default-address-pools.",
                calls=(Call("GET", "/v1/subnets/available?prefix_len=24&count=5"), Call("POST", "/v1/networks/prune?dry_run=true")))),
    _row("create_network", r"[Pp]ool overlaps with other one|networks have overlapping|conflicts with existing route|overlaps",
         Conflict, "subnet-overlaps", "The subnet overlaps one that is in use.", _FREE_SUBNET),
    _row("create_network", r"(?:plugin|Plugin) \"?([^\" ]+)\"? not found|could not (?:find|resolve) (?:plugin|driver) (\S+)",
         InvalidInput, "driver-unknown", "The engine has no network driver {0}.",
         Remedy("See the drivers it has.", calls=(Call("GET", "/v1/engine"),))),
    _row("create_network", r"not a swarm manager|must be (?:run on|a) swarm manager|Cannot create network scope swarm",
         Conflict, "not-a-swarm-manager", "This engine is no swarm manager, and such a network needs one.",
         Remedy("Send it to a manager, or start a swarm.", commands=("docker swarm init",))),
    _row("create_network", r"invalid (?:subnet|gateway|network|IPAM)|failed to parse pool|Address already in use|bad address|no matching subnet",
         InvalidInput, "address-configuration-invalid", "The engine refuses the address configuration: {message}."),
    _row("create_network", r"parent interface|invalid (?:subinterface|parent)|requested vlan|unknown (?:macvlan|ipvlan) mode|invalid mac-?vlan|operation not supported|dummy",
         Conflict, "parent-unusable", "The driver cannot use that parent interface: {message}."),
    _row("remove_network", r"has active endpoints", Conflict, "network-in-use", "The network has active endpoints."),
    _row("remove_network", r"is a pre-defined network and cannot be removed", Conflict, "network-builtin",
         "The network is the engine's own and cannot be removed."),
    _row("connect", r"already exists in network|is already (?:connected|attached)", Conflict, "endpoint-exists",
         "The container has an endpoint in that network already."),
    _row("connect create_container start_container", r"[Aa]ddress already in use", Conflict, "static-address-taken",
         "The address is in use already."),
    _row("connect create_container start_container", r"(?:no available IP|No available) ?(?:v4|v6)? ?addresses|no available IPv[46]",
         Conflict, "address-space-exhausted", "The network has no free address left.",
         Remedy("Use a network with a larger subnet, or disconnect what is unused.")),
    _row("connect create_container start_container",
         r"user specified IP address is supported only|user configured subnets|no configured subnet.*contain(?:ing|s)?|invalid (?:IPv[46]|address|IP)|outside of .*subnet|not (?:in|part of) .*subnet",
         InvalidInput, "address-not-in-subnet", "The engine refuses the address: {message}."),
    _row("connect create_container", r"network-scoped alias is supported only", InvalidInput, "alias-not-supported",
         "The default bridge knows no aliases.", Remedy("Use a network of your own.")),
    _row("connect disconnect", r"container sharing network namespace with another container or host cannot be",
         Conflict, "network-shared", "The container uses the network of another container or of the host, so it has none of its own.",
         Remedy("Connect the container whose network it shares.")),
    _row("connect disconnect", r"cannot be (?:connected|disconnected|attached).*(?:host|none)|in none network|host network|conflicting|cannot attach",
         Conflict, "network-mode-conflict", "The container's network mode forbids it: {message}."),
    _row("connect create_container start_container", r"is not manually attachable|not attachable", Conflict,
         "overlay-not-attachable", "The overlay network is not attachable.",
         Remedy("Create it again with attachable: true.")),
    _row("connect start_container", r"(?:is )?marked for removal|is dead|is being removed", Conflict, "container-removing",
         "The container is being removed."),
    _row("disconnect", r"is not connected to (?:the )?network|endpoint .* not found|no such endpoint", NotFound,
         "endpoint-not-found", "The container has no endpoint in that network."),
    _row("start_container restart_container create_container unpause_container",
         r"(?:Bind for|listen \w+) \S*?(?P<address>[\d.]*|\[[0-9a-f:]*\]):(?P<port>\d+)\D*(?:failed: port is already allocated|address already in use)|port is already allocated",
         Conflict, "port-taken", "A host port it publishes is taken already."),
    _row("start_container restart_container", r"cannot join network of a non running container: (\w+)", Conflict,
         "shared-network-owner-down", "The container whose network it shares is not running."),
    _row("start_container restart_container", r"(?:No such container|cannot join network namespace).*", Conflict,
         "shared-network-owner-gone", "The container whose network it shares is gone."),
    _row("start_container restart_container", r"network (\S+) not found|could not find a network|no such network", Conflict,
         "network-gone", "A network it was configured with is gone."),
    _row("start_container restart_container", r"executable file not found|no such file or directory|permission denied.*exec|exec format error",
         Conflict, "command-not-runnable", "Its command cannot be run: {message}."),
    _row("create_container rename_container", r"name \"?/?([^\" ]+)\"? is already in use by container \"?(\w+)", Conflict,
         "container-name-taken", "A container named {0} exists already."),
    _row("create_container pull_image", r"[Nn]o such image:? ?(\S*)|manifest unknown|repository does not exist|pull access denied",
         NotFound, "image-not-found", "The engine has no such image.", _PULL),
    _row("create_container", r"conflicting options|cannot be used with|can't (?:be used|set)|invalid", InvalidInput,
         "combination-invalid", "The engine refuses the combination: {message}."),
    _row("pull_image", r"dial tcp|no such host|timeout|connection refused|lookup|TLS", EngineMisbehaved,
         "registry-unreachable", "The engine cannot reach the image's registry: {message}."),
    _row("unpause_container", r"is not paused", Conflict, "container-not-paused", "The container is not paused."),
    _row("rename_container", r"[Rr]enaming a container with the same name", Conflict, "container-name-taken",
         "The container has that name already."),
    _row("remove_container", r"cannot remove (?:a running )?container|is running|[Ss]top the container", Conflict,
         "container-running", "The container is running.",
         Remedy("Stop it first, or remove it with ?force=true.")),
    _row("remove_container", r"removal of container \S+ is already in progress", Conflict, "container-removing",
         "The container is being removed."),
    _row("stop_container restart_container", r"is paused|Container .* is paused", Conflict, "container-paused",
         "The container is paused."),
    _row("*", r"No such container|no such container", NotFound, "container-not-found", "The container is gone."),
    _row("*", r"network \S+ not found|No such network", NotFound, "network-not-found", "The network is gone."),
    _row("*", r"no space left on device", EngineMisbehaved, "engine-disk-full", "The engine's disk is full.",
         Remedy("Free space under the engine's data root.", commands=("docker system df",))),
)  # fmt: skip


def translate(operation: str, message: str, status: int | None) -> BridgeworkError:
    """The core error for what the engine said; ``facts`` keep its own words."""
    facts = {"engine_message": message, "engine_status": status}
    for row in TABLE:
        if operation not in row.operations and "*" not in row.operations:
            continue
        found = re.search(row.message, message)
        if found:
            groups = [group for group in found.groups() if group] or [""]
            detail = row.detail.format(*groups, message=message.rstrip("."), **found.groupdict())
            return row.error(code=row.code, detail=detail, remedy=row.remedy, facts=facts)
    return EngineMisbehaved(
        code="engine-answered-strangely",
        detail=f"The engine answered {operation.replace('_', ' ')} with {status}: {message}",
        facts=facts,
    )


@contextmanager
def translated(operation: str, address: EngineAddress, timeout_s: float) -> Iterator[None]:
    """Turn what the SDK raises inside into core errors."""
    try:
        yield
    except docker.errors.APIError as error:
        raise translate(operation, _message_of(error), error.status_code) from error
    except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectTimeout) as error:
        raise too_slow(timeout_s) from error
    except requests.exceptions.ConnectionError as error:
        if "timed out" in str(error).lower():
            raise too_slow(timeout_s) from error
        raise unreachable(address, "it closed the connection or does not listen") from error
    except requests.exceptions.RequestException as error:
        raise EngineMisbehaved(
            code="engine-answered-strangely", detail=f"The engine's answer to {operation} makes no sense: {error}"
        ) from error
    except docker.errors.DockerException as error:
        raise unreachable(address, str(error)) from error


def _message_of(error: docker.errors.APIError) -> str:
    return str(error.explanation or error)


__all__ = ["TABLE", "EngineTooSlow", "EngineUnreachable", "Row", "translate", "translated"]
