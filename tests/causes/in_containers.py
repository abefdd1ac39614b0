"""Faults inside the source and inside the destination: their rules, routes, addresses, neighbours and programs."""

from tests.causes.fault import fault

BOTH = (4, 6)
RULE, DIVERTED = ("container-rule-drops",), ("container-rule-diverts",)
DROPPED, LED_AWAY = ("container-route-drops",), ("container-route-diverts", "wrong-default-gateway")
NETDEV = """
$place nft add table netdev fault
$place nft add chain netdev fault at { type filter hook $hook device eth0 priority 0 ; }
$place nft add rule netdev fault at meta protocol $l3 drop
"""
TUNNEL = """
$place ip tuntap add dev tun9 mode tun
$place ip link set tun9 up
"""


def placed(text, place, hook=""):
    return text.replace("$place", place).replace("$hook", hook)


def rules_of(place, there, back, peer):
    """Rules in the namespace of ``place``: on the way of the packet and of its answer."""
    end = "source" if place == "client" else "destination"
    chain, flag = {"source": ("OUTPUT", "-d"), "destination": ("INPUT", "-s")}[end]
    other = "INPUT" if chain == "OUTPUT" else "OUTPUT"
    back_flag = "-s" if end == "source" else "-d"
    raw = "OUTPUT" if end == "source" else "PREROUTING"
    raw_back = "PREROUTING" if end == "source" else "OUTPUT"
    tells = f"{place} {chain}"
    nft_there, nft_back = chain.lower(), other.lower()
    return [
        *fault(f"{there}-drop", "pair", f"{place} $iptables -A {chain} -p tcp -j DROP", RULE, tells, versions=BOTH),
        *fault(f"{there}-reject", "pair", f"{place} $iptables -A {chain} -p tcp -j REJECT", RULE, tells, versions=BOTH),
        *fault(
            f"{there}-reset",
            "pair",
            f"{place} $iptables -A {chain} -p tcp -j REJECT --reject-with tcp-reset",
            RULE,
            tells,
        ),
        *fault(f"{there}-policy", "pair", f"{place} $iptables -P {chain} DROP", RULE, tells, versions=BOTH),
        *fault(
            f"{there}-port", "pair", f"{place} $iptables -A {chain} -p tcp --dport 8080 -j DROP", RULE, f"{tells} 8080"
        ),
        *fault(
            f"{there}-new",
            "pair",
            f"{place} iptables -A {chain} -p tcp -m conntrack --ctstate NEW -j DROP",
            RULE,
            tells,
        ),
        *fault(
            f"{there}-raw",
            "pair",
            f"{place} $iptables -t raw -A {raw} {flag} {peer} -j DROP",
            RULE,
            f"{place} {raw}",
            versions=BOTH,
        ),
        *fault(
            f"{there}-mangle", "pair", f"{place} iptables -t mangle -A {raw} -p tcp -j DROP", RULE, f"{place} {raw}"
        ),
        *fault(
            f"{there}-chain",
            "pair",
            f"""
            {place} iptables -N killswitch
            {place} iptables -A killswitch -j DROP
            {place} iptables -A {chain} -o lo -j ACCEPT
            {place} iptables -A {chain} -p tcp -j killswitch
            """.replace("-o lo" if chain == "INPUT" else "-i lo", "-i lo" if chain == "INPUT" else "-o lo"),
            RULE,
            f"{place} killswitch",
            undone=f"{place} iptables -F {chain}\n{place} iptables -F killswitch\n{place} iptables -X killswitch",
        ),
        *fault(f"{there}-icmp", "ping", f"{place} $iptables -A {chain} -p {'$icmp'} -j DROP", RULE, tells),
        *fault(
            f"{there}-nft",
            "pair",
            f"""
            {place} nft add table inet fault
            {place} nft add chain inet fault at {{ type filter hook {nft_there} priority 0 ; }}
            {place} nft add rule inet fault at tcp dport 8080 drop
            """,
            RULE,
            f"{place} fault",
            versions=BOTH,
        ),
        *fault(
            f"{back}-drop",
            "pair",
            f"{place} $iptables -A {other} -p tcp {back_flag} {peer} -j DROP",
            RULE,
            f"{place} {other}",
            versions=BOTH,
        ),
        *fault(f"{back}-policy", "pair", f"{place} iptables -P {other} DROP", RULE, f"{place} {other}"),
        *fault(
            f"{back}-raw",
            "pair",
            f"{place} $iptables -t raw -A {raw_back} -p tcp -j DROP",
            RULE,
            f"{place} {raw_back}",
            versions=BOTH,
        ),
        *fault(
            f"{back}-nft",
            "pair",
            f"""
            {place} nft add table inet fault
            {place} nft add chain inet fault at {{ type filter hook {nft_back} priority 0 ; }}
            {place} nft add rule inet fault at tcp sport 8080 drop
            """,
            RULE,
            f"{place} fault",
            versions=BOTH,
        ),
    ]


