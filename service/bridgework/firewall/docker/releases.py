"""What differs between the releases of Docker beside their rules, each as a fact with a name.

A release is the major and minor version of an engine; (0, 0) is an unknown one, which counts as the oldest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

Release = tuple[int, int]


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
    """

    knows_gateway_modes: bool
    routed_opens_all: bool
    one_exit_for_both: bool
    takes_gateway_priority: bool
    holds_ports: bool
    ip6tables_is_experimental: bool
    keeps_lines_of_default_bridge: bool


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
    )
