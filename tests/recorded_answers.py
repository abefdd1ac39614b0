"""What other engines and kernels answer: this one, alone and on this kernel, cannot be brought to say it.

Each with where in the engine's source it stands, and since when.
"""

from dataclasses import dataclass

from service.core.errors import Conflict, EngineMisbehaved, InvalidInput, NotFound

ID = "0" * 64
PORT = "driver failed programming external connectivity on endpoint x (y): "


@dataclass(frozen=True)
class Answer:
    """An operation, the engine's words, and what we make of them."""

    operation: str
    source: str
    said: str
    error: type
    code: str


RECORDED = [
    Answer("create_network", "libnetwork/ipams/defaultipam, 28.0",
           "all predefined address pools have been fully subnetted", Conflict, "address-space-exhausted"),
    Answer("create_network", "libnetwork/ipamapi, 26.1, after about thirty networks",
           "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
           Conflict, "address-space-exhausted"),
    Answer("create_network", "libnetwork/drivers/bridge, 26.1, behind an IPAM plugin that allows overlaps",
           f"cannot create network {ID} (br-0): conflicts with network {ID} (br-1): networks have overlapping IPv4",
           Conflict, "subnet-overlaps"),
    Answer("create_network", "plugins, 26.1; provoked too, apart from the others",
           'plugin "nothing" not found', InvalidInput, "driver-unknown"),
    Answer("remove_network", "daemon/cluster, 26.1, on a swarm",
           "rpc error: code = FailedPrecondition desc = network x is in use by service y", Conflict, "network-in-use"),
    Answer("connect", "daemon/container_operations, 26.1, on a swarm",
           "Could not attach to network x: rpc error: code = PermissionDenied desc = network x not manually attachable",
           Conflict, "overlay-not-attachable"),
    Answer("connect", "daemon/container_operations, 26.1, within the instants of a removal",
           f"container {ID} is marked for removal and cannot be connected or disconnected to the network x", Conflict,
           "container-removing"),
    Answer("start_container", "daemon/start, 26.1, within the instants of a removal",
           "container is marked for removal and cannot be started", Conflict, "container-removing"),
    Answer("remove_container", "daemon/delete, 26.1, within the instants of a removal",
           f"removal of container {ID} is already in progress", Conflict, "container-removing"),
    Answer("start_container", "libnetwork/portmapper, 26.1, on a kernel without SCTP",
           PORT + "Error starting userland proxy: protocol not supported", Conflict, "protocol-not-supported"),
    Answer("start_container", "libnetwork/drivers/bridge/port_mapping_linux.go, 28.0",
           f"failed to set up container networking: {PORT}failed to bind host port for "
           "0.0.0.0:8081:172.17.0.3:80/tcp: address already in use", Conflict, "port-taken"),
    Answer("pull_image", "distribution, 26.1, with a registry that answers",
           "manifest for nothing:1 not found: manifest unknown: manifest unknown", NotFound, "image-not-found"),
    Answer("pull_image", "distribution, 26.1, with a registry that answers",
           "pull access denied for nothing, repository does not exist or may require 'docker login'", NotFound,
           "image-not-found"),
    Answer("create_container", "the kernel, on a full disk", "mkdir /var/lib/docker/x: no space left on device",
           EngineMisbehaved, "engine-disk-full"),
]  # fmt: skip
