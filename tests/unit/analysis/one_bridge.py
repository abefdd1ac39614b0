"""Two containers on one bridge, a third one on another, and their links as Docker makes them, but for what is given."""

from __future__ import annotations

import json
from dataclasses import replace

from bridgework.model.observations import (
    BridgePort,
    HostObservation,
    Interface,
    InterfaceAddress,
    Neighbour,
    Observation,
)
from tests.support.worlds import ask, container, network, predict, seen, world

LAB = network("lab", "10.1.0.0/24", subnet6="fd00:1::/64")
FAR = network("far", "10.2.0.0/24")
WEB = container("web", (LAB, "10.1.0.2", {"mac_address": "02:00:00:00:00:02", "ipv6_address": "fd00:1::2"}))
CLIENT = container("client", (LAB, "10.1.0.3", {"mac_address": "02:00:00:00:00:03", "ipv6_address": "fd00:1::3"}))
OTHER = container("other", (FAR, "10.2.0.4", {"mac_address": "02:00:00:00:00:04"}))
HERE = world(LAB, FAR, WEB, CLIENT, OTHER)
UP = ("up", "lower-up")
FORWARDING = BridgePort("forwarding")
TO_WEB = ask(CLIENT, WEB, ip_version=4)
TO_WEB_BY_IPV6 = ask(CLIENT, WEB, ip_version=6)
# To the host's address on the bridge, so that the packet passes the bridge's own ARP.
TO_HOST = ask(CLIENT, "host", ip_version=4)


def addresses(*written):
    return tuple(
        InterfaceAddress(
            a.split("/")[0],
            int(a.split("/")[1]),
            "ipv6" if ":" in a else "ipv4",
            "link" if a.startswith("fe80") else "global",
        )
        for a in written
    )


def inside(number, *held, **facts):
    """The interface eth0 of the container with this number, whose host's end has ten more."""
    facts = {"flags": UP, "peer_index": number + 10} | facts
    return Interface(
        number, "eth0", "veth", f"02:00:00:00:00:0{number}", 1500, "up", addresses=addresses(*held), **facts
    )


def port(number, **facts):
    facts = {"flags": UP, "peer_index": number, "master_index": 4, "bridge_port": FORWARDING} | facts
    return Interface(number + 10, f"veth{number}", "veth", None, 1500, "up", addresses=(), **facts)


WEB_LINK = inside(2, "10.1.0.2/24", "fd00:1::2/64")
CLIENT_LINK = inside(3, "10.1.0.3/24", "fd00:1::3/64")
BRIDGE = Interface(
    4, LAB.bridge_name, "bridge", "02:00:00:00:00:aa", 1500, "up", UP, addresses("10.1.0.1/24", "fd00:1::1/64")
)


def observed(
    web=WEB_LINK,
    client=CLIENT_LINK,
    web_port=None,
    client_port=None,
    bridge=BRIDGE,
    stations=(),
    asked_by_client=(),
    of_host=None,
    **of_web,
):
    """Both containers and the host as Docker makes them, but for what is given. ``web=None`` was not looked into."""
    client_seen = Observation(3, interfaces=(client,), neighbours=asked_by_client)
    looked = [(CLIENT, client_seen)]
    if web is not None:
        looked.append((WEB, Observation(2, interfaces=(web,), **of_web)))
    links = (bridge, web_port or port(2), client_port or port(3))
    host = replace(Observation(1, interfaces=links), **(of_host or {}))
    return seen(looked, host=HostObservation(host, forwarding_entries=tuple(stations)))


def unanswered(address, interface="eth0"):
    return (Neighbour(address, None, interface, "failed"),)


def answer(question, **facts):
    return predict(HERE, question, observed(**facts))


def frame_rules(family, hook, *rules, policy="accept", devices=(), table="t"):
    """A dump of one base chain with these rules, each a list of nft's expressions."""
    chain = {"family": family, "table": table, "name": "c", "hook": hook, "policy": policy, "dev": list(devices)}
    written = [
        {"rule": {"family": family, "table": table, "chain": "c", "handle": handle, "expr": rule}}
        for handle, rule in enumerate(rules, 1)
    ]
    return json.dumps({"nftables": [{"chain": chain}, *written]})
