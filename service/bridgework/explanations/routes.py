"""Explanations about the host's routing: policy rules, answers that leave elsewhere, and the reverse path filter."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, Explanation

_RULES = "https://man7.org/linux/man-pages/man8/ip-rule.8.html"
_WHOSE = " A check asks for its own packets, the diagnosis for those of one container of each network."
_SYSCTLS = "https://docs.kernel.org/networking/ip-sysctl.html"

ROWS = (
    Explanation(
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
        references=(
            _RULES,
            "https://github.com/tailscale/tailscale/issues/13367",
            "https://github.com/tailscale/tailscale/issues/12070",
        ),
    ),
    Explanation(
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
        references=(_RULES, "https://github.com/tailscale/tailscale/issues/12070"),
    ),
    Explanation(
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
        references=(
            _SYSCTLS,
            "https://github.com/containers/podman/issues/26044",
            "https://github.com/newsnowlabs/docker-ingress-routing-daemon/issues/4",
        ),
    ),
    Explanation(
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
        references=(_SYSCTLS,),
    ),
    Explanation(
        "blackhole-route",
        BLOCKING,
        "The host's main routing table has a route of the type blackhole, prohibit or unreachable for the packet or "
        "its answer. Programs for VPNs and against attacks make such routes.",
        "The kernel's own answer for the packet (RTM_GETROUTE), and the longest route of the main table for its "
        f"destination.{_WHOSE}",
        "Delete the route, and take it out of the configuration of the program that made it.",
        "The host drops packets for 172.19.0.2 (simon_network): its route 172.19.0.2/32 refuses such packets "
        "(prohibit).",
        seen="Packets to one address or network vanish at the host, or are answered by it with `Packet filtered`.",
        references=("https://man7.org/linux/man-pages/man8/ip-route.8.html",),
    ),
)
