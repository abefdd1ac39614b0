"""Explanations about a container itself: its state, its network mode, what it listens on."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation

ROWS = (
    Explanation(
        "source-not-running",
        BLOCKING,
        "The source container does not run, so it has no network namespace to send from.",
        "The container's state is neither running nor paused.",
        "Start the container. The finding quotes its exit code and the engine's error.",
        "tomcat81 is exited (exit code 137); nothing can be sent from it.",
        seen="`docker exec` answers that the container is not running.",
        references=("https://docs.docker.com/reference/cli/docker/container/start/",),
    ),
    Explanation(
        "destination-not-running",
        BLOCKING,
        "The destination container does not run. While it is stopped, the engine gives its addresses back to the pool.",
        "The container's state is neither running nor paused.",
        "Start the container. The finding quotes its exit code and the engine's error.",
        "tomcat82 is exited (exit code 1); it holds no address.",
        seen="Pings end with host unreachable, and the container's name does not resolve.",
        references=("https://github.com/moby/moby/issues/17403",),
    ),
    Explanation(
        "container-paused",
        WARNING,
        "The container's processes are frozen. The kernel still answers pings and accepts TCP connections, but no "
        "program replies.",
        "The container's state is paused.",
        "Start the container, which unpauses it, or restart it.",
        "tomcat82 is paused: pings are answered, requests are not.",
        seen="Pings work and connections open, but no program ever answers.",
        references=("https://docs.docker.com/reference/cli/docker/container/pause/",),
    ),
    Explanation(
        "container-start-failed",
        WARNING,
        "The last start of the container failed, so it does not run. The engine keeps the text of the failure.",
        "The container does not run, and its state has an error.",
        "Remove the cause that the text names, for example a port that another program has, and start the container.",
        "The last start of tomcat82 failed: driver failed programming external connectivity on endpoint tomcat82: "
        "Bind for 0.0.0.0:8082 failed: port is already allocated.",
        seen="docker start or docker compose up reports an error, and the container is not in docker ps.",
        references=("https://docs.docker.com/reference/cli/docker/container/start/",),
    ),
    Explanation(
        "container-restarting",
        WARNING,
        "The program of the container ends soon after each start, and its restart policy starts it again for ever. "
        "Between two starts the container has no address, and nothing reaches it.",
        "The container's state is restarting. The finding has the exit code, the number of restarts, and whether the "
        "kernel killed the program for lack of memory.",
        "Read the container's log, and correct the program or its settings. Stop the container to end the restarts.",
        "tomcat82 ends again and again (exit code 1). Its restart policy always has started it 14 times.",
        seen="docker ps shows Restarting, and a connection works for moments or never.",
        references=("https://docs.docker.com/engine/containers/start-containers-automatically/",),
    ),
    Explanation(
        "network-mode-none",
        BLOCKING,
        "The container has only a loopback interface: it can reach only itself, and nothing can reach it.",
        "The network mode is none and the container has no endpoint.",
        "Disconnect the container from none and connect it to a network, or create it again on a network.",
        "tomcat84 is in network mode none: it has only lo.",
        seen="`ip addr` in the container shows only `lo`, and every connection ends with network unreachable.",
        references=("https://docs.docker.com/engine/network/drivers/none/",),
    ),
    Explanation(
        "host-mode-no-own-address",
        INFO,
        "The container uses the host's network namespace. It has no address of its own, only the addresses of the "
        "host.",
        "The network mode is host.",
        "Use an address of the host, such as the source's default gateway, and the port that the program listens on.",
        "tomcat83 is in host mode and has no address of its own: the check uses 172.17.0.1, an address of the host.",
        seen="`docker inspect` shows an empty address for the container.",
        references=("https://docs.docker.com/engine/network/drivers/host/",),
    ),
    Explanation(
        "shares-network",
        INFO,
        "The container uses the network namespace of another container (the owner). Its addresses, ports and DNS names "
        "are the owner's.",
        "The network mode is container:<owner>.",
        "Use the owner's name or address, and publish ports on the owner. Two programs in one namespace cannot listen "
        "on the same port.",
        "tomcat86 shares the network of tomcat85.",
        seen="`docker inspect` shows no network for the container, and its name does not resolve.",
        references=("https://docs.docker.com/engine/network/",),
    ),
    Explanation(
        "shared-network-owner-down",
        BLOCKING,
        "The container shares the network of a container (the owner) that is stopped or removed, so it has only lo.",
        "The owner named by container:<owner> does not run or does not exist.",
        "Start the owner, then restart this container. Without the restart it keeps the old, empty namespace.",
        "tomcat86 shares the network of tomcat85, which is exited.",
        seen="The container lost its network, or the engine refuses to start it.",
        references=("https://github.com/moby/moby/issues/24935",),
    ),
    Explanation(
        "shared-network-stale",
        BLOCKING,
        "The owner was restarted and has a new network namespace. This container still uses the old one, which has "
        "only lo.",
        "The inode of the container's network namespace differs from the owner's, or the owner started after the "
        "container.",
        "Restart this container.",
        "tomcat86 is still in the network namespace that tomcat85 had before it was restarted.",
        seen="After a restart or an update of the owner, the container has only `lo`, until it is restarted too.",
        references=(
            "https://github.com/moby/moby/issues/24935",
            "https://github.com/moby/moby/issues/36334",
            "https://github.com/moby/moby/issues/50326",
        ),
    ),
    Explanation(
        "published-ports-ignored",
        WARNING,
        "The container is configured to publish ports, but it has no network of its own, so the engine ignores them.",
        "Published ports are configured, and the network mode is host, none or container:<owner>.",
        "In host mode, use the port that the program listens on. In container mode, publish the ports on the owner.",
        "tomcat83 is in host mode: its published port 8083 is ignored. The program's own port 8080 is open instead.",
        seen="`docker ps` shows no port for the container; `docker run` only warned that ports are discarded.",
        references=("https://docs.docker.com/engine/network/drivers/host/",),
    ),
    Explanation(
        "legacy-link",
        WARNING,
        "Links (--link) are deprecated. A link is a name in one direction only. The engine writes it when the "
        "container starts, and it works only on the default bridge.",
        "The container's configuration has links.",
        "Connect both containers to a network of their own, and give the linked container the link's alias there.",
        "tomcat81 is linked to tomcat82 as db.",
        seen="A linked name works in one direction only, or leads to an old address after a restart.",
        references=("https://docs.docker.com/engine/network/links/",),
    ),
    Explanation(
        "no-listener",
        BLOCKING,
        "No program listens on that port in the destination's network namespace, so the kernel refuses the connection.",
        "The listening sockets of the namespace.",
        "Use a port that a program listens on (the finding lists them), or start the program.",
        "No program in tomcat82 listens on tcp port 8081; it listens on tcp 0.0.0.0:8080.",
        seen="The client says connection refused.",
        references=("https://man7.org/linux/man-pages/man2/connect.2.html",),
    ),
    Explanation(
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
        references=("https://man7.org/linux/man-pages/man2/connect.2.html",),
    ),
    Explanation(
        "listens-on-loopback-only",
        BLOCKING,
        "The program listens only on a loopback address of its own namespace, so only that container can reach it.",
        "Every listening socket of that port is bound to 127.0.0.0/8 or ::1.",
        "Make the program listen on 0.0.0.0 or ::.",
        "tomcat82 listens on tcp 127.0.0.1:8080 only.",
        seen="The program answers inside its container, and refuses connections from everywhere else.",
        references=("https://docs.docker.com/engine/network/port-publishing/",),
    ),
    Explanation(
        "proxy-network-unshared",
        BLOCKING,
        "A reverse proxy serves the container and is not on the network by which it would reach the container.",
        "The labels of Traefik and caddy-docker-proxy, and the networks of the container and of the proxy. A proxy is "
        "recognised by the name of its image. A warning says that the proxy may choose an unshared network.",
        "Connect the proxy and the container to one network, and name that network in traefik.docker.network.",
        "proxy is not on shop_front, the network that traefik.docker.network of web names.",
        seen="The proxy answers 502 Bad Gateway or 504 Gateway Timeout, and the container answers at its own address.",
        references=("https://github.com/traefik/traefik/issues/1254", "https://github.com/traefik/traefik/issues/5040"),
    ),
    Explanation(
        "mac-address-ignored",
        INFO,
        "The endpoint is configured with a MAC address, but the endpoint has another one. A driver can ignore it (an "
        "ipvlan has the MAC address of its parent), and Docker before 29.3 ignores it when it connects a container.",
        "The settings of the endpoint and the driver of the network.",
        "Leave the MAC address out, or set it when you create the container, on a macvlan or bridge network.",
        "The MAC address of tomcat81 on lan is ignored: ipvlan uses the parent's.",
        seen="`ip link` in the container shows another MAC address than the one that was configured.",
        references=("https://docs.docker.com/engine/network/drivers/ipvlan/",),
    ),
    Explanation(
        "icmp-blocked-tcp-ok",
        INFO,
        "The TCP port answers, but pings do not: something drops only ICMP.",
        "A ping failed, and a connection to the same address succeeded.",
        "Treat the destination as reachable, and check it with tcp.",
        "172.20.0.3 answers tcp, but does not answer pings.",
        seen="`ping` shows 100% packet loss, although the program answers.",
        references=("https://docs.kernel.org/networking/ip-sysctl.html",),
    ),
    Explanation(
        "prediction-inconsistent",
        WARNING,
        "The prediction and the measurement differ: something affected the packet that the engine's state does not "
        "show.",
        "The verdicts of the prediction and of the measurement differ, and neither is inconclusive.",
        "Trust the measurement, and inspect the layer that the finding names.",
        "Predicted reachable, measured timed-out. The prediction could not see this: firewall: a rule in the source, "
        "in the destination or between them drops the packet.",
        seen="A check says that the measurement differs from what the settings of the engine let expect.",
        references=("https://github.com/portainer/portainer/issues/8923",),
    ),
    Explanation(
        "analysis-limited",
        INFO,
        "The service could not inspect something that affects the answer.",
        "An observation is missing: namespace, sockets, host interfaces, firewall or sysctl.",
        "Give the service the access that it needs: the host's pid namespace and CAP_SYS_ADMIN, or the helper image.",
        "The listening sockets of tomcat82 were not visible, so whether port 8080 is open is not predicted.",
        seen="A check is inconclusive, or a diagnosis lists something that was not visible.",
        references=("https://man7.org/linux/man-pages/man7/network_namespaces.7.html",),
    ),
)
