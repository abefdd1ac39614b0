"""The lookup in what was read of a namespace answers as its kernel does, for random rules, routes and settings."""

import errno
import random
from ipaddress import ip_address

import pytest

from bridgework.analysis.route_lookup import RouteLookup
from bridgework.model.observations import RouteQuestion
from bridgework.probes.kernel import netlink
from bridgework.probes.routes import tables
from bridgework.probes.routes.lookup import Asked, route_to
from tests.engine.probes.test_host_routes import BRIDGE, RULES, inside, process, routes, there

pytestmark = pytest.mark.wide

__all__ = ["process", "routes"]

ROUTES = (
    "blackhole 10.1.0.2",
    "prohibit 10.1.0.0/28",
    "unreachable 10.2.0.0/30",
    "10.1.0.0/25 dev tun0",
    "10.2.0.2 via 10.1.0.9 dev br0 onlink",
    "10.1.0.2 dev br0 metric 5",
    "throw 10.1.0.0/26 table 52",
    "prohibit 10.2.0.0/24 table 52",
    "-6 blackhole fd00:1::2",
    "-6 unreachable fd00:1::/65 table 52",
    "-6 fd00:1::/80 dev tun0",
)
MORE_RULES = (*RULES, "from all to 10.2.0.2 prohibit", "from 10.1.0.2 unreachable", "from all sport 80 lookup 52")
PACKETS = (
    *(
        RouteQuestion(4, to, source, incoming, expected, mark, protocol, None, port)
        for to, source, incoming, expected in (
            ("10.1.0.2", "10.2.0.2", "br1", BRIDGE),
            ("10.1.0.77", "10.2.0.2", "br1", BRIDGE),
            ("10.2.0.2", "10.1.0.2", BRIDGE, "br1"),
            ("10.1.0.2", None, None, BRIDGE),
            ("10.2.0.2", None, None, "br1"),
            ("10.2.0.1", "10.1.0.2", BRIDGE, None),
            ("198.51.100.7", "10.1.0.2", BRIDGE, None),
        )
        for mark in (0, 1, 0xCA6C)
        for protocol, port in (("icmp", None), ("tcp", 80))
    ),
    RouteQuestion(6, "fd00:1::2", expected=BRIDGE),
    RouteQuestion(6, "fd00:1::2:3", expected=BRIDGE),
)


def lookup(process):
    def read():
        with netlink.open_socket() as sock:
            return tables.routing(sock)

    return RouteLookup(there(process, read))


def by_kernel(process, packet):
    """What the kernel itself does: the error with which it drops the packet, or the interface that it leaves by."""

    def ask():
        with netlink.open_socket() as sock:
            incoming = netlink.index_of(sock, packet.incoming) if packet.incoming else None
            source = ip_address(packet.source).packed if packet.source else None
            protocol = {"tcp": 6, "icmp": 1}.get(packet.protocol)
            ends = ip_address(packet.destination).packed, source, incoming, packet.mark, protocol
            try:
                way = route_to(sock, Asked(*ends, None, packet.destination_port))
            except OSError as error:
                return error.errno
            return None if way.is_local else netlink.name_of(sock, way.interface)

    return there(process, ask)


@pytest.fixture
def changed(process, routes):
    """Adds rules and routes, and takes them away at the end."""
    assert routes is not None  # which takes the rules away too

    def change(dice):
        take_away()
        rules, extra = dice.sample(MORE_RULES, dice.randint(0, 3)), dice.sample(ROUTES, dice.randint(0, 4))
        for priority, text in enumerate(rules, 100):
            inside(process, f"ip rule add {text.replace('from all ', '')} priority {priority}")
        for text in extra:
            inside(process, f"ip {'-6 ' if text.startswith('-6') else ''}route add {text.removeprefix('-6 ')}")
            added.append(text)
        for name in ("all", "br1", BRIDGE):
            inside(process, f"sysctl -qw net.ipv4.conf.{name}.rp_filter={dice.choice((0, 0, 1, 2))}")
        inside(process, f"sysctl -qw net.ipv4.conf.br1.forwarding={dice.choice((1, 1, 0))}")
        return rules, extra

    def take_away():
        for text in added:
            inside(process, f"ip {'-6 ' if text.startswith('-6') else ''}route delete {text.removeprefix('-6 ')}")
        added.clear()
        for line in inside(process, "ip rule").splitlines():
            if line.startswith("10"):
                inside(process, f"ip rule delete priority {line.split(':')[0]}")

    added = []
    yield change
    take_away()
    inside(process, "sysctl -qw net.ipv4.conf.br1.forwarding=1 net.ipv4.conf.br0.rp_filter=0")


@pytest.mark.parametrize("seed", range(6))
def test_random_namespaces_route_as_their_kernel_does(process, changed, seed):
    dice = random.Random(seed)
    different = 0
    for _ in range(10):
        made = changed(dice)
        known = lookup(process)
        for packet in PACKETS:
            answer, truth = known.answer(packet), by_kernel(process, packet)
            drops = answer is not None and (answer.interface is None or answer.reverse_path_filter is not None)
            if answer is None and truth == errno.ENETUNREACH:
                assert known.decide(packet) is None, (made, packet)
                continue
            assert drops is isinstance(truth, int), (made, packet, answer, truth)
            if answer is None:
                assert truth in {None, packet.expected} or packet.expected is None, (made, packet, truth)
            elif not drops:
                assert answer.interface == truth, (made, packet, answer, truth)
            different += answer is not None
    assert different  # otherwise nothing was compared
