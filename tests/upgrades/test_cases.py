"""Upgrades whose effect people found out afterwards: foretold from the old engine alone, and made on the new one.

A neighbour on a link of the host stands for the far end of a VPN.
"""

import pytest

from tests.support.neighbour import LINK
from tests.upgrades.hosts import BRIDGE, COMMAND, PORT, Host
from tests.upgrades.lab import PORT as LISTENS_AT

ADDRESS = "10.60.0.10"
NETWORK = {"name": "u0", "options": {BRIDGE + "name": "br-u0"}, "ipam": {"pools": [{"subnet": "10.60.0.0/24"}]}}
WITHOUT_MASQUERADE = {**NETWORK, "options": {**NETWORK["options"], BRIDGE + "enable_ip_masquerade": "false"}}
PUBLISHED = [{"container_port": PORT, "host_port": 20_000, "protocol": "tcp", "host_ip": None}]
CASES = {
    # Containers are asked for at their own addresses by the interface of a VPN.
    "moby#49498": (NETWORK, PUBLISHED, []),
    # Packets of a container leave by a VPN, and its answers come back by it, to the container's own address.
    "moby#51544": (WITHOUT_MASQUERADE, PUBLISHED, []),
    # An administrator's rule opens the containers to a mesh of machines, and the table raw comes before it.
    "uncloud#293": (NETWORK, [], [f"iptables -I DOCKER-USER -i {LINK} -o br-u0 -j ACCEPT"]),
}


def host_of(case, *, direct):
    """The host of a case; ``direct`` is the daemon's allow-direct-routing where the release has it."""
    network, ports, rules = CASES[case]
    host = Host(0, has_modes=False)
    host.settings = {"userland_proxy": True, "icc": True, "ip6tables": None, "allow_direct_routing": direct,
                     "forwarding": True}  # fmt: skip
    place = {"network": "u0", "ipv4_address": ADDRESS}
    one = {"name": "c0", "image": "busybox", "command": COMMAND, "networks": [place], "published_ports": ports}
    host.networks, host.containers, host.rules = [network], [one], rules
    return host


def closed(plan):
    """The rows of the exposure by which the neighbour loses the container's own address."""
    rows = (row for row in plan.exposure if row.question.origin.name == LINK and row.question.address == ADDRESS)
    return [(row.before.value, row.after.value, row.reason) for row in rows if row.before and row.after]


def reaches(lab, wait_s):
    lab.neighbour.route("10.60.0.0/24")
    return lab.neighbour.reaches(ADDRESS, LISTENS_AT, wait_s=wait_s)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_what_people_found_out_afterwards_is_foretold(labs, case, direct):
    old = [lab for lab in labs.values() if lab.variant.release < (28, 0)]
    new = [lab for lab in labs.values() if lab.variant.has_direct_routing]
    if not old or not new:
        pytest.skip("needs an engine before 28.0 and one since 28.2")
    host = host_of(case, direct=direct)
    old[0].make(host)
    assert reaches(old[0], 10.0)
    for lab in new:
        plan = old[0].plan({"upgrade_engine": host.upgrade(old[0].variant, lab.variant)})
        opens = direct and not (lab.variant.nftables and host.rules)
        assert closed(plan) == ([] if opens else [("reachable", "unreachable", "firewall-rule")]), lab.variant
        assert ("direct-access-closed" in {note.code for note in plan.notes}) is not direct
        lab.make(host)
        assert reaches(lab, 10.0 if opens else 1.0) is opens, lab.variant
