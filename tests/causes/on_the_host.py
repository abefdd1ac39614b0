"""Faults on the engine's host: its bridges and their ports, its rules of every family, its routes and settings."""

from tests.causes.fault import fault

BOTH = (4, 6)
USER_RULE = ("user-firewall-drop", "bridge-traffic-filtered")
PORT, BELOW = ("bridge-port-blocks",), ("link-rule-drops",)


def port(name, setting, tells, way="pair", versions=(4,), more=""):
    return fault(
        f"port-{name}",
        way,
        f"{more}host bridge link set dev $WEB_PORT {setting}",
        PORT,
        f"$WEB_PORT {tells}",
        versions=versions,
    )


def netdev(name, hook, device, way="pair", versions=BOTH):
    return fault(
        name,
        way,
        f"""
        host nft add table netdev fault
        host nft add chain netdev fault at {{ type filter hook {hook} device {device} priority 0 ; }}
        host nft add rule netdev fault at meta protocol $l3 drop
        """,
        BELOW,
        "host fault",
        versions=versions,
    )


def bridged(name, hook, rule, versions=(4,)):
    return fault(
        name,
        "pair",
        f"""
        host nft add table bridge fault
        host nft add chain bridge fault at {{ type filter hook {hook} priority 0 ; }}
        host nft add rule bridge fault at {rule}
        """,
        BELOW,
        "host fault",
        versions=versions,
    )


LINKS = [
    *(
        row
        for way, name in (("destination", "WEB"), ("source", "CLIENT"))
        for row in (
            *fault(f"{way}-veth-down", "pair", f"host ip link set ${name}_PORT down", ("link-down",), f"${name}_PORT"),
            *fault(
                f"{way}-veth-detached",
                "pair",
                f"host ip link set ${name}_PORT nomaster",
                ("veth-detached",),
                f"${name}_PORT",
                versions=(4, 6),
            ),
            *fault(
                f"{way}-qdisc-on-host",
                "pair",
                f"host tc qdisc add dev ${name}_PORT root blackhole",
                ("queue-discipline-drops",),
                f"${name}_PORT blackhole",
            ),
        )
    ),
    *fault("bridge-down", "pair", "host ip link set $BRIDGE down", ("link-down",), "host $BRIDGE", versions=BOTH),
    *port("disabled", "state 0", "disabled", versions=BOTH),
    *port("listening", "state 1", "listening"),
    *port("learning", "state 2", "learning"),
    *port(
        "isolated", "isolated on", "isolated", versions=BOTH, more="host bridge link set dev $CLIENT_PORT isolated on\n"
    ),
    *port("locked", "locked on learning off", "locked", more="host bridge fdb del $WEB_MAC dev $WEB_PORT master\n"),
    *port(
        "no-broadcasts", "bcast_flood off", "bcast_flood", more="client ip neigh flush all\nweb ip neigh flush all\n"
    ),
    *port(
        "no-multicasts",
        "mcast_flood off",
        "mcast_flood",
        versions=(6,),
        more="client ip -6 neigh flush all\nweb ip -6 neigh flush all\n",
    ),
    *port("host-blocked", "state 1", "state", way="host", versions=BOTH),
    *fault(
        "fdb-static",
        "pair",
        "host bridge fdb replace $WEB_MAC dev $THIRD_PORT master static sticky",
        ("stale-forwarding-entry",),
        "$WEB_MAC $THIRD_PORT",
        versions=BOTH,
        undone="host bridge fdb del $WEB_MAC dev $THIRD_PORT master",
    ),
    *fault(
        "spanning-tree",
        "pair",
        """
        host ip link set $BRIDGE type bridge stp_state 1 forward_delay 3000
        host ip link set $WEB_PORT down
        host ip link set $WEB_PORT up
        """,
        PORT,
        "$WEB_PORT listening",
        undone="host ip link set $BRIDGE type bridge stp_state 0",
    ),
    *fault(
        "mac-twice",
        "pair",
        """
        third ip link set eth0 address $WEB_MAC
        third busybox ping -q -c 1 -W 1 $GATEWAY
        """,
        ("duplicate-mac-address", "stale-forwarding-entry"),
        "web $THIRD_PORT $WEB_MAC",
    ),
    *netdev("netdev-in", "ingress", "$CLIENT_PORT"),
    *netdev("netdev-out", "egress", "$WEB_PORT"),
    *netdev("netdev-answer", "ingress", "$WEB_PORT", versions=(4,)),
    *netdev("netdev-answer-out", "egress", "$CLIENT_PORT", versions=(4,)),
    *netdev("netdev-outside", "egress", "$LINK", way="outside"),
    *netdev("netdev-outside-answer", "ingress", "$LINK", way="outside"),
    *bridged("bridge-forward", "forward", "drop", versions=BOTH),
    *bridged("bridge-prerouting", "prerouting", "ether saddr $CLIENT_MAC drop"),
    *bridged("bridge-postrouting", "postrouting", "ether daddr $WEB_MAC ether type ip drop"),
    *bridged("bridge-answer", "forward", "ip saddr $WEB drop"),
    *fault("ebtables", "pair", "host ebtables -A FORWARD -j DROP", BELOW, "host FORWARD", versions=BOTH),
    *fault("ebtables-station", "pair", "host ebtables -A FORWARD -d $WEB_MAC -j DROP", BELOW, "host FORWARD"),
    *fault("ebtables-policy", "pair", "host ebtables -P FORWARD DROP", BELOW, "host FORWARD"),
    *fault("host-arp-off", "to-host", "host ip link set $BRIDGE arp off", ("neighbour-discovery-off",), "host $BRIDGE"),
    *fault(
        "host-arp-ignore",
        "to-host",
        "client ip neigh flush all\nhost sysctl -qw net.ipv4.conf.$BRIDGE.arp_ignore=8",
        ("neighbour-discovery-off",),
        "host arp_ignore",
    ),
    *fault(
        "host-arp-rule",
        "to-host",
        "client ip neigh flush all\nhost ip neigh flush all\nhost arptables -A INPUT -j DROP",
        BELOW,
        "host arp",
    ),
    *fault(
        "bridge-address-gone",
        "to-host",
        "host ip addr flush dev $BRIDGE scope global",
        ("bridge-address-missing",),
        "$BRIDGE",
        versions=(4, 6),
    ),
]

