"""Causes in the host's firewall: what it drops, what it lacks, and what its state still holds."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation
from bridgework.model.checks import Verdict

_FIREWALLS = "https://docs.docker.com/engine/network/packet-filtering-firewalls/"

USER_FIREWALL_DROP = Explanation(
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
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
        "published-port-refused",
        "worked-until-reboot",
        "works-from-container-not-from-host",
        "works-from-host-not-from-container",
    ),
    references=(
        "https://docs.docker.com/engine/network/packet-filtering-firewalls/",
        "https://github.com/moby/moby/issues/48365",
    ),
)
DOCKER_RULE_DROPS = Explanation(
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
    symptoms=(
        "containers-do-not-reach-each-other",
        "published-port-refused",
    ),
    references=("https://docs.docker.com/engine/network/packet-filtering-firewalls/",),
)
BRIDGE_TRAFFIC_FILTERED = Explanation(
    "bridge-traffic-filtered",
    BLOCKING,
    "The host's firewall drops packets between two containers of one network. br_netfilter shows packets within a "
    "bridge to the rules of FORWARD, whose policy drops what no rule accepts.",
    "A simulated packet between the two containers ends at the policy of a chain, and "
    "net.bridge.bridge-nf-call-iptables or …-ip6tables is 1.",
    "Accept the packets within the bridge; the finding has the command.",
    "FORWARD drops a ping within simon_network: its policy is DROP, and br_netfilter "
    "(net.bridge.bridge-nf-call-ip6tables=1) shows it the packets between the ports of br-6c0dc947faf8.",
    seen="Containers on one network do not reach each other, mostly by IPv6, though both work alone.",
    symptoms=("containers-do-not-reach-each-other",),
    references=("https://github.com/moby/moby/issues/48365", "https://github.com/moby/moby/issues/48411"),
)
FIREWALL_RULES_MISSING = Explanation(
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
    symptoms=(
        "ipv6-does-not-work",
        "outside-unreachable",
        "published-port-refused",
        "worked-until-reboot",
    ),
    references=(
        "https://github.com/moby/moby/issues/12294",
        "https://github.com/moby/moby/issues/48657",
    ),
    about=Verdict.UNREACHABLE,
)
FIREWALL_NOT_MANAGED = Explanation(
    "firewall-not-managed",
    WARNING,
    "The engine is configured to write no firewall rules (iptables=false), and no others do their work: what "
    "containers send to the outside is dropped, or leaves with an address that no answer finds. Networks are not "
    "isolated from each other.",
    "The command line and the daemon.json of the engine's process, and a simulated packet from each network to the "
    "outside. Where these settings are not visible, the finding is firewall-rules-missing.",
    "Remove iptables=false and restart the engine, or write the rules yourself; the finding has the commands.",
    "The engine writes no firewall rules (iptables is false in /etc/docker/daemon.json), and no rule of the host "
    "translates what leaves simon_network.",
    seen="Containers reach the host and each other, and nothing outside, since iptables=false is set.",
    symptoms=("outside-unreachable",),
    references=(_FIREWALLS, "https://github.com/moby/moby/issues/4737"),
    about=Verdict.UNREACHABLE,
)
FIREWALL_BACKENDS_MIXED = Explanation(
    "firewall-backends-mixed",
    WARNING,
    "The host has rules of both variants of iptables: iptables-legacy, and iptables over nf_tables. A packet must "
    "pass both. Each program shows its own rules alone, so the rule that drops a packet may not be listed.",
    "The chains that iptables-save prints, and those of the other variant where the kernel has its tables "
    "(/proc/net/ip_tables_names, nf_tables).",
    "Move the rules to the program that Docker uses, and choose one for all programs (update-alternatives --config "
    "iptables). The finding has the commands where moving the rules does not change what they do.",
    "iptables-legacy has rules in filter FORWARD, beside those of iptables. A packet must pass both, and each "
    "program shows its own rules alone.",
    seen="iptables -L shows that a packet is accepted, and it is dropped all the same.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "published-port-refused",
        "worked-until-reboot",
    ),
    references=("https://github.com/moby/moby/issues/46147", "https://github.com/moby/moby/issues/46636"),
)
PORT_RULE_MISSING = Explanation(
    "port-rule-missing",
    BLOCKING,
    "A port is published, and a rule of Docker's for it is missing from the host's firewall: the one that "
    "translates the address, or the one that accepts the translated packet.",
    "The rules that the engine's version keeps for its ports, computed from its networks and containers, less the "
    "rules of iptables or nftables on the host. If docker-proxy still answers for the port, the finding is a "
    "warning. The evidence names the option that causes each rule. Docker 27, 28.0 and 28.1 are not compared.",
    "Write the rule again; the finding has the command. A restart of the engine writes all of its rules again.",
    "The host's firewall lacks Docker's rule that translates tcp port 8081 of tomcat81.",
    seen="A published port no longer answers after another program reloaded the firewall.",
    symptoms=(
        "published-port-refused",
        "worked-until-reboot",
    ),
    references=("https://github.com/moby/moby/issues/12294", "https://github.com/moby/moby/issues/48657"),
)
NETWORK_RULE_MISSING = Explanation(
    "network-rule-missing",
    BLOCKING,
    "A rule of Docker's that lets packets of a network pass, or translates them, is missing from the host's "
    "firewall, while others of its rules are there.",
    "The rules that the engine's version keeps for its networks, less the rules on the host. The evidence names the "
    "option that causes each rule. Docker 27, 28.0 and 28.1 are not compared.",
    "Write the rule again; the finding has the command. A restart of the engine writes all of its rules again.",
    "The host's firewall lacks Docker's rule -A POSTROUTING -s 172.19.0.0/16 ! -o br-6c0dc947faf8 -j MASQUERADE "
    "for simon_network: packets of its containers may be dropped, or leave without translation.",
    seen="Containers of one network no longer reach the outside, after another program reloaded the firewall.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
        "published-port-refused",
        "worked-until-reboot",
    ),
    references=("https://github.com/moby/moby/issues/12294", "https://github.com/moby/moby/issues/50443"),
)
ISOLATION_RULE_MISSING = Explanation(
    "isolation-rule-missing",
    WARNING,
    "A rule of Docker's that drops packets is missing from the host's firewall: networks are not isolated from "
    "each other, or ports that are not published can be reached.",
    "The rules that the engine's version keeps for its networks, less the rules of iptables or nftables on the "
    "host. Rules of the table raw are expected only where others of the same kind are there, because a setting of "
    "the daemon leaves out all of them. The evidence names the option that causes each rule. Docker 27, 28.0 and 28.1 "
    "are not compared.",
    "Write the rule again; the finding has the command. A restart of the engine writes all of its rules again.",
    "The host's firewall lacks Docker's rule -A DOCKER-ISOLATION-STAGE-2 -o br-6c0dc947faf8 -j DROP for "
    "simon_network: packets pass that Docker should drop.",
    seen="Containers on different networks reach each other, although Docker isolates networks.",
    symptoms=(
        "open-that-should-be-closed",
        "worked-until-reboot",
    ),
    references=(_FIREWALLS, "https://github.com/moby/moby/security/advisories/GHSA-x4rx-4gw3-53p4"),
)
STALE_PORT_RULE = Explanation(
    "stale-port-rule",
    WARNING,
    "A rule of Docker's sends a port of the host to an address at which no container publishes that port. Clients "
    "reach a wrong container, or none.",
    "The translations in Docker's chain, compared with the addresses and published ports of the containers.",
    "Delete the rule; the finding has the command.",
    "A rule sends tcp port 8081 of the host to 172.19.0.3, which tomcat82 holds now, and no container publishes "
    "the port there.",
    seen="A published port leads to the wrong container after a crash or a kill of the engine.",
    symptoms=(
        "open-that-should-be-closed",
        "worked-until-reboot",
        "wrong-container-answers",
    ),
    references=("https://github.com/moby/moby/issues/12294", "https://github.com/moby/moby/issues/20486"),
)
DUPLICATE_RULES = Explanation(
    "duplicate-rules",
    INFO,
    "A rule of Docker's is in the host's firewall more than once. It does no harm until the engine deletes one "
    "copy of it and the others stay in force.",
    "Equal rules in the chains that Docker writes.",
    "Delete the extra copies; the finding has the commands.",
    "Docker's rule -A FORWARD -j DOCKER-USER is in the host's firewall more than once.",
    seen="iptables lists the same rule of Docker several times.",
    symptoms=("open-that-should-be-closed",),
    references=("https://github.com/moby/moby/issues/31647",),
)
STALE_FLOW = Explanation(
    "stale-flow",
    WARNING,
    "An entry of connection tracking sends the datagrams of a client elsewhere than the rules do now. The kernel "
    "follows the entry as long as the client sends, and a UDP client may never stop.",
    "The UDP entries of connection tracking (ctnetlink) for published ports: one without translation from outside, "
    "or one that leads to an address that the container does not have.",
    "Delete that entry; the finding has the command.",
    "Connection tracking keeps udp port 5353 of dns1 for 192.0.2.2 port 40000 as it was before: the entry is not "
    "translated.",
    seen="A published UDP port works for new clients, and not for one that was sending all the time.",
    symptoms=(
        "published-port-refused",
        "works-sometimes",
    ),
    references=("https://github.com/moby/moby/issues/8795", "https://github.com/moby/moby/issues/53384"),
)
CONNTRACK_TABLE_FULL = Explanation(
    "conntrack-table-full",
    WARNING,
    "The kernel's table of connections is nearly full. When it is full, the kernel drops the first packet of each "
    "new connection.",
    "nf_conntrack_count, compared with nf_conntrack_max, and the column drop of /proc/net/stat/nf_conntrack.",
    "Raise net.netfilter.nf_conntrack_max.",
    "262144 of 262144 entries of connection tracking are in use, and 1830 packets were dropped so far.",
    seen="New connections time out now and then, on a busy host, and the kernel logs: table full, dropping packet.",
    symptoms=(
        "published-port-refused",
        "works-sometimes",
    ),
    references=(
        "https://www.kernel.org/doc/html/latest/networking/nf_conntrack-sysctl.html",
        "https://github.com/kubernetes/kubernetes/issues/71261",
    ),
)
CONTAINER_RULE_DROPS = Explanation(
    "container-rule-drops",
    BLOCKING,
    "A rule inside the network namespace of the source or of the destination drops or rejects the packet or its "
    "answer. "
    "VPN clients with a kill switch, service meshes and hardening scripts write such rules.",
    "The rules of iptables and nftables in both namespaces are read after a surprise, and the packet and its answer "
    "are "
    "led through them as through those of the host. The finding quotes the rule.",
    "Let the program that wrote the rule accept the packet. A restart of the container removes rules that no program "
    "writes again.",
    "OUTPUT of tomcat81 drops the packet: -A OUTPUT ! -o tun0 -j DROP.",
    seen="A container with a VPN client reaches nothing on its networks, or is not reached.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
        "works-from-host-not-from-container",
    ),
    references=("https://man7.org/linux/man-pages/man8/iptables.8.html",),
)
CONTAINER_RULE_DIVERTS = Explanation(
    "container-rule-diverts",
    WARNING,
    "A rule inside the network namespace of the source or of the destination sends the packet to another address or "
    "port, or gives it another source address.",
    "The same simulation as for container-rule-drops: the packet leaves the namespace, or arrives at a program, with "
    "other addresses or ports.",
    "Correct the rule in the program that wrote it. A restart of the container removes rules that no program writes "
    "again.",
    "PREROUTING of tomcat81 sends tcp port 8080 to port 15001: -A PREROUTING -p tcp -j REDIRECT --to-ports 15001.",
    seen="A port that a program listens on refuses connections, or another program answers.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "wrong-container-answers",
    ),
    references=("https://man7.org/linux/man-pages/man8/iptables-extensions.8.html",),
)
LINK_RULE_DROPS = Explanation(
    "link-rule-drops",
    WARNING,
    "A rule of one of the families netdev, bridge and arp (nftables, ebtables, arptables) on the way drops packets. "
    "iptables does not show these rules.",
    "The rules of these families on the host and in both namespaces, read after a surprise, at the interfaces and "
    "bridges "
    "that the packet passes. The finding blocks where the rule is about every such packet or a trace saw it drop this "
    "one. Otherwise it says that the rule may be the cause.",
    "Delete the rule, with the command of the finding.",
    "A rule of the family netdev drops what comes in by eth0 of tomcat81 (table filter, chain ingress): drop.",
    seen="Packets vanish, and iptables has no rule about them.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
    ),
    references=("https://man7.org/linux/man-pages/man8/nft.8.html",),
)
XFRM_POLICY_BLOCKS = Explanation(
    "xfrm-policy-blocks",
    BLOCKING,
    "A policy of XFRM (IPsec) on the host or in a container blocks the packet or its answer.",
    "The policies with the action block in the namespaces on the way (ip xfrm policy), compared with the addresses of "
    "the packet.",
    "Delete the policy, or correct the configuration of the IPsec program.",
    "An XFRM policy of tomcat81 blocks the packet (dir out, 0.0.0.0/0 to 172.19.0.3/32).",
    seen="Packets vanish since an IPsec program was set up.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
    ),
    references=("https://man7.org/linux/man-pages/man8/ip-xfrm.8.html",),
)
USER_RULE_DIVERTS = Explanation(
    "user-rule-diverts",
    WARNING,
    "A rule that Docker did not write gives the packet a source address that is none of the host's, so its answer goes "
    "elsewhere.",
    "The simulation of the packet in the host's rules: a rule with the target SNAT, whose address no interface of the "
    "host has.",
    "Delete or correct the rule.",
    "nat POSTROUTING gives the packet the source address 10.99.0.9, which is none of the host's: -A POSTROUTING -o "
    "eth0 "
    "-j SNAT --to-source 10.99.0.9. The answer goes to that address.",
    seen="Packets leave the host and no answer comes back.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
    ),
    references=("https://man7.org/linux/man-pages/man8/iptables-extensions.8.html",),
)
CONNECTION_NOT_TRACKED = Explanation(
    "connection-not-tracked",
    WARNING,
    "A rule leaves the packet or its answer out of connection tracking (NOTRACK). Then the host does not translate its "
    "addresses, and rules that accept answers do not know them.",
    "The simulation of the packet and its answer in the host's rules: a rule with the target NOTRACK or CT --notrack.",
    "Delete or narrow the rule.",
    "raw PREROUTING leaves the packet or its answer out of connection tracking, so its addresses are not translated, "
    "and "
    "the answer is no part of a connection: -A PREROUTING -s 172.19.0.2/32 -j CT --notrack.",
    seen="Packets leave the host with the container's own address, and no answer comes back.",
    symptoms=(
        "outside-unreachable",
        "published-port-refused",
    ),
    references=("https://man7.org/linux/man-pages/man8/iptables-extensions.8.html",),
)
