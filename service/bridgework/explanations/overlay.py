"""Causes in a swarm: overlay networks, their tunnels and the other nodes."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, WARNING, Explanation

OVERLAY_NOT_ATTACHABLE = Explanation(
    "overlay-not-attachable",
    BLOCKING,
    "Only services can use the overlay network; a single container cannot be connected to it.",
    "The network has the scope swarm and is not attachable.",
    "Create the network again with attachable: true.",
    "mesh is not attachable: only services can use it.",
    seen="`docker run --network` ends with: network not manually attachable.",
    symptoms=("container-does-not-start",),
    references=("https://docs.docker.com/engine/network/drivers/overlay/",),
)
OVERLAY_PEER_UNREACHABLE = Explanation(
    "overlay-peer-unreachable",
    BLOCKING,
    "The node that holds the address does not answer through the tunnel of the overlay network.",
    "The address is on an overlay network and held on another node, and the probe timed out.",
    "Open udp port 4789 and tcp and udp port 7946 between the nodes.",
    "tomcat82 (10.0.1.7 on mesh) is on the node beta, and no answer comes through the tunnel.",
    seen="Containers on one node reach each other, and containers on another node do not answer.",
    symptoms=("containers-do-not-reach-each-other",),
    references=(
        "https://docs.docker.com/engine/network/drivers/overlay/",
        "https://github.com/moby/moby/issues/41775",
    ),
)
VXLAN_CHECKSUM_OFFLOAD = Explanation(
    "vxlan-checksum-offload",
    WARNING,
    "Pings pass through the tunnel of an overlay network and TCP does not. Some drivers, such as vmxnet3, compute "
    "wrong checksums for packets inside of VXLAN, and the other node drops them.",
    "A TCP connection to an overlay address on another node timed out, and a ping to it was answered.",
    "Switch the checksum offload of the link between the nodes off: ethtool -K eth0 tx-checksum-ip-generic off.",
    "10.0.1.7 on mesh answers pings, but no TCP connection: eth0 may damage checksums in the tunnel.",
    seen="Between two nodes, ping and name lookups work, and every TCP connection hangs.",
    symptoms=("ping-differs-from-tcp",),
    references=("https://github.com/moby/moby/issues/41775", "https://github.com/moby/moby/issues/50129"),
)
NODE_UNREACHABLE = Explanation(
    "node-unreachable",
    WARNING,
    "A node of the swarm does not answer. The service cannot see the containers on it, or knows only their earlier "
    "state.",
    "The instance of this service on that node did not answer in time, or there is none.",
    "Repair the node or its instance, or open the service's port between the nodes.",
    "The node beta does not answer. Its instance does not answer in time.",
    seen="A check with a container on another node is inconclusive.",
    symptoms=(
        "answer-is-uncertain",
        "containers-do-not-reach-each-other",
    ),
    references=("https://docs.docker.com/engine/network/drivers/overlay/",),
)
