"""A host with two bridges and an uplink, whose routes are known."""

from bridgework.firewall import simulate
from bridgework.firewall.ruleset import Packet

ADDRESSES = {"br0": "10.50.0.1", "br1": "10.51.0.1", "up0": "10.52.0.1"}
BEFORE_PORT = 40000


class Host:
    """The routes of the host: a /24 on each interface, and one IPv6 network on br1."""

    def route(self, packet):
        address = packet.destination
        if self.is_local(address):
            return simulate.Route(None, address)
        if address.startswith("fd00:51::"):
            return simulate.Route("br1", "fd00:51::1")
        for interface, own in ADDRESSES.items():
            if address.rpartition(".")[0] == own.rpartition(".")[0]:
                return simulate.Route(interface, own)
        return None

    def is_local(self, address):
        return address in ADDRESSES.values() or address.startswith("127.")

    def filters_bridged(self, _version):
        return True


def packet(text, **fields):
    """A packet from text: ``br0 tcp 10.50.0.2 10.51.0.2 80``; ``-`` is sent by the host itself."""
    incoming, protocol, source, destination, *port = text.split()
    return Packet(
        version=6 if ":" in destination else 4,
        protocol=protocol,
        source=source,
        destination=destination,
        source_port=BEFORE_PORT if port else None,
        destination_port=int(port[0]) if port else None,
        incoming=None if incoming == "-" else incoming,
        **fields,
    )
