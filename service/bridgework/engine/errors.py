"""Translate the engine's refusals to errors of the model, with one table of operations and messages.

The first row that matches wins; a message that no row matches is ``engine-answered-strangely``. The test
``engine/test_engine_table.py`` provokes each row on a real engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import docker.errors
import requests.exceptions

from bridgework.engine.client import EngineAddress
from bridgework.engine.faults import SHAPE_ERRORS, is_malformed, malformed, too_slow, unreachable
from bridgework.model.actions import FindFreeSubnets, Read, RehearsePrune
from bridgework.model.errors import (
    BridgeworkError,
    Conflict,
    EngineMisbehaved,
    InvalidInput,
    NotFound,
    Remedy,
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    ``operations`` are names of commands, or ``*`` for all. ``message`` is a pattern that is searched in the engine's
    message. ``detail`` may use the pattern's groups, and its named groups become facts of the error.
    """

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


_FREE_SUBNET = Remedy("Use a subnet that does not overlap another.", (FindFreeSubnets(24),))
_PULL = Remedy('Send the same body with "pull": "missing", or load the image into the engine.')
_ROOM = Remedy("Use a network with a larger subnet, or disconnect unused containers.")
_JOIN = "connect create_container start_container restart_container"
_START = "start_container restart_container"
_REWRITE = Remedy("Restart the engine, which writes its firewall rules again.", commands=("systemctl restart docker",))

