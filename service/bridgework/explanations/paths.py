"""Explanations that lie on the way: networks in common, isolation, gateways, published ports, the host."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation

ROWS = (
    Explanation(
        "no-shared-network",
        BLOCKING,
        "The two have no network in common.",
        "The sets of networks of source and destination do not meet.",
        "Connect one to a network of the other.",
        "tomcat81 (frontend) and pg1 (backend) have no network in common.",
    ),
    Explanation(
        "bridges-isolated",
        BLOCKING,
        "The address lies on another bridge, and Docker's firewall drops what goes there from other bridges.",
        "The address is in the subnet of a bridge network that the source is not connected to, and its gateway mode "
        "does not open it. Before Docker 29, also a published port that docker-proxy does not serve "
        "(userland-proxy=false): its packets are translated to such an address.",
        "Connect the two to one network, or publish the port and use the host's address.",
        "172.19.0.3 is on simon_network, to which tomcat81 is not connected.",
    ),
    Explanation(
        "internal-no-egress",
        BLOCKING,
        "Every network of the source is internal: it has no default route, and nothing leaves.",
        "All of its networks are internal; the destination lies outside of them.",
        "Connect it to a network that is not internal.",
        "worker is only on the internal network vault: 192.0.2.1 is out of reach.",
    ),
    Explanation(
        "internal-no-publish",
        WARNING,
        "Ports of a container whose networks are all internal are not published.",
        "Published ports are configured, and every network of the container is internal.",
        "Connect it to a network that is not internal, and restart it.",
        "The port 8081 of worker is not published: vault is internal.",
    ),
    Explanation(
        "port-not-published",
        BLOCKING,
        "No container publishes that port at the host, and no host-mode container is known to listen on it.",
        "The published ports in force; the host's listening sockets where visible; whether docker-proxy or a rule of "
        "the firewall takes what is sent to the port.",
        "Use a published port (listed), a network in common, or create the container with the port published.",
        "Port 8080 is not published at the host; published are 8081 (tomcat81), 8082 (tomcat82).",
    ),
    Explanation(
        "port-bound-to-loopback",
        BLOCKING,
        "The port is published on a loopback address of the host: only the host itself reaches it.",
        "The published port's host_ip is in 127.0.0.0/8 or ::1.",
        "Publish it on 0.0.0.0 or on an address of the host, or connect the two to one network.",
        "Port 8081 of tomcat81 is published at 127.0.0.1 only.",
    ),
    Explanation(
        "host-port-taken",
        BLOCKING,
        "Another container or program holds that port of the host.",
        "The engine's refusal; published ports of other containers.",
        "Choose another host port, or stop the holder.",
        "Port 8081 is published by tomcat81.",
    ),
    Explanation(
        "address-family-mismatch",
        BLOCKING,
        "Source and destination have no address family in common, or not the one asked for.",
        "The addresses of the endpoints, and ip_version.",
        "Ask with the family both have, or use a network with that family enabled.",
        "tomcat82 has no IPv6 address on simon_network.",
    ),
    Explanation(
        "address-tentative",
        WARNING,
        "An IPv6 address on the way is not in use yet: its kernel still looks for a duplicate of it (duplicate address "
        "detection) and neither sends from it nor answers for it. Where a duplicate was found, that lasts.",
        "The flags tentative and dadfailed of the addresses of the source, of the destination and of the bridge, seen "
        "before the probe. Docker 26 and 27 leave detection on for a bridge's address, which begins when the network "
        "gets its first container and takes about two seconds.",
        "Ask again in two seconds. Of a duplicate, give the container another address.",
        "fd00:99::1, the host's address on six, is tentative: it is not used until duplicate address detection ends.",
    ),
    Explanation(
        "inter-container-off",
        BLOCKING,
        "The network forbids traffic between its containers (enable_icc=false).",
        "The option com.docker.network.bridge.enable_icc of the network. On the default bridge, --link opens the ports "
        "that the other container exposes.",
        "Connect both to another network that allows it.",
        "locked has enable_icc=false: tomcat81 and tomcat82 may not talk there.",
    ),
    Explanation(
        "gateway-mode-routed",
        INFO,
        "The bridge routes instead of translating: ports are opened on the container's own address, not on the host's.",
        "The option com.docker.network.bridge.gateway_mode_ipv4 or …_ipv6 is routed, which Docker 26 ignores. From "
        "Docker 28 on, pings and published ports pass from other bridges; another port is blocked.",
        "Use the container's address, with a route to its subnet on the client; or a network in nat mode.",
        "edge is routed: port 8080 of web is open at 172.22.0.2, not at the host.",
    ),
    Explanation(
        "gateway-mode-isolated",
        BLOCKING,
        "The bridge has no address on the host: host and containers do not reach each other there.",
        "The option com.docker.network.bridge.gateway_mode_ipv4 or …_ipv6 is isolated, or inhibit_ipv4 is set.",
        "Connect the container to a network that is not isolated.",
        "vault is isolated: the host has no address on it.",
    ),
    Explanation(
        "macvlan-host-filtered",
        BLOCKING,
        "A macvlan or ipvlan endpoint and its parent link, so the host, do not talk: the kernel filters their frames.",
        "The driver of the network, and the host as the other side.",
        "Connect the container to a bridge network as well, and use its address there.",
        "lan is a macvlan: tomcat81 and its own host do not reach each other on it.",
    ),
    Explanation(
        "vlan-without-parent",
        WARNING,
        "The macvlan or ipvlan network has no parent link: its containers reach each other and nothing else.",
        "The option parent is absent, or the network is internal.",
        "Create it again with a parent link of the host.",
        "lan has no parent: nothing outside of it is reachable.",
    ),
    Explanation(
        "vlan-mode-private",
        BLOCKING,
        "The mode of the macvlan or ipvlan network forbids traffic between its endpoints.",
        "macvlan_mode is private, or vepa without a switch that reflects; ipvlan_flag is private or vepa.",
        "Create it again in mode bridge, or connect both to another network.",
        "lan has macvlan_mode=private: its containers do not reach each other.",
    ),
    Explanation(
        "wrong-default-gateway",
        WARNING,
        "The default route leaves by a network that does not lead there.",
        "Gateway priorities, then the order of the networks' names; the routing table where visible; inhibit_ipv4.",
        "Give the endpoint on the suited network a higher gateway_priority.",
        "tomcat81 leaves by lan, which has no way out; frontend has one.",
    ),
    Explanation(
        "masquerade-off",
        WARNING,
        "The bridge does not translate the source address of what leaves: replies need a route to its subnet.",
        "The option com.docker.network.bridge.enable_ip_masquerade is false, and the destination is outside or on "
        "another bridge. From Docker 28.2 on, rules in the raw table drop the replies.",
        "Before Docker 28.2, add a route to the subnet on the outside. Later, use masquerading, gateway mode routed or "
        "nat-unprotected, or trusted_host_interfaces.",
        "raw does not masquerade: 192.0.2.1 must know the way back to 172.23.0.0/16.",
    ),
    Explanation(
        "reply-path-lost",
        BLOCKING,
        "The request arrives, but the answer leaves the destination by another way and is dropped.",
        "The destination's routes, or its lack of a route to the source's subnet.",
        "Let source and destination talk on a network in common.",
        "tomcat82 has no route back to 172.19.0.0/16.",
    ),
    Explanation(
        "link-down",
        BLOCKING,
        "An interface on the way is down.",
        "The link's state inside the container or on the host.",
        "Disconnect the container from the network and connect it again.",
        "eth0 of tomcat81 is down.",
    ),
    Explanation(
        "veth-detached",
        BLOCKING,
        "The host's end of the container's veth is no port of the network's bridge.",
        "The peer's master index on the host.",
        "Disconnect the container from the network and connect it again.",
        "veth27a5c19, the host's end of eth0 of tomcat81, is not a port of br-6c0dc947faf8.",
    ),
    Explanation(
        "mtu-mismatch",
        BLOCKING,
        "The packet is larger than a link on the way takes, and may not be fragmented.",
        "Payload and headers against the links' MTU; or the probe answered message-too-long.",
        "Send smaller packets, or create the network with a suited com.docker.network.driver.mtu.",
        "1500 bytes do not pass eth0 of tomcat81, whose MTU is 1450.",
    ),
    Explanation(
        "firewall-rules-missing",
        BLOCKING,
        "Docker's own rules are gone from the host's firewall, as after a flush: published ports and ways out fail. "
        "An engine with iptables=false writes none and looks the same; then this is a warning that names both.",
        "The chains DOCKER and DOCKER-USER of iptables and their calls; with the nftables backend, the table "
        "docker-bridges.",
        "Restart the engine, which writes its rules again, unless it has iptables=false on purpose.",
        "The host's firewall has no call of Docker's chains in filter FORWARD.",
    ),
    Explanation(
        "user-firewall-drop",
        BLOCKING,
        "A rule that is not Docker's own drops or rejects the packet on the host, or the policy of INPUT does.",
        "The packet and its answer are led through all tables of iptables and nftables, where these are visible. The "
        "finding quotes the rule and names the program that wrote it where the names of chain and table tell. A rule "
        "that is not understood makes the answer inconclusive. The diagnosis lists what drops in DOCKER-USER.",
        "Remove or narrow the rule that is quoted, or accept the packet in INPUT.",
        "DOCKER-USER drops: -s 172.19.0.0/16 -j DROP.",
    ),
    Explanation(
        "docker-rule-drops",
        BLOCKING,
        "A rule that Docker wrote drops the packet on the host, and no setting that is known explains it.",
        "The packet and its answer are led through the rules in force, as for user-firewall-drop. The rule is Docker's "
        "by its chain or table, and no other finding says why the packet stops.",
        "Delete the rule that is quoted, or restart the engine, which writes its rules again.",
        "Docker's own rules drop the packet (raw, PREROUTING): -A PREROUTING -d 172.18.0.2/32 ! -i br-1 -j DROP.",
    ),
    Explanation(
        "host-no-route",
        BLOCKING,
        "The host itself has no route to the address, so nothing that its containers send gets there either.",
        "The host's routing table, where visible.",
        "Use an address the host reaches, or add a route on the host.",
        "The host has no route to 192.0.2.1.",
    ),
    Explanation(
        "ip-forward-off",
        BLOCKING,
        "The host does not forward packets: containers reach neither outside nor published ports from outside.",
        "net.ipv4.ip_forward or net.ipv6.conf.all.forwarding is 0.",
        "Switch it on: sysctl -w net.ipv4.ip_forward=1.",
        "net.ipv4.ip_forward is 0 on the host.",
    ),
    Explanation(
        "overlay-not-attachable",
        BLOCKING,
        "The overlay network takes services only; a container of its own cannot be connected.",
        "Scope swarm and not attachable.",
        "Create it again with attachable set.",
        "mesh is not attachable.",
    ),
    Explanation(
        "overlay-peer-unreachable",
        BLOCKING,
        "The node that holds the address does not answer on the overlay's tunnel.",
        "The address is on an overlay network, held on another node; the probe timed out.",
        "Open udp port 4789 and tcp and udp port 7946 between the nodes.",
        "tomcat82 (10.0.1.7 on mesh) is on the node beta, and nothing comes back through the tunnel.",
    ),
    Explanation(
        "node-unreachable",
        WARNING,
        "A node of the swarm does not answer: what is on it is not seen, or known only from before.",
        "The instance of this service on that node was asked and did not answer in time; or there is none.",
        "Bring the node or its instance back, or open the service's port between the nodes.",
        "The node beta does not answer. Its instance does not answer in time.",
    ),
)
