"""What was read of a namespace's routing, put together from short words."""

from __future__ import annotations

from bridgework.model.observations import (
    MAIN_TABLE,
    Interface,
    InterfaceAddress,
    InterfaceSetting,
    PolicyRule,
    Routing,
    TableRoute,
)

LOCAL_TABLE, DEFAULT_TABLE = 255, 253


def policy_rule(priority=100, table=None, version=4, **facts):
    """A policy rule for all packets, but for ``facts``; without a table it drops packets."""
    given = {
        "inverted": False,
        "source": None,
        "destination": None,
        "incoming": None,
        "outgoing": None,
        "mark": 0,
        "mask": 0,
        "protocol": None,
        "source_ports": None,
        "destination_ports": None,
        "action": "blackhole" if table is None else "lookup",
        "suppressed": None,
    }
    return PolicyRule(version=version, priority=priority, table=table, **(given | facts))


def default_rules(version=4):
    """The rules of the kernel that lead to the tables local, main and default, by their priority."""
    tables = ((0, LOCAL_TABLE), (32766, MAIN_TABLE), (32767, DEFAULT_TABLE))
    return tuple(policy_rule(priority, table, version) for priority, table in tables)


def table_route(destination, *interfaces, kind="unicast", gateway=None, table=MAIN_TABLE, metric=0):
    """A route by these interfaces."""
    return TableRoute(6 if ":" in destination else 4, table, destination, kind, interfaces, gateway, metric)


def local_route(address, interface):
    """The kernel's own route to an address of the namespace."""
    bits = 128 if ":" in address else 32
    return table_route(f"{address}/{bits}", interface, kind="local", table=LOCAL_TABLE)


def setting(interface, *, forwarding=True, rp_filter=0):
    """The sysctls of an interface."""
    return InterfaceSetting(interface, forwarding, rp_filter)


def routing(routes, rules=(), settings=()):
    """The routing of a namespace with the kernel's default rules, and ``rules`` in their order of priority."""
    ordered = sorted((*default_rules(4), *default_rules(6), *rules), key=lambda rule: (rule.version, rule.priority))
    return Routing(tuple(ordered), tuple(routes), tuple(settings))


def interface(name, *addresses, index=2, kind="veth", state="up", flags=("up",), mac_address=None, **facts):
    """A link with these addresses, each as ``address/length``."""
    held = tuple(
        InterfaceAddress(text.split("/")[0], int(text.split("/")[1]), "ipv6" if ":" in text else "ipv4", "global")
        for text in addresses
    )
    return Interface(index, name, kind, mac_address, 1500, state, flags, held, **facts)


LOOPBACK = interface("lo", "127.0.0.1/8", index=1, kind="loopback", state="unknown")
