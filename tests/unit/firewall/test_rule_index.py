"""The index of a long chain leaves out no rule that may match, and keeps their order."""

import random

import pytest

from bridgework.analysis.host_rules import ruleset_of_host
from bridgework.firewall.rule_index import RuleIndex
from bridgework.firewall.ruleset import Packet, number
from tests.unit.analysis.test_docker_rules import ENGINES, Recorded

PACKETS = 400


def packets(dice, snapshot):
    """Packets between the addresses and by the bridges of the engine, some of them with unknown values."""
    addresses = {version: ["", "192.0.2.7" if version == 4 else "2001:db8::7"] for version in (4, 6)}
    for container in snapshot.containers:
        for address in (one for endpoint in container.endpoints for one in endpoint.addresses):
            addresses[6 if ":" in address else 4].append(address)
    bridges = [None, "eth0", *(network.bridge_name for network in snapshot.networks if network.bridge_name)]
    ports = [None, 40_000, *(p.host_port for c in snapshot.containers for p in c.published_ports), 80, 8080, 53]
    for _ in range(PACKETS):
        version = dice.choice([4, 6])
        yield Packet(
            version,
            dice.choice(["tcp", "udp", "icmp" if version == 4 else "ipv6-icmp"]),
            dice.choice([None, *addresses[version]]),
            dice.choice(addresses[version]),
            dice.choice(ports),
            dice.choice(ports),
            dice.choice(bridges),
            dice.choice(bridges),
            direction=dice.choice(["original", "reply", ""]),
        )


@pytest.mark.parametrize("name", ENGINES)
def test_the_candidates_are_all_rules_that_may_match_in_their_order(name):
    state, dice = Recorded(name).state(), random.Random(name)
    left_out = 0
    for version in (4, 6):
        chains = [chain for table in ruleset_of_host(state.observations.firewall, version).tables
                  for chain in table.chains.values()]  # fmt: skip
        indexed = [(tuple(chain.rules), RuleIndex(chain.rules, number)) for chain in chains]
        for packet in packets(dice, state.snapshot):
            for rules, index in indexed:
                found = index.candidates(packet)
                left_out += len(rules) - len(found)
                assert [one for one in found if one.applies(packet) is not False] == [
                    one for one in rules if one.applies(packet) is not False
                ]
    assert left_out > PACKETS
