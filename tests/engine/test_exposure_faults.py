"""The exposure under faults and foreign settings: each row is tried from its place, and none may be wrong.

The rules, routes, links and settings are changed on the host and inside the containers. The truth of a row is a
connection of another program, made in the namespace of its place.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from bridgework.probes.kernel.setns import run_inside
from tests.engines.conftest import engine_with
from tests.support.api import run
from tests.support.exposed import Exposed, counts, wrong_rows
from tests.support.neighbour import HOST_ADDRESS, HOST_ADDRESS6, LINK, answer_from, neighbour_of
from tests.support.raw_engine import Raw
from tools.engine import wait_until

UDP_PORT = 9000

# A set of changes: the place, the shell command, and what takes it back. ``{…}`` are names of the world (``names``):
# addresses, veths and bridges. Without a command of its own, a change is taken back by the same one with -D or del.
HOST, WEB, BOTH = "host", "web", "both"


def switch(name, value, before, place=HOST):
    """A sysctl with a value that is not the usual one."""
    return place, f"sysctl -qw {name}={value}", f"sysctl -qw {name}={before}"


def table(family, hook, *rules, priority=0, policy="accept", place=HOST):
    """A chain of nftables with its rules."""
    name = f"{family} mine {hook.split()[0]}"
    chain = f"{{{{ type filter hook {hook} priority {priority}; policy {policy}; }}}}"
    commands = [f"add table {family} mine", f"add chain {name} {chain}", *(f"add rule {name} {rule}" for rule in rules)]
    return place, f"nft '{'; '.join(commands)}'", f"nft 'flush chain {name}; delete chain {name}'"


DROP_NEW = "tcp dport 8080 ct state new drop"
GIVE_BACK = "ip addr replace {web}/24 dev {inside}; ip route replace default via {gateway}"
GIVE_BACK6 = "ip -6 addr replace {web6}/64 dev {inside} nodad; ip -6 route replace default via {gateway6}"
BRIDGE_FILTERS = ("net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables")

SETS = {
    "plain": (),
    # Routing on the host.
    "rule-blackhole": ((HOST, "ip rule add to {front} blackhole priority 100"),),
    "rule-blackhole-6": ((HOST, "ip -6 rule add to {front6} blackhole priority 100"),),
    "rule-prohibit-table": (
        (HOST, "ip route add prohibit default table 77"),
        (HOST, "ip rule add to {front} lookup 77 priority 100"),
    ),
    "forwarding-of-link-off": (switch("net.ipv4.conf.{link}.forwarding", 0, 1),),
    "forwarding-of-link-off-6": (switch("net.ipv6.conf.{link}.forwarding", 0, 1),),
    "forwarding-of-bridge-off": (switch("net.ipv4.conf.{bridge}.forwarding", 0, 1),),
    "forwarding-off": (switch("net.ipv4.ip_forward", 0, 1),),
    "forwarding-off-6": (switch("net.ipv6.conf.all.forwarding", 0, 1),),
    "strict-rp-filter": (
        (HOST, "ip route add blackhole default table 78"),
        (HOST, "ip rule add to 192.0.2.0/24 lookup 78 priority 100"),
        switch("net.ipv4.conf.{link}.rp_filter", 1, 0),
    ),
    "prohibit-route": ((HOST, "ip route add prohibit {web}"),),
    "unreachable-route-6": ((HOST, "ip -6 route add unreachable {web6}"),),
    "rule-by-mark": (
        (HOST, "ip route add blackhole default table 79"),
        (HOST, "ip rule add fwmark 0x66 lookup 79 priority 100"),
        (HOST, "iptables -t mangle -A PREROUTING -i {link} -p tcp --dport 18080 -j MARK --set-mark 0x66"),
    ),
    # Links.
    "bridge-lost-its-address": (
        (HOST, "ip addr del {gateway}/24 dev {bridge}", "ip addr add {gateway}/24 dev {bridge}"),
    ),
    "host-veth-down": ((HOST, "ip link set {veth} down", "ip link set {veth} up"),),
    "container-link-down": (
        (WEB, "ip link set {inside} down", "ip link set {inside} up; " + GIVE_BACK + "; " + GIVE_BACK6),
    ),
    "bridge-down": (
        (HOST, "ip link set {bridge} down", "ip link set {bridge} up; ip -6 addr add {gateway6}/64 dev {bridge} nodad"),
    ),
    "off-the-bridge": ((HOST, "ip link set {veth} nomaster", "ip link set {veth} master {bridge}"),),
    "port-isolated": (
        (HOST, "ip link set {veth} type bridge_slave isolated on", "ip link set {veth} type bridge_slave isolated off"),
    ),
    "wrong-neighbour": (
        (HOST, "ip neigh replace {web} lladdr 02:00:00:00:00:99 dev {bridge}", "ip neigh del {web} dev {bridge}"),
    ),
    "lo-of-host-down": ((HOST, "ip link set lo down", "ip link set lo up"),),
    "netdev-ingress-of-link": (table("netdev", "ingress device {link}", "tcp dport 18080 drop"),),
    "netdev-ingress-of-veth": (table("netdev", "ingress device {veth}", "tcp sport 8080 drop"),),
    "netdev-egress-of-link": (table("netdev", "egress device {link}", "meta protocol ip6 tcp sport 8080 drop"),),
    "bridge-output": (table("bridge", "output", "ip daddr {web} tcp dport 8080 drop"),),
    "bridge-input": (table("bridge", "input", "iifname {veth} ip6 saddr {web6} tcp sport 8080 drop"),),
    # Rules on the host.
    "docker-user": ((HOST, "iptables -I DOCKER-USER -d {web} -j DROP"),),
    "ufw-like": (
        (HOST, "iptables -N ufw-input", "iptables -X ufw-input"),
        (HOST, "iptables -A ufw-input -p tcp --dport 22 -j ACCEPT", "iptables -F ufw-input"),
        (HOST, "iptables -A INPUT -i lo -j ACCEPT"),
        (HOST, "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
        (HOST, "iptables -A INPUT -j ufw-input"),
        (HOST, "iptables -P INPUT DROP", "iptables -P INPUT ACCEPT"),
    ),
    "foreign-dnat": (
        (HOST, "iptables -t nat -I PREROUTING -i {link} -p tcp --dport 18080 -j DNAT --to-destination {db}:8080"),
        (HOST, "iptables -I FORWARD -d {db} -j ACCEPT"),
    ),
    "notrack": ((HOST, "iptables -t raw -I PREROUTING -p tcp --dport 18080 -j CT --notrack"),),
    "firewalld-like": (
        table(
            "inet", "input", "ct state established,related accept", "iifname lo accept", "tcp dport 22 accept",
            "meta l4proto tcp reject with icmpx admin-prohibited",
            "meta l4proto udp reject with icmpx admin-prohibited",
        ),
        table(
            "inet", "forward", "ct state established,related accept", "ct status dnat accept", "iifname {link} reject"
        ),
    ),
    "nft-input-first": (table("inet", "input", "tcp dport 18080 drop", priority=-10),),
    "nft-forward-first": (table("inet", "forward", DROP_NEW, priority=-10),),
    "bridge-nf-call-off": tuple(switch(name, 0, 1) for name in BRIDGE_FILTERS),
    # Inside containers.
    "inside-input-drop": ((WEB, "iptables -A INPUT -p tcp --dport 8080 -j DROP"),),
    "inside-input-6": ((WEB, "ip6tables -A INPUT -p tcp --dport 8080 -j REJECT"),),
    "inside-output-drop": ((WEB, "iptables -A OUTPUT -d 192.0.2.0/24 -j DROP"),),
    "inside-kill-switch": (
        (WEB, "iptables -P OUTPUT DROP", "iptables -P OUTPUT ACCEPT"),
        (WEB, "iptables -A OUTPUT -o lo -j ACCEPT"),
        (WEB, "iptables -A OUTPUT -d {front} -j ACCEPT"),
    ),
    "inside-nft-drop": (
        table(
            "inet", "input", "ip saddr 192.0.2.0/24 accept", "icmpv6 type nd-neighbor-solicit accept",
            "icmpv6 type nd-neighbor-advert accept", policy="drop", place=WEB,
        ),
    ),
    "inside-netdev": (table("netdev", "ingress device {inside}", "tcp dport 8080 drop", place=WEB),),
    "inside-redirect": ((WEB, "iptables -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 8081"),),
    "inside-blackhole-route": ((WEB, "ip route add blackhole 192.0.2.0/24"),),
    "inside-no-default-route": ((WEB, "ip route del default", "ip route add default via {gateway}"),),
    "inside-no-default-route-6": ((WEB, "ip -6 route del default", "ip -6 route add default via {gateway6}"),),
    "inside-rule": (
        (BOTH, "ip route add blackhole default table 77"),
        (BOTH, "ip rule add to 192.0.2.0/24 lookup 77 priority 100"),
    ),
    "inside-other-gateway": (
        (BOTH, "ip route replace default via {gateway}", "ip route replace default via {gateway-back}"),
    ),
    "inside-address-removed": ((WEB, "ip addr del {web}/24 dev {inside}", GIVE_BACK),),
    "inside-ipv6-disabled": (
        (WEB, "sysctl -qw net.ipv6.conf.{inside}.disable_ipv6=1",
         "sysctl -qw net.ipv6.conf.{inside}.disable_ipv6=0; " + GIVE_BACK6),
    ),
    "inside-strict-rp-filter": (
        (BOTH, "ip route add 192.0.2.0/24 via {gateway}"),
        switch("net.ipv4.conf.all.rp_filter", 1, 0, BOTH),
    ),
    "stopped-listener": (
        (WEB, "kill -TERM $(cat /proc/{pid}/task/{pid}/children)",
         "nsenter --target={pid} --mount --pid -- httpd -p 8080 -h /w"),
    ),
}  # fmt: skip
QUICK = {"plain", "rule-by-mark", "host-veth-down", "netdev-ingress-of-link", "bridge-output", "foreign-dnat",
         "inside-kill-switch", "inside-blackhole-route"}  # fmt: skip


@contextlib.contextmanager
def made_world(settings, tokens_file):
    """An engine with three servers on two networks that publish their ports in every way, and a neighbour."""
    with engine_with(settings, tokens_file) as (api, engine), neighbour_of(engine) as neighbour:
        neighbour.route_loopback()
        proxied = settings.get("userland-proxy", True)
        here = Exposed(api, engine, Raw(engine), neighbour, "firewall-backend" in settings, proxied, named=True)
        for number, name in enumerate(("front", "back"), 1):
            pools = [f"10.96.{number}.0/24", f"fd00:96:{number}::/64"]
            body = {"name": name, "ipv6_enabled": True, "ipam": {"pools": [{"subnet": pool} for pool in pools]}}
            api.post("/v1/networks", body, status=201)
            run(api, f"guest-{name}", network_mode=name)
            for pool, via in zip(pools, (HOST_ADDRESS, HOST_ADDRESS6), strict=True):
                neighbour.route(pool, via)
        ports = [
            {"container_port": 8080, "host_port": 18080},
            {"container_port": 8080, "host_port": 18081, "host_ip": "127.0.0.1"},
            {"container_port": 8080, "host_port": 18082, "host_ip": HOST_ADDRESS},
            {"container_port": 8080, "host_port": 18083, "host_ip": "::1"},
            {"container_port": UDP_PORT, "host_port": 19000, "protocol": "udp"},
        ]
        run(api, "web", network_mode="front", command=server("web"), published_ports=ports)
        run(api, "db", network_mode="back", command=server("db"))
        ports = [{"container_port": 8080, "host_port": 18090}]
        run(api, "both", network_mode="front", command=server("both"), published_ports=ports)
        api.put("/v1/networks/back/endpoints/both", {})
        with echoing(here, "web"):
            yield here


def server(name):
    """The command of a server that answers with a name; a shell, so that the container outlives the server."""
    return ["sh", "-c", f"mkdir /w; echo {name} >/w/index.html; cd /w; httpd -f -p 8080 -h /w; sleep 600"]


@contextlib.contextmanager
def echoing(here, name):
    """Answer datagrams in a container by a thread of this process."""

    def bound():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.bind(("::", UDP_PORT))
        return sock

    with Path(f"/proc/{here.pids()[name]}/ns/net").open("rb") as namespace:
        sock = run_inside(namespace.fileno(), bound)

    def serve():
        while True:
            with contextlib.suppress(OSError):
                data, peer = sock.recvfrom(100)
                if data == b"end":
                    return
                sock.sendto(name.encode() + data, peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with Path(f"/proc/{here.pids()[name]}/ns/net").open("rb") as namespace:
            run_inside(namespace.fileno(), lambda: end(sock))
        thread.join(5)
        sock.close()


def end(sock):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.sendto(b"end", ("::1", sock.getsockname()[1]))


def names(here):
    """The names of the world that the commands use."""
    networks = {one["Name"]: one for one in here.raw.networks().values()}
    endpoints = {n: here.raw.get(f"/containers/{n}/json")["NetworkSettings"]["Networks"] for n in ("web", "db", "both")}
    pid = here.pids()["web"]
    web, back = endpoints["web"]["front"], endpoints["both"]["back"]
    inside = subprocess.run(
        ["nsenter", f"--target={pid}", "--net", "ip", "-o", "link", "show", "type", "veth"],
        capture_output=True, text=True, check=True,
    ).stdout.split()[1]  # fmt: skip
    index = int(inside.rstrip(":").partition("@if")[2])
    links = here.raw.in_namespace("ip", "-o", "link", "show", "type", "veth").splitlines()
    veth = next(line.split()[1].partition("@")[0] for line in links if int(line.split(":")[0]) == index)
    return {
        "link": LINK, "front": "10.96.1.0/24", "front6": "fd00:96:1::/64", "pid": pid, "veth": veth,
        "inside": inside.partition("@")[0], "bridge": f"br-{networks['front']['Id'][:12]}",
        "web": web["IPAddress"], "web6": web["GlobalIPv6Address"], "gateway": web["Gateway"],
        "gateway6": web["IPv6Gateway"], "db": endpoints["db"]["back"]["IPAddress"], "gateway-back": back["Gateway"],
    }  # fmt: skip


def undone(command):
    """The command that takes another one back."""
    for made, gone in ((" add ", " del "), (" -A ", " -D "), (" -I ", " -D ")):
        if made in command:
            return command.replace(made, gone)
    raise AssertionError(command)


def execute(here, place, command, *, check=True):
    namespace = here.engine.namespace if place == HOST else f"/proc/{here.pids()[place]}/ns/net"
    done = subprocess.run(
        ["nsenter", f"--net={namespace}", "--", "sh", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or not check, (command, done.stderr)


def answers(here, address):
    """Whether the server in web answers to the host."""
    return answer_from(here.engine.namespace, address, 8080, "tcp", 0.5) != b""


@contextlib.contextmanager
def changed(here, name):
    """Make the changes of a set, and take them back."""
    known = names(here)
    steps = [(place, *(c and c.format_map(known) for c in commands)) for place, *commands in SETS[name]]
    try:
        for place, command, *_ in steps:
            execute(here, place, command)
        yield
    finally:
        for place, command, *undo in reversed(steps):
            execute(here, place, undo[0] if undo else undone(command), check=False)
        # A bridge's port that came back forwards a moment later, and a neighbour that was silent is asked again.
        assert wait_until(lambda: all(answers(here, known[own]) for own in ("web", "web6")), 20)


@pytest.fixture(scope="module")
def here(tokens_file):
    with made_world({}, tokens_file) as world:
        yield world


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in SETS])
def test_no_row_is_wrong(here, name):
    with changed(here, name):
        tried = here.tried()
    assert wrong_rows(tried) == []
    assert counts(tried)["right"] > 50
