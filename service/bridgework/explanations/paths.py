"""Explanations about the path: common networks, isolation, gateways, published ports, the host."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation

ROWS = (
    Explanation(
        "no-shared-network",
        BLOCKING,
        "The source and the destination have no network in common.",
        "The networks of the source and of the destination.",
        "Connect one of the two to a network of the other.",
        "tomcat81 (frontend) and pg1 (backend) have no network in common.",
        seen="The destination does not answer, or the route is missing: network unreachable.",
        references=("https://docs.docker.com/engine/network/drivers/bridge/",),
    ),
    Explanation(
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
        references=(
            "https://docs.docker.com/engine/daemon/ipv6/",
            "https://docs.docker.com/engine/network/packet-filtering-firewalls/",
            "https://github.com/moby/moby/pull/47747",
        ),
    ),
    Explanation(
        "bridges-isolated",
        BLOCKING,
        "The address is on another bridge, and Docker's firewall drops packets to it from other bridges.",
        "The address is in the subnet of a bridge network that the source is not connected to, and the gateway mode of "
        "that network does not allow the traffic. Before Docker 29, also a published port that docker-proxy does not "
        "serve (userland-proxy=false): its packets are translated to such an address.",
        "Connect both containers to one network, or publish the port and use the host's address.",
        "172.19.0.3 is on simon_network, to which tomcat81 is not connected.",
        seen="A connection to the address of a container on another network times out.",
        references=("https://docs.docker.com/engine/network/drivers/bridge/",),
    ),
    Explanation(
        "internal-no-egress",
        BLOCKING,
        "Every network of the source is internal: the source has no default route, and nothing leaves its networks.",
        "All networks of the source are internal, and the destination is outside of them.",
        "Connect the source to a network that is not internal.",
        "worker is only on internal networks (vault): 192.0.2.1 is out of reach.",
        seen="Every connection to the outside ends with network unreachable.",
        references=("https://docs.docker.com/reference/cli/docker/network/create/",),
    ),
    Explanation(
        "internal-no-publish",
        WARNING,
        "All networks of the container are internal, so the engine does not publish its ports.",
        "Published ports are configured, and every network of the container is internal.",
        "Connect the container to a network that is not internal, and restart it.",
        "The ports of worker (8081->8080/tcp) are not published: internal networks only (vault).",
        seen="`docker ps` shows no published port, although the container was created with one.",
        references=("https://docs.docker.com/reference/cli/docker/network/create/",),
    ),
    Explanation(
        "port-not-published",
        BLOCKING,
        "No container publishes that port on the host, and no container in host mode is known to listen on it.",
        "The published ports in force, the host's listening sockets where visible, and whether docker-proxy or a "
        "firewall rule handles packets to the port.",
        "Use a published port (the finding lists them), connect both containers to one network, or create the "
        "container again with the port published.",
        "No container publishes tcp port 8080 at the host; published ports are 0.0.0.0:8081 (tomcat81), 0.0.0.0:8082 "
        "(tomcat82).",
        seen="The host refuses the connection.",
        references=("https://docs.docker.com/engine/network/port-publishing/",),
    ),
    Explanation(
        "docker-proxy-missing",
        BLOCKING,
        "docker-proxy should answer at the published port, and it does not run any more. Docker starts it together "
        "with the container and does not start it again.",
        "The published port, whether a firewall rule translates the packet before it comes to a socket, and the "
        "listening sockets of the host.",
        "Restart the container.",
        "docker-proxy does not run for tcp port 8081 of tomcat81: no socket of the host listens there.",
        seen="The published port is refused at 127.0.0.1 or from other containers, and may still work from other "
        "machines.",
        references=("https://docs.docker.com/engine/network/port-publishing/",),
    ),
    Explanation(
        "port-bound-to-loopback",
        BLOCKING,
        "The port is published on a loopback address of the host, so only the host itself can reach it.",
        "The host_ip of the published port is in 127.0.0.0/8, or it is ::1.",
        "Publish the port on 0.0.0.0 or on another address of the host, or connect both containers to one network.",
        "Port 8081 of tomcat81 is published at 127.0.0.1 only.",
        seen="The port works on the host itself, and is refused from everywhere else.",
        references=("https://docs.docker.com/engine/network/port-publishing/",),
    ),
    Explanation(
        "host-port-taken",
        BLOCKING,
        "Another container or program holds that port of the host.",
        "The engine's refusal, or the published ports of other containers.",
        "Choose another host port, or stop the container or program that holds the port.",
        "tomcat82 is configured to publish tcp port 8081 of the host, which tomcat81 publishes: tomcat82 cannot start.",
        seen="`docker start` ends with: port is already allocated, or address already in use.",
        references=(
            "https://github.com/moby/moby/issues/20486",
            "https://github.com/moby/moby/issues/25981",
        ),
    ),
    Explanation(
        "address-family-mismatch",
        BLOCKING,
        "The source and the destination have no address family in common, or they lack the requested family.",
        "The addresses of the endpoints, and ip_version in the request.",
        "Request a family that both have, or use a network with the requested family enabled.",
        "tomcat82 has no IPv6 address on simon_network.",
        seen="A connection over IPv6 fails at once, or the name has no address of that family.",
        references=("https://docs.docker.com/engine/daemon/ipv6/",),
    ),
    Explanation(
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
        references=("https://www.rfc-editor.org/rfc/rfc4862",),
    ),
    Explanation(
        "inter-container-off",
        BLOCKING,
        "The network forbids traffic between its containers (enable_icc=false).",
        "The option com.docker.network.bridge.enable_icc of the network. On the default bridge, --link opens the ports "
        "that the other container exposes.",
        "Connect both containers to another network that allows traffic between its containers.",
        "locked has enable_icc=false: its containers cannot reach each other.",
        seen="Two containers on one network do not reach each other, and both reach the outside.",
        references=("https://docs.docker.com/engine/network/drivers/bridge/",),
    ),
    Explanation(
        "gateway-mode-routed",
        INFO,
        "The bridge routes packets without address translation: published ports are open at the container's own "
        "address, not at the host's.",
        "The option com.docker.network.bridge.gateway_mode_ipv4 or …_ipv6 is routed, which Docker 26 ignores. From "
        "Docker 28 on, pings and connections to published ports pass from other bridges, and other ports are blocked.",
        "Use the container's address, and give the client a route to its subnet. Or use a network in nat mode.",
        "edge is routed: port 8080 of web is not open at the host.",
        seen="The published port does not answer at the host's address.",
        references=("https://docs.docker.com/engine/network/port-publishing/",),
    ),
    Explanation(
        "gateway-mode-isolated",
        BLOCKING,
        "The host has no address on the bridge, so the host and the containers on it cannot reach each other.",
        "The option com.docker.network.bridge.gateway_mode_ipv4 or …_ipv6 is isolated, or inhibit_ipv4 is set.",
        "Connect the container to a network that is not isolated.",
        "vault is isolated: the host has no address on it.",
        seen="The host does not reach the container, and the container has no gateway.",
        references=("https://docs.docker.com/engine/network/port-publishing/",),
    ),
    Explanation(
        "macvlan-host-filtered",
        BLOCKING,
        "A macvlan or ipvlan endpoint and its own host cannot reach each other: the kernel delivers no frame between "
        "the endpoint and its parent link.",
        "The driver of the network, where the source or the destination is the host.",
        "Connect the container to a bridge network as well, and use its address there.",
        "lan is on a link of the host: its endpoints and their own host cannot reach each other.",
        seen="Every machine of the LAN reaches the container, except its own host.",
        references=("https://docs.docker.com/engine/network/drivers/macvlan/",),
    ),
    Explanation(
        "vlan-without-parent",
        WARNING,
        "The macvlan or ipvlan network has no parent link: its containers can reach only each other.",
        "The option parent is absent, or the network is internal.",
        "Create the network again with a parent link of the host.",
        "lan has no parent: nothing outside of it is reachable.",
        seen="Containers on the network reach each other and nothing else.",
        references=("https://docs.docker.com/engine/network/drivers/macvlan/",),
    ),
    Explanation(
        "vlan-mode-private",
        BLOCKING,
        "The mode of the macvlan or ipvlan network forbids traffic between its endpoints.",
        "macvlan_mode is private, or it is vepa and the switch does not send frames back. Or ipvlan_flag is private or "
        "vepa.",
        "Create the network again in mode bridge, or connect both containers to another network.",
        "lan is in mode private: its endpoints cannot reach each other.",
        seen="Two containers on one macvlan or ipvlan network do not reach each other.",
        references=(
            "https://docs.docker.com/engine/network/drivers/macvlan/",
            "https://docs.docker.com/engine/network/drivers/ipvlan/",
        ),
    ),
    Explanation(
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
        references=(
            "https://github.com/moby/libnetwork/issues/784",
            "https://github.com/docker/docker-py/issues/3334",
        ),
    ),
    Explanation(
        "masquerade-off",
        WARNING,
        "The bridge does not translate the source address of packets that leave it, so replies need a route to its "
        "subnet.",
        "The option com.docker.network.bridge.enable_ip_masquerade is false, and the destination is outside or on "
        "another bridge. From Docker 28.2 on, rules in the raw table drop the replies.",
        "Before Docker 28.2, add a route to the subnet on the other side. From Docker 28.2 on, use masquerading, "
        "gateway mode routed or nat-unprotected, or trusted_host_interfaces.",
        "raw does not masquerade: 192.0.2.1 needs a route back to the subnet of raw.",
        seen="Packets leave the container, and no answer comes back.",
        references=("https://docs.docker.com/engine/network/port-publishing/",),
    ),
    Explanation(
        "reply-path-lost",
        BLOCKING,
        "The request arrives, but the reply leaves the destination by another path and is dropped.",
        "The destination's routes, or a missing route to the source's subnet.",
        "Connect the source and the destination to one network.",
        "tomcat82 has no IPv6 route back to tomcat81: the reply is lost.",
        seen="The destination receives the packet, and the source gets no answer.",
        references=("https://docs.docker.com/engine/network/drivers/bridge/",),
    ),
    Explanation(
        "link-down",
        BLOCKING,
        "An interface on the path is down.",
        "The state of the link inside the container, and of the host's link below a macvlan or ipvlan network.",
        "Disconnect the container from the network and connect it again. Set the host's link below a network up.",
        "eth0 of tomcat81, on simon_network, is down.",
        seen="The interface inside shows state DOWN, and nothing is reachable.",
        references=("https://man7.org/linux/man-pages/man8/ip-link.8.html",),
    ),
    Explanation(
        "veth-detached",
        BLOCKING,
        "The host's end of the container's veth is not a port of the network's bridge.",
        "The master index of the veth's end on the host.",
        "Disconnect the container from the network and connect it again.",
        "veth27a5c19, the host's end of eth0 of tomcat81, is not a port of br-6c0dc947faf8.",
        seen="One container lost its network, and other containers on the same bridge work.",
        references=("https://github.com/moby/moby/issues/26492",),
    ),
    Explanation(
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
        references=("https://github.com/moby/moby/issues/12565", "https://www.rfc-editor.org/rfc/rfc2923"),
    ),
    Explanation(
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
        references=("https://github.com/systemd/systemd/issues/28626", "https://github.com/moby/moby/issues/40217"),
    ),
    Explanation(
        "stale-neighbour",
        BLOCKING,
        "The ARP or NDP table has another MAC address for a container than the container has, so frames go nowhere or "
        "to another station.",
        "The neighbour entries of the host and of the namespaces, compared with the MAC addresses of the endpoints. "
        "Only entries count that the kernel does not ask about again: permanent and reachable ones.",
        "Delete the entry on the host, or restart the container that has the entry.",
        "tomcat81 has the neighbour entry 172.19.0.3 with 02:00:00:00:00:01, but tomcat82 has 02:42:ac:13:00:03.",
        seen="One container does not reach another one, although a third one does.",
        references=("https://github.com/moby/moby/issues/36069", "https://man7.org/linux/man-pages/man7/arp.7.html"),
    ),
    Explanation(
        "duplicate-address",
        WARNING,
        "Two stations on one network have the same address. The one that answers first gets the packets.",
        "An interface of another container or of the host has the address of an endpoint. Or the neighbour entry for "
        "the address was confirmed with the MAC address of another station, which the bridge has learnt behind a port.",
        "Take the address away from the station that the engine did not give it to.",
        "eth0 of intruder has 172.19.0.3, the address of tomcat82 on simon_network, as well.",
        seen="Connections to one address work, stop, and work again, or another program answers.",
        references=("https://github.com/moby/moby/issues/29610", "https://www.rfc-editor.org/rfc/rfc5227"),
    ),
    Explanation(
        "mtu-exceeds-egress",
        WARNING,
        "The MTU of the network is larger than the MTU of the host's link to the outside. Large packets of its "
        "containers need path MTU discovery for each destination, and are lost where a firewall drops its ICMP errors.",
        "The MTU of the bridge and of the link of the default route on the host, with nothing sent.",
        "Move the containers to a network whose com.docker.network.driver.mtu is the MTU of the link. For the default "
        "bridge and for new networks, set mtu or default-network-opts in daemon.json.",
        "The bridge of simon_network has an MTU of 1500 bytes, but wg0, the host's link to the outside, has 1420.",
        seen="Small requests pass, and large uploads or TLS handshakes to the outside hang.",
        references=("https://github.com/moby/moby/issues/49398", "https://github.com/moby/moby/issues/12565"),
    ),
    Explanation(
        "router-advertisements-refused",
        WARNING,
        "The host got its IPv6 address from a router, but since it forwards IPv6 packets it ignores the router's "
        "advertisements. Its default route is gone, or it goes when it expires.",
        "An interface of the host with an address from an advertisement, accept_ra=1 and forwarding=1, and no default "
        "route that does not come from an advertisement.",
        "Set accept_ra of that interface to 2: then the kernel accepts advertisements although it forwards.",
        "eth0 of the host ignores router advertisements: it forwards IPv6, and accept_ra is 1.",
        seen="The host and its containers lose IPv6 some time after Docker was started with an IPv6 network.",
        references=(
            "https://github.com/docker/for-linux/issues/844",
            "https://docs.kernel.org/networking/ip-sysctl.html",
        ),
    ),
    Explanation(
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
        references=(
            "https://github.com/moby/moby/issues/10919",
            "https://github.com/docker/for-linux/issues/928",
            "https://www.rfc-editor.org/rfc/rfc4389",
            "https://docs.kernel.org/networking/ip-sysctl.html",
        ),
    ),
    Explanation(
        "mtu-mismatch",
        BLOCKING,
        "The packet is larger than the MTU of a link on the path, and it must not be fragmented.",
        "The size of payload and headers, compared with the MTU of the links; or a probe that ended with "
        "message-too-long.",
        "Send smaller packets, or create the network again with a larger com.docker.network.driver.mtu.",
        "1500 bytes (1472 and headers) do not fit through the link of tomcat81 to simon_network, whose MTU is 1450.",
        seen="Small packets pass, large ones do not: pages load half, or TLS handshakes stop.",
        references=(
            "https://github.com/moby/moby/issues/12565",
            "https://github.com/moby/moby/issues/49398",
        ),
    ),
    Explanation(
        "firewall-rules-missing",
        BLOCKING,
        "Docker's own rules are missing from the host's firewall, for example after a flush. Published ports and "
        "connections to the outside fail. An engine with iptables=false writes no rules and looks the same; where its "
        "settings are not visible, the finding is a warning that names both causes.",
        "The chains DOCKER and DOCKER-USER of iptables and the jumps to them. With the nftables backend, the table "
        "docker-bridges.",
        "Restart the engine, which writes its rules again. If iptables=false is intended, leave it as it is.",
        "The host's firewall has no jump to Docker's chains in filter FORWARD.",
        seen="After a reload of the firewall, no published port answers and containers cannot reach the outside.",
        references=(
            "https://github.com/moby/moby/issues/12294",
            "https://github.com/moby/moby/issues/48657",
        ),
    ),
    Explanation(
        "user-firewall-drop",
        BLOCKING,
        "A rule that Docker did not write drops or rejects the packet on the host, or the policy of the chain INPUT "
        "drops it.",
        "The service simulates how the packet and its reply pass all tables of iptables and nftables, where these are "
        "visible. The finding quotes the rule. It names the program that wrote the rule if the names of chain and "
        "table show it. A rule that the service does not understand makes the prediction inconclusive, and so does a "
        "rule about some packets of a kind (-m limit, -m statistic). At a published port where docker-proxy answers, "
        "the proxy's own connection to the container is simulated too. The proxy accepts a TCP connection before it "
        "makes its own, so there the finding of a check by tcp is a warning. The diagnosis lists the rules of "
        "DOCKER-USER that drop packets.",
        "Let ufw or firewalld accept the packet, if it wrote the rule: the finding has its command. Otherwise remove "
        "or narrow the quoted rule, or accept the packet in the chain.",
        "DOCKER-USER drops: -s 172.19.0.0/16 -j DROP.",
        seen="Connections time out since a firewall was installed or changed.",
        references=(
            "https://docs.docker.com/engine/network/packet-filtering-firewalls/",
            "https://github.com/moby/moby/issues/48365",
        ),
    ),
    Explanation(
        "docker-rule-drops",
        BLOCKING,
        "A rule that Docker wrote drops the packet on the host, and no known setting explains it.",
        "The same simulation as for user-firewall-drop. The chain or table shows that Docker wrote the rule, and no "
        "other finding explains why the packet stops. A finding about a setting of Docker, such as "
        "inter-container-off, quotes the rule that Docker wrote for it in its evidence.",
        "Keep a rule that protects containers: connect both ends to one network, or remove the rule of your own that "
        "leaves packets out of connection tracking (NOTRACK), where the finding names one. Delete another rule in a "
        "chain of Docker's, or restart the engine, which writes its rules again.",
        "Docker's own rules drop the packet (raw, PREROUTING): -A PREROUTING -d 172.18.0.2/32 ! -i br-1 -j DROP.",
        seen="Connections time out, and no rule of your own explains it.",
        references=("https://docs.docker.com/engine/network/packet-filtering-firewalls/",),
    ),
    Explanation(
        "client-address-replaced",
        INFO,
        "The destination sees another address than that of the client. So its log, its limits by address and its lists "
        "of allowed clients do not see the client itself.",
        "A traced check: the packet at the destination's interface, or the entry of conntrack. Masquerading puts the "
        "host's address there, and docker-proxy makes a connection of its own.",
        "Connect both to one network, where nothing is translated, or set userland-proxy to false so that published "
        "ports keep the client's address.",
        "web sees the client as 172.18.0.1, not as 172.19.0.2.",
        seen="The log of a program shows the gateway of its network, such as 172.18.0.1, as each client.",
        references=("https://github.com/moby/moby/issues/15086", "https://github.com/docker/docs/issues/17312"),
    ),
    Explanation(
        "host-no-route",
        BLOCKING,
        "The host has no route to the address, so its containers cannot reach it either.",
        "The host's routing table, where visible.",
        "Use an address that the host can reach, or add a route on the host.",
        "The host has no route to 192.0.2.1.",
        seen="The container and its host both say: no route to host.",
        references=("https://man7.org/linux/man-pages/man8/ip-route.8.html",),
    ),
    Explanation(
        "ip-forward-off",
        BLOCKING,
        "The host does not forward packets: containers cannot reach the outside, and the outside cannot reach "
        "published ports.",
        "net.ipv4.ip_forward or net.ipv6.conf.all.forwarding is 0.",
        "Switch forwarding on: sysctl -w net.ipv4.ip_forward=1.",
        "net.ipv4.ip_forward is 0 on the host.",
        seen="Containers reach the host and each other, and nothing beyond.",
        references=("https://docs.kernel.org/networking/ip-sysctl.html",),
    ),
    Explanation(
        "overlay-not-attachable",
        BLOCKING,
        "Only services can use the overlay network; a single container cannot be connected to it.",
        "The network has the scope swarm and is not attachable.",
        "Create the network again with attachable: true.",
        "mesh is not attachable: only services can use it.",
        seen="`docker run --network` ends with: network not manually attachable.",
        references=("https://docs.docker.com/engine/network/drivers/overlay/",),
    ),
    Explanation(
        "overlay-peer-unreachable",
        BLOCKING,
        "The node that holds the address does not answer through the tunnel of the overlay network.",
        "The address is on an overlay network and held on another node, and the probe timed out.",
        "Open udp port 4789 and tcp and udp port 7946 between the nodes.",
        "tomcat82 (10.0.1.7 on mesh) is on the node beta, and no answer comes through the tunnel.",
        seen="Containers on one node reach each other, and containers on another node do not answer.",
        references=(
            "https://docs.docker.com/engine/network/drivers/overlay/",
            "https://github.com/moby/moby/issues/41775",
        ),
    ),
    Explanation(
        "vxlan-checksum-offload",
        WARNING,
        "Pings pass through the tunnel of an overlay network and TCP does not. Some drivers, such as vmxnet3, compute "
        "wrong checksums for packets inside of VXLAN, and the other node drops them.",
        "A TCP connection to an overlay address on another node timed out, and a ping to it was answered.",
        "Switch the checksum offload of the link between the nodes off: ethtool -K eth0 tx-checksum-ip-generic off.",
        "10.0.1.7 on mesh answers pings, but no TCP connection: eth0 may damage checksums in the tunnel.",
        seen="Between two nodes, ping and name lookups work, and every TCP connection hangs.",
        references=("https://github.com/moby/moby/issues/41775", "https://github.com/moby/moby/issues/50129"),
    ),
    Explanation(
        "node-unreachable",
        WARNING,
        "A node of the swarm does not answer. The service cannot see the containers on it, or knows only their earlier "
        "state.",
        "The instance of this service on that node did not answer in time, or there is none.",
        "Repair the node or its instance, or open the service's port between the nodes.",
        "The node beta does not answer. Its instance does not answer in time.",
        seen="A check with a container on another node is inconclusive.",
        references=("https://docs.docker.com/engine/network/drivers/overlay/",),
    ),
)
