"""Causes at ports: what listens, what is published where, and what is open to others."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation

_PUBLISHING = "https://docs.docker.com/engine/network/port-publishing/"
_FIREWALLS = "https://docs.docker.com/engine/network/packet-filtering-firewalls/"

NO_LISTENER = Explanation(
    "no-listener",
    BLOCKING,
    "No program listens on that port in the destination's network namespace, so the kernel refuses the connection.",
    "The listening sockets of the namespace.",
    "Use a port that a program listens on (the finding lists them), or start the program.",
    "No program in tomcat82 listens on tcp port 8081; it listens on tcp 0.0.0.0:8080.",
    seen="The client says connection refused.",
    symptoms=(
        "bad-gateway",
        "containers-do-not-reach-each-other",
        "ping-differs-from-tcp",
        "published-port-refused",
    ),
    references=("https://man7.org/linux/man-pages/man2/connect.2.html",),
    unseen="a program started to listen after the observation",
)
LISTENS_ON_LOOPBACK_ONLY = Explanation(
    "listens-on-loopback-only",
    BLOCKING,
    "The program listens only on a loopback address of its own namespace, so only that container can reach it.",
    "Every listening socket of that port is bound to 127.0.0.0/8 or ::1.",
    "Make the program listen on 0.0.0.0 or ::.",
    "tomcat82 listens on tcp 127.0.0.1:8080 only.",
    seen="The program answers inside its container, and refuses connections from everywhere else.",
    symptoms=(
        "bad-gateway",
        "containers-do-not-reach-each-other",
        "published-port-refused",
        "works-from-container-not-from-host",
    ),
    references=("https://docs.docker.com/engine/network/port-publishing/",),
    unseen="a program started to listen after the observation",
)
CONNECTION_REFUSED = Explanation(
    "connection-refused",
    BLOCKING,
    "The connection is refused, and what refuses it is not known: a firewall rule with the target REJECT answers "
    "like a port on which no program listens.",
    "A probe that was refused, while the listening sockets of the destination show a program at the port, or were "
    "not visible. The evidence lists the sockets.",
    "Check again with trace: true, which names the rule that rejects the packet. Look at the interface that the "
    "program's socket is bound to.",
    "172.19.0.3 refuses tcp port 8080, though a socket of tomcat82 listens there (tcp 0.0.0.0:8080). A firewall "
    "rule may reject the connection, or the socket may be bound to another interface.",
    seen="The client says connection refused, and the program runs.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "published-port-refused",
    ),
    references=("https://man7.org/linux/man-pages/man2/connect.2.html",),
)
PORT_NOT_PUBLISHED = Explanation(
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
    symptoms=("published-port-refused",),
    references=("https://docs.docker.com/engine/network/port-publishing/",),
    unseen="a program of the host listens there",
)
PORT_BOUND_TO_LOOPBACK = Explanation(
    "port-bound-to-loopback",
    BLOCKING,
    "The port is published on a loopback address of the host, so only the host itself can reach it.",
    "The host_ip of the published port is in 127.0.0.0/8, or it is ::1.",
    "Publish the port on 0.0.0.0 or on another address of the host, or connect both containers to one network.",
    "Port 8081 of tomcat81 is published at 127.0.0.1 only.",
    seen="The port works on the host itself, and is refused from everywhere else.",
    symptoms=(
        "published-port-refused",
        "works-from-host-not-from-container",
    ),
    references=("https://docs.docker.com/engine/network/port-publishing/",),
)
PUBLISHED_PORTS_IGNORED = Explanation(
    "published-ports-ignored",
    WARNING,
    "The container is configured to publish ports, but it has no network of its own, so the engine ignores them.",
    "Published ports are configured, and the network mode is host, none or container:<owner>.",
    "In host mode, use the port that the program listens on. In container mode, publish the ports on the owner.",
    "tomcat83 is in host mode: its published port 8083 is ignored. The program's own port 8080 is open instead.",
    seen="`docker ps` shows no port for the container; `docker run` only warned that ports are discarded.",
    symptoms=("published-port-refused",),
    references=("https://docs.docker.com/engine/network/drivers/host/",),
)
INTERNAL_NO_PUBLISH = Explanation(
    "internal-no-publish",
    WARNING,
    "All networks of the container are internal, so the engine does not publish its ports.",
    "Published ports are configured, and every network of the container is internal.",
    "Connect the container to a network that is not internal, and restart it.",
    "The ports of worker (8081->8080/tcp) are not published: internal networks only (vault).",
    seen="`docker ps` shows no published port, although the container was created with one.",
    symptoms=("published-port-refused",),
    references=("https://docs.docker.com/reference/cli/docker/network/create/",),
)
HOST_PORT_TAKEN = Explanation(
    "host-port-taken",
    BLOCKING,
    "Another container or program holds that port of the host.",
    "The engine's refusal, or the published ports of other containers.",
    "Choose another host port, or stop the container or program that holds the port.",
    "tomcat82 is configured to publish tcp port 8081 of the host, which tomcat81 publishes: tomcat82 cannot start.",
    seen="`docker start` ends with: port is already allocated, or address already in use.",
    symptoms=(
        "container-does-not-start",
        "published-port-refused",
        "worked-until-reboot",
    ),
    references=(
        "https://github.com/moby/moby/issues/20486",
        "https://github.com/moby/moby/issues/25981",
    ),
)
HOST_PORT_DIFFERS_BY_FAMILY = Explanation(
    "host-port-differs-by-family",
    WARNING,
    "The engine published one port of the container at different ports of the host for IPv4 and for IPv6.",
    "The published ports in force: those of 0.0.0.0 and those of :: differ.",
    "Publish a fixed host port, or publish on 0.0.0.0 only. From Docker 27 on the engine chooses one number for both.",
    "tcp port 8080 of tomcat81 is published at 32769 for IPv4 and 32768 for IPv6.",
    seen="Tests connect to localhost and reach another container, or are refused, only sometimes.",
    symptoms=(
        "published-port-refused",
        "works-sometimes",
    ),
    references=(
        "https://github.com/moby/moby/issues/42442",
        "https://github.com/testcontainers/testcontainers-node/issues/818",
    ),
)
DOCKER_PROXY_MISSING = Explanation(
    "docker-proxy-missing",
    BLOCKING,
    "docker-proxy should answer at the published port, and it does not run any more. Docker starts it together "
    "with the container and does not start it again.",
    "The published port, whether a firewall rule translates the packet before it comes to a socket, and the "
    "listening sockets of the host.",
    "Restart the container.",
    "docker-proxy does not run for tcp port 8081 of tomcat81: no socket of the host listens there.",
    seen="The published port is refused at 127.0.0.1 or from other containers, and may still work from other machines.",
    symptoms=("published-port-refused",),
    references=("https://docs.docker.com/engine/network/port-publishing/",),
)
ORPHAN_PROXY = Explanation(
    "orphan-proxy",
    WARNING,
    "A docker-proxy process holds a port of the host for a container that is gone. Nothing answers there, and no "
    "container can publish the port.",
    "The arguments of the docker-proxy processes on the host, compared with the addresses of the containers.",
    "End the process; the finding has the command.",
    "docker-proxy (process 4711) holds tcp port 8081 of 0.0.0.0 for 172.19.0.9, which no container has.",
    seen="A container does not start because its port is already allocated, but docker ps shows no such container.",
    symptoms=(
        "container-does-not-start",
        "published-port-refused",
    ),
    references=("https://github.com/moby/moby/issues/20486", "https://github.com/moby/moby/issues/25981"),
)
CLIENT_ADDRESS_REPLACED = Explanation(
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
    symptoms=("log-shows-gateway-as-client",),
    references=("https://github.com/moby/moby/issues/15086", "https://github.com/docker/docs/issues/17312"),
)
PUBLISHED_ON_EVERY_ADDRESS = Explanation(
    "published-on-every-address",
    INFO,
    "The port is published without a host address, so every link of the host offers it.",
    "The host_ip of the published port is empty, 0.0.0.0 or ::, and a simulated packet from a neighbour of a link "
    "of the host arrives.",
    "If only the host needs the port, create the container again with the port published on 127.0.0.1.",
    "tcp 8081 of tomcat81 is published on every address of the host, and neighbours on eth0 reach it.",
    seen="A port that was meant for this host answers other hosts too.",
    symptoms=("open-that-should-be-closed",),
    references=(_PUBLISHING,),
)
EXPOSED_PAST_HOST_FIREWALL = Explanation(
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
    symptoms=("open-that-should-be-closed",),
    references=(
        _FIREWALLS,
        "https://github.com/moby/moby/issues/22054",
        "https://github.com/moby/moby/issues/4737",
    ),
)
UNPUBLISHED_PORT_EXPOSED = Explanation(
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
    symptoms=("open-that-should-be-closed",),
    references=(_FIREWALLS, "https://github.com/moby/moby/pull/48724"),
)
LOOPBACK_PORT_EXPOSED = Explanation(
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
    symptoms=("open-that-should-be-closed",),
    references=(_PUBLISHING, "https://github.com/moby/moby/issues/45610"),
)
SOCKET_BOUND_TO_INTERFACE = Explanation(
    "socket-bound-to-interface",
    BLOCKING,
    "The program listens at the port, but its socket takes packets from another interface only (SO_BINDTODEVICE).",
    "The listening sockets of the namespace, with the interface that each is bound to.",
    "Let the program listen without an interface, or on the one by which the packets come.",
    "tomcat82 listens on tcp [::]:8080 for packets from tun0 only, and the packet comes by eth0.",
    seen="A port refuses connections, although `ss -l` lists it.",
    symptoms=(
        "bad-gateway",
        "containers-do-not-reach-each-other",
    ),
    references=("https://man7.org/linux/man-pages/man7/socket.7.html",),
)
LISTEN_QUEUE_FULL = Explanation(
    "listen-queue-full",
    WARNING,
    "The program does not accept its connections: as many wait as its socket allows, and the kernel drops further "
    "ones.",
    "The length of the socket's queue and its limit (ss -lt, Recv-Q and Send-Q).",
    "Find out why the program does not accept: it is stopped, blocked or overloaded. A larger backlog helps with "
    "bursts.",
    "129 connections wait at tcp [::]:8080 of tomcat82, which allows 128.",
    seen="Connections time out, although the program runs and listens.",
    symptoms=(
        "bad-gateway",
        "slow-then-hangs",
        "works-sometimes",
    ),
    references=("https://man7.org/linux/man-pages/man2/listen.2.html",),
)
