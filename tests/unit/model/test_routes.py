"""A policy rule matches the packets that its kernel applies it to, and is printed as ``ip rule`` prints it."""

import pytest

from bridgework.model.observations import RouteQuestion
from tests.support.routed import policy_rule

PACKET = RouteQuestion(4, "10.1.0.2", "10.2.0.2", "br1", "br0", 0x1, "tcp", 40000, 80)
FROM_HOST = RouteQuestion(4, "10.1.0.2")


@pytest.mark.parametrize(
    ("facts", "packet", "applies"),
    [
        ({}, PACKET, True),
        ({"inverted": True}, PACKET, False),
        ({"source": "10.2.0.0/24"}, PACKET, True),
        ({"source": "10.3.0.0/24"}, PACKET, False),
        ({"source": "10.3.0.0/24", "inverted": True}, PACKET, True),
        ({"source": "0.0.0.0/0"}, FROM_HOST, False),  # it has no source yet
        ({"destination": "10.1.0.2/32"}, PACKET, True),
        ({"destination": "10.1.0.3/32"}, PACKET, False),
        ({"incoming": "br1"}, PACKET, True),
        ({"incoming": "br0"}, PACKET, False),
        ({"incoming": "lo"}, FROM_HOST, True),
        ({"incoming": "br1"}, FROM_HOST, False),
        ({"outgoing": "br0"}, PACKET, False),  # of a socket that is bound to the interface
        ({"mark": 0x1, "mask": 0xFF}, PACKET, True),
        ({"mark": 0x2, "mask": 0xFF}, PACKET, False),
        ({"protocol": 6}, PACKET, True),
        ({"protocol": 17}, PACKET, False),
        ({"protocol": 6}, FROM_HOST, False),
        ({"destination_ports": (80, 90)}, PACKET, True),
        ({"destination_ports": (81, 90)}, PACKET, False),
        ({"source_ports": (1, 1023)}, PACKET, False),
        ({"source_ports": (1, 65535)}, FROM_HOST, False),
    ],
)
def test_a_rule_applies_to_the_packets_that_it_describes(facts, packet, applies):
    assert policy_rule(table=52, **facts).applies(packet) is applies


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (policy_rule(table=52), "from all lookup 52"),
        (policy_rule(table=254), "from all lookup main"),
        (policy_rule(), "from all blackhole"),
        (policy_rule(action="prohibit", source="10.2.0.0/24"), "from 10.2.0.0/24 prohibit"),
        (policy_rule(table=52, inverted=True, mark=0x6C, mask=0xFF), "not from all fwmark 0x6c/0xff lookup 52"),
        (policy_rule(table=52, destination="10.1.0.0/24", incoming="br1"), "from all to 10.1.0.0/24 iif br1 lookup 52"),
        (policy_rule(table=52, outgoing="tun0"), "from all oif tun0 lookup 52"),
        (policy_rule(table=52, protocol=6, destination_ports=(80, 80)), "from all ipproto 6 dport 80 lookup 52"),
        (policy_rule(table=52, source_ports=(1, 1023)), "from all sport 1-1023 lookup 52"),
        (policy_rule(table=254, suppressed=0), "from all lookup main suppress_prefixlength 0"),
    ],
)
def test_a_rule_is_printed_as_ip_rule_prints_it(rule, text):
    assert rule.text == text


@pytest.mark.parametrize(
    ("rule", "is_default"),
    [
        (policy_rule(32766, 254), True),
        (policy_rule(table=52), False),
        (policy_rule(), False),
        (policy_rule(table=254, suppressed=0), False),
        (policy_rule(table=254, inverted=True), False),
    ],
)
def test_a_default_rule_leads_every_packet_to_a_table_of_the_kernel(rule, is_default):
    assert rule.is_default is is_default
