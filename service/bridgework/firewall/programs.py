"""The commands that accept a packet which ufw or firewalld drops, and those that drop what passes between bridges.

A change of one of their rules does not last, or is refused: ``ufw reload`` writes its rules again, and the kernel
refuses changes of firewalld's table by others (``flags owner``, measured with firewalld 2.3 on Linux 6.18).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from bridgework.firewall.ruleset import Hook
from bridgework.firewall.simulate import Step

UFW, FIREWALLD = "ufw", "firewalld"
LASTING = {
    UFW: "ufw keeps the rule.",
    FIREWALLD: "It lasts until firewalld reloads; firewall-cmd --runtime-to-permanent keeps it.",
}
"""How long what the commands change is in force."""
ZONE_OPENS = "The zone accepts every packet that comes from this bridge, also those to the host and to the outside."
"""What else the command for a forwarded packet does with firewalld, which has no narrower one without a new policy."""
# firewalld names its chains by hook and zone, such as filter_IN_public (IN_public with iptables). A policy is between
# zones. The chain of a zone calls its parts, such as filter_IN_public_deny, so a packet meets it before them.
_INPUT, _POLICY, _FORWARD = "IN_", "policy_", "filter_FWD_"
# Docker puts its bridges into a zone of this name if it finds firewalld on the system bus. It accepts everything.
_IPTABLES = {4: "iptables", 6: "ip6tables"}
_DOCKERS_ZONE, _OPEN_ZONE = "docker", "trusted"


def acceptance(
    program: str | None, step: Step, steps: Iterable[Step], subnet: str | None, bridges: frozenset[str]
) -> tuple[str, ...]:
    """Return the commands of the program for the packet that ``step`` drops; none where it has none for it.

    ``steps`` are the packet's way so far, ``subnet`` is that of the packet's source, ``bridges`` are the engine's.
    """
    if program == UFW:
        return _by_ufw(step)
    if program == FIREWALLD and step.place.hook is Hook.INPUT:
        return _into_host(step, zone_of(steps), subnet)
    if program == FIREWALLD and step.place.hook is Hook.FORWARD and step.before.incoming in bridges:
        docker = f"{_FORWARD}{_DOCKERS_ZONE}" in step.place.table.chains
        zone = _DOCKERS_ZONE if docker else _OPEN_ZONE
        return (f"firewall-cmd --zone={zone} --change-interface={step.before.incoming}",)
    return ()


def drops_between(
    ways: Iterable[tuple[str | None, str | None]], version: int, *, guarded: bool, nftables: bool
) -> tuple[str, ...]:
    """Return the commands that drop what passes from one bridge to another, for each way between two bridges.

    ``guarded``: the engine writes rules for this IP version. ``nftables``: it writes them with nftables.
    """
    if not nftables:
        # Docker makes DOCKER-USER only for the IP versions that it writes rules for.
        program, chain = _IPTABLES[version], "DOCKER-USER" if guarded else "FORWARD"
        return tuple(f"{program} -I {chain} -i {incoming} -o {outgoing} -j DROP" for incoming, outgoing in ways)
    # With its nftables backend Docker has no DOCKER-USER. A chain at an earlier priority does the same.
    chain = "'add chain inet isolated filter { type filter hook forward priority -10; policy accept; }'"
    rule = f"nft add rule inet isolated filter meta nfproto ipv{version}"
    drops = [f"{rule} iifname {incoming} oifname {outgoing} drop" for incoming, outgoing in ways]
    return ("nft add table inet isolated", f"nft {chain}", *drops) if drops else ()


def zone_of(steps: Iterable[Step]) -> str | None:
    """Return the zone of firewalld whose rules for the host the packet has met; ``None`` where it has met none."""
    called = (step.effect.partition(" ")[2].removeprefix("filter_") for step in steps)
    zones = (name.removeprefix(_INPUT) for name in called if name.startswith(_INPUT))
    return next((zone for zone in zones if not zone.startswith(_POLICY)), None)


def _by_ufw(step: Step) -> tuple[str, ...]:
    packet, hook = step.before, step.place.hook
    if hook is Hook.FORWARD and packet.incoming and packet.incoming == packet.outgoing:
        return (f"ufw route prepend allow in on {packet.incoming} out on {packet.outgoing}",)
    # ufw has no rules about ICMP; it accepts echo requests on its own.
    if packet.destination_port is None:
        return ()
    port = f"to any port {packet.destination_port} proto {packet.protocol}"
    if hook is Hook.INPUT and packet.incoming:
        return (f"ufw prepend allow in on {packet.incoming} {port}",)
    if hook is Hook.FORWARD and packet.incoming and packet.outgoing:
        return (f"ufw route prepend allow in on {packet.incoming} out on {packet.outgoing} {port}",)
    if hook is Hook.OUTPUT and packet.outgoing:
        return (f"ufw prepend allow out on {packet.outgoing} {port}",)
    return ()


def _into_host(step: Step, zone: str | None, subnet: str | None) -> tuple[str, ...]:
    packet = step.before
    if packet.destination_port is None:
        what = f'protocol value="{packet.protocol}"'
    else:
        what = f'port port="{packet.destination_port}" protocol="{packet.protocol}"'
    source = f' source address="{subnet}"' if subnet else ""
    family = f"ipv{packet.version}"
    # A negative priority comes before the rules that the zone denies by.
    rule = f'rule priority="-1" family="{family}"{source} {what} accept'
    of = f" --zone={zone}" if zone else ""
    return (f"firewall-cmd{of} --add-rich-rule={shlex.quote(rule)}",)
