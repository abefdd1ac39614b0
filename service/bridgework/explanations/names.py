"""Causes in the resolution of names: the embedded DNS server, aliases, links, resolver configuration."""

from __future__ import annotations

from bridgework.explanations.explanation import BLOCKING, INFO, WARNING, Explanation

DEFAULT_BRIDGE_NO_DNS = Explanation(
    "default-bridge-no-dns",
    BLOCKING,
    "The default bridge has no DNS between containers: addresses work, names do not.",
    "The destination is a name, and the default bridge is the only network that both containers are on.",
    "Connect both containers to a network of their own. The embedded DNS server resolves their names there.",
    "tomcat82 cannot be resolved in tomcat81: the default bridge, the only network it shares with tomcat82, has no "
    "DNS.",
    seen="`ping NAME` says bad address or unknown host, and `ping ADDRESS` works.",
    symptoms=(
        "name-does-not-resolve",
        "works-from-host-not-from-container",
    ),
    references=("https://docs.docker.com/engine/network/drivers/bridge/",),
    unseen="the hosts file or an upstream server knows the name",
)
NAME_NOT_ON_SHARED_NETWORK = Explanation(
    "name-not-on-shared-network",
    BLOCKING,
    "No endpoint on the user networks of the source has that name.",
    "The name is not a DNS name of any endpoint on the source's user networks, and it is not in the source's hosts "
    "file.",
    "Use one of the valid names (the finding lists them), or connect the container that you mean to a network of "
    "the source.",
    "No container has the name tomcat99; names that resolve in tomcat81 are tomcat82, tomcat83.",
    seen="`ping NAME` says bad address or unknown host.",
    symptoms=("name-does-not-resolve",),
    references=("https://docs.docker.com/engine/network/",),
    unseen="the hosts file or an upstream server knows the name",
)
NAME_AMBIGUOUS = Explanation(
    "name-ambiguous",
    WARNING,
    "More than one endpoint has the name: each lookup leads to one of them at random.",
    "Several endpoints of one network have the name as a DNS name.",
    "Use a name that only one endpoint has, or give the container that you mean an alias of its own.",
    "db is held by pg1 and pg2 on backend: each lookup leads to one of them at random.",
    seen="Half of the requests reach another container than intended.",
    symptoms=(
        "bad-gateway",
        "slow-then-hangs",
        "works-sometimes",
        "wrong-container-answers",
    ),
    references=(
        "https://github.com/docker/compose/issues/8223",
        "https://github.com/moby/moby/issues/47390",
    ),
)
ALIAS_ALREADY_HELD = Explanation(
    "alias-already-held",
    WARNING,
    "Another endpoint on the network has the same alias: only about half of the lookups lead to this container.",
    "Another endpoint of the network has the alias as a DNS name.",
    "Connect the container again with another alias.",
    "The alias db of web2 on backend is also held by pg1.",
    seen="After a second stack started, half of the requests to a name reach the wrong container.",
    symptoms=(
        "works-sometimes",
        "wrong-container-answers",
    ),
    references=("https://github.com/docker/compose/issues/8223",),
)
LEGACY_LINK = Explanation(
    "legacy-link",
    WARNING,
    "Links (--link) are deprecated. A link is a name in one direction only. The engine writes it when the "
    "container starts, and it works only on the default bridge.",
    "The container's configuration has links.",
    "Connect both containers to a network of their own, and give the linked container the link's alias there.",
    "tomcat81 is linked to tomcat82 as db.",
    seen="A linked name works in one direction only, or leads to an old address after a restart.",
    symptoms=(
        "name-does-not-resolve",
        "worked-until-reboot",
        "wrong-container-answers",
    ),
    references=("https://docs.docker.com/engine/network/links/",),
)
EMBEDDED_DNS_BYPASSED = Explanation(
    "embedded-dns-bypassed",
    WARNING,
    "The container does not use Docker's embedded DNS server 127.0.0.11, so container names do not resolve. In a "
    "check of such a name it blocks.",
    "The container's resolv.conf names other servers, though the container is on a user network.",
    "Find what overwrites /etc/resolv.conf in the image or its mounts, remove it, and restart the container.",
    "tomcat81 uses the DNS server 8.8.8.8 instead of Docker's embedded server 127.0.0.11.",
    seen="Public names resolve, and names of containers do not.",
    symptoms=("name-does-not-resolve",),
    references=("https://docs.docker.com/engine/network/",),
    unseen="the hosts file or another server knows the name",
)
EMBEDDED_DNS_RULES_MISSING = Explanation(
    "embedded-dns-rules-missing",
    BLOCKING,
    "Nothing takes a DNS question to 127.0.0.11 in the container: the NAT rules that lead to the embedded server "
    "are gone. No name resolves.",
    "The container's resolv.conf names 127.0.0.11, and the kernel refuses a datagram to its port 53 in the "
    "namespace of the container.",
    "Restart the container: the engine writes the rules when it starts. Find the program in the container that "
    "flushes the firewall, such as a VPN client.",
    "Nothing takes a question to 127.0.0.11 in tomcat81: the NAT rules of its namespace are gone.",
    seen="Every lookup fails at once, since a firewall or a VPN was started in the container.",
    symptoms=(
        "name-does-not-resolve",
        "worked-until-reboot",
    ),
    references=("https://github.com/moby/moby/issues/52060", "https://docs.docker.com/engine/network/"),
)
DNS_UPSTREAM_FAILED = Explanation(
    "dns-upstream-failed",
    WARNING,
    "The embedded DNS server does not know the name, and the upstream servers that it asked gave no answer.",
    "The probe's lookup failed with SERVFAIL or timed out.",
    "Configure DNS servers for the container that the container or the host can reach.",
    "The lookup of example.org in tomcat81 failed: the upstream 192.0.2.53 does not answer.",
    seen="Names of containers resolve, and public names fail after some seconds.",
    symptoms=(
        "name-does-not-resolve",
        "outside-unreachable",
        "slow-then-hangs",
    ),
    references=("https://github.com/moby/moby/issues/36752",),
)
DNS_LOOPBACK_UPSTREAM = Explanation(
    "dns-loopback-upstream",
    WARNING,
    "An upstream DNS server has a loopback address. Inside the container, that address is the container itself.",
    "The container's dns setting or resolv.conf names an address of 127.0.0.0/8 other than 127.0.0.11, or ::1.",
    "Configure a DNS server whose address is not a loopback address.",
    "tomcat81 has the DNS server 127.0.0.53: inside it, that is the container itself.",
    seen="Public names do not resolve in the container, although they resolve on the host.",
    symptoms=(
        "name-does-not-resolve",
        "outside-unreachable",
        "works-from-host-not-from-container",
    ),
    references=(
        "https://docs.docker.com/engine/network/",
        "https://man7.org/linux/man-pages/man5/resolv.conf.5.html",
    ),
)
DNS_NO_UPSTREAM = Explanation(
    "dns-no-upstream",
    WARNING,
    "The embedded DNS server has no server to send public names to. Names of containers resolve, public names do not.",
    "The engine's comments in resolv.conf of the container, which list no external server.",
    "Write a nameserver line into the host's resolv.conf, or set dns in daemon.json. Then restart the container.",
    "The embedded DNS server of tomcat81 has no server to send public names to.",
    seen="Public names do not resolve in any container, on a host whose /etc/resolv.conf is empty or missing.",
    symptoms=("name-does-not-resolve",),
    references=("https://github.com/moby/moby/issues/49665",),
)
DNS_UPSTREAM_OUTDATED = Explanation(
    "dns-upstream-outdated",
    WARNING,
    "The container asks a DNS server that the host no longer uses. The engine reads the host's file only when a "
    "container starts.",
    "The servers that the engine recorded in resolv.conf of the container, compared with the host's file of today.",
    "Restart the container, or give it DNS servers that do not change.",
    "tomcat81 asks the DNS server 192.0.2.53, which /etc/resolv.conf of the host no longer names: it names "
    "198.51.100.53.",
    seen="Public names stop to resolve in containers after a VPN, a DHCP lease or the Wi-Fi changed.",
    symptoms=(
        "name-does-not-resolve",
        "slow-then-hangs",
        "worked-until-reboot",
    ),
    references=("https://github.com/moby/moby/issues/42752", "https://github.com/moby/moby/issues/25618"),
)
SEARCH_LIST_DETOURS = Explanation(
    "search-list-detours",
    INFO,
    "The container asks for public names in the domains of its search list first. Each lookup takes more "
    "questions. A domain that answers for every name gives a wrong address.",
    "resolv.conf of the container has a search list and an option ndots of 2 or more.",
    "Create the container again with the DNS option ndots:1, or end public names with a dot.",
    "tomcat81 asks for a name with fewer than 5 dots in corp.example first: ndots is 5.",
    seen="Lookups are slow, or a public name leads to a host of the company network.",
    symptoms=("slow-then-hangs",),
    references=("https://man7.org/linux/man-pages/man5/resolv.conf.5.html",),
)
