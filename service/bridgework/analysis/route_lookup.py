"""Where a kernel sends a packet, by the policy rules, routes and settings that were read of its namespace.

A check asks the kernel itself, and this names what decided. A matrix, a query and a plan ask this alone: it costs no
system call for each pair, and it answers for a state that is not there yet as well. ``test_route_lookup.py`` compares
it with the kernel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.routing import host_address_on, subnet_of
from bridgework.model.observations import (
    IPV4,
    MAIN_TABLE,
    InterfaceSetting,
    Observations,
    PolicyRule,
    RouteAnswer,
    RouteQuestion,
    Routing,
    TableRoute,
)
from bridgework.model.snapshot import Network, Snapshot

# What the kernel does with a packet at a rule or a route of this kind.
DEAD_ENDS = {
    "blackhole": "drops such packets (blackhole)",
    "prohibit": "refuses such packets (prohibit)",
    "unreachable": "calls the destination unreachable",
}
ALL, _OFF, _STRICT, _LOOSE = "all", 0, 1, 2
_BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class Decision:
    """The rule that decides, and the route of its table; ``None`` for a rule that drops the packet itself."""

    rule: PolicyRule
    route: TableRoute | None

    @property
    def dead_end(self) -> str | None:
        """What drops the packet: ``blackhole``, ``prohibit`` or ``unreachable``; ``None`` if it is sent on."""
        kind = self.rule.action if self.route is None else self.route.kind
        return kind if kind in DEAD_ENDS else None

    @property
    def is_local(self) -> bool:
        """Whether the namespace itself takes the packet."""
        return self.route is not None and self.route.kind in {"local", "broadcast"}

    def leaves_by(self, interface: str | None) -> bool:
        """Return whether the packet is sent on by the interface."""
        return self.route is not None and self.route.kind == "unicast" and interface in self.route.interfaces


class RouteLookup:
    """The routing of one namespace. It answers as its kernel does."""

    def __init__(self, routing: Routing) -> None:
        """Sort the routes by table and prefix length."""
        self._rules = {version: [rule for rule in routing.rules if rule.version == version] for version in _BITS}
        self._settings = {setting.interface: setting for setting in routing.settings}
        # By IP version and table: the prefix lengths that occur, the longest first, and the routes by their prefix.
        self._tables: dict[tuple[int, int], dict[int, dict[int, TableRoute]]] = defaultdict(dict)
        for route in sorted(routing.routes, key=lambda route: route.metric):
            subnet = ip_network(route.destination)
            table = self._tables[route.version, route.table].setdefault(subnet.prefixlen, {})
            # A route without an interface that is up is not used. Of those with one prefix, the smallest metric counts.
            if route.interfaces or route.kind in DEAD_ENDS or route.kind == "throw":
                table.setdefault(int(subnet.network_address) >> (_BITS[route.version] - subnet.prefixlen), route)

    def decide(self, packet: RouteQuestion) -> Decision | None:
        """Return what decides about the packet, whatever interface is expected; ``None`` where no route is left."""
        for rule in self._rules[packet.version]:
            if not rule.applies(packet):
                continue
            if rule.table is None:
                return Decision(rule, None)
            route = self._route(packet.version, rule.table, packet.destination)
            if route is None or route.kind == "throw":
                continue
            if rule.suppressed is not None and ip_network(route.destination).prefixlen <= rule.suppressed:
                continue
            return Decision(rule, route)
        return None

    def _route(self, version: int, table: int, destination: str) -> TableRoute | None:
        number, bits = int(ip_address(destination)), _BITS[version]
        routes = self._tables.get((version, table), {})
        for length in sorted(routes, reverse=True):
            route = routes[length].get(number >> (bits - length))
            if route is not None:
                return route
        return None

    def answer(self, question: RouteQuestion) -> RouteAnswer | None:
        """Return what the kernel does with the packet otherwise than expected; ``None`` where it does as expected.

        ``None`` also where an interface of the question is not there, and where no route at all is left.
        """
        if not {question.expected, question.incoming} - {None} <= self._settings.keys():
            return None
        decision = self.decide(question)
        # In the kernel's order: a dead end, then what the interface forwards, then the filter of the reverse path.
        if decision is not None and decision.dead_end is not None:
            return _dropped(decision, decision.dead_end)
        if question.version == IPV4 and question.incoming is not None:
            is_forwarded = decision is None or not decision.is_local
            # The setting of all interfaces is another finding.
            if is_forwarded and not self._settings[question.incoming].forwarding and self._settings[ALL].forwarding:
                return RouteAnswer(not_forwarded_from=question.incoming)
            filtered = self._filtered(question, question.incoming) if decision is not None else None
            if filtered is not None:
                return filtered
        if decision is None or question.expected is None:
            return None
        return None if decision.is_local or decision.leaves_by(question.expected) else _diverted(decision)

    def _filtered(self, question: RouteQuestion, incoming: str) -> RouteAnswer | None:
        """Return the filter of the reverse path that rejects the source of the packet."""
        # The larger value counts, that of all interfaces first.
        setting = max((self._settings[name] for name in (ALL, incoming)), key=lambda setting: setting.rp_filter)
        if setting.rp_filter == _OFF or question.source is None:
            return None
        back = self.decide(_reversed(question, question.source))
        if back is not None and (back.is_local or back.leaves_by(incoming)):
            return None
        if back is not None and back.dead_end is None and setting.rp_filter == _LOOSE:
            return None
        found = RouteAnswer(error="has no route to the source")
        if back is not None:
            found = _diverted(back) if back.dead_end is None else _dropped(back, back.dead_end)
        return replace(found, reverse_path_filter=(_sysctl(setting), setting.rp_filter))


def _reversed(question: RouteQuestion, source: str) -> RouteQuestion:
    return RouteQuestion(
        question.version,
        source,
        question.destination,
        protocol=question.protocol,
        source_port=question.destination_port,
        destination_port=question.source_port,
    )


def _sysctl(setting: InterfaceSetting) -> str:
    return f"net.ipv4.conf.{setting.interface}.rp_filter"


def _dropped(decision: Decision, dead_end: str) -> RouteAnswer:
    rule, route = decision.rule, decision.route
    if route is not None and rule.is_default:
        return RouteAnswer(route=route.destination, error=DEAD_ENDS[dead_end], dead_end=dead_end)
    table = MAIN_TABLE if rule.table is None else rule.table
    return RouteAnswer(table=table, rule=rule.text, priority=rule.priority, error=DEAD_ENDS[dead_end])


def _diverted(decision: Decision) -> RouteAnswer:
    rule, route = decision.rule, decision.route
    if route is None:
        raise ValueError("a rule without a table sends nothing on")
    answer = RouteAnswer(next(iter(route.interfaces), None), route.gateway, route.table, route.destination)
    return answer if rule.is_default else replace(answer, rule=rule.text, priority=rule.priority)


def answers_in(state: EngineState, questions: Iterable[RouteQuestion]) -> Mapping[RouteQuestion, RouteAnswer]:
    """Return the packets that the host routes otherwise than expected: as its kernel said, else as its routing says."""
    if state.observations.routes:
        return state.observations.routes
    lookup = state.once(_of_host)
    if lookup is None:
        return {}
    return {question: answer for question in questions if (answer := lookup.answer(question)) is not None}


def _of_host(_: Snapshot, observations: Observations) -> RouteLookup | None:
    routing = observations.host.observation.routing if observations.host is not None else None
    return RouteLookup(routing) if routing is not None else None


def planned_routing(before: Snapshot, after: Snapshot, routing: Routing) -> Routing:
    """Return the host's routing after a plan: without the bridges that it removes, and with those that it makes."""
    gone = {network.bridge_name for network in before.networks if network.id not in after.networks_by_id}
    new = [network for network in after.networks if network.id not in before.networks_by_id and network.bridge_name]
    default = next((setting for setting in routing.settings if setting.interface == "default"), None)
    return Routing(
        routing.rules,
        (
            *(route for route in routing.routes if gone.isdisjoint(route.interfaces)),
            *(route for network in new for route in _made_routes(after, network)),
        ),
        (
            *(setting for setting in routing.settings if setting.interface not in gone),
            *(replace(default, interface=network.bridge_name) for network in new if default and network.bridge_name),
        ),
    )


def _made_routes(snapshot: Snapshot, network: Network) -> Iterator[TableRoute]:
    """Yield the routes that the kernel makes for the addresses of a network's bridge."""
    for pool in network.pools:
        subnet = subnet_of(pool)
        if subnet is not None and host_address_on(snapshot, network, subnet.version) is not None:
            interfaces = (network.bridge_name or "",)
            yield TableRoute(subnet.version, MAIN_TABLE, str(subnet), "unicast", interfaces, None, 0)
