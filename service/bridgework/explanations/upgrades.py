"""What an upgrade of Docker does beside its firewall rules, and the known faults of single releases.

``FAULTS`` has an entry for each fault: the versions that have it (from, and the first one without it), a code, what
happens, and the public threads. Beside it, ``CHANGES`` has what a release refuses, ignores or does otherwise: the
release with which that began, and a sentence about the networks or containers that are named before it.
``plans/notes.py`` says on which hosts an entry counts.
"""

from __future__ import annotations

from typing import NamedTuple

_MOBY = "https://github.com/moby/moby/"
Version = tuple[int, int, int]


class Fault(NamedTuple):
    """A fault of the versions from ``since`` until before ``fixed``; ``None`` where it is not fixed."""

    since: Version
    fixed: Version | None
    code: str
    message: str
    references: tuple[str, ...]


class Change(NamedTuple):
    """What holds on some hosts. ``message`` goes on after the names that it is about, where ``{names}`` stands."""

    code: str
    message: str
    remedy: str
    references: tuple[str, ...] = ()


FAULTS = (
    Fault(
        (26, 0, 0),
        (28, 0, 0),
        "firewalld-reload-removes-isolation",
        "After a reload of firewalld, containers reach those of other networks at every port (CVE-2025-54410).",
        ("https://github.com/advisories/GHSA-4vq8-7jfc-9cvp",),
    ),
    Fault(
        (28, 0, 0),
        (28, 3, 3),
        "firewalld-reload-opens-ports",
        "After a reload of firewalld, neighbours of the host reach ports that are published at a loopback "
        "address, and unpublished ports (CVE-2025-54388).",
        ("https://github.com/advisories/GHSA-x4rx-4gw3-53p4", f"{_MOBY}pull/50506"),
    ),
    Fault(
        (29, 0, 0),
        (29, 0, 1),
        "names-in-swarm-not-resolved",
        "On a node of a swarm, names of containers on local networks do not resolve.",
        (f"{_MOBY}pull/51515",),
    ),
    Fault(
        (29, 0, 0),
        (29, 0, 2),
        "endpoint-not-found",
        "A container on several networks may not start, where one of them has no way out.",
        (f"{_MOBY}pull/51538",),
    ),
    Fault(
        (29, 0, 0),
        (29, 0, 4),
        "fixed-address-refused",
        "A container with a fixed address is refused on a network that was made without a subnet.",
        (f"{_MOBY}pull/51583",),
    ),
    Fault(
        (29, 1, 0),
        (29, 1, 1),
        "external-names-not-resolved",
        "Containers on user networks resolve no names of other hosts.",
        (f"{_MOBY}pull/51507", f"{_MOBY}pull/51615"),
    ),
    Fault(
        (29, 1, 0),
        (29, 1, 2),
        "publish-all-crashes",
        "A request with PublishAllPorts and without port bindings ends the daemon.",
        (f"{_MOBY}pull/51621",),
    ),
    Fault(
        (29, 1, 2),
        (29, 1, 3),
        "publish-all-crashes-at-start",
        "The start of a container that was made before the upgrade with PublishAllPorts ends the daemon.",
        (f"{_MOBY}pull/51691",),
    ),
    Fault(
        (29, 0, 0),
        (29, 3, 0),
        "reload-corrupts-dns",
        "A reload of the daemon's settings corrupts the name servers of containers.",
        (f"{_MOBY}pull/52060",),
    ),
    Fault(
        (29, 5, 0),
        None,
        "udp-ports-stop",
        "A published UDP port may stop answering after its container was started again.",
        (f"{_MOBY}issues/53384",),
    ),
)
"""Each with its sources. A new fault is a new entry."""

