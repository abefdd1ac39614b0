"""Causes in networks: which containers they join, what they keep apart, and what is left of them."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation
from bridgework.model.checks import Verdict

NO_SHARED_NETWORK = Explanation(
    "no-shared-network",
    BLOCKING,
    "The source and the destination have no network in common.",
    "The networks of the source and of the destination.",
    "Connect one of the two to the network of the other, if no third container is on it. Otherwise put both on a "
    "network of their own. The finding has the calls.",
    "tomcat81 (frontend) and pg1 (backend) have no network in common.",
    seen="The destination does not answer, or the route is missing: network unreachable.",
    symptoms=(
        "bad-gateway",
        "containers-do-not-reach-each-other",
        "works-from-host-not-from-container",
    ),
    references=("https://docs.docker.com/engine/network/drivers/bridge/",),
    quotes_rule=True,
)
PROXY_NETWORK_UNSHARED = Explanation(
    "proxy-network-unshared",
    BLOCKING,
    "A reverse proxy serves the container and is not on the network by which it would reach the container.",
    "The labels of Traefik and caddy-docker-proxy, and the networks of the container and of the proxy. A proxy is "
    "recognised by the name of its image. A warning says that the proxy may choose an unshared network.",
    "Connect the proxy and the container to one network, and name that network in traefik.docker.network.",
    "proxy is not on shop_front, the network that traefik.docker.network of web names.",
    seen="The proxy answers 502 Bad Gateway or 504 Gateway Timeout, and the container answers at its own address.",
    symptoms=("bad-gateway",),
    references=("https://github.com/traefik/traefik/issues/1254", "https://github.com/traefik/traefik/issues/5040"),
)
BRIDGES_ISOLATED = Explanation(
    "bridges-isolated",
    BLOCKING,
    "The address is on another bridge, and Docker's firewall drops packets to it from other bridges.",
    "The address is in the subnet of a bridge network that the source is not connected to, and the gateway mode of "
    "that network does not allow the traffic. Before Docker 29, also a published port that docker-proxy does not "
    "serve (userland-proxy=false): its packets are translated to such an address.",
    "Connect both containers to one network (the finding has the calls), or publish the port and use the host's "
    "address.",
    "172.19.0.3 is on simon_network, to which tomcat81 is not connected.",
    seen="A connection to the address of a container on another network times out.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "works-from-host-not-from-container",
    ),
    references=("https://docs.docker.com/engine/network/drivers/bridge/",),
    quotes_rule=True,
)
NETWORKS_NOT_ISOLATED = Explanation(
    "networks-not-isolated",
    INFO,
    "A container reaches another one that shares no network with it: nothing on the host stops packets between "
    "their bridges. Docker 26 isolates IPv6 networks only with ip6tables, which is off by default. Later versions "
    "isolate unless ip6tables or iptables is off, or a network has the gateway mode nat-unprotected or routed.",
    "The packet and its answer pass the rules in force on the host, or the engine writes no rules for the IP "
    "version. The finding names the address that is open.",
    "Drop the packets between the two bridges; the finding has the commands. Or let the engine isolate networks: "
    "ip6tables in daemon.json, on Docker 26 together with experimental.",
    "k9 reaches k6 at fd00:6::2 (six), although no network joins them: the engine writes no IPv6 rules (ip6tables "
    "is off), so nothing keeps networks apart.",
    seen="Containers on different networks reach each other by IPv6.",
    symptoms=("open-that-should-be-closed",),
    references=(
        "https://docs.docker.com/engine/daemon/ipv6/",
        "https://docs.docker.com/engine/network/packet-filtering-firewalls/",
        "https://github.com/moby/moby/pull/47747",
    ),
    about=Verdict.REACHABLE,
)
INTER_CONTAINER_OFF = Explanation(
    "inter-container-off",
    BLOCKING,
    "The network forbids traffic between its containers (enable_icc=false).",
    "The option com.docker.network.bridge.enable_icc of the network. On the default bridge, --link opens the ports "
    "that the other container exposes.",
    "Connect both containers to another network that allows traffic between its containers.",
    "locked has enable_icc=false: its containers cannot reach each other.",
    seen="Two containers on one network do not reach each other, and both reach the outside.",
    symptoms=("containers-do-not-reach-each-other",),
    references=("https://docs.docker.com/engine/network/drivers/bridge/",),
    quotes_rule=True,
)
ICC_NOT_ENFORCED = Explanation(
    "icc-not-enforced",
    WARNING,
    "The network forbids traffic between its containers (enable_icc=false), and they reach each other all the "
    "same: their packets stay within the bridge and meet no rule (br_netfilter is off), or Docker's rule is lost.",
    "The option enable_icc of the network, the sysctl net.bridge.bridge-nf-call-iptables of the host, and the "
    "rules of the host.",
    "Set the sysctl to 1, or write the rule again; the finding has the command.",
    "locked has enable_icc=false, and its containers reach each other: net.bridge.bridge-nf-call-iptables is 0, so "
    "the rule that drops their packets never sees them.",
    seen="Containers that should be kept apart on one network reach each other.",
    symptoms=("open-that-should-be-closed",),
    references=(
        "https://docs.docker.com/engine/network/drivers/bridge/",
        "https://github.com/moby/moby/issues/48375",
    ),
)
INTERNAL_NO_EGRESS = Explanation(
    "internal-no-egress",
    BLOCKING,
    "Every network of the source is internal: the source has no default route, and nothing leaves its networks.",
    "All networks of the source are internal, and the destination is outside of them.",
    "Connect the source to a network that is not internal.",
    "worker is only on internal networks (vault): 192.0.2.1 is out of reach.",
    seen="Every connection to the outside ends with network unreachable.",
    symptoms=(
        "outside-unreachable",
        "works-from-host-not-from-container",
    ),
    references=("https://docs.docker.com/reference/cli/docker/network/create/",),
    quotes_rule=True,
)
GATEWAY_MODE_ROUTED = Explanation(
    "gateway-mode-routed",
    INFO,
    "The bridge routes packets without address translation: published ports are open at the container's own "
    "address, not at the host's.",
    "The option com.docker.network.bridge.gateway_mode_ipv4 or …_ipv6 is routed, which Docker 26 ignores. From "
    "Docker 28 on, pings and connections to published ports pass from other bridges, and other ports are blocked.",
    "Use the container's address, and give the client a route to its subnet. Or use a network in nat mode.",
    "edge is routed: port 8080 of web is not open at the host.",
    seen="The published port does not answer at the host's address.",
    symptoms=("published-port-refused",),
    references=("https://docs.docker.com/engine/network/port-publishing/",),
    quotes_rule=True,
)
GATEWAY_MODE_ISOLATED = Explanation(
    "gateway-mode-isolated",
    BLOCKING,
    "The host has no address on the bridge, so the host and the containers on it cannot reach each other.",
    "The option com.docker.network.bridge.gateway_mode_ipv4 or …_ipv6 is isolated, or inhibit_ipv4 is set.",
    "Connect the container to a network that is not isolated.",
    "vault is isolated: the host has no address on it.",
    seen="The host does not reach the container, and the container has no gateway.",
    symptoms=("works-from-container-not-from-host",),
    references=("https://docs.docker.com/engine/network/port-publishing/",),
)
NETWORK_GONE = Explanation(
    "network-gone",
    BLOCKING,
    "The container is configured with a network that no longer exists, so it cannot start.",
    "The network id of an endpoint belongs to no network.",
    "Disconnect the container from that network with force, and connect it to a network that exists.",
    "tomcat82 is configured with the network old (6c0dc947faf8), which does not exist.",
    seen="`docker start` ends with: network not found.",
    symptoms=(
        "container-does-not-start",
        "worked-until-reboot",
    ),
    references=("https://docs.docker.com/reference/cli/docker/network/disconnect/",),
)
NETWORK_FORGOTTEN = Explanation(
    "network-forgotten",
    WARNING,
    "A stopped container is on no network, though it was created for one. When it starts, it has only lo.",
    "The network mode names a network, and the container has no endpoint. Docker 29 removes a network from a "
    "container that could not join it at its start.",
    "Connect the container to the network again, with the aliases and addresses that it had there.",
    "tomcat82 was created for the network simon_network and is on no network: when it starts, it has only lo.",
    seen="After a start that failed, the container starts without any network.",
    symptoms=(
        "container-does-not-start",
        "worked-until-reboot",
    ),
    references=("https://docs.docker.com/reference/cli/docker/network/connect/",),
)
NETWORK_UNUSED = Explanation(
    "network-unused",
    INFO,
    "No container, running or stopped, is on the network.",
    "The network is not built in and has no endpoints.",
    "Remove the network. This frees its subnet.",
    "simon_network has no endpoint, not even of a stopped container.",
    seen="`docker network ls` lists networks that no one remembers creating.",
    symptoms=("network-cannot-be-created-or-removed",),
    references=("https://github.com/moby/moby/issues/30623",),
)
STALE_ENDPOINT = Explanation(
    "stale-endpoint",
    WARNING,
    "The network lists an endpoint of a container that does not exist, so the network cannot be removed.",
    "An endpoint of the network that belongs to no container.",
    "Disconnect the endpoint with force.",
    "simon_network lists the endpoint of ghost, which does not exist.",
    seen="`docker network rm` says that the network has active endpoints, and no such container exists.",
    symptoms=("network-cannot-be-created-or-removed",),
    references=(
        "https://github.com/moby/moby/issues/17217",
        "https://github.com/moby/moby/issues/23302",
        "https://github.com/moby/moby/issues/42119",
    ),
)
