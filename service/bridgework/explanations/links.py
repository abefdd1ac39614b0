"""Causes at links: bridges, veths, VLANs, neighbours and the size of packets."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, WARNING, Explanation

LINK_DOWN = Explanation(
    "link-down",
    BLOCKING,
    "An interface on the path is down.",
    "The state of the link inside the container, and of the host's link below a macvlan or ipvlan network.",
    "Disconnect the container from the network and connect it again. Set the host's link below a network up.",
    "eth0 of tomcat81, on simon_network, is down.",
    seen="The interface inside shows state DOWN, and nothing is reachable.",
    symptoms=("containers-do-not-reach-each-other",),
    references=("https://man7.org/linux/man-pages/man8/ip-link.8.html",),
)
VETH_DETACHED = Explanation(
    "veth-detached",
    BLOCKING,
    "The host's end of the container's veth is not a port of the network's bridge.",
    "The master index of the veth's end on the host.",
    "Disconnect the container from the network and connect it again.",
    "veth27a5c19, the host's end of eth0 of tomcat81, is not a port of br-6c0dc947faf8.",
    seen="One container lost its network, and other containers on the same bridge work.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "worked-until-reboot",
    ),
    references=("https://github.com/moby/moby/issues/26492",),
)
ORPHAN_BRIDGE = Explanation(
    "orphan-bridge",
    WARNING,
    "The host has a bridge with a name of Docker's that belongs to no network. An engine that is killed while it "
    "creates a network leaves one.",
    "A link of the host that is named br-<12 hex digits> and is not the bridge of any network.",
    "Delete the link on the host.",
    "br-0123456789ab belongs to no network.",
    seen="`ip link` lists a bridge `br-…` whose id `docker network ls` does not list.",
    symptoms=(
        "network-cannot-be-created-or-removed",
        "worked-until-reboot",
    ),
    references=("https://docs.docker.com/reference/cli/docker/network/create/",),
)
BRIDGE_ADDRESS_MISSING = Explanation(
    "bridge-address-missing",
    BLOCKING,
    "The bridge of the network no longer has the address that is the gateway of its containers. They reach neither "
    "the host nor anything outside, and the host has no route to them.",
    "The addresses of the bridge on the host, compared with the gateway of the network. If systemd-networkd or "
    "NetworkManager runs on the host and configures the bridge, the finding names its process and file.",
    "Give the bridge its address again, and tell the program that removed it to leave Docker's links alone.",
    "br-6c0dc947faf8, the bridge of simon_network, does not have its address 172.19.0.1. systemd-networkd (process "
    "412) configures br-6c0dc947faf8.",
    seen="Containers on one network reach each other and nothing else, often after a reload of the network setup.",
    symptoms=(
        "ipv6-does-not-work",
        "outside-unreachable",
        "worked-until-reboot",
        "works-from-container-not-from-host",
    ),
    references=("https://github.com/systemd/systemd/issues/28626", "https://github.com/moby/moby/issues/40217"),
)
BRIDGE_PORT_LIMIT = Explanation(
    "bridge-port-limit",
    WARNING,
    "The network has nearly as many endpoints as one bridge of the kernel can have ports, which is 1,023.",
    "The number of endpoints of a bridge network.",
    "Place new containers on another network.",
    "big has 1010 endpoints; a bridge can have 1023.",
    seen="`docker run` ends with: exchange full, when the bridge has 1,023 ports.",
    symptoms=("container-does-not-start",),
    references=("https://docs.docker.com/engine/network/drivers/bridge/",),
)
VLAN_WITHOUT_PARENT = Explanation(
    "vlan-without-parent",
    WARNING,
    "The macvlan or ipvlan network has no parent link: its containers can reach only each other.",
    "The option parent is absent, or the network is internal.",
    "Create the network again with a parent link of the host.",
    "lan has no parent: nothing outside of it is reachable.",
    seen="Containers on the network reach each other and nothing else.",
    symptoms=("outside-unreachable",),
    references=("https://docs.docker.com/engine/network/drivers/macvlan/",),
)
VLAN_MODE_PRIVATE = Explanation(
    "vlan-mode-private",
    BLOCKING,
    "The mode of the macvlan or ipvlan network forbids traffic between its endpoints.",
    "macvlan_mode is private, or it is vepa and the switch does not send frames back. Or ipvlan_flag is private or "
    "vepa.",
    "Create the network again in mode bridge, or connect both containers to another network.",
    "lan is in mode private: its endpoints cannot reach each other.",
    seen="Two containers on one macvlan or ipvlan network do not reach each other.",
    symptoms=("containers-do-not-reach-each-other",),
    references=(
        "https://docs.docker.com/engine/network/drivers/macvlan/",
        "https://docs.docker.com/engine/network/drivers/ipvlan/",
    ),
)
MACVLAN_HOST_FILTERED = Explanation(
    "macvlan-host-filtered",
    BLOCKING,
    "A macvlan or ipvlan endpoint and its own host cannot reach each other: the kernel delivers no frame between "
    "the endpoint and its parent link.",
    "The driver of the network, where the source or the destination is the host.",
    "Connect the container to a bridge network as well, and use its address there.",
    "lan is on a link of the host: its endpoints and their own host cannot reach each other.",
    seen="Every machine of the LAN reaches the container, except its own host.",
    symptoms=("works-from-container-not-from-host",),
    references=("https://docs.docker.com/engine/network/drivers/macvlan/",),
)
STALE_NEIGHBOUR = Explanation(
    "stale-neighbour",
    BLOCKING,
    "The ARP or NDP table has another MAC address for a container than the container has, so frames go nowhere or "
    "to another station.",
    "The neighbour entries of the host and of the namespaces, compared with the MAC addresses of the endpoints. "
    "Only entries count that the kernel does not ask about again: permanent and reachable ones.",
    "Delete the entry on the host, or restart the container that has the entry.",
    "tomcat81 has the neighbour entry 172.19.0.3 with 02:00:00:00:00:01, but tomcat82 has 02:42:ac:13:00:03.",
    seen="One container does not reach another one, although a third one does.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "works-from-container-not-from-host",
        "works-sometimes",
        "wrong-container-answers",
    ),
    references=("https://github.com/moby/moby/issues/36069", "https://man7.org/linux/man-pages/man7/arp.7.html"),
)
NEIGHBOUR_TABLE_FULL = Explanation(
    "neighbour-table-full",
    WARNING,
    "The kernel's neighbour table is nearly full. All namespaces share it. When it is full, connections between "
    "containers fail at random.",
    "The number of entries in use, compared with net.ipv4.neigh.default.gc_thresh3.",
    "Raise the limit: sysctl -w net.ipv4.neigh.default.gc_thresh3=8192.",
    "1010 of 1024 neighbour entries are in use.",
    seen="Connections between containers fail at random, and the kernel logs: neighbour table overflow.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "slow-then-hangs",
        "works-sometimes",
    ),
    references=("https://man7.org/linux/man-pages/man7/arp.7.html",),
)
NDP_PROXY_MISSING = Explanation(
    "ndp-proxy-missing",
    WARNING,
    "The IPv6 subnet of the network is a part of the prefix of the host's LAN, and its packets are not "
    "masqueraded. So the router and other machines on the LAN take the containers for their neighbours and ask for "
    "them there (NDP). Nothing answers, since the containers are behind the host.",
    "The addresses of the host's interfaces, the kernel's proxy entries (ip -6 neigh show proxy), the sysctl "
    "proxy_ndp, and the processes ndppd, npd6 and odhcpd on the host, which answer instead of the kernel.",
    "Set net.ipv6.conf.INTERFACE.proxy_ndp to 1 and add a proxy entry for each address, or run ndppd. Better, "
    "create the network with a prefix that the router routes to the host. A machine that has a route to the subnet "
    "by the host does not ask.",
    "Neighbours on eth0 (2001:db8:1::/64) ask by NDP for the addresses of containers on simon_network, such as "
    "2001:db8:1:0:1::2, and nothing answers: net.ipv6.conf.eth0.proxy_ndp is 0 and the host has no proxy entry on "
    "eth0 for 1 of them.",
    seen="Containers with a public IPv6 address reach nothing outside of the host, and nothing reaches them.",
    symptoms=(
        "ipv6-does-not-work",
        "outside-unreachable",
    ),
    references=(
        "https://github.com/moby/moby/issues/10919",
        "https://github.com/docker/for-linux/issues/928",
        "https://www.rfc-editor.org/rfc/rfc4389",
        "https://docs.kernel.org/networking/ip-sysctl.html",
    ),
)
MTU_MISMATCH = Explanation(
    "mtu-mismatch",
    BLOCKING,
    "The packet is larger than the MTU of a link on the path, and it must not be fragmented.",
    "The size of payload and headers, compared with the MTU of the links; or a probe that ended with message-too-long.",
    "Send smaller packets, or create the network again with a larger com.docker.network.driver.mtu.",
    "1500 bytes (1472 and headers) do not fit through the link of tomcat81 to simon_network, whose MTU is 1450.",
    seen="Small packets pass, large ones do not: pages load half, or TLS handshakes stop.",
    symptoms=(
        "ping-differs-from-tcp",
        "slow-then-hangs",
    ),
    references=(
        "https://github.com/moby/moby/issues/12565",
        "https://github.com/moby/moby/issues/49398",
    ),
)
MTU_EXCEEDS_EGRESS = Explanation(
    "mtu-exceeds-egress",
    WARNING,
    "The MTU of the network is larger than the MTU of the host's link to the outside. Large packets of its "
    "containers need path MTU discovery for each destination, and are lost where a firewall drops its ICMP errors.",
    "The MTU of the bridge and of the link of the default route on the host, with nothing sent.",
    "Move the containers to a network whose com.docker.network.driver.mtu is the MTU of the link. For the default "
    "bridge and for new networks, set mtu or default-network-opts in daemon.json.",
    "The bridge of simon_network has an MTU of 1500 bytes, but wg0, the host's link to the outside, has 1420.",
    seen="Small requests pass, and large uploads or TLS handshakes to the outside hang.",
    symptoms=(
        "slow-then-hangs",
        "works-sometimes",
    ),
    references=("https://github.com/moby/moby/issues/49398", "https://github.com/moby/moby/issues/12565"),
)
PMTU_BLACKHOLE = Explanation(
    "pmtu-blackhole",
    BLOCKING,
    "A link on the way takes only smaller packets, and the ICMP errors that would say so are dropped. The sender "
    "repeats its large packets without end: connections open and then hang.",
    "After a large ping that must not be fragmented, or an HTTP request whose connection opened, timed out: a "
    "small ping passes, and a bisection with pings that must not be fragmented finds the largest size that passes.",
    "Move the containers to a network whose com.docker.network.driver.mtu is the path MTU. Better, let ICMP "
    "fragmentation needed and packet too big pass on the way.",
    "Packets of more than 1400 bytes from tomcat81 to 192.0.2.80 are lost, and no ICMP error says so.",
    seen="A connection opens, small requests work, and a large answer, an upload or a TLS handshake hangs.",
    symptoms=(
        "ping-differs-from-tcp",
        "slow-then-hangs",
    ),
    references=("https://github.com/moby/moby/issues/12565", "https://www.rfc-editor.org/rfc/rfc2923"),
)
BRIDGE_PORT_BLOCKS = Explanation(
    "bridge-port-blocks",
    BLOCKING,
    "The bridge does not forward the frames of a container at its port: the port is not in the state forwarding, is "
    "isolated from the port of the other end, is locked, or gets no broadcasts or multicasts.",
    "The settings of the port as the kernel reports them (rtnetlink, IFLA_BRPORT). A port that gets no broadcasts "
    "counts "
    "only where the other end asked for the MAC address and got no answer.",
    "Set the port's setting back, with the command of the finding.",
    "veth27a5c19, the port of br-6c0dc947faf8 for tomcat81, forwards nothing (state listening).",
    seen="One container is silent, although its link is up and its addresses are right.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "works-from-host-not-from-container",
    ),
    references=("https://man7.org/linux/man-pages/man8/bridge.8.html",),
)
STALE_FORWARDING_ENTRY = Explanation(
    "stale-forwarding-entry",
    BLOCKING,
    "An entry of the bridge's forwarding table that was written by hand sends the frames for a container to another "
    "port.",
    "The entries of the host's bridges (bridge fdb), compared with the MAC address inside the container and its veth.",
    "Delete the entry.",
    "br-6c0dc947faf8 sends the frames for tomcat81 (02:42:ac:13:00:02) to veth99b1c2d instead of veth27a5c19.",
    seen="Nothing reaches one container of a network.",
    symptoms=("containers-do-not-reach-each-other",),
    references=("https://man7.org/linux/man-pages/man8/bridge.8.html",),
)
DUPLICATE_MAC_ADDRESS = Explanation(
    "duplicate-mac-address",
    BLOCKING,
    "Two stations on one network have the same MAC address. The bridge sends the frames for both to the one that sent "
    "last.",
    "The bridge has learnt the MAC address of the container behind another port than the container's own.",
    "Give one of them another MAC address, and create its container without a fixed mac_address.",
    "Two stations on simon_network have the MAC address 02:42:ac:13:00:02: tomcat81, and one behind veth99b1c2d. The "
    "bridge sends frames to the one that sent last.",
    seen="Connections to two containers work by turns.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "works-sometimes",
        "wrong-container-answers",
    ),
    references=("https://man7.org/linux/man-pages/man8/bridge.8.html",),
)
NEIGHBOUR_DISCOVERY_OFF = Explanation(
    "neighbour-discovery-off",
    BLOCKING,
    "An interface takes no part in ARP or neighbour discovery, so no neighbour finds out its MAC address.",
    "The flag NOARP of the interface, or its sysctl arp_ignore with the value 8 where a neighbour asked and got no "
    "answer.",
    "Restart the container, or switch ARP on at the host's link.",
    "ARP is off on eth0 of tomcat81: it asks for no neighbour, and it answers none.",
    seen="`ip neigh` shows FAILED for the address of a container that runs.",
    symptoms=("containers-do-not-reach-each-other",),
    references=(
        "https://man7.org/linux/man-pages/man8/ip-link.8.html",
        "https://docs.kernel.org/networking/ip-sysctl.html",
    ),
)
QUEUE_DISCIPLINE_DROPS = Explanation(
    "queue-discipline-drops",
    BLOCKING,
    "The queueing discipline of an interface on the way drops everything that leaves there (blackhole).",
    "The kind of the root queueing discipline of each interface on the way, as the kernel reports it.",
    "Delete it: tc qdisc delete dev INTERFACE root.",
    "The queueing discipline blackhole of veth27a5c19 of the host drops what leaves there.",
    seen="Packets leave a program and are on no wire. Experiments with tc were made before.",
    symptoms=("containers-do-not-reach-each-other", "outside-unreachable"),
    references=("https://man7.org/linux/man-pages/man8/tc.8.html",),
)
