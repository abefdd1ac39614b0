"""Causes in addresses: families, addresses that changed hands, subnets that overlap, pools that run out."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation

ADDRESS_FAMILY_MISMATCH = Explanation(
    "address-family-mismatch",
    BLOCKING,
    "The source and the destination have no address family in common, or they lack the requested family.",
    "The addresses of the endpoints, and ip_version in the request.",
    "Request a family that both have, or use a network with the requested family enabled.",
    "tomcat82 has no IPv6 address on simon_network.",
    seen="A connection over IPv6 fails at once, or the name has no address of that family.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "ipv6-does-not-work",
    ),
    references=("https://docs.docker.com/engine/daemon/ipv6/",),
)
ADDRESS_TENTATIVE = Explanation(
    "address-tentative",
    WARNING,
    "An IPv6 address on the path is not in use yet. Its kernel still checks it for a duplicate (duplicate address "
    "detection), and neither sends from it nor answers for it. If a duplicate was found, the kernel never uses the "
    "address.",
    "The flags tentative and dadfailed of the addresses of the source, the destination and the bridge, read before "
    "the probe. Docker 26 and 27 leave detection on for the address of a bridge. Detection begins when the "
    "network gets its first container, and takes about two seconds. A check waits for the end of the detection, at "
    "most two seconds.",
    "Repeat the check. If there is a duplicate, give the container another address.",
    "fd00:99::1, the host's address on six, is tentative: it is not used until duplicate address detection ends.",
    seen="Right after its start, a container cannot use IPv6. Two seconds later it works.",
    symptoms=(
        "answer-is-uncertain",
        "ipv6-does-not-work",
        "works-sometimes",
    ),
    references=("https://www.rfc-editor.org/rfc/rfc4862",),
    undecided=True,
)
STALE_ADDRESS = Explanation(
    "stale-address",
    BLOCKING,
    "No container holds the address, or another container holds it now.",
    "The addresses that running containers hold, and the addresses that stopped containers are configured with.",
    "Use the container's name on a user network, or the address that it has now.",
    "No container on simon_network holds 172.19.0.5; containers there that do not run: tomcat82.",
    seen="A connection to a known address times out or reaches another container.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "worked-until-reboot",
        "wrong-container-answers",
    ),
    references=("https://github.com/moby/moby/issues/27404",),
    unseen="something outside of the engine holds the address",
)
ADDRESS_CHANGED = Explanation(
    "address-changed",
    WARNING,
    "The container has another address than before, or than it is configured with: another container took the "
    "address while this one was stopped.",
    "The configured address differs from the address in use.",
    "Use the name instead of the address, or free the address and restart the container.",
    "tomcat82 is configured with 172.19.0.3, which tomcat85 holds; it has 172.19.0.4.",
    seen="A container that was restarted no longer answers at its old address.",
    symptoms=(
        "worked-until-reboot",
        "wrong-container-answers",
    ),
    references=("https://docs.docker.com/engine/network/drivers/bridge/",),
)
STATIC_ADDRESS_TAKEN = Explanation(
    "static-address-taken",
    BLOCKING,
    "Another container holds the fixed address of a stopped container, so the stopped container cannot start.",
    "A configured address that another endpoint holds.",
    "Disconnect the container that holds the address, or give one of the two another address.",
    "tomcat82 is configured with 172.19.0.3 on simon_network, which tomcat85 holds: tomcat82 cannot start.",
    seen="`docker start` ends with: Address already in use.",
    symptoms=(
        "container-does-not-start",
        "worked-until-reboot",
    ),
    references=("https://github.com/moby/moby/issues/49781",),
)
DUPLICATE_ADDRESS = Explanation(
    "duplicate-address",
    WARNING,
    "Two stations on one network have the same address. The one that answers first gets the packets.",
    "An interface of another container or of the host has the address of an endpoint. Or the neighbour entry for "
    "the address was confirmed with the MAC address of another station, which the bridge has learnt behind a port.",
    "Take the address away from the station that the engine did not give it to.",
    "eth0 of intruder has 172.19.0.3, the address of tomcat82 on simon_network, as well.",
    seen="Connections to one address work, stop, and work again, or another program answers.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "works-sometimes",
        "wrong-container-answers",
    ),
    references=("https://github.com/moby/moby/issues/29610", "https://www.rfc-editor.org/rfc/rfc5227"),
    undecided=True,
)
MAC_ADDRESS_IGNORED = Explanation(
    "mac-address-ignored",
    INFO,
    "The endpoint is configured with a MAC address, but the endpoint has another one. A driver can ignore it (an "
    "ipvlan has the MAC address of its parent), and Docker before 29.3 ignores it when it connects a container.",
    "The settings of the endpoint and the driver of the network.",
    "Leave the MAC address out, or set it when you create the container, on a macvlan or bridge network.",
    "The MAC address of tomcat81 on lan is ignored: ipvlan uses the parent's.",
    seen="`ip link` in the container shows another MAC address than the one that was configured.",
    symptoms=("wrong-container-answers",),
    references=("https://docs.docker.com/engine/network/drivers/ipvlan/",),
)
SUBNET_OVERLAPS_NETWORK = Explanation(
    "subnet-overlaps-network",
    WARNING,
    "The subnets of two networks overlap, so an address that is in both is ambiguous.",
    "The subnets of the networks.",
    "Create one of the networks again with a free subnet.",
    "lan 10.8.0.0/24 overlaps backend 10.8.0.0/16.",
    seen="A container reaches the wrong network for some addresses.",
    symptoms=(
        "network-cannot-be-created-or-removed",
        "works-sometimes",
        "wrong-container-answers",
    ),
    references=("https://docs.docker.com/reference/cli/docker/network/create/",),
)
SUBNET_OVERLAPS_HOST_ROUTE = Explanation(
    "subnet-overlaps-host-route",
    WARNING,
    "The network's subnet overlaps a route of the host, such as a VPN's. The host can reach only one of the two at "
    "the shared addresses.",
    "The host's routing table and the subnets of the networks.",
    "Create the network again with a free subnet.",
    "simon_network 10.8.0.0/16 overlaps the route 10.8.0.0/24 by tun0.",
    seen="Hosts of a VPN or a company network are unreachable since a Docker network was created.",
    symptoms=(
        "network-cannot-be-created-or-removed",
        "outside-unreachable",
        "works-from-container-not-from-host",
        "works-from-host-not-from-container",
    ),
    references=("https://github.com/docker/for-linux/issues/599",),
)
SUBNET_HIDES_PUBLIC_ADDRESSES = Explanation(
    "subnet-hides-public-addresses",
    WARNING,
    "The network's subnet is in public or link-local address space: its containers cannot reach the real hosts there.",
    "The subnets of the networks, compared with the private and special ranges of RFC 1918, RFC 6598, RFC 3927 and "
    "RFC 4193.",
    "Create the network again with a private subnet.",
    "odd uses 8.8.8.0/24, which is public.",
    seen="Containers, or the whole host, cannot reach some public servers.",
    symptoms=("outside-unreachable",),
    references=("https://www.rfc-editor.org/rfc/rfc1918",),
)
POOL_EXHAUSTED = Explanation(
    "pool-exhausted",
    BLOCKING,
    "Every address of the network's pool is in use.",
    "The number of addresses in use, compared with the size of the pool; or the engine's refusal.",
    "Disconnect containers that do not need the network, or create the network again with a larger subnet.",
    "10.77.0.0/29 of simon_network has none of 5 addresses left.",
    seen="`docker run` ends with: no available IPv4 addresses on this network's address pools.",
    symptoms=("container-does-not-start",),
    references=("https://docs.docker.com/reference/cli/docker/network/create/",),
)
POOL_NEARLY_FULL = Explanation(
    "pool-nearly-full",
    WARNING,
    "Few addresses of the network's pool are left.",
    "The number of addresses in use, compared with the size of the pool.",
    "Disconnect containers that do not need the network, or create the network again with a larger subnet.",
    "10.77.0.0/28 of simon_network has 1 of 13 addresses left.",
    seen="Nothing fails yet. Soon new containers will not start on this network.",
    symptoms=("container-does-not-start",),
    references=("https://docs.docker.com/reference/cli/docker/network/create/",),
)
ADDRESS_SPACE_EXHAUSTED = Explanation(
    "address-space-exhausted",
    BLOCKING,
    "The engine has no subnet left for a new network.",
    "The default address pools, compared with the networks and the host's routes; or the engine's refusal.",
    "Remove unused networks, or give the engine larger default-address-pools.",
    "None of the 30 subnets of the default pools are left.",
    seen="`docker network create` ends with: all predefined address pools have been fully subnetted.",
    symptoms=("network-cannot-be-created-or-removed",),
    references=("https://github.com/Dokploy/dokploy/issues/1941",),
)
CONTAINER_ADDRESS_MISSING = Explanation(
    "container-address-missing",
    BLOCKING,
    "No interface of the container has the address that Docker gave it, or it has the address with another prefix "
    "length. A program inside changed it.",
    "The addresses inside the container's network namespace, compared with those of its endpoint and the network's "
    "subnet.",
    "Disconnect the container from the network and connect it again, and configure the program inside.",
    "tomcat81 does not have its address 172.19.0.2 on simon_network: eth0 has no IPv4 address.",
    seen="A container that runs does not answer at its address, and `docker inspect` shows nothing wrong.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "ipv6-does-not-work",
    ),
    references=("https://man7.org/linux/man-pages/man8/ip-address.8.html",),
)
IPV6_DISABLED = Explanation(
    "ipv6-disabled",
    BLOCKING,
    "IPv6 is switched off at the interface of a container that has an IPv6 address of Docker's.",
    "The sysctl net.ipv6.conf.INTERFACE.disable_ipv6 inside the container.",
    "Restart the container without the setting that switches IPv6 off.",
    "IPv6 is off on eth0 of tomcat81: net.ipv6.conf.eth0.disable_ipv6 is 1.",
    seen="A container has an IPv6 address in `docker inspect` and none in `ip -6 addr`.",
    symptoms=("ipv6-does-not-work",),
    references=("https://docs.kernel.org/networking/ip-sysctl.html",),
)