RULES = [
    *fault("user-drop", "pair", "host $iptables -I DOCKER-USER -s $CLIENT -j DROP", USER_RULE, "DOCKER-USER"),
    *fault("forward-drop", "pair", "host $iptables -I FORWARD -d $WEB -j DROP", USER_RULE, "FORWARD", versions=BOTH),
    *fault("forward-answer", "pair", "host $iptables -I FORWARD -s $WEB -j DROP", USER_RULE, "FORWARD", versions=BOTH),
    *fault(
        "forward-reset",
        "pair",
        "host iptables -I FORWARD -d $WEB -p tcp -j REJECT --reject-with tcp-reset",
        USER_RULE,
        "FORWARD",
    ),
    *fault(
        "raw-drop",
        "pair",
        "host $iptables -t raw -I PREROUTING -s $CLIENT -j DROP",
        USER_RULE,
        "PREROUTING",
        versions=BOTH,
    ),
    *fault("mangle-drop", "pair", "host iptables -t mangle -I FORWARD -d $WEB -j DROP", USER_RULE, "FORWARD"),
    *fault(
        "nft-forward",
        "pair",
        """
        host nft add table inet fault
        host nft add chain inet fault at { type filter hook forward priority 0 ; }
        host nft add rule inet fault at $l3 daddr $WEB drop
        """,
        USER_RULE,
        "fault",
        versions=BOTH,
    ),
    *fault(
        "nft-prerouting",
        "outside",
        """
        host nft add table $l3 fault
        host nft add chain $l3 fault at { type filter hook prerouting priority -300 ; }
        host nft add rule $l3 fault at $l3 daddr $OUTSIDE drop
        """,
        USER_RULE,
        "fault",
        versions=BOTH,
    ),
    *fault("host-output", "host", "host $iptables -A OUTPUT -d $WEB -j DROP", USER_RULE, "OUTPUT", versions=BOTH),
    *fault("host-input", "host", "host $iptables -A INPUT -s $WEB -j DROP", USER_RULE, "INPUT", versions=BOTH),
    *fault("to-host-input", "to-host", "host $iptables -A INPUT -p $icmp -s $CLIENT -j DROP", USER_RULE, "INPUT"),
    *fault("to-host-answer", "to-host", "host iptables -A OUTPUT -p icmp -d $CLIENT -j DROP", USER_RULE, "OUTPUT"),
    *fault(
        "outside-forward",
        "outside",
        "host $iptables -I FORWARD -d $OUTSIDE -j DROP",
        USER_RULE,
        "FORWARD",
        versions=BOTH,
    ),
    *fault("outside-user", "outside", "host iptables -I DOCKER-USER -o $LINK -j DROP", USER_RULE, "DOCKER-USER"),
    *fault(
        "published-raw",
        "published",
        "host iptables -t raw -I PREROUTING -s $FAR -p tcp --dport 18080 -j DROP",
        USER_RULE,
        "PREROUTING",
    ),
    *fault(
        "published-redirect",
        "published",
        "host iptables -t nat -I PREROUTING -p tcp --dport 18080 -j REDIRECT --to-ports 9999",
        (*USER_RULE, "user-rule-diverts", "port-not-published", "no-listener"),
        "PREROUTING",
    ),
    *fault(
        "published-dnat",
        "published",
        "host iptables -t nat -I PREROUTING -p tcp --dport 18080 -j DNAT --to-destination $UNHELD:8080",
        (*USER_RULE, "user-rule-diverts", "stale-address", "docker-rule-drops"),
        "PREROUTING",
    ),
    *fault(
        "foreign-snat",
        "pair",
        "host iptables -t nat -I POSTROUTING -s $CLIENT -d $WEB -j SNAT --to-source $UNHELD",
        (*USER_RULE, "user-rule-diverts"),
        "POSTROUTING",
    ),
    *fault(
        "foreign-snat-outside",
        "outside",
        "host iptables -t nat -I POSTROUTING -o $LINK -j SNAT --to-source $FOREIGN",
        (*USER_RULE, "user-rule-diverts"),
        "POSTROUTING",
    ),
    *fault(
        "foreign-snat-host",
        "host",
        "host iptables -t nat -I POSTROUTING -d $WEB -j SNAT --to-source $UNHELD",
        (*USER_RULE, "user-rule-diverts"),
        "POSTROUTING",
    ),
    *fault(
        "notrack",
        "outside",
        "host iptables -t raw -I PREROUTING -s $CLIENT -j NOTRACK",
        ("connection-not-tracked", "docker-rule-drops", *USER_RULE),
        "NOTRACK",
    ),
    *fault(
        "notrack-answer",
        "outside",
        "host iptables -t raw -I PREROUTING -i $LINK -j NOTRACK",
        ("connection-not-tracked", "docker-rule-drops", *USER_RULE),
        "NOTRACK",
    ),
    *fault(
        "zone",
        "outside",
        "host iptables -t raw -I PREROUTING -i $LINK -j CT --zone 7",
        ("connection-not-tracked", "docker-rule-drops", *USER_RULE),
        "zone",
    ),
    *fault(
        "ttl",
        "outside",
        "host iptables -t mangle -I PREROUTING -s $CLIENT -j TTL --ttl-set 1",
        ("ttl-expires", *USER_RULE),
        "ttl",
    ),
    *fault(
        "physdev", "pair", "host iptables -I FORWARD -m physdev --physdev-in $CLIENT_PORT -j DROP", USER_RULE, "FORWARD"
    ),
    *fault(
        "xfrm-out",
        "outside",
        "host ip xfrm policy add dir out src 0.0.0.0/0 dst $OUTSIDE action block",
        ("xfrm-policy-blocks",),
        "host $OUTSIDE",
    ),
    *fault(
        "xfrm-forward",
        "outside",
        "host ip xfrm policy add dir fwd src $CLIENT dst $OUTSIDE action block",
        ("xfrm-policy-blocks",),
        "host $CLIENT",
    ),
    *fault(
        "xfrm-in",
        "host",
        "host ip xfrm policy add dir in src $WEB dst 0.0.0.0/0 action block",
        ("xfrm-policy-blocks",),
        "host $WEB",
    ),
]