# The message decides, because the engine's status codes mislead: a missing free pool is 404, a second connect and active
# endpoints are 403, a second disconnect is 500 (Docker 26 to 29).
TABLE: tuple[Row, ...] = (
    _row("create_network", r"network with name (\S+) already exists", Conflict, "network-name-taken",
         "A network named {0} already exists."),
    _row("create_network", r"not permitted on predefined (\S+) network", InvalidInput, "network-name-reserved",
         "Docker reserves the name {0}."),
    _row("create_network", r"\((?P<bridge>\S+)\): conflicts with network \w+ \(\S+\): networks have same bridge name",
         Conflict, "bridge-name-taken", "Another network already has the bridge {bridge}."),
    _row("create_network", r"existing interface (?P<bridge>\S+) is not a bridge", Conflict, "bridge-name-taken",
         "The host already has an interface {bridge}, which is not a bridge."),
    # Docker has default IPv6 pools since version 27.
    _row("create_network", r"non-overlapping IPv6 address pool", Conflict, "address-space-exhausted",
         "The engine's default address pools have no free IPv6 subnet (before Docker 27 they have none at all).",
         Remedy("Set an IPv6 subnet yourself.", (FindFreeSubnets(64),))),
    _row("create_network", r"non-overlapping IPv4 address pool|all predefined address pools",
         Conflict, "address-space-exhausted", "The engine's default address pools have no free subnet left.",
         Remedy("Set a subnet yourself, remove unused networks, or enlarge default-address-pools.",
                (FindFreeSubnets(24), RehearsePrune()))),
    # The three messages of one fact: from the address management, the bridge driver, and the look at the host's routes.
    _row("create_network", r"[Pp]ool overlaps with other one|networks have overlapping IPv|conflicts with existing route",
         Conflict, "subnet-overlaps", "The subnet overlaps another subnet that is in use.", _FREE_SUBNET),
    _row("create_network", r'plugin "?([^" ]+)"? not found', InvalidInput, "driver-unknown",
         "The engine has no driver {0}.", Remedy("Use a driver that the engine has.", (Read("engine"),))),
    _row("create_network", r'only one instance of "(\S+)" network is allowed', InvalidInput, "driver-single-instance",
         "The engine already has a network of the driver {0}, and allows only one."),
    _row("create_network", r"not a swarm manager|swarm is not active", Conflict, "not-a-swarm-manager",
         "This engine is not a swarm manager, and only a manager can create such a network.",
         Remedy("Send the request to a manager, or start a swarm.", commands=("docker swarm init",))),
    _row("create_network", r"Ingress network can only be", InvalidInput, "ingress-scope-invalid",
         "Only an overlay network of a swarm can be the routing mesh."),
    _row("create_network", r'configuration network "(\S+)" does not exist', NotFound, "network-not-found",
         "No configuration network is named {0}."),
    # The rows from here on quote the engine's message: each pattern covers many combinations, and only the message names
    # the actual one.
    _row("create_network", r"configuration network can only contain|(?:configurations|options) are not supported if the network depends",
         InvalidInput, "configuration-conflict", "The engine refuses the combination of fields: {message}."),
    _row("create_network", r"invalid network config|failed to allocate (?:gateway|secondary ip address)|ipv[46] pool is empty|doesn't support multiple subnets|IPv4 or IPv6 must be enabled|IPv4 cannot be disabled|null ipam driver does not handle",
         InvalidInput, "address-configuration-invalid", "The engine refuses the address configuration: {message}."),
    # "operation not supported" is the kernel's answer where it has no macvlan or ipvlan for that link.
    _row("create_network", r"parent interface|not a valid (?:mac|ip)vlan parent|invalid subinterface|vlan id must be|operation not supported",
         Conflict, "parent-unusable", "The driver cannot use that parent interface: {message}."),
    _row("create_network", r"failed to parse \S+ value|invalid MTU number|requested (?:mac|ip)vlan \w+ '.*' is not valid|result out of range|invalid argument|Cannot read IPv6 setup|gateway mode '\w+' can only be used",
         InvalidInput, "option-invalid", "The driver or the kernel refuses an option: {message}."),
    _row("remove_network", r'configuration network "(\S+)" is in use', Conflict, "network-in-use",
         "Other networks take their configuration from {0}."),
    # Only running containers have active endpoints; the engine removes a network of stopped ones.
    _row("remove_network", r"has active endpoints|is in use by (?:service|task)", Conflict, "network-in-use",
         "The network has active endpoints."),
    _row("remove_network", r"is a pre-defined network and cannot be removed", Conflict, "network-builtin",
         "The network is built into the engine and cannot be removed."),
    _row("connect", r"already exists in network|is already attached to network", Conflict, "endpoint-exists",
         "The container already has an endpoint in that network."),
    # The engine changes its chains one by one, and firewalld or a script has removed them all.
    _row("create_network " + _JOIN, r"iptables failed: .*(?:No chain/target/match by that name|does not exist)", Conflict, "engine-rules-flushed",
         "The engine's chains are missing from the host's firewall: another program flushed it.", _REWRITE),
    # A start joins the container's networks, so it can fail like a connect. A create checks the same fields.
    _row(_JOIN, r"Address already in use", Conflict, "static-address-taken", "The address is already in use."),
    _row(_JOIN, r"no available IPv[46] addresses", Conflict, "pool-exhausted",
         "The network has no free address left.", _ROOM),
    _row(_JOIN, r"user.specified IP address is supported", InvalidInput, "fixed-address-not-supported",
         "The network takes no fixed addresses: it is the default bridge, or the engine chose its subnet.",
         Remedy("Create a network with a subnet of your choice; it takes fixed addresses.")),
    _row(_JOIN, r"no configured subnet.* contain|invalid IPv[46] address|bit does not belong to the sequence", InvalidInput,
         "address-not-in-subnet", "The engine refuses the address: {message}."),
    _row(_JOIN, r"invalid MAC address|error setting interface \"\S+\" MAC to|do not support custom mac address", InvalidInput,
         "mac-address-invalid", "The engine or the kernel refuses the MAC address: {message}."),
    _row(_JOIN, r"error renaming interface \"\S+\" to \"(?P<interface>[^\"]+)\"|unrecognised network interface sysctl", InvalidInput,
         "option-invalid", "The engine or the kernel refuses a driver option of the endpoint: {message}."),
    _row("connect create_container", r"network-scoped alias(?:es are only| is) supported", InvalidInput, "alias-not-supported",
         "The default bridge does not support aliases.", Remedy("Use a network of your own.")),
    _row("connect", r"container sharing network namespace with another container or host",
         Conflict, "network-shared", "The container uses the network of another container or of the host, so it has no network of its own.",
         Remedy("Connect the container whose network this container shares.")),
    _row("connect disconnect", r"in private \(none\) mode|disconnected from host network or connected to host network|cannot (?:dis)?connect container (?:from|to) host network",
         Conflict, "network-mode-conflict", "The container's network mode does not allow this: {message}."),
    _row(_JOIN, r"configuration-only network", Conflict, "network-config-only",
         "The network is only a configuration, so nothing can be connected to it."),
    _row(_JOIN, r"not manually attachable", Conflict, "overlay-not-attachable", "The overlay network is not attachable.",
         Remedy("Create the network again with attachable: true.")),
    _row(_JOIN, r"failed to create the (?:mac|ip)vlan port|operation not supported", Conflict, "parent-unusable",
         "The network's driver cannot create an interface: {message}."),
    # The engine removes its own default route, which is another one or none, and the kernel takes no second route to the
    # same destination. A program in the container, such as a VPN client, has set one.
    _row("connect disconnect", r"failed to set (?:IPv6 )?gateway.*: file exists", Conflict, "default-route-taken",
         "A program set a default route in the container, so the engine cannot set that of the network.",
         Remedy("Remove that route, or restart the container, whose new network namespace has the engine's routes alone.")),
    _row("connect", r"network sandbox for container \w+ not found", Conflict, "container-restarting",
         "The container is restarting and has no network namespace to connect.",
         Remedy("Stop the container, connect it, and start it.")),
    _row("connect disconnect start_container", r"marked for removal", Conflict, "container-removing",
         "The container is being removed."),
    # The use case counts this as success: the endpoint is gone, as requested.
    _row("disconnect", r"is not connected to (?:the )?network|endpoint \S+ not found", NotFound,
         "endpoint-not-found", "The container has no endpoint in that network."),
    # A connect and a disconnect can move the published ports to another network of the container, which binds them again.
    # "Bind for" is the engine's own allocator: another container has the port.
    _row("connect disconnect " + _START, r"Bind for (?P<host_ip>\S+):(?P<host_port>\d+) failed: port is already allocated"
         , Conflict, "port-taken", "Port {host_port} of the host is already taken."),
    # The next two are the kernel's answer to a bind: of docker-proxy up to Docker 27, of the engine itself since 28.
    _row("connect disconnect " + _START, r"listen \w+ (?P<host_ip>\S+):(?P<host_port>\d+): bind: address already in use", Conflict,
         "port-taken", "Port {host_port} of the host is taken by a program, not by a published port of a container."),
    _row("connect disconnect " + _START, r"failed to bind host port (?:for )?(?P<host_ip>\[\S+?\]|[\d.]+):(?P<host_port>\d+)[:/].*address already in use",
         Conflict, "port-taken", "Port {host_port} of the host is taken by a program, not by a published port of a container."),
    _row("connect disconnect " + _START, r"all ports are allocated", Conflict, "port-taken",
         "Every port of a published range of host ports is already taken."),
    # The kernel answers EINVAL for a link-local address without its interface.
    _row("connect disconnect " + _START, r"(?:listen \w+|failed to bind host port(?: for)?) (?P<host_ip>\[\S+?\]|[\d.]+):\d+[:/].*(?:cannot assign requested address|invalid argument)",
         Conflict, "host-address-unknown", "The host has no address {host_ip} to publish on."),
    _row("connect disconnect " + _START, r"(?:userland proxy|failed to create socket)\b.*: protocol not supported", Conflict, "protocol-not-supported",
         "The host's kernel lacks a protocol of the published ports."),
    # The last is runc's: the owner ended between the engine's look at it and runc's.
    _row(_START, r"cannot join network (?:namespace )?of a non running container|namespace path: lstat /proc/\d+/ns/net: no such file",
         Conflict, "shared-network-owner-down", "The container whose network this container shares is not running."),
    _row(_START, r"ontainer (\w+) is restarting, wait until the container is running", Conflict,
         "shared-network-owner-down", "The container whose network this container shares is restarting."),
    # For a start of the container itself, translate() has answered before: this is the owner of its network.
    _row(_START, r"No such container", Conflict, "shared-network-owner-gone",
         "The container whose network this container shares no longer exists.",
         Remedy("Create this container again with another network. The network of a removed container cannot be restored.")),
    _row(_START, r"network (\S+) not found", Conflict, "network-gone", "A network that the container is configured with no longer exists."),
    _row(_START, r"failed to join (\w+) namespace: container \w+ is not running", Conflict, "shared-namespace-owner-down",
         "The container whose {0} namespace this container shares is not running.", Remedy("Start that container first.")),
    _row(_START, r"Cannot link to (?:a non running container: )?/?([^\s,]+)", Conflict, "link-target-down",
         "The container has a link to the container {0}, which must run on the default bridge.", Remedy("Start that container first.")),
    # runc 1.1 names the file; runc 1.3 names the sysctl, after which the file's name has another root.
    _row("connect " + _START, r"open sysctl (\S+) file|failed to write sysctl (\S+)|/proc/sys/(\S+?)'?(?:: | is not a sysctl)|sysctl \"(\S+)\" (?:not allowed|is not in a separate)",
         Conflict, "sysctl-refused", "The kernel refuses the sysctl {0}: {message}."),
    _row(_START, r"read init-p: connection reset|container init was OOM killed", EngineMisbehaved, "container-runtime-failed",
         "The process of the container runtime ended before the container's command began: {message}.",
         Remedy("Start the container again. If that fails too, search the kernel's log for a process that was killed because memory ran out.",
                commands=("dmesg | grep -i 'killed process'",))),
    _row(_START, r"exec: \"(.*?)\": (.*?)(?:: unknown|$)", Conflict, "command-not-runnable",
         "The container's command '{0}' cannot be run: {1}."),
    _row("start_container", r"cannot start a paused container", Conflict, "container-paused", "The container is paused."),
    _row("create_container rename_container", r"name \"?/?(?P<name>[^\" ]+)\"? is already in use by container", Conflict,
         "container-name-taken", "A container named {name} already exists."),
    _row("create_container rename_container", r"Invalid container name|names may be empty", InvalidInput, "container-name-invalid",
         "The engine refuses the name: {message}."),
    # The message of a create names the image, that of a pull comes from the registry or from containerd.
    _row("create_container pull_image", r"[Nn]o such image:? ?(\S*)|manifest unknown|manifest for \S+ not found|failed to resolve reference \S+ \S+: not found|repository does not exist|pull access denied",
         NotFound, "image-not-found", "The engine has no such image.", _PULL),
    _row("create_container pull_image", r"invalid reference format|invalid tag format", InvalidInput, "image-reference-invalid",
         "The image reference is not valid: {message}."),
    _row("create_container", r"conflicting options|[Ii]nvalid (?:port|IP address|restart policy)|[Nn]o command specified", InvalidInput,
         "combination-invalid", "The engine refuses the combination of fields: {message}."),
    _row("pull_image", r"dial tcp|no such host|[Tt]imeout|connection refused|lookup|TLS|x509|EOF", EngineMisbehaved,
         "registry-unreachable", "The engine cannot reach the image's registry: {message}."),
    _row("unpause_container", r"is not paused", Conflict, "container-not-paused", "The container is not paused."),
    _row("rename_container", r"[Rr]enaming a container with the same name", Conflict, "container-name-taken",
         "The container already has that name."),
    _row("rename_container", r"sandbox \w+ not found", Conflict, "container-restarting",
         "The container is restarting and has no network namespace to rename.",
         Remedy("Stop the container, rename it, and start it.")),
    # A connect of a running container that failed leaves its settings behind, without an endpoint (see Commands.connect).
    _row("rename_container", r"no endpoint attached to network (\S+) found", Conflict, "endpoint-half-made",
         "The engine keeps the settings of a failed connect to {0}, and cannot rename the container while it has them.",
         Remedy("Restart the container. Or stop it, disconnect it from that network, and start it.")),
    _row("remove_container", r"cannot remove container .* is (?:running|paused|restarting)", Conflict,
         "container-running", "The container is running.", Remedy("Stop the container first, or remove it with ?force=true.")),
    _row("remove_container", r"removal of container \S+ is already in progress", Conflict, "container-removing",
         "The container is being removed."),
    # The last rows are for every command; they stand last because a row above may say more.
    _row("*", r"No such container", NotFound, "container-not-found", "The container no longer exists."),
    _row("*", r"network \S+ not found", NotFound, "network-not-found", "The network no longer exists."),
    _row("*", r"no space left on device", EngineMisbehaved, "engine-disk-full", "The engine's disk is full.",
         Remedy("Free space under the engine's data root.", commands=("docker system df",))),
)  # fmt: skip


