"""Explanations that lie in names: the embedded DNS server, aliases, resolver configuration."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, WARNING, Explanation

ROWS = (
    Explanation(
        "default-bridge-no-dns",
        BLOCKING,
        "On the default bridge there is no DNS between containers: addresses work, names do not.",
        "A name is asked for, and the default bridge is the only network the two have in common.",
        "Put both on a network of their own; its embedded DNS server knows them by name.",
        "tomcat82 cannot be resolved in tomcat81: both are on the default bridge only.",
    ),
    Explanation(
        "name-not-on-shared-network",
        BLOCKING,
        "No endpoint on a user network of the source goes by that name.",
        "The name is in the DNS names of no endpoint on the source's user networks, nor in its hosts file.",
        "Use one of the valid names (listed), or connect the container that is meant to a network of the source.",
        "tomcat99 is not a name on simon_network; valid names are tomcat81, tomcat82.",
    ),
    Explanation(
        "name-ambiguous",
        WARNING,
        "More than one endpoint answers to the name: lookups are spread over them.",
        "Several endpoints of one network have the name among their DNS names.",
        "Use a name that only one has, or give the container meant an alias of its own.",
        "db is held by pg1 and pg2 on backend: lookups alternate.",
    ),
    Explanation(
        "alias-already-held",
        WARNING,
        "An alias of this container was held by another on the same network: it takes over half of the lookups.",
        "Another endpoint of the network has the alias among its DNS names.",
        "Reconnect it with another alias.",
        "web2 took the alias db on backend, which pg1 holds.",
    ),
    Explanation(
        "embedded-dns-bypassed",
        WARNING,
        "The container's resolver does not ask Docker's embedded server 127.0.0.11: container names do not resolve.",
        "resolv.conf inside names other servers, though a user network is connected.",
        "Remove what overwrites /etc/resolv.conf in the image or its mounts, and restart the container.",
        "tomcat81 asks 8.8.8.8 instead of 127.0.0.11.",
    ),
    Explanation(
        "dns-upstream-failed",
        WARNING,
        "The embedded server asked the upstream servers for a name it does not know itself, and got no answer.",
        "The probe's lookup failed with SERVFAIL or timed out.",
        "Set dns servers on the container that are reachable from it or from the host.",
        "The lookup of example.org in tomcat81 failed: the upstream 192.0.2.53 does not answer.",
    ),
    Explanation(
        "dns-loopback-upstream",
        WARNING,
        "An upstream DNS server is a loopback address: inside the container that is the container itself.",
        "The container's dns setting or resolv.conf names an address of 127.0.0.0/8 other than 127.0.0.11, or ::1.",
        "Set a dns server that has an address of its own.",
        "tomcat81 has the dns server 127.0.0.53, which nothing serves inside it.",
    ),
)
