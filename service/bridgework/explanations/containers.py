"""Causes in a container itself: its state and its network mode."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation

SOURCE_NOT_RUNNING = Explanation(
    "source-not-running",
    BLOCKING,
    "The source container does not run, so it has no network namespace to send from.",
    "The container's state is neither running nor paused.",
    "Start the container. The finding quotes its exit code and the engine's error.",
    "tomcat81 is exited (exit code 137); nothing can be sent from it.",
    seen="`docker exec` answers that the container is not running.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "published-port-refused",
    ),
    references=("https://docs.docker.com/reference/cli/docker/container/start/",),
)
DESTINATION_NOT_RUNNING = Explanation(
    "destination-not-running",
    BLOCKING,
    "The destination container does not run. While it is stopped, the engine gives its addresses back to the pool.",
    "The container's state is neither running nor paused.",
    "Start the container. The finding quotes its exit code and the engine's error.",
    "tomcat82 is exited (exit code 1); it holds no address.",
    seen="Pings end with host unreachable, and the container's name does not resolve.",
    symptoms=(
        "bad-gateway",
        "containers-do-not-reach-each-other",
        "name-does-not-resolve",
    ),
    references=("https://github.com/moby/moby/issues/17403",),
)
CONTAINER_PAUSED = Explanation(
    "container-paused",
    WARNING,
    "The container's processes are frozen. The kernel still answers pings and accepts TCP connections, but no "
    "program replies.",
    "The container's state is paused.",
    "Start the container, which unpauses it, or restart it.",
    "tomcat82 is paused: pings are answered, requests are not.",
    seen="Pings work and connections open, but no program ever answers.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "ping-differs-from-tcp",
        "published-port-refused",
        "slow-then-hangs",
    ),
    references=("https://docs.docker.com/reference/cli/docker/container/pause/",),
)
CONTAINER_START_FAILED = Explanation(
    "container-start-failed",
    WARNING,
    "The last start of the container failed, so it does not run. The engine keeps the text of the failure.",
    "The container does not run, and its state has an error.",
    "Remove the cause that the text names, for example a port that another program has, and start the container.",
    "The last start of tomcat82 failed: driver failed programming external connectivity on endpoint tomcat82: "
    "Bind for 0.0.0.0:8082 failed: port is already allocated.",
    seen="docker start or docker compose up reports an error, and the container is not in docker ps.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "published-port-refused",
    ),
    references=("https://docs.docker.com/reference/cli/docker/container/start/",),
)
CONTAINER_RESTARTING = Explanation(
    "container-restarting",
    WARNING,
    "The program of the container ends soon after each start, and its restart policy starts it again for ever. "
    "Between two starts the container has no address, and nothing reaches it.",
    "The container's state is restarting. The finding has the exit code, the number of restarts, and whether the "
    "kernel killed the program for lack of memory.",
    "Read the container's log, and correct the program or its settings. Stop the container to end the restarts.",
    "tomcat82 ends again and again (exit code 1). Its restart policy always has started it 14 times.",
    seen="docker ps shows Restarting, and a connection works for moments or never.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "published-port-refused",
    ),
    references=("https://docs.docker.com/engine/containers/start-containers-automatically/",),
)
NETWORK_MODE_NONE = Explanation(
    "network-mode-none",
    BLOCKING,
    "The container has only a loopback interface: it can reach only itself, and nothing can reach it.",
    "The network mode is none and the container has no endpoint.",
    "Disconnect the container from none and connect it to a network, or create it again on a network.",
    "tomcat84 is in network mode none: it has only lo.",
    seen="`ip addr` in the container shows only `lo`, and every connection ends with network unreachable.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "outside-unreachable",
    ),
    references=("https://docs.docker.com/engine/network/drivers/none/",),
    unseen="something other than the engine added an interface",
)
HOST_MODE_NO_OWN_ADDRESS = Explanation(
    "host-mode-no-own-address",
    INFO,
    "The container uses the host's network namespace. It has no address of its own, only the addresses of the host.",
    "The network mode is host.",
    "Use an address of the host, such as the source's default gateway, and the port that the program listens on.",
    "tomcat83 is in host mode and has no address of its own: the check uses 172.17.0.1, an address of the host.",
    seen="`docker inspect` shows an empty address for the container.",
    symptoms=("containers-do-not-reach-each-other",),
    references=("https://docs.docker.com/engine/network/drivers/host/",),
)
SHARES_NETWORK = Explanation(
    "shares-network",
    INFO,
    "The container uses the network namespace of another container (the owner). Its addresses, ports and DNS names "
    "are the owner's.",
    "The network mode is container:<owner>.",
    "Use the owner's name or address, and publish ports on the owner. Two programs in one namespace cannot listen "
    "on the same port.",
    "tomcat86 shares the network of tomcat85.",
    seen="`docker inspect` shows no network for the container, and its name does not resolve.",
    symptoms=("name-does-not-resolve",),
    references=("https://docs.docker.com/engine/network/",),
)
SHARED_NETWORK_OWNER_DOWN = Explanation(
    "shared-network-owner-down",
    BLOCKING,
    "The container shares the network of a container (the owner) that is stopped or removed, so it has only lo.",
    "The owner named by container:<owner> does not run or does not exist.",
    "Start the owner, then restart this container. Without the restart it keeps the old, empty namespace.",
    "tomcat86 shares the network of tomcat85, which is exited.",
    seen="The container lost its network, or the engine refuses to start it.",
    symptoms=(
        "container-does-not-start",
        "containers-do-not-reach-each-other",
        "worked-until-reboot",
    ),
    references=("https://github.com/moby/moby/issues/24935",),
)
SHARED_NETWORK_STALE = Explanation(
    "shared-network-stale",
    BLOCKING,
    "The owner was restarted and has a new network namespace. This container still uses the old one, which has "
    "only lo.",
    "The inode of the container's network namespace differs from the owner's, or the owner started after the "
    "container.",
    "Restart this container.",
    "tomcat86 is still in the network namespace that tomcat85 had before it was restarted.",
    seen="After a restart or an update of the owner, the container has only `lo`, until it is restarted too.",
    symptoms=(
        "containers-do-not-reach-each-other",
        "worked-until-reboot",
    ),
    references=(
        "https://github.com/moby/moby/issues/24935",
        "https://github.com/moby/moby/issues/36334",
        "https://github.com/moby/moby/issues/50326",
    ),
    unseen="the container uses another namespace than observed",
)
