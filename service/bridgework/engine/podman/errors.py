"""The refusals of Podman, in its own words (5.4.2); ``tests/engines/test_podman.py`` provokes each of them."""

from __future__ import annotations

from bridgework.engine.errors import Row
from bridgework.model.errors import Conflict, InvalidInput, NotFound

_ROWS = (
    ("create_network", r"network name (\S+) already used", Conflict, "network-name-taken",
     "A network named {0} already exists."),
    ("create_network", r"subnet \S+ is already used on the host or by another config", Conflict, "subnet-overlaps",
     "The engine refuses the subnet: {message}."),
    ("create_network", r"bridge name (?P<bridge>\S+) already in use", Conflict, "bridge-name-taken",
     "Another network or interface already has the bridge {bridge}."),
    ("remove_network", r"has associated containers with it", Conflict, "network-in-use",
     "Containers are connected to the network."),
    ("connect", r"is already connected to network", Conflict, "endpoint-exists",
     "The container already has an endpoint in the network."),
    ("disconnect", r"is not connected to network", NotFound, "endpoint-not-found",
     "The container has no endpoint in that network."),
    ("connect create_container start_container restart_container", r"requested ip address \S+ is already allocated",
     Conflict, "static-address-taken", "The engine refuses the address: {message}."),
    ("connect start_container restart_container", r"(?:bind|listen).*: address already in use|port is already in use",
     Conflict, "port-taken", "A published port of the host is already taken."),
    ("remove_container", r"has dependent containers which must be removed before it: ([^:]+)", Conflict,
     "container-is-shared", "Containers share the network of this one: {0}."),
    ("create_container rename_container", r"name \"?(?P<name>[^\" ]+)\"? is already in use", Conflict,
     "container-name-taken", "A container named {name} already exists."),
    ("create_container pull_image", r"no such image|image not known", NotFound, "image-not-found",
     "The engine has no such image."),
    ("create_container", r"invalid (?:config|argument)", InvalidInput, "combination-invalid",
     "The engine refuses the combination of fields: {message}."),
    ("*", r"no container with name or ID|no such container", NotFound, "container-not-found",
     "The container no longer exists."),
    ("*", r"network not found", NotFound, "network-not-found", "The network no longer exists."),
)  # fmt: skip

PODMAN_TABLE = tuple(
    Row(frozenset(operations.split()), message, error, code, detail)
    for operations, message, error, code, detail in _ROWS
)
