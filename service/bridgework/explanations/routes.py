"""Causes in routing: gateways, forwarding, policy rules, and answers that take another way."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, WARNING, Explanation

_WHOSE = " A check asks for its own packets, the diagnosis for those of one container of each network."
_SYSCTLS = "https://docs.kernel.org/networking/ip-sysctl.html"
_RULES = "https://man7.org/linux/man-pages/man8/ip-rule.8.html"

WRONG_DEFAULT_GATEWAY = Explanation(
    "wrong-default-gateway",
    WARNING,
    "The default route of the source uses a network that does not lead to the destination, or a program changed it "
    "and it leads to an address that is no gateway of Docker's.",
    "The gateway priorities, then the order of the networks' names; the routing table where visible; the option "
    "inhibit_ipv4.",
    "Give the endpoint on the right network a higher gateway_priority. Restart the container whose default route "
    "was changed: Docker then sets its routes again.",
    "The default route of tomcat81 to 192.0.2.1 uses lan; it could use frontend.",
    seen="A container with two networks lost the outside when the second network was connected.",
    symptoms=(
        "outside-unreachable",
        "works-from-host-not-from-container",
    ),
    references=(
        "https://github.com/moby/libnetwork/issues/784",
        "https://github.com/docker/docker-py/issues/3334",
    ),
)
HOST_NO_ROUTE = Explanation(
    "host-no-route",
    BLOCKING,
    "The host has no route to the address, so its containers cannot reach it either.",
    "The host's routing table, where visible.",
    "Use an address that the host can reach, or add a route on the host.",
    "The host has no route to 192.0.2.1.",
    seen="The container and its host both say: no route to host.",
    symptoms=("outside-unreachable",),
    references=("https://man7.org/linux/man-pages/man8/ip-route.8.html",),
)
IP_FORWARD_OFF = Explanation(
    "ip-forward-off",
    BLOCKING,
    "The host does not forward packets: containers cannot reach the outside, and the outside cannot reach "
    "published ports.",
    "net.ipv4.ip_forward or net.ipv6.conf.all.forwarding is 0.",
    "Switch forwarding on: sysctl -w net.ipv4.ip_forward=1.",
    "net.ipv4.ip_forward is 0 on the host.",
    seen="Containers reach the host and each other, and nothing beyond.",
    symptoms=(
        "ipv6-does-not-work",
        "outside-unreachable",
        "worked-until-reboot",
        "works-from-host-not-from-container",
    ),
    references=("https://docs.kernel.org/networking/ip-sysctl.html",),
)
INTERFACE_FORWARDING_OFF = Explanation(
    "interface-forwarding-off",
    BLOCKING,
    "The host forwards packets, but none that come in by this interface: its own sysctl is 0. Packets from the "
    "bridge of a network, or the answers of the LAN, do not get any further.",
    "The kernel's own answer for the packet (RTM_GETROUTE), and net.ipv4.conf.INTERFACE.forwarding "
    f"(RTM_GETNETCONF). IPv6 has no such setting for one interface.{_WHOSE}",
    "Set net.ipv4.conf.INTERFACE.forwarding to 1, also in a file of /etc/sysctl.d.",
    "The host forwards no packet that comes in by br-1 (simon_network): net.ipv4.conf.br-1.forwarding is 0. So the "
    "packet does not arrive.",
    seen="Containers of one network reach the host and each other, and nothing beyond.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
        "published-port-refused",
    ),
    references=(_SYSCTLS,),
)
MASQUERADE_OFF = Explanation(
    "masquerade-off",
    WARNING,
    "The bridge does not translate the source address of packets that leave it, so replies need a route to its subnet.",
    "The option com.docker.network.bridge.enable_ip_masquerade is false, and the destination is outside or on "
    "another bridge. From Docker 28.2 on, rules in the raw table drop the replies.",
    "Before Docker 28.2, add a route to the subnet on the other side. From Docker 28.2 on, use masquerading, "
    "gateway mode routed or nat-unprotected, or trusted_host_interfaces.",
    "raw does not masquerade: 192.0.2.1 needs a route back to the subnet of raw.",
    seen="Packets leave the container, and no answer comes back.",
    symptoms=(
        "outside-unreachable",
        "works-from-host-not-from-container",
    ),
    references=("https://docs.docker.com/engine/network/port-publishing/",),
    quotes_rule=True,
)
REPLY_PATH_LOST = Explanation(
    "reply-path-lost",
    BLOCKING,
    "The request arrives, but the reply leaves the destination by another path and is dropped.",
    "The destination's routes, or a missing route to the source's subnet.",
    "Connect the source and the destination to one network.",
    "tomcat82 has no IPv6 route back to tomcat81: the reply is lost.",
    seen="The destination receives the packet, and the source gets no answer.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "ipv6-does-not-work",
    ),
    references=("https://docs.docker.com/engine/network/drivers/bridge/",),
)
POLICY_ROUTE_DIVERTS = Explanation(
    "policy-route-diverts",
    BLOCKING,
    "A rule of policy routing (ip rule) sends packets for the network to another interface than its bridge, such "
    "as the tunnel of a VPN. So neither the host's own packets nor those that it forwards reach the containers.",
    "The kernel's own answer for the packet (RTM_GETROUTE), with its source, its interface, its mark and its ports "
    f"after translation. The finding quotes the rule and names the table, the route and the interface.{_WHOSE}",
    "Add a rule for the network's subnet that looks up the table main, with a smaller priority than that rule. Add "
    "it to the configuration of the VPN as well.",
    'The host sends packets for 172.19.0.2 by tailscale0 instead of br-1 (simon_network): the policy rule "5270: '
    'from all lookup 52" decides.',
    seen="Containers and published ports stop answering when a VPN connects.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "published-port-refused",
        "worked-until-reboot",
        "works-from-container-not-from-host",
    ),
    references=(
        _RULES,
        "https://github.com/tailscale/tailscale/issues/13367",
        "https://github.com/tailscale/tailscale/issues/12070",
    ),
)
ASYMMETRIC_ROUTING = Explanation(
    "asymmetric-routing",
    BLOCKING,
    "The packet arrives, and its answer leaves the host by another interface than the one by which the packet "
    "came, such as the tunnel of a VPN. The sender gets no answer.",
    "The kernel's own answer for the reply (RTM_GETROUTE). The finding quotes the policy rule and names the table, "
    f"the route and the interface.{_WHOSE}",
    "Add a rule for the subnet of the sender that looks up the table main, with a smaller priority than that rule.",
    "The answer to 172.19.0.3 leaves the host by wg0 instead of br-1 (simon_network), by which the question came: "
    'the policy rule "100: from all lookup 51820" decides.',
    seen="Packets to a container or to a published port arrive, and no answer comes back.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "published-port-refused",
        "worked-until-reboot",
    ),
    references=(_RULES, "https://github.com/tailscale/tailscale/issues/12070"),
)
REVERSE_PATH_FILTERED = Explanation(
    "reverse-path-filtered",
    BLOCKING,
    "The kernel drops a packet that comes in by another interface than the one by which the host would send to the "
    "packet's source (rp_filter is 1, strict).",
    "The kernel's own answer for the packet (RTM_GETROUTE), the sysctl of the interface and that of all "
    f"interfaces, of which the larger value counts, and the host's route back to the source.{_WHOSE}",
    "Correct the route back to the source, or set net.ipv4.conf.INTERFACE.rp_filter to 2 (loose).",
    "The host drops packets from 172.19.0.3 that come in by br-1 (simon_network): net.ipv4.conf.all.rp_filter is 1 "
    "(strict), and the host's route back to 172.19.0.3 leaves by wg0 (the policy rule \"100: from all lookup "
    '51820" decides).',
    seen="Packets arrive at the host and vanish. No firewall rule counts them.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
        "published-port-refused",
    ),
    references=(
        _SYSCTLS,
        "https://github.com/containers/podman/issues/26044",
        "https://github.com/newsnowlabs/docker-ingress-routing-daemon/issues/4",
    ),
)
BLACKHOLE_ROUTE = Explanation(
    "blackhole-route",
    BLOCKING,
    "The host's main routing table has a route of the type blackhole, prohibit or unreachable for the packet or "
    "its answer. Programs for VPNs and against attacks make such routes.",
    "The kernel's own answer for the packet (RTM_GETROUTE), and the longest route of the main table for its "
    f"destination.{_WHOSE}",
    "Delete the route, and take it out of the configuration of the program that made it.",
    "The host drops packets for 172.19.0.2 (simon_network): its route 172.19.0.2/32 refuses such packets (prohibit).",
    seen="Packets to one address or network vanish at the host, or are answered by it with `Packet filtered`.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
        "published-port-refused",
    ),
    references=("https://man7.org/linux/man-pages/man8/ip-route.8.html",),
)
ROUTER_ADVERTISEMENTS_REFUSED = Explanation(
    "router-advertisements-refused",
    WARNING,
    "The host got its IPv6 address from a router, but since it forwards IPv6 packets it ignores the router's "
    "advertisements. Its default route is gone, or it goes when it expires.",
    "An interface of the host with an address from an advertisement, accept_ra=1 and forwarding=1, and no default "
    "route that does not come from an advertisement.",
    "Set accept_ra of that interface to 2: then the kernel accepts advertisements although it forwards.",
    "eth0 of the host ignores router advertisements: it forwards IPv6, and accept_ra is 1.",
    seen="The host and its containers lose IPv6 some time after Docker was started with an IPv6 network.",
    symptoms=(
        "ipv6-does-not-work",
        "outside-unreachable",
        "worked-until-reboot",
    ),
    references=(
        "https://github.com/docker/for-linux/issues/844",
        "https://docs.kernel.org/networking/ip-sysctl.html",
    ),
)
CONTAINER_ROUTE_DROPS = Explanation(
    "container-route-drops",
    BLOCKING,
    "A route or a policy rule inside a container drops the packet or its answer (blackhole, unreachable or prohibit).",
    "The policy rules and the routes of all tables inside both namespaces, as the kernel applies them to the packet "
    "and "
    "to its answer.",
    "Take the route or the rule out of the program that made it. A restart of the container removes it.",
    "tomcat82 drops the answer to 172.19.0.2: its route 172.19.0.2/32 drops such packets (blackhole).",
    seen="A container with a VPN client or a security agent does not reach others, or does not answer.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
    ),
    references=(_RULES, "https://man7.org/linux/man-pages/man8/ip-route.8.html"),
)
CONTAINER_ROUTE_DIVERTS = Explanation(
    "container-route-diverts",
    WARNING,
    "A route or a policy rule inside a container sends the packet or its answer by another interface or gateway than "
    "the "
    "network's own.",
    "The policy rules and the routes of all tables inside both namespaces, as the kernel applies them to the packet "
    "and "
    "to its answer.",
    "Leave the subnets of Docker's networks out of the VPN's routes. A restart of the container removes a route that "
    "no "
    "program makes again.",
    'tomcat82 sends the answer to 172.19.0.2 by tun0 instead of eth0: the policy rule "from all lookup 51820" decides.',
    seen="A container with a VPN client does not reach others, or does not answer.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
    ),
    references=(_RULES, "https://man7.org/linux/man-pages/man8/ip-route.8.html"),
)
