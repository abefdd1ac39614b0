"""The commands by which ufw and firewalld accept a packet. tests/engine runs them with the programs themselves."""

import pytest

from bridgework.firewall.programs import acceptance, zone_of
from bridgework.firewall.ruleset import Chain, Hook, Packet, Table
from bridgework.firewall.simulate import Step
from bridgework.firewall.walk import Place

BRIDGES = frozenset({"br-a", "br-b"})


def step(hook, effect="drop", chains=(), **fields):
    """A step of a TCP packet for port 80, or with other fields."""
    of = {"version": 4, "protocol": "tcp", "source": "10.1.0.2", "destination": "10.1.0.1", "destination_port": 80}
    packet = Packet(**{**of, **fields})
    place = Place(hook, Table("inet", "firewalld", dict.fromkeys(chains)), Chain("any", ()))
    return Step(place, None, effect, packet, packet)


@pytest.mark.parametrize(
    ("of", "command"),
    [
        (step(Hook.INPUT, incoming="br-a"), "ufw prepend allow in on br-a to any port 80 proto tcp"),
        (
            step(Hook.FORWARD, incoming="br-a", outgoing="br-b"),
            "ufw route prepend allow in on br-a out on br-b to any port 80 proto tcp",
        ),
        (step(Hook.FORWARD, incoming="br-a", outgoing="br-a"), "ufw route prepend allow in on br-a out on br-a"),
        (step(Hook.OUTPUT, outgoing="br-a"), "ufw prepend allow out on br-a to any port 80 proto tcp"),
        (step(Hook.INPUT, incoming="br-a", protocol="icmp", destination_port=None), None),
        (step(Hook.INPUT), None),
        (step(Hook.OUTPUT), None),
        # Nothing says by which interface the packet would leave.
        (step(Hook.FORWARD, incoming="br-a"), None),
        (step(Hook.PREROUTING, incoming="br-a"), None),
    ],
)
def test_ufw(of, command):
    assert acceptance("ufw", of, (), "10.1.0.0/24", BRIDGES) == ((command,) if command else ())


RULE = """firewall-cmd --zone=public --add-rich-rule='rule priority="-1" family="ipv4" """


@pytest.mark.parametrize(
    ("of", "subnet", "command"),
    [
        (
            step(Hook.INPUT, incoming="br-a"),
            "10.1.0.0/24",
            f"""{RULE}source address="10.1.0.0/24" port port="80" protocol="tcp" accept'""",
        ),
        (
            step(Hook.INPUT, incoming="br-a", protocol="icmp", destination_port=None),
            None,
            f"""{RULE}protocol value="icmp" accept'""",
        ),
        (
            step(Hook.INPUT, incoming="br-a", version=6, source="fd00::2", destination="fd00::1"),
            "fd00::/64",
            f"""{RULE.replace("ipv4", "ipv6")}source address="fd00::/64" port port="80" protocol="tcp" accept'""",
        ),
        (step(Hook.FORWARD, incoming="br-a"), None, "firewall-cmd --zone=trusted --change-interface=br-a"),
        (
            step(Hook.FORWARD, chains=("filter_FWD_docker",), incoming="br-a"),
            None,
            "firewall-cmd --zone=docker --change-interface=br-a",
        ),
        # A link of the host is not moved into a zone that accepts everything.
        (step(Hook.FORWARD, incoming="eth0", outgoing="br-a"), None, None),
        (step(Hook.OUTPUT, outgoing="br-a"), None, None),
    ],
)
def test_firewalld(of, subnet, command):
    called = ("filter_INPUT_POLICIES", "filter_IN_policy_x", "filter_IN_public", "filter_IN_public_pre")
    steps = [step(Hook.INPUT, f"jump {name}") for name in called]
    assert zone_of(steps) == "public"
    assert acceptance("firewalld", of, steps, subnet, BRIDGES) == ((command,) if command else ())


def test_a_packet_that_met_no_zone_is_accepted_in_the_default_zone():
    (command,) = acceptance("firewalld", step(Hook.INPUT, incoming="br-a"), (), None, BRIDGES)
    assert command.startswith("firewall-cmd --add-rich-rule=")


def test_another_program_has_no_command():
    assert acceptance("libvirt", step(Hook.INPUT, incoming="br-a"), (), None, BRIDGES) == ()
    assert acceptance(None, step(Hook.INPUT, incoming="br-a"), (), None, BRIDGES) == ()
    assert zone_of(()) is None
