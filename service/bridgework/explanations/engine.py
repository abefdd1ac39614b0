"""Explanations about the engine as a whole: addresses, pools, leftovers, limits."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation

ROWS = (
    Explanation(
        "stale-address",
        BLOCKING,
        "No container holds the address, or another container holds it now.",
        "The addresses that running containers hold, and the addresses that stopped containers are configured with.",
        "Use the container's name on a user network, or the address that it has now.",
        "No container on simon_network holds 172.19.0.5; containers there that do not run: tomcat82.",
    ),
    Explanation(
        "address-changed",
        WARNING,
        "The container has another address than before, or than it is configured with: another container took the "
        "address while this one was stopped.",
        "The configured address differs from the address in use.",
        "Use the name instead of the address, or free the address and restart the container.",
        "tomcat82 is configured with 172.19.0.3, which tomcat85 holds; it has 172.19.0.4.",
    ),
    Explanation(
        "static-address-taken",
        BLOCKING,
        "Another container holds the fixed address of a stopped container, so the stopped container cannot start.",
        "A configured address that another endpoint holds.",
        "Disconnect the container that holds the address, or give one of the two another address.",
        "tomcat82 is configured with 172.19.0.3 on simon_network, which tomcat85 holds: tomcat82 cannot start.",
    ),
    Explanation(
        "stale-endpoint",
        WARNING,
        "The network lists an endpoint of a container that does not exist, so the network cannot be removed.",
        "An endpoint of the network that belongs to no container.",
        "Disconnect the endpoint with force.",
        "simon_network lists the endpoint of ghost, which does not exist.",
    ),
    Explanation(
        "network-gone",
        BLOCKING,
        "The container is configured with a network that no longer exists, so it cannot start.",
        "The network id of an endpoint belongs to no network.",
        "Disconnect the container from that network with force, and connect it to a network that exists.",
        "tomcat82 is configured with the network old (6c0dc947faf8), which does not exist.",
    ),
    Explanation(
        "network-forgotten",
        WARNING,
        "A stopped container is on no network, though it was created for one. When it starts, it has only lo.",
        "The network mode names a network, and the container has no endpoint. Docker 29 removes a network from a "
        "container that could not join it at its start.",
        "Connect the container to the network again, with the aliases and addresses that it had there.",
        "tomcat82 was created for the network simon_network and is on no network: when it starts, it has only lo.",
    ),
    Explanation(
        "network-unused",
        INFO,
        "No container, running or stopped, is on the network.",
        "The network is not built in and has no endpoints.",
        "Remove the network. This frees its subnet.",
        "simon_network has no endpoint, not even of a stopped container.",
    ),
    Explanation(
        "subnet-overlaps-host-route",
        WARNING,
        "The network's subnet overlaps a route of the host, such as a VPN's. The host can reach only one of the two at "
        "the shared addresses.",
        "The host's routing table and the subnets of the networks.",
        "Create the network again with a free subnet.",
        "simon_network 10.8.0.0/16 overlaps the route 10.8.0.0/24 by tun0.",
    ),
    Explanation(
        "subnet-overlaps-network",
        WARNING,
        "The subnets of two networks overlap, so an address that is in both is ambiguous.",
        "The subnets of the networks.",
        "Create one of the networks again with a free subnet.",
        "lan 10.8.0.0/24 overlaps backend 10.8.0.0/16.",
    ),
    Explanation(
        "subnet-hides-public-addresses",
        WARNING,
        "The network's subnet is in public or link-local address space: its containers cannot reach the real hosts "
        "there.",
        "The subnets of the networks, compared with the private and special ranges of RFC 1918, RFC 6598, RFC 3927 and "
        "RFC 4193.",
        "Create the network again with a private subnet.",
        "odd uses 8.8.8.0/24, which is public.",
    ),
    Explanation(
        "pool-exhausted",
        BLOCKING,
        "Every address of the network's pool is in use.",
        "The number of addresses in use, compared with the size of the pool; or the engine's refusal.",
        "Disconnect containers that do not need the network, or create the network again with a larger subnet.",
        "10.77.0.0/29 of simon_network has none of 5 addresses left.",
    ),
    Explanation(
        "pool-nearly-full",
        WARNING,
        "Few addresses of the network's pool are left.",
        "The number of addresses in use, compared with the size of the pool.",
        "Disconnect containers that do not need the network, or create the network again with a larger subnet.",
        "10.77.0.0/28 of simon_network has 1 of 13 addresses left.",
    ),
    Explanation(
        "address-space-exhausted",
        BLOCKING,
        "The engine has no subnet left for a new network.",
        "The default address pools, compared with the networks and the host's routes; or the engine's refusal.",
        "Remove unused networks, or give the engine larger default-address-pools.",
        "None of the 30 subnets of the default pools are left.",
    ),
    Explanation(
        "orphan-bridge",
        WARNING,
        "The host has a bridge with a name of Docker's that belongs to no network. An engine that is killed while it "
        "creates a network leaves one.",
        "A link of the host that is named br-<12 hex digits> and is not the bridge of any network.",
        "Delete the link on the host.",
        "br-0123456789ab belongs to no network.",
    ),
    Explanation(
        "bridge-port-limit",
        WARNING,
        "The network has nearly as many endpoints as one bridge of the kernel can have ports, which is 1,023.",
        "The number of endpoints of a bridge network.",
        "Place new containers on another network.",
        "big has 1010 endpoints; a bridge can have 1023.",
    ),
    Explanation(
        "neighbour-table-full",
        WARNING,
        "The kernel's neighbour table is nearly full. All namespaces share it. When it is full, connections between "
        "containers fail at random.",
        "The number of entries in use, compared with net.ipv4.neigh.default.gc_thresh3.",
        "Raise the limit: sysctl -w net.ipv4.neigh.default.gc_thresh3=8192.",
        "1010 of 1024 neighbour entries are in use.",
    ),
)
