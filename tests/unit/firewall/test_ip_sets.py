"""Which packets are in a set of ipset. tests/engine/firewall compares this with the kernel."""

import pytest

from bridgework.firewall.ip_sets import IpSets
from bridgework.firewall.iptables_save import ruleset_of
from bridgework.firewall.ruleset import Packet
from bridgework.model.observations import FirewallChain, IpSet

SETS = (
    IpSet("few", "hash:ip", 4, ("10.0.0.2", "10.0.0.9")),
    IpSet("six", "hash:ip", 6, ("fd00::2",)),
    IpSet("nets", "hash:net", 4, ("10.0.0.0/30", "10.1.0.0/16")),
    IpSet("open", "hash:net", 4, ("10.0.0.0/8", "10.0.0.2 nomatch")),
    IpSet("apart", "hash:net,port", 4, ("10.0.0.0/8,tcp:80", "10.0.0.2,tcp:80 nomatch")),
    IpSet("narrow", "hash:net,iface", 4, ("10.0.0.0/8,br-a", "10.0.0.4/30,br-z", "10.0.0.4/30,br-b")),
    IpSet("ports", "bitmap:port", None, ("80", "81")),
    IpSet("pairs", "hash:ip,port", 4, ("10.1.0.3,tcp:80", "10.1.0.3,udp:53", "10.1.0.3,icmp:8/0", "10.1.0.4,47:0")),
    IpSet("ways", "hash:ip,port,net", 4, ("10.1.0.3,tcp:80,10.0.0.0/24",)),
    IpSet("by", "hash:net,iface", 4, ("10.0.0.0/8,br-a", "10.9.0.0/16,physdev:eth0")),
    IpSet("macs", "hash:mac", None, ("02:00:00:00:00:01",)),
    IpSet("none", "hash:ip", 4, ()),
    IpSet("all", "list:set", None, ("few", "pairs", "six")),
    IpSet("odd", "list:set", None, ("none", "macs", "gone", "all")),
)
TCP = Packet(4, "tcp", "10.0.0.2", "10.1.0.3", 40000, 80, incoming="br-a", outgoing="br-b")
PACKETS = {
    "tcp": TCP,
    "udp": Packet(4, "udp", "10.0.0.2", "10.1.0.3", 40000, 80, incoming="br-a"),
    "icmp": Packet(4, "icmp", "10.0.0.5", "10.1.0.3", incoming="br-b"),
    "six": Packet(6, "tcp", "fd00::2", "fd00::3", 40000, 80),
}


def applies(options, packet, sets=SETS):
    """Whether a rule with these options applies to the packet; None where that is not known."""
    printed = FirewallChain("filter", "FORWARD", "ACCEPT", ((0, 0, f"-A FORWARD -m set {options} -j DROP"),))
    (table,) = ruleset_of((printed,), packet.version, sets=IpSets(sets))
    return table.chains["FORWARD"].rules[0].applies(packet)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--match-set few src", {"tcp", "udp"}),
        ("--match-set few dst", set()),
        ("! --match-set few src", {"icmp", "six"}),
        ("--match-set six src", {"six"}),
        ("--match-set nets src", {"tcp", "udp"}),
        ("--match-set nets dst", {"tcp", "udp", "icmp"}),
        ("--match-set ports dst", {"tcp", "udp", "six"}),
        ("--match-set ports src", set()),
        ("--match-set pairs dst,dst", {"tcp", "icmp"}),
        ("--match-set pairs dst,src", {"icmp"}),
        ("--match-set pairs src,dst", set()),
        ("--match-set ways dst,dst,src", {"tcp"}),
        ("--match-set ways src,dst,dst", set()),
        ("--match-set by src,src", {"tcp", "udp"}),
        ("--match-set by src,dst", set()),
        # The kernel finds nothing where the rule has fewer directions than the set has dimensions.
        ("--match-set pairs dst", set()),
        ("! --match-set pairs dst", set(PACKETS)),
        ("--match-set few src,dst", {"tcp", "udp"}),
        ("--match-set none src", set()),
        # 10.0.0.2 is an exception, and 10.0.0.5 in a narrower subnet, whose interfaces alone count.
        ("--match-set open src", {"icmp"}),
        ("--match-set narrow src,src", {"tcp", "udp", "icmp"}),
        ("--match-set narrow src,dst", set()),
        ("--match-set all src", {"tcp", "udp", "six"}),
        ("--match-set all dst,dst", {"tcp", "icmp"}),
    ],
)
def test_what_is_in_a_set(options, expected):
    assert {name for name, packet in PACKETS.items() if applies(options, packet)} == expected
    assert {name for name, packet in PACKETS.items() if applies(options, packet) is None} == set()


@pytest.mark.parametrize(
    "options",
    [
        "--match-set macs src", "--match-set apart src,dst", "--match-set gone src", "--match-set odd src",
        "! --match-set macs src", "--match-set few src --return-nomatch",
    ],
)  # fmt: skip
def test_what_is_not_known_is_not_guessed(options):
    assert applies(options, TCP) is None


def test_a_set_with_an_entry_that_is_not_understood_is_unknown_for_the_others_alone():
    far = Packet(4, "tcp", "10.9.0.2", "10.1.0.3", 40000, 80, incoming="br-z")
    assert applies("--match-set by src,src", TCP) is True
    assert applies("--match-set by src,src", far) is None
    odd = (IpSet("odd", "hash:ip,port", 4, ("10.0.0.2,tcp:http", "10.1.0.3,tcp:80")),)
    assert applies("--match-set odd dst,dst", TCP, odd) is True
    assert applies("--match-set odd src,dst", TCP, odd) is None


def test_sets_that_could_not_be_read_are_unknown():
    assert applies("--match-set few src", TCP, None) is None
    assert applies("! --match-set few src", TCP, None) is None


def test_a_rule_that_its_other_conditions_exclude_needs_no_set():
    assert applies("--match-set macs src -p udp", TCP) is False