OPTION_IGNORED = Change(
    "option-ignored",
    "Docker {release} keeps the options {names}, and ignores them.",
    "Do not count on these options, or stay with a release that has them.",
)
OPTION_NEEDS_NEW_NETWORK = Change(
    "option-needs-new-network",
    "The networks of {names} were made by an engine that ignored these options. A newer engine does not read "
    "them again.",
    "After the upgrade, remove the networks and create them again.",
)
IP6TABLES_ON = Change(
    "ip6tables-by-default",
    "Docker {release} writes rules for IPv6, because ip6tables is on unless daemon.json sets it off: ports of "
    "containers that were open to every neighbour by IPv6 close, unless they are published.",
    "Publish the ports that neighbours need, or name ip6tables in the plan to see what the setting does.",
    (f"{_MOBY}pull/47747",),
)
IP6TABLES_OFF = Change(
    "ip6tables-needs-experimental",
    "Docker {release} writes no rules for IPv6 unless daemon.json sets ip6tables and experimental.",
    "Set both, and name ip6tables in the plan to see what the setting does.",
)
DIRECT_ACCESS_CLOSED = Change(
    "direct-access-closed",
    "Docker {release} drops packets to a container's own address that come in by another interface than its bridge, "
    "such as one of a VPN, also before DOCKER-USER. The rows of the exposure name the ports that close.",
    "Publish the ports, set the network's gateway mode to routed or its option trusted_host_interfaces, or set "
    "allow-direct-routing in daemon.json.",
    (f"{_MOBY}issues/49498", f"{_MOBY}issues/51544", "https://github.com/psviderski/uncloud/issues/293"),
)
LINK_VARIABLES_GONE = Change(
    "link-variables-gone",
    "{names} have legacy links. Docker {release} does not set the environment variables of links.",
    "Use the names of the containers on a user network. DOCKER_KEEP_DEPRECATED_LEGACY_LINKS_ENV_VARS=1 in the "
    "environment of the daemon brings the variables back for some time.",
    (f"{_MOBY}pull/50719",),
)
MAC_ADDRESSES_CHANGE = Change(
    "mac-addresses-change",
    "Docker {release} gives each container a random MAC address at each start, and no longer one made from its IPv4 "
    "address. Leases of DHCP and filters that name the addresses of {names} do not fit any more.",
    "Set the MAC address of the endpoint where another program needs it.",
    (f"{_MOBY}pull/48808",),
)
NO_DEFAULT_GATEWAY = Change(
    "gateway-not-given",
    "Docker {release} gives containers no default route on a macvlan or ipvlan network that was made without naming a "
    "gateway. That may concern {names}.",
    "Create the network again and name its gateway, if it was not named.",
    (f"{_MOBY}pull/50929",),
)
CLIENTS_REFUSED = Change(
    "old-clients-refused",
    "Docker {release} refuses clients that ask for a version of the API before 1.44, such as Docker Compose 1 and old "
    "releases of Traefik, Portainer and Watchtower.",
    "Upgrade these clients first, or upgrade to 29.3 or later, which accepts 1.40 again.",
    (f"{_MOBY}pull/52067",),
)
SWARM_REFUSED = Change(
    "swarm-refuses-nftables",
    "This engine is a node of a swarm. Docker {release} does not start with nftables there.",
    "Stay with iptables.",
    (f"{_MOBY}pull/50467",),
)
NOT_STARTED_AGAIN = Change(
    "not-started-again",
    "An upgrade stops all containers unless live-restore is on. The restart policy of {names} does not start them.",
    "Set the restart policy unless-stopped, or start the containers after the upgrade.",
)
USER_RULES_UNUSED = Change(
    "docker-user-not-used",
    "Docker has no chain DOCKER-USER with nftables, so these {number} rules never run: {names}",
    "Write them into a table of your own, at a priority before that of Docker's chains (0).",
    (f"{_MOBY}issues/49643", "https://docs.docker.com/engine/network/firewall-nftables/"),
)
FORWARDING_NOT_SET = Change(
    "forwarding-not-switched-on",
    "With nftables, Docker does not switch forwarding on, and makes no network where it is off. The plan assumes that "
    "it is on, as it is now; without it, the pairs listed here close.",
    "Before the upgrade, set net.ipv4.ip_forward=1, and net.ipv6.conf.all.forwarding=1 for IPv6, in a file of "
    "/etc/sysctl.d.",
    (f"{_MOBY}pull/50634", "https://docs.docker.com/engine/network/firewall-nftables/"),
)
FORWARD_POLICY_STAYS = Change(
    "forward-policy-until-reboot",
    "Docker has set the policy of the chain FORWARD to DROP, and does not take it back. With nftables, that policy "
    "drops what Docker's rules accept until the host starts again. The plan is about the time after that.",
    "Run iptables -P FORWARD ACCEPT (and ip6tables -P FORWARD ACCEPT) after the upgrade, or start the host again.",
    (f"{_MOBY}pull/50634",),
)