def routes_of(place, peer, way):
    """Routes and policy rules in the namespace of ``place``, towards the other container."""
    return [
        *(
            row
            for kind in ("blackhole", "unreachable", "prohibit")
            for row in fault(
                f"{way}-{kind}-route",
                "pair",
                f"{place} $ip route add {kind} {peer}",
                DROPPED,
                f"{place} {kind}",
                versions=BOTH,
            )
        ),
        *(
            row
            for kind in ("blackhole", "unreachable", "prohibit")
            for row in fault(
                f"{way}-{kind}-rule",
                "pair",
                f"{place} $ip rule add to {peer} {kind}",
                DROPPED,
                f"{place} {kind}",
                versions=BOTH if kind == "blackhole" else (4,),
            )
        ),
        *fault(
            f"{way}-table",
            "pair",
            placed(TUNNEL, place) + f"{place} $ip route add default dev tun9 table 99\n"
            f"{place} $ip rule add priority 90 lookup 99",
            LED_AWAY,
            f"{place} tun9",
            versions=BOTH,
            undone=f"{place} $ip rule del priority 90\n{place} ip tuntap del dev tun9 mode tun",
        ),
        *fault(
            f"{way}-by-tunnel",
            "pair",
            placed(TUNNEL, place) + f"{place} $ip route add {peer}/$bits dev tun9",
            LED_AWAY,
            f"{place} tun9",
            versions=BOTH,
        ),
        *fault(
            f"{way}-by-gateway",
            "pair",
            f"{place} $ip route add {peer}/$bits via $UNHELD",
            LED_AWAY,
            f"{place} $UNHELD",
            versions=BOTH,
        ),
        *fault(
            f"{way}-neighbour",
            "pair",
            f"{place} $ip neigh replace {peer} lladdr 02:00:00:00:00:99 nud permanent dev eth0",
            ("stale-neighbour",),
            f"{place} 02:00:00:00:00:99",
            versions=BOTH,
        ),
    ]


