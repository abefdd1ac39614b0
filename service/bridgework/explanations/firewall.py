"""Explanations about the host's firewall: what it lets through, what it lacks, and what its state still holds."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation

_FIREWALLS = "https://docs.docker.com/engine/network/packet-filtering-firewalls/"
_PUBLISHING = "https://docs.docker.com/engine/network/port-publishing/"

ROWS = (
    Explanation(
        "exposed-past-host-firewall",
        WARNING,
        "The host's own firewall closes the port in INPUT, and a neighbour on the network reaches the container there "
        "all the same. Docker translates the packet before INPUT, so the packet passes FORWARD instead, where Docker "
        "accepts it.",
        "The service simulates a packet from a neighbour of each link of the host through all rules in force, once as "
        "it is, and once without translation. The port counts as closed where the second packet is dropped. The "
        "finding quotes that rule and names ufw or firewalld if the names of the chains show it.",
        "Drop the port in DOCKER-USER (with nftables in a chain of your own), or publish it on 127.0.0.1 only.",
        "ufw closes tcp 8081 in INPUT (the policy of INPUT is DROP), and eth0 reaches tomcat81 there all the same: "
        "Docker's rules send the packet past that chain.",
        seen="A port is open from outside, although ufw or firewalld shows it as closed.",
        references=(
            _FIREWALLS,
            "https://github.com/moby/moby/issues/22054",
            "https://github.com/moby/moby/issues/4737",
        ),
    ),
    Explanation(
        "published-on-every-address",
        INFO,
        "The port is published without a host address, so every link of the host offers it.",
        "The host_ip of the published port is empty, 0.0.0.0 or ::, and a simulated packet from a neighbour of a link "
        "of the host arrives.",
        "If only the host needs the port, create the container again with the port published on 127.0.0.1.",
        "tcp 8081 of tomcat81 is published on every address of the host, and neighbours on eth0 reach it.",
        seen="A port that was meant for this host answers other hosts too.",
        references=(_PUBLISHING,),
    ),
    Explanation(
        "unpublished-port-exposed",
        WARNING,
        "A program in a container listens on a port that is not published, and a neighbour with a route by the host "
        "reaches it at the container's own address.",
        "The listening sockets of the container, and a simulated packet from a neighbour of each link of the host to "
        "the container's address. Before Docker 28 the policy DROP of FORWARD alone prevents it. In gateway mode "
        "nat-unprotected it is intended, and the finding is of severity info.",
        "Drop what comes to the container's address from elsewhere; the finding has the command.",
        "tcp 5432 of pg1 is not published, and a machine with a route by the host reaches it at 172.19.0.3 from eth0.",
        seen="A database without a published port answers other hosts of the LAN.",
        references=(_FIREWALLS, "https://github.com/moby/moby/pull/48724"),
    ),
    Explanation(
        "loopback-port-exposed",
        WARNING,
        "The port is published on a loopback address, and a neighbour on the same link reaches it. Such a neighbour "
        "sends a packet for 127.0.0.1 to the host's MAC address, and Docker translates it before the kernel would drop "
        "it.",
        "A simulated packet from a neighbour of each link of the host to the loopback address. Docker 28 and later "
        "write a rule in the table raw that drops it.",
        "Write the rule that Docker 28 writes; the finding has the command.",
        "tcp 8081 of tomcat81 is published on 127.0.0.1 only, and a neighbour on eth0 reaches it: no rule drops what "
        "comes from there for that address.",
        seen="A port that is published on 127.0.0.1 answers a host of the same LAN.",
        references=(_PUBLISHING, "https://github.com/moby/moby/issues/45610"),
    ),
    Explanation(
        "port-rule-missing",
        BLOCKING,
        "A port is published, and a rule of Docker's for it is missing from the host's firewall: the one that "
        "translates the address, or the one that accepts the translated packet.",
        "The rules that the engine's version keeps for its ports, computed from its networks and containers, less the "
        "rules of iptables or nftables on the host. If docker-proxy still answers for the port, the finding is a "
        "warning.",
        "Write the rule again; the finding has the command. A restart of the engine writes all of its rules again.",
        "The host's firewall lacks Docker's rule that translates tcp port 8081 of tomcat81.",
        seen="A published port no longer answers after another program reloaded the firewall.",
        references=("https://github.com/moby/moby/issues/12294", "https://github.com/moby/moby/issues/48657"),
    ),
    Explanation(
        "network-rule-missing",
        BLOCKING,
        "A rule of Docker's that lets packets of a network pass, or translates them, is missing from the host's "
        "firewall, while others of its rules are there.",
        "The rules that the engine's version keeps for its networks, less the rules on the host.",
        "Write the rule again; the finding has the command. A restart of the engine writes all of its rules again.",
        "The host's firewall lacks Docker's rule -A POSTROUTING -s 172.19.0.0/16 ! -o br-6c0dc947faf8 -j MASQUERADE "
        "for simon_network: packets of its containers may be dropped, or leave without translation.",
        seen="Containers of one network no longer reach the outside, after another program reloaded the firewall.",
        references=("https://github.com/moby/moby/issues/12294", "https://github.com/moby/moby/issues/50443"),
    ),
    Explanation(
        "isolation-rule-missing",
        WARNING,
        "A rule of Docker's that drops packets is missing from the host's firewall: networks are not isolated from "
        "each other, or ports that are not published can be reached.",
        "The rules that the engine's version keeps for its networks, less the rules of iptables or nftables on the "
        "host. Rules of the table raw are expected only where others of the same kind are there, because a setting of "
        "the daemon leaves out all of them.",
        "Write the rule again; the finding has the command. A restart of the engine writes all of its rules again.",
        "The host's firewall lacks Docker's rule -A DOCKER-ISOLATION-STAGE-2 -o br-6c0dc947faf8 -j DROP for "
        "simon_network: packets pass that Docker should drop.",
        seen="Containers on different networks reach each other, although Docker isolates networks.",
        references=(_FIREWALLS, "https://github.com/moby/moby/security/advisories/GHSA-x4rx-4gw3-53p4"),
    ),
    Explanation(
        "stale-port-rule",
        WARNING,
        "A rule of Docker's sends a port of the host to an address at which no container publishes that port. Clients "
        "reach a wrong container, or none.",
        "The translations in Docker's chain, compared with the addresses and published ports of the containers.",
        "Delete the rule; the finding has the command.",
        "A rule sends tcp port 8081 of the host to 172.19.0.3, which tomcat82 holds now, and no container publishes "
        "the port there.",
        seen="A published port leads to the wrong container after a crash or a kill of the engine.",
        references=("https://github.com/moby/moby/issues/12294", "https://github.com/moby/moby/issues/20486"),
    ),
    Explanation(
        "duplicate-rules",
        INFO,
        "A rule of Docker's is in the host's firewall more than once. It does no harm until the engine deletes one "
        "copy of it and the others stay in force.",
        "Equal rules in the chains that Docker writes.",
        "Delete the extra copies; the finding has the commands.",
        "Docker's rule -A FORWARD -j DOCKER-USER is in the host's firewall more than once.",
        seen="iptables lists the same rule of Docker several times.",
        references=("https://github.com/moby/moby/issues/31647",),
    ),
    Explanation(
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
        references=("https://github.com/moby/moby/issues/8795", "https://github.com/moby/moby/issues/53384"),
    ),
    Explanation(
        "conntrack-table-full",
        WARNING,
        "The kernel's table of connections is nearly full. When it is full, the kernel drops the first packet of each "
        "new connection.",
        "nf_conntrack_count, compared with nf_conntrack_max, and the column drop of /proc/net/stat/nf_conntrack.",
        "Raise net.netfilter.nf_conntrack_max.",
        "262144 of 262144 entries of connection tracking are in use, and 1830 packets were dropped so far.",
        seen="New connections time out now and then, on a busy host, and the kernel logs: table full, dropping packet.",
        references=(
            "https://www.kernel.org/doc/html/latest/networking/nf_conntrack-sysctl.html",
            "https://github.com/kubernetes/kubernetes/issues/71261",
        ),
    ),
    Explanation(
        "orphan-proxy",
        WARNING,
        "A docker-proxy process holds a port of the host for a container that is gone. Nothing answers there, and no "
        "container can publish the port.",
        "The arguments of the docker-proxy processes on the host, compared with the addresses of the containers.",
        "End the process; the finding has the command.",
        "docker-proxy (process 4711) holds tcp port 8081 of 0.0.0.0 for 172.19.0.9, which no container has.",
        seen="A container does not start because its port is already allocated, but docker ps shows no such container.",
        references=("https://github.com/moby/moby/issues/20486", "https://github.com/moby/moby/issues/25981"),
    ),
    Explanation(
        "host-port-differs-by-family",
        WARNING,
        "The engine published one port of the container at different ports of the host for IPv4 and for IPv6.",
        "The published ports in force: those of 0.0.0.0 and those of :: differ.",
        "Publish a fixed host port, or publish on 0.0.0.0 only. From Docker 27 on the engine chooses one number for "
        "both.",
        "tcp port 8080 of tomcat81 is published at 32769 for IPv4 and 32768 for IPv6.",
        seen="Tests connect to localhost and reach another container, or are refused, only sometimes.",
        references=(
            "https://github.com/moby/moby/issues/42442",
            "https://github.com/testcontainers/testcontainers-node/issues/818",
        ),
    ),
    Explanation(
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
        references=(_FIREWALLS, "https://github.com/moby/moby/issues/4737"),
    ),
    Explanation(
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
        references=(
            "https://docs.docker.com/engine/network/drivers/bridge/",
            "https://github.com/moby/moby/issues/48375",
        ),
    ),
    Explanation(
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
        references=("https://github.com/moby/moby/issues/48365", "https://github.com/moby/moby/issues/48411"),
    ),
    Explanation(
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
        references=("https://github.com/moby/moby/issues/46147", "https://github.com/moby/moby/issues/46636"),
    ),
)