def translate(
    operation: str, message: str, status: int | None, subject: str | None = None, *, table: tuple[Row, ...] = TABLE
) -> BridgeworkError:
    """Return the error for a refusal, with the engine's message and status among its ``facts``.

    ``subject`` is the full id of the container that the command was for.
    """
    # "No such container" may mean the container of the command, or one that it needs.
    facts = {"engine_message": message, "engine_status": status}
    if subject is not None and f"No such container: {subject}" in message:
        return NotFound(code="container-not-found", detail="The container no longer exists.", facts=facts)
    for row in table:
        if operation not in row.operations and "*" not in row.operations:
            continue
        match = re.search(row.message, message)
        if match:
            detail = _detail(row, match, message)
            return row.error(code=row.code, detail=detail, remedy=row.remedy, facts={**_named(match), **facts})
    return EngineMisbehaved(
        code="engine-answered-strangely",
        detail=f"The engine answered {operation.replace('_', ' ')} with {status}: {message}",
        facts=facts,
    )


def _named(match: re.Match[str]) -> dict[str, str | int]:
    """Return the named groups of a row as facts."""
    given = {name: text for name, text in match.groupdict().items() if text is not None}
    return {name: int(text) if name == "host_port" else text for name, text in given.items()}


def _detail(row: Row, match: re.Match[str], message: str) -> str:
    groups = [group for group in match.groups() if group is not None] or [""]
    # Some messages of runc are several lines long.
    said = " ".join(message.rstrip(".").split())
    return row.detail.format(*groups, message=said, **match.groupdict())