def links_of(place, way):
    """Settings of the interface, and rules below IP, in the namespace of ``place``."""
    key, peer = place.upper(), "WEB" if place == "client" else "CLIENT"
    below = ("link-rule-drops",)
    return [
        *fault(f"{way}-down", "pair", f"{place} ip link set eth0 down", ("link-down",), f"{place} eth0", versions=BOTH),
        *fault(
            f"{way}-arp-off",
            "pair",
            f"{place} ip link set eth0 arp off",
            ("neighbour-discovery-off",),
            f"{place} eth0",
            versions=BOTH,
        ),
        *fault(
            f"{way}-address-gone",
            "pair",
            f"{place} ip addr flush dev eth0 scope global",
            ("container-address-missing",),
            f"{place} ${key}",
            versions=BOTH if place == "web" else (4,),
        ),
        *fault(
            f"{way}-ipv6-off",
            "pair",
            f"{place} sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1",
            ("ipv6-disabled",),
            f"{place} eth0 disable_ipv6",
            versions=(6,),
        ),
        *fault(f"{way}-netdev-in", "pair", placed(NETDEV, place, "ingress"), below, f"{place} fault", versions=BOTH),
        *fault(f"{way}-netdev-out", "pair", placed(NETDEV, place, "egress"), below, f"{place} fault", versions=BOTH),
        *fault(
            f"{way}-arp-rule",
            "pair",
            f"""
            {place} ip neigh flush all
            {place} arptables -A INPUT -j DROP
            """,
            below,
            f"{place} arp",
        ),
        *fault(
            f"{way}-qdisc",
            "pair",
            f"{place} tc qdisc add dev eth0 root blackhole",
            ("queue-discipline-drops",),
            f"{place} eth0 blackhole",
        ),
        *fault(
            f"{way}-xfrm-out",
            "pair",
            f"{place} ip xfrm policy add dir out src 0.0.0.0/0 dst ${peer} action block",
            ("xfrm-policy-blocks",),
            f"{place} ${peer}",
        ),
        *fault(
            f"{way}-xfrm-in",
            "pair",
            f"{place} ip xfrm policy add dir in src ${peer} dst 0.0.0.0/0 action block",
            ("xfrm-policy-blocks",),
            f"{place} ${peer}",
        ),
        *fault(
            f"{way}-rp-filter",
            "pair",
            placed(TUNNEL, place)
            + f"""
            {place} ip route add ${peer}/32 dev tun9
            {place} sysctl -qw net.ipv4.conf.eth0.rp_filter=1
            """,
            (*LED_AWAY, "reverse-path-filtered"),
            f"{place} tun9",
            undone=f"{place} ip tuntap del dev tun9 mode tun",
        ),
    ]


SOURCE = [
    *rules_of("client", "source-output", "source-input", "$WEB"),
    *routes_of("client", "$WEB", "source"),
    *links_of("client", "source"),
    *fault(
        "source-dnat",
        "pair",
        "client $iptables -t nat -A OUTPUT -p tcp --dport 8080 -j DNAT --to-destination $UNHELD",
        DIVERTED,
        "client OUTPUT",
        versions=BOTH,
    ),
    *fault(
        "source-redirect",
        "pair",
        "client iptables -t nat -A OUTPUT -p tcp --dport 8080 -j REDIRECT --to-ports 9999",
        DIVERTED,
        "client OUTPUT",
    ),
    *fault(
        "source-snat",
        "pair",
        "client $iptables -t nat -A POSTROUTING -d $WEB -j SNAT --to-source $FOREIGN",
        DIVERTED,
        "client POSTROUTING",
        versions=BOTH,
    ),
    *fault(
        "source-notrack",
        "pair",
        """
        client iptables -t raw -A OUTPUT -p tcp -j NOTRACK
        client iptables -t raw -A PREROUTING -p tcp -j NOTRACK
        client iptables -A INPUT -i lo -j ACCEPT
        client iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
        client iptables -A INPUT -p tcp -j DROP
        """,
        RULE,
        "client INPUT",
    ),
    *fault(
        "source-no-default",
        "outside",
        "client $ip route del default",
        ("wrong-default-gateway", "container-route-missing"),
        "client",
        versions=BOTH,
    ),
    *fault(
        "source-gateway-unheld",
        "outside",
        "client $ip route replace default via $UNHELD",
        LED_AWAY,
        "client $UNHELD",
        versions=BOTH,
    ),
    *fault(
        "source-gateway-other",
        "outside",
        "client $ip route replace default via $THIRD",
        LED_AWAY,
        "client $THIRD",
        versions=BOTH,
        undone="third sysctl -qw net.ipv4.ip_forward=0",
    ),
    *fault(
        "source-gateway-neighbour",
        "outside",
        "client $ip neigh replace $GATEWAY lladdr 02:00:00:00:00:99 nud permanent dev eth0",
        ("stale-neighbour",),
        "client $GATEWAY 02:00:00:00:00:99",
        versions=BOTH,
    ),
    *fault(
        "source-ttl",
        "outside",
        "client iptables -t mangle -A POSTROUTING -p tcp -j TTL --ttl-set 1",
        ("ttl-expires", "container-rule-diverts"),
        "client",
    ),
    *fault(
        "source-hop-limit",
        "outside",
        "client ip6tables -t mangle -A POSTROUTING -p tcp -j HL --hl-set 1",
        ("ttl-expires", "container-rule-diverts"),
        "client",
        versions=(6,),
    ),
    *fault(
        "source-to-host-blackhole", "to-host", "client $ip route add blackhole $GATEWAY", DROPPED, "client blackhole"
    ),
]

