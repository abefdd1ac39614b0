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
    ),
    Explanation(
        "destination-not-running",
        BLOCKING,
        "The destination container does not run. While it is stopped, the engine gives its addresses back to the pool.",
        "The container's state is neither running nor paused.",
        "Start the container. The finding quotes its exit code and the engine's error.",
        "tomcat82 is exited (exit code 1); it holds no address.",
    ),
    Explanation(
        "container-paused",
        WARNING,
        "The container's processes are frozen. The kernel still answers pings and accepts TCP connections, but no "
        "program replies.",
        "The container's state is paused.",
        "Start the container, which unpauses it, or restart it.",
        "tomcat82 is paused: pings are answered, requests are not.",
    ),
    Explanation(
        "network-mode-none",
        BLOCKING,
        "The container has only a loopback interface: it can reach only itself, and nothing can reach it.",
        "The network mode is none and the container has no endpoint.",
        "Disconnect the container from none and connect it to a network, or create it again on a network.",
        "tomcat84 is in network mode none: it has only lo.",
    ),
    Explanation(
        "host-mode-no-own-address",
        INFO,
        "The container uses the host's network namespace. It has no address of its own, only the addresses of the "
        "host.",
        "The network mode is host.",
        "Use an address of the host, such as the source's default gateway, and the port that the program listens on.",
        "tomcat83 is in host mode and has no address of its own: the check uses 172.17.0.1, an address of the host.",
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
    ),
    Explanation(
        "shared-network-owner-down",
        BLOCKING,
        "The container shares the network of a container (the owner) that is stopped or removed, so it has only lo.",
        "The owner named by container:<owner> does not run or does not exist.",
        "Start the owner, then restart this container. Without the restart it keeps the old, empty namespace.",
        "tomcat86 shares the network of tomcat85, which is exited.",
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
    ),
    Explanation(
        "published-ports-ignored",
        WARNING,
        "The container is configured to publish ports, but it has no network of its own, so the engine ignores them.",
        "Published ports are configured, and the network mode is host, none or container:<owner>.",
        "In host mode, use the port that the program listens on. In container mode, publish the ports on the owner.",
        "tomcat83 is in host mode: its published port 8083 is ignored. The program's own port 8080 is open instead.",
    ),
    Explanation(
        "legacy-link",
        WARNING,
        "Links (--link) are deprecated. A link is a name in one direction only. The engine writes it when the "
        "container starts, and it works only on the default bridge.",
        "The container's configuration has links.",
        "Connect both containers to a network of their own, and give the linked container the link's alias there.",
        "tomcat81 is linked to tomcat82 as db.",
    ),
    Explanation(
        "no-listener",
        BLOCKING,
        "No program listens on that port in the destination's network namespace, so the kernel refuses the connection.",
        "The listening sockets of the namespace, or a probe that was refused.",
        "Use a port that a program listens on (the finding lists them), or start the program.",
        "No program in tomcat82 listens on tcp port 8081; it listens on tcp 0.0.0.0:8080.",
    ),
    Explanation(
        "listens-on-loopback-only",
        BLOCKING,
        "The program listens only on a loopback address of its own namespace, so only that container can reach it.",
        "Every listening socket of that port is bound to 127.0.0.0/8 or ::1.",
        "Make the program listen on 0.0.0.0 or ::.",
        "tomcat82 listens on tcp 127.0.0.1:8080 only.",
    ),
    Explanation(
        "mac-address-ignored",
        INFO,
        "The endpoint is configured with a MAC address, but the driver ignores it (an ipvlan has the MAC address of "
        "its parent).",
        "The settings of the endpoint and the driver of the network.",
        "Leave the MAC address out, or use a macvlan or bridge network.",
        "The MAC address of tomcat81 on lan is ignored: ipvlan uses the parent's.",
    ),
    Explanation(
        "icmp-blocked-tcp-ok",
        INFO,
        "The TCP port answers, but pings do not: something drops only ICMP.",
        "A ping failed, and a connection to the same address succeeded.",
        "Treat the destination as reachable, and check it with tcp.",
        "172.20.0.3 answers tcp, but does not answer pings.",
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
    ),
    Explanation(
        "analysis-limited",
        INFO,
        "The service could not inspect something that affects the answer.",
        "An observation is missing: namespace, sockets, host interfaces, firewall or sysctl.",
        "Give the service the access that it needs: the host's pid namespace and CAP_SYS_ADMIN, or the helper image.",
        "The listening sockets of tomcat82 were not visible, so whether port 8080 is open is not predicted.",
    ),
)