@contextmanager
def translated(
    operation: str,
    address: EngineAddress,
    timeout_s: float,
    subject: str | None = None,
    *,
    table: tuple[Row, ...] = TABLE,
) -> Iterator[None]:
    """Turn what the SDK raises inside into errors of the model."""
    try:
        yield
    except docker.errors.APIError as error:
        raise translate(operation, _message_of(error), error.status_code, subject, table=table) from error
    # requests has three names for an engine that is too slow: a timeout of the connect, one of the wait for an answer,
    # and a ConnectionError around urllib3's timeout while a body is read.
    except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectTimeout) as error:
        raise too_slow(timeout_s) from error
    except requests.exceptions.ConnectionError as error:
        if "timed out" in str(error).lower():
            raise too_slow(timeout_s) from error
        if is_malformed(_cause(error)):
            raise malformed(operation, _cause(error)) from error
        raise unreachable(address.url, "it closed the connection or does not listen") from error
    except requests.exceptions.RequestException as error:
        raise EngineMisbehaved(
            code="engine-answered-strangely", detail=f"The engine's answer to {operation} is not understood: {error}"
        ) from error
    # The SDK checks an image's reference itself before it asks the engine.
    except docker.errors.InvalidRepository as error:
        raise translate(operation, f"invalid reference format: {error}", None) from error
    # What is left of the SDK's errors is about the connection: bad certificates, no socket.
    except docker.errors.DockerException as error:
        raise unreachable(address.url, str(error)) from error
    except SHAPE_ERRORS as error:  # an answer of another shape
        raise malformed(operation, type(error).__name__) from error


def _cause(error: BaseException) -> BaseException | None:
    """Return the innermost error that requests and urllib3 wrapped."""
    inner = next((part for part in error.args if isinstance(part, BaseException)), None)
    return (_cause(inner) or inner) if inner is not None else None


def _message_of(error: docker.errors.APIError) -> str:
    return str(error.explanation or error)