ROUTED_AWAY = ("policy-route-diverts", "asymmetric-routing")
TUNNEL = """
host ip tuntap add dev tun9 mode tun
host ip link set tun9 up
"""
ROUTES = [
    *(
        row
        for kind in ("blackhole", "unreachable", "prohibit")
        for row in (
            *fault(
                f"host-{kind}-route",
                "host",
                f"host $ip route add {kind} $WEB",
                ("blackhole-route",),
                f"{kind}",
                versions=(4, 6),
            ),
            *fault(
                f"host-{kind}-rule", "host", f"host $ip rule add to $WEB {kind}", ROUTED_AWAY, "$WEB", versions=(4, 6)
            ),
            *fault(
                f"outside-{kind}-rule",
                "outside",
                f"host $ip rule add to $OUTSIDE {kind}",
                ROUTED_AWAY,
                "$OUTSIDE",
                versions=(4, 6),
            ),
            *fault(
                f"outside-{kind}-route",
                "outside",
                f"host $ip route add {kind} $OUTSIDE",
                ("blackhole-route",),
                f"{kind}",
            ),
            *fault(
                f"published-{kind}-rule",
                "published",
                f"host $ip rule add to $WEB {kind}",
                ROUTED_AWAY,
                "$WEB",
                protocol="http",
            ),
        )
    ),
    *fault(
        "answer-from-outside-rule",
        "outside",
        "host $ip rule add iif $LINK blackhole",
        ROUTED_AWAY,
        "blackhole",
        versions=BOTH,
    ),
    *fault(
        "host-tunnel-rule",
        "host",
        TUNNEL + "host $ip route add default dev tun9 table 99\nhost $ip rule add priority 90 to $WEB lookup 99",
        ROUTED_AWAY,
        "tun9",
        versions=BOTH,
        undone="host $ip rule del priority 90\nhost ip tuntap del dev tun9 mode tun",
    ),
    *fault(
        "outside-tunnel-rule",
        "outside",
        TUNNEL + "host $ip route add default dev tun9 table 99\nhost $ip rule add priority 90 to $OUTSIDE lookup 99",
        ROUTED_AWAY,
        "tun9",
        versions=BOTH,
        undone="host $ip rule del priority 90\nhost ip tuntap del dev tun9 mode tun",
    ),
    *fault(
        "outside-tunnel-route",
        "outside",
        TUNNEL + "host $ip route add $OUTSIDE/$bits dev tun9",
        (*ROUTED_AWAY, "host-route-diverts"),
        "tun9",
    ),
    *fault(
        "host-no-route",
        "host",
        "host $ip route del $SUBNET",
        ("host-no-route", "bridge-address-missing", "network-route-missing"),
        "$SUBNET",
        undone="host ip link set $BRIDGE down\nhost ip link set $BRIDGE up",
    ),
    *fault(
        "forwarding-off",
        "outside",
        "host sysctl -qw net.ipv4.ip_forward=0",
        ("ip-forward-off",),
        "ip_forward",
        undone="host sysctl -qw net.ipv4.ip_forward=1",
    ),
    *fault(
        "interface-forwarding-off",
        "outside",
        "host sysctl -qw net.ipv4.conf.$BRIDGE.forwarding=0",
        ("interface-forwarding-off",),
        "$BRIDGE",
    ),
    *fault(
        "interface-forwarding-off-back",
        "outside",
        "host sysctl -qw net.ipv4.conf.$LINK.forwarding=0",
        ("interface-forwarding-off",),
        "$LINK",
    ),
    *fault(
        "host-neighbour",
        "host",
        "host $ip neigh replace $WEB lladdr 02:00:00:00:00:99 nud permanent dev $BRIDGE",
        ("stale-neighbour",),
        "host 02:00:00:00:00:99",
        versions=BOTH,
    ),
    *fault(
        "outside-neighbour",
        "outside",
        "host $ip neigh replace $OUTSIDE lladdr 02:00:00:00:00:99 nud permanent dev $LINK",
        ("stale-neighbour",),
        "host $OUTSIDE",
        versions=BOTH,
    ),
    *fault(
        "outside-link-down",
        "outside",
        "host ip link set $LINK down",
        ("link-down", "host-no-route"),
        "$OUTSIDE",
        undone="""
        host ip link set $LINK up
        host ip -6 addr replace 2001:db8:99::1/64 dev $LINK nodad
        beside ip -6 route replace $SUBNET via 2001:db8:99::1
        """,
    ),
]
