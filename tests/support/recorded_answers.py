"""What other engines and kernels answer: this one, alone and on this kernel, cannot be brought to say it.

Each with where in the engine's source it stands, and since when.
"""

from dataclasses import dataclass

from bridgework.model.errors import Conflict, EngineMisbehaved, InvalidInput, NotFound

ID = "0" * 64
NET = "failed to set up container networking: "
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
    Answer("create_network", "libnetwork/iptables, 26.1; provoked too, by firewalld itself in engine/test_firewalld.py",
           "Failed to Setup IP tables: Unable to enable SKIP DNAT rule:  (iptables failed: iptables --wait -t nat -I "
           "DOCKER -i br-0 -j RETURN: iptables: No chain/target/match by that name.\n (exit status 1))",
           Conflict, "engine-rules-flushed"),
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
    Answer("start_container", "28.5, seen on a kernel without SCTP",
           NET + PORT + "error starting userland proxy: failed to listen on 0.0.0.0:8083: protocol not supported",
           Conflict, "protocol-not-supported"),
    Answer("start_container", "29.7, seen on a kernel without SCTP",
           NET + PORT + "failed to create socket for 0.0.0.0:8083/sctp: protocol not supported", Conflict,
           "protocol-not-supported"),
    Answer("start_container", "libnetwork/drivers/bridge/port_mapping_linux.go, 28.5",
           NET + PORT + "failed to bind host port for [2001:db8:1:2::5]:8081:[fd00::3]:80/tcp: address already in use",
           Conflict, "port-taken"),
    Answer("start_container", "runc 1.1, seen once: the owner ended after the engine had looked at it",
           "failed to create task for container: failed to create shim task: OCI runtime create failed: invalid "
           "container spec: namespace path: lstat /proc/4242/ns/net: no such file or directory: unknown", Conflict,
           "shared-network-owner-down"),
    Answer("start_container", "runc 1.1, seen once on a machine without free processors",
           "failed to create task for container: failed to create shim task: OCI runtime create failed: runc "
           "create failed: unable to start container process: read init-p: connection reset by peer: unknown",
           EngineMisbehaved, "container-runtime-failed"),
    Answer("start_container", "libcontainer/process_linux.go, runc 1.3",
           "OCI runtime create failed: runc create failed: unable to start container process: container init was OOM "
           "killed (memory limit too low?)", EngineMisbehaved, "container-runtime-failed"),
    Answer("connect", "daemon/container_operations, 28.5, on a swarm", "web is already attached to network x", Conflict,
           "endpoint-exists"),
    Answer("connect", "libnetwork/drivers/ipvlan/ipvlan_endpoint.go, 28.5, on a kernel with ipvlan",
           "ipvlan interfaces do not support custom mac address assignment", InvalidInput, "mac-address-invalid"),
    Answer("pull_image", "containerd 2's resolver, 29.7 with containerd's image store and a registry that answers",
           'failed to resolve reference "docker.io/library/nothing:1": docker.io/library/nothing:1: not found',
           NotFound, "image-not-found"),
    Answer("pull_image", "distribution, 26.1, with a registry that answers",
           "manifest for nothing:1 not found: manifest unknown: manifest unknown", NotFound, "image-not-found"),
    Answer("pull_image", "distribution, 26.1, with a registry that answers",
           "pull access denied for nothing, repository does not exist or may require 'docker login'", NotFound,
           "image-not-found"),
    Answer("create_container", "the kernel, on a full disk", "mkdir /var/lib/docker/x: no space left on device",
           EngineMisbehaved, "engine-disk-full"),
]  # fmt: skip