DESTINATION = [
    *rules_of("web", "input", "answer-output", "$CLIENT"),
    *routes_of("web", "$CLIENT", "answer"),
    *links_of("web", "destination"),
    *fault(
        "redirect",
        "pair",
        "web $iptables -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 9999",
        DIVERTED,
        "web PREROUTING",
        versions=BOTH,
    ),
    *fault(
        "inner-dnat",
        "pair",
        "web iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination $UNHELD:8080",
        DIVERTED,
        "web PREROUTING",
    ),
    *fault(
        "narrow-mask",
        "pair",
        """
        web ip addr flush dev eth0 scope global
        web ip addr add $WEB/32 dev eth0
        """,
        ("container-address-missing", "container-route-missing", "container-route-diverts", "container-route-drops"),
        "web $WEB",
    ),
    *fault(
        "destination-address-other",
        "pair",
        """
        web $ip addr flush dev eth0 scope global
        web $ip addr add $UNHELD/$LEN dev eth0
        """,
        ("container-address-missing",),
        "web $WEB $UNHELD",
        versions=BOTH,
    ),
    *fault(
        "arp-ignore",
        "pair",
        """
        client ip neigh flush all
        web sysctl -qw net.ipv4.conf.eth0.arp_ignore=8
        """,
        ("neighbour-discovery-off",),
        "web arp_ignore",
    ),
    *fault(
        "mac-changed",
        "pair",
        """
        client ip neigh replace $WEB lladdr $WEB_MAC nud permanent dev eth0
        web ip link set eth0 address 02:00:00:00:00:77
        """,
        ("stale-neighbour",),
        "client $WEB_MAC 02:00:00:00:00:77",
    ),
    *fault(
        "bound-to-device",
        "pair",
        "web start python3 $FOLDER/servers.py bound 8090",
        ("socket-bound-to-interface",),
        "web lo 8090",
        versions=BOTH,
        port=8090,
    ),
    *fault(
        "backlog-full",
        "pair",
        "web start python3 $FOLDER/servers.py full 8091",
        ("listen-queue-full",),
        "web 8091",
        versions=BOTH,
        port=8091,
    ),
    *fault(
        "program-stopped",
        "pair",
        "web start python3 $FOLDER/servers.py stopped 8092",
        ("program-stopped",),
        "web 8092",
        port=8092,
        protocol="http",
    ),
    *fault(
        "loopback-only",
        "pair",
        "web start python3 $FOLDER/servers.py loopback 8093",
        ("listens-on-loopback-only",),
        "web 8093",
        versions=(6,),
        port=8093,
    ),
    *fault("no-listener", "pair", "web ip link show", ("no-listener",), "web 8094", versions=BOTH, port=8094),
    *fault(
        "echo-ignored",
        "ping",
        "web sysctl -qw net.ipv4.icmp_echo_ignore_all=1",
        ("echo-ignored",),
        "web icmp_echo_ignore_all",
    ),
    *fault("loopback-down", "self", "web ip link set lo down", ("link-down",), "web lo", versions=BOTH),
]
