"""What differs between the releases of Docker beside their rules, each as a fact with a name.

A release is the major and minor version of an engine; (0, 0) is an unknown one, which counts as the oldest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

Release = tuple[int, int]

RELEASES: tuple[Release, ...] = (
    (26, 1),
    *((27, minor) for minor in range(6)),
    *((28, minor) for minor in range(6)),
    *((29, minor) for minor in range(8)),
)
"""The releases to which an engine can be upgraded in a plan, the oldest first.

Docker 27, 28.0 and 28.1 write rules that are not known exactly (``firewall.docker.nearest``).
"""
NFTABLES_SINCE: Release = (29, 0)
DIRECT_ROUTING_SINCE: Release = (28, 2)
VERSION = r"v?([0-9]{1,3})\.([0-9]{1,3})(\.([0-9]{1,3}))?([-+~][!-~]*)?"
"""What a version looks like, in the part of regular expressions that the document can hold."""

_API_SINCE: tuple[tuple[Release, tuple[int, int]], ...] = (
    ((29, 0), (1, 52)),
    ((28, 3), (1, 51)),
    ((28, 2), (1, 50)),
    ((28, 1), (1, 49)),
    ((28, 0), (1, 48)),
    ((27, 2), (1, 47)),
    ((27, 0), (1, 46)),
)
# No option of a network came with a later version of the API.
_OLDEST_API = (1, 45)


def api_of(release: Release) -> tuple[int, int]:
    """Return the version of the API that decides which options of a network the release has, at most 1.52."""
    return next((api for since, api in _API_SINCE if release >= since), _OLDEST_API)


def read_version(text: str) -> tuple[Release, int | None] | None:
    """Return the release and the patch level, if that is named, of a version; ``None`` for another text."""
    found = re.fullmatch(VERSION, text)
    return ((int(found[1]), int(found[2])), int(found[4]) if found[4] else None) if found is not None else None


def newest_known(release: Release) -> Release:
    """Return the release, or the newest known one where it is newer."""
    return min(release, RELEASES[-1])


def why_not_a_target(release: Release) -> str | None:
    """Return why an engine cannot be upgraded to the release in a plan, in a sentence; ``None`` if it can."""
    oldest = in_words(RELEASES[0])
    if release < RELEASES[0]:
        return f"The rules of Docker before {oldest} are not known. Name {oldest} or a later release."
    if release > RELEASES[-1] or release in RELEASES:
        return None
    same = [in_words(one) for one in RELEASES if one[0] == release[0]]
    return f"Docker {in_words(release)} does not exist. The releases of Docker {release[0]} are {', '.join(same)}."


def in_words(release: Release) -> str:
    """Return the release as Docker writes it, such as ``28.5``."""
    return f"{release[0]}.{release[1]}"


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """The facts of one release.

    ``knows_gateway_modes``: the rules of the modes routed and nat-unprotected are known. ``routed_opens_all``: a routed
    network opens the ports of all its containers, and not only of those that leave by it. ``one_exit_for_both``: the
    first network with gateways of both IP versions gives both default routes. ``takes_gateway_priority``: an endpoint
    can have a priority for the default route. ``holds_ports``: a socket of the engine reserves a published port, so the
    kernel accepts connections which the engine never reads. ``ip6tables_is_experimental``: ip6tables takes effect
    together with the daemon's experimental features only. ``keeps_lines_of_default_bridge``: a disconnect from the
    default bridge leaves its lines in the hosts file.

    ``drops_forwarded_ipv6``: with ip6tables, each start sets the policy of the chain FORWARD for IPv6 to DROP; later
    releases do so only when they switch forwarding on.
    ``has_raw_rules``: rules of the table raw keep others than a bridge's own packets from the addresses of its
    containers, unless the daemon has ``allow-direct-routing`` (``has_direct_routing``). ``has_nftables``: it can write
    with nftables, also in a swarm (``has_nftables_in_swarm``). ``random_mac_addresses``: a container has another MAC
    address after each start. ``sets_link_variables``: legacy links set environment variables. ``takes_old_clients``: it
    serves versions of the API before 1.44. ``gives_gateway_to_vlans``: a macvlan or ipvlan network has a gateway that
    its user did not name.
    """

    knows_gateway_modes: bool
    routed_opens_all: bool
    one_exit_for_both: bool
    takes_gateway_priority: bool
    holds_ports: bool
    ip6tables_is_experimental: bool
    keeps_lines_of_default_bridge: bool
    drops_forwarded_ipv6: bool
    has_raw_rules: bool
    has_direct_routing: bool
    has_nftables: bool
    has_nftables_in_swarm: bool
    random_mac_addresses: bool
    sets_link_variables: bool
    takes_old_clients: bool
    gives_gateway_to_vlans: bool


@lru_cache(maxsize=16)
def facts_of(release: Release) -> ReleaseFacts:
    """Return the facts of a release."""
    since_28 = release >= (28, 0)
    return ReleaseFacts(
        # The gateway modes came with Docker 27, whose rules for them differ from those of 28 and are not known here.
        knows_gateway_modes=since_28,
        routed_opens_all=release >= (29, 0),
        # Until 29.4.0 such a network comes before one of one family with a higher gateway priority. Since 29.4.1 each
        # family has the first network with its gateway. A release has no patch level, so 29.4.0 counts as 29.4.1.
        one_exit_for_both=(28, 0) <= release < (29, 4),
        takes_gateway_priority=since_28,
        holds_ports=not since_28,
        ip6tables_is_experimental=release < (27, 0),
        # Docker 28 reads the lines from the names of the network. The default bridge has none (moby,
        # libnetwork/endpoint.go, sbLeave).
        keeps_lines_of_default_bridge=not since_28,
        # moby, libnetwork/drivers/bridge/setup_ip_forwarding.go
        drops_forwarded_ipv6=not since_28,
        has_raw_rules=since_28,
        has_direct_routing=release >= DIRECT_ROUTING_SINCE,
        has_nftables=release >= NFTABLES_SINCE,
        has_nftables_in_swarm=release >= (29, 6),
        random_mac_addresses=since_28,
        sets_link_variables=release < (29, 0),
        # 29.0 to 29.2 served no version before 1.44, 29.3 serves 1.40 again (moby#52067).
        takes_old_clients=not (29, 0) <= release < (29, 3),
        gives_gateway_to_vlans=release < (29, 0),
    )
