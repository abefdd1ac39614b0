"""Hosts and containers with rules, routes and settings of other programs, on which everything works."""

from dataclasses import dataclass, replace

from tests.causes.fault import Fault, lines

EVERYWHERE = ("pair", "ping", "host", "to-host", "published", "outside")
BOTH = (4, 6)


@dataclass(frozen=True)
class Setup:
    """A setup: what makes it, what takes it back where that is not plain, and the ways that work."""

    name: str
    made: tuple[str, ...]
    undone: tuple[str, ...] = ()
    ways: tuple[str, ...] = EVERYWHERE
    versions: tuple[int, ...] = BOTH
    port: int = 8080

    def questions(self):
        """The ways as rows of the table of faults, without a fault."""
        row = Fault(self.name, "pair", self.made, (), undone=self.undone, port=self.port)
        return [
            replace(row, way=way, version=version)
            for way in self.ways
            for version in self.versions
            # Whether a published port has an IPv6 address depends on the release.
            if (way, version) != ("published", 6)
        ]


def setup(name, made, undone="", **more):
    return Setup(name, lines(made), lines(undone), **more)


CLOSED = """
$place iptables -A INPUT -i lo -j ACCEPT
$place iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
$place iptables -A INPUT -p icmp -j ACCEPT
$place iptables -A INPUT -p tcp -m multiport --dports 8080,8095 -j ACCEPT
$place iptables -A INPUT -j DROP
"""
HOST = [
    setup("plain", ""),
    setup("nftables-of-the-host", """
        host nft add table inet mine
        host nft add chain inet mine in { type filter hook input priority 10 ; policy accept ; }
        host nft add rule inet mine in ct state established,related accept
        host nft add rule inet mine in ip saddr 203.0.113.0/24 drop
        host nft add chain inet mine on { type filter hook forward priority 10 ; policy accept ; }
        host nft add rule inet mine on ip saddr 203.0.113.0/24 drop
    """),
    setup("closed-host", CLOSED.replace("$place", "host"), versions=(4,),
          ways=("pair", "ping", "host", "to-host", "outside")),
    setup("ufw", """
        host iptables -N ufw-before-input
        host iptables -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        host iptables -A ufw-before-input -p icmp -j ACCEPT
        host iptables -A ufw-before-input -i lo -j ACCEPT
        host iptables -A ufw-before-input -p udp -j DROP
        host iptables -A INPUT -j ufw-before-input
        """, """
        host iptables -D INPUT -j ufw-before-input
        host iptables -F ufw-before-input
        host iptables -X ufw-before-input
    """),
    setup("firewalld", """
        host nft add table inet firewalld
        host nft add chain inet firewalld filter_INPUT { type filter hook input priority 10 ; policy accept ; }
        host nft add rule inet firewalld filter_INPUT ct state { established, related } accept
        host nft add rule inet firewalld filter_INPUT tcp dport 9090 reject
    """),
    setup("fail2ban", """
        host iptables -N f2b-sshd
        host iptables -A f2b-sshd -s 203.0.113.9 -j REJECT
        host iptables -A f2b-sshd -j RETURN
        host iptables -I INPUT -p tcp --dport 22 -j f2b-sshd
        """, """
        host iptables -D INPUT -p tcp --dport 22 -j f2b-sshd
        host iptables -F f2b-sshd
        host iptables -X f2b-sshd
    """),
    setup("user-rules", "host iptables -I DOCKER-USER -s 203.0.113.0/24 -j DROP"),
    setup("user-rules-by-link", "host iptables -I DOCKER-USER -i $LINK -p tcp --dport 22 -j DROP"),
    setup("logging", "host iptables -I DOCKER-USER -m limit --limit 1/minute -j LOG"),
    setup("foreign-dnat", "host iptables -t nat -A PREROUTING -p tcp --dport 2222 -j DNAT --to-destination $THIRD:22",
          versions=(4,)),
    setup("foreign-notrack", "host iptables -t raw -A PREROUTING -s 203.0.113.0/24 -j NOTRACK"),
    setup("foreign-zone", "host iptables -t raw -A PREROUTING -s 203.0.113.0/24 -j CT --zone 5"),
    setup("marks", """
        host iptables -t mangle -A PREROUTING -s 203.0.113.0/24 -j MARK --set-mark 7
        host ip rule add priority 95 fwmark 7 lookup 99
        """, """
        host iptables -t mangle -D PREROUTING -s 203.0.113.0/24 -j MARK --set-mark 7
        host ip rule del priority 95
    """),
    setup("vpn-of-the-host", """
        host ip tuntap add dev tun8 mode tun
        host ip addr add 10.98.0.2/24 dev tun8
        host ip link set tun8 up
        host ip route add 10.97.0.0/16 dev tun8
    """),
    setup("vpn-by-policy", """
        host ip tuntap add dev tun8 mode tun
        host ip link set tun8 up
        host ip route add default dev tun8 table 98
        host ip rule add priority 80 lookup main
        host ip rule add priority 90 lookup 98
        """, """
        host ip rule del priority 80
        host ip rule del priority 90
        host ip tuntap del dev tun8 mode tun
    """),
    setup("foreign-blackhole", "host ip route add blackhole 203.0.113.0/24"),
    setup("foreign-prohibit-rule", "host ip rule add to 203.0.113.0/24 prohibit"),
    setup("strict-filter", "host sysctl -qw net.ipv4.conf.all.rp_filter=1"),
    setup("right-neighbour-of-the-host", "host $ip neigh replace $WEB lladdr $WEB_MAC nud permanent dev $BRIDGE",
          versions=(4,)),
    setup("foreign-ipsec", "host ip xfrm policy add dir out src 10.97.0.0/16 dst 203.0.113.0/24 action block"),
    setup("queue", "host tc qdisc add dev $WEB_PORT root pfifo limit 100"),
    setup("netdev-filter", """
        host nft add table netdev mine
        host nft add chain netdev mine at { type filter hook ingress device $CLIENT_PORT priority 0 ; }
        host nft add rule netdev mine at ip saddr 203.0.113.9 drop
    """),
    setup("bridge-filter", """
        host nft add table bridge mine
        host nft add chain bridge mine at { type filter hook forward priority 0 ; }
        host nft add rule bridge mine at ip saddr 203.0.113.9 drop
    """),
    setup("bridge-accepts", """
        host ebtables -A FORWARD -p IPv4 -j ACCEPT
        host ebtables -A FORWARD -p IPv6 -j ACCEPT
        host ebtables -A FORWARD -p ARP -j ACCEPT
    """),
]  # fmt: skip
BRIDGES = [
    setup("right-station", "host bridge fdb replace $WEB_MAC dev $WEB_PORT master static sticky",
          "host bridge fdb del $WEB_MAC dev $WEB_PORT master"),
    setup("one-isolated-port", "host bridge link set dev $WEB_PORT isolated on"),
    setup("learning-off", "host bridge link set dev $WEB_PORT learning off"),
    setup("locked-and-known", """
        host bridge fdb replace $WEB_MAC dev $WEB_PORT master static
        host bridge link set dev $WEB_PORT learning off locked on
        """, "host bridge fdb del $WEB_MAC dev $WEB_PORT master"),
    setup("no-broadcasts-needed", """
        client ip neigh replace $WEB lladdr $WEB_MAC nud permanent dev eth0
        host ip neigh replace $WEB lladdr $WEB_MAC nud permanent dev $BRIDGE
        host bridge link set dev $WEB_PORT bcast_flood off
        """, """
        client ip neigh del $WEB dev eth0
        host ip neigh del $WEB dev $BRIDGE
        """, ways=("pair", "host"), versions=(4,)),
    setup("spanning-tree", "host ip link set $BRIDGE type bridge stp_state 1",
          "host ip link set $BRIDGE type bridge stp_state 0"),
]  # fmt: skip
INSIDE = [
    setup("closed-container", CLOSED.replace("$place", "web"), versions=(4,)),
    setup("kill-switch-with-lan", """
        client iptables -A OUTPUT -o lo -j ACCEPT
        client iptables -A OUTPUT -d $SUBNET -j ACCEPT
        client iptables -A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
        client iptables -A OUTPUT -j DROP
        """, ways=("pair", "ping", "host"), versions=(4,)),
    setup("nftables-inside", """
        web nft add table inet mine
        web nft add chain inet mine in { type filter hook input priority 0 ; policy drop ; }
        web nft add rule inet mine in ct state established,related accept
        web nft add rule inet mine in meta l4proto { icmp, ipv6-icmp } accept
        web nft add rule inet mine in tcp dport { 8080, 8095 } accept
        """, ways=("pair", "ping", "host", "published")),
    setup("vpn-inside", """
        client ip tuntap add dev tun8 mode tun
        client ip link set tun8 up
        client ip route add default dev tun8 table 98
        client ip rule add priority 80 lookup main suppress_prefixlength 0
        client ip rule add priority 90 not fwmark 0xca6c lookup 98
        """, """
        client ip rule del priority 80
        client ip rule del priority 90
        client ip tuntap del dev tun8 mode tun
        """, ways=("pair", "ping")),
    setup("vpn-inside-the-destination", """
        web ip tuntap add dev tun8 mode tun
        web ip link set tun8 up
        web ip route add default dev tun8 table 98
        web ip rule add priority 80 lookup main suppress_prefixlength 0
        web ip rule add priority 90 lookup 98
        """, """
        web ip rule del priority 80
        web ip rule del priority 90
        web ip tuntap del dev tun8 mode tun
        """, ways=("pair", "ping", "host")),
    setup("routes-inside", """
        client ip route add blackhole 203.0.113.0/24
        client ip rule add to 198.51.100.0/24 prohibit
        """),
    setup("right-neighbour", "client $ip neigh replace $WEB lladdr $WEB_MAC nud permanent dev eth0",
          "client ip neigh del $WEB dev eth0", versions=(4,)),
    setup("second-address", """
        web ip addr add 10.231.0.77/24 dev eth0
        client ip addr add 10.231.0.78/24 dev eth0
    """),
    setup("redirect-of-another-port",
          "web iptables -t nat -A PREROUTING -p tcp --dport 9000 -j REDIRECT --to-ports 8080"),
    setup("own-source-address", "client iptables -t nat -A POSTROUTING -d $WEB -j SNAT --to-source $CLIENT",
          versions=(4,)),
    setup("strict-filter-inside", "web sysctl -qw net.ipv4.conf.eth0.rp_filter=1"),
    setup("arp-settings", """
        web sysctl -qw net.ipv4.conf.eth0.arp_ignore=1
        web sysctl -qw net.ipv4.conf.eth0.arp_announce=2
    """),
    setup("small-mtu", "client ip link set eth0 mtu 1400"),
    setup("no-ipv6-inside", "client sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1", versions=(4,)),
    setup("arp-filter", "web arptables -A INPUT -s 203.0.113.9 -j DROP"),
    setup("netdev-inside", """
        client nft add table netdev mine
        client nft add chain netdev mine at { type filter hook egress device eth0 priority 0 ; }
        client nft add rule netdev mine at ip daddr 203.0.113.9 drop
    """),
    setup("ipsec-inside", "web ip xfrm policy add dir in src 203.0.113.0/24 dst 0.0.0.0/0 action block"),
    setup("limits-inside", "web iptables -A INPUT -p tcp --dport 22 -m connlimit --connlimit-above 2 -j DROP"),
]  # fmt: skip
SETUPS = [*HOST, *BRIDGES, *INSIDE]
assert len({one.name for one in SETUPS}) == len(SETUPS)
