"""Asks the kernel of the engine's host for routes, from any thread and without entering the host's namespace again.

A netlink socket stays in the namespace in which it was opened. A question takes about 10 µs (Linux 6.18), so a check
asks each time, and nothing is kept that could be old.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from threading import Lock

from bridgework.model.observations import IPV4, MAIN_TABLE, RouteAnswer, RouteQuestion
from bridgework.printable import printable
from bridgework.probes.kernel import netlink, rtnetlink
from bridgework.probes.routes.lookup import Asked, Lookup, forwards, reverse_path_filter, route_to
from bridgework.probes.routes.policy_rules import PolicyRule, policy_rules

# linux/sockios.h. Both ask by the namespace of the socket, not by that of the calling thread.
_SIOCGIFNAME, _SIOCGIFINDEX, _IFREQ = 0x8910, 0x8933, struct.Struct("=16si20x")
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58}
_STRICT, _LOOSE = 1, 2
_MADE_BY_KERNEL = 2  # RTPROT_KERNEL
# RTN_BLACKHOLE, RTN_UNREACHABLE and RTN_PROHIBIT of linux/rtnetlink.h, each with the error that the kernel answers.
_DEAD_ENDS = {
    6: ("blackhole", errno.EINVAL),
    7: ("unreachable", errno.EHOSTUNREACH),
    8: ("prohibit", errno.EACCES),
}
_DEFAULT_ROUTES = {4: "0.0.0.0/0", 16: "::/0"}
"""By the length of an address, in bytes."""
# The kernel drops the packet: by a blackhole, unreachable or prohibit route, or since there is none.
_DROPS = {
    errno.EINVAL: "drops such packets (blackhole)",
    errno.EACCES: "refuses such packets (prohibit)",
    errno.EHOSTUNREACH: "calls the destination unreachable",
    errno.ENETUNREACH: "has no route to the destination",
}


class HostRoutes:
    """A handle on the kernel's routing in the namespace of the thread that opens it."""

    def __init__(self) -> None:
        """Open the handle. Raises ``OSError``."""
        self._lock = Lock()
        self._socket = netlink.open_socket()

    def close(self) -> None:
        """Close the handle, so that the namespace can go. Later questions have no answer."""
        with self._lock:
            self._socket.close()

    def answers(self, questions: Sequence[RouteQuestion]) -> Mapping[RouteQuestion, RouteAnswer] | None:
        """Return the packets that the kernel routes otherwise than expected, each with what it does instead.

        ``None`` where the kernel refuses, or after ``close``.
        """
        with self._lock:
            # Without this, the closed socket would look like an interface that is gone.
            if self._socket.fileno() < 0:
                return None
            try:
                return dict(self._answers(questions))
            except OSError:
                return None

    def _answers(self, questions: Sequence[RouteQuestion]) -> Iterator[tuple[RouteQuestion, RouteAnswer]]:
        for question in questions:
            try:
                answer = self._answer(question)
            except ValueError:
                continue  # an interface is gone
            if answer is not None:
                yield question, answer

    def _answer(self, question: RouteQuestion) -> RouteAnswer | None:
        expected = None if question.expected is None else self._index(question.expected)
        asked = self._asked(question)
        try:
            lookup = route_to(self._socket, asked)
        except OSError as error:
            return self._dropped(question, asked, error.errno or 0)
        # Whether an address is the host's own is not for the routes to say: the engine's state may be newer.
        if expected is None or lookup.is_local or lookup.interface == expected:
            return None
        return self._diverted(question, asked, lookup)

    def _asked(self, question: RouteQuestion) -> Asked:
        return Asked(
            ip_address(question.destination).packed,
            ip_address(question.source).packed if question.source else None,
            self._index(question.incoming) if question.incoming else None,
            question.mark,
            _PROTOCOLS.get(question.protocol or ""),
            question.source_port,
            question.destination_port,
        )

    def _diverted(self, question: RouteQuestion, asked: Asked, lookup: Lookup) -> RouteAnswer:
        route = self._route_itself(asked)
        policies = self._policies(question)
        rule = next((r for r in policies if r.table == lookup.table and not r.is_default), None)
        gateway = str(ip_address(lookup.gateway)) if lookup.gateway else None
        answer = RouteAnswer(self._name(lookup.interface), gateway, lookup.table, route)
        return answer if rule is None else replace(answer, rule=rule.text, priority=rule.priority)

    def _dropped(self, question: RouteQuestion, asked: Asked, number: int) -> RouteAnswer | None:
        """Return why the kernel drops the packet; ``None`` where only a route is missing, or nothing is known."""
        filtered = self._filtered(question, asked) if question.version == IPV4 and asked.incoming else None
        if filtered is not None or number not in _DROPS:
            return filtered
        rule = next((r for r in self._policies(question) if not r.is_default and r.suppressed is None), None)
        if rule is None:
            # Otherwise a route is missing, which the analysis finds by the bridge's address.
            return self._not_forwarded(question, asked, number) or self._dead_end(question, number)
        table = MAIN_TABLE if rule.table is None else rule.table
        return RouteAnswer(table=table, rule=rule.text, priority=rule.priority, error=_DROPS[number])

    def _not_forwarded(self, question: RouteQuestion, asked: Asked, number: int) -> RouteAnswer | None:
        """Say that the kernel forwards nothing from the packet's interface alone (``ip_route_input_slow`` of Linux)."""
        if number != errno.EHOSTUNREACH or question.version != IPV4 or not asked.incoming:
            return None
        # The setting of all interfaces is another finding.
        if forwards(self._socket, asked.incoming) or not forwards(self._socket):
            return None
        return RouteAnswer(not_forwarded_from=question.incoming)

    def _dead_end(self, question: RouteQuestion, number: int) -> RouteAnswer | None:
        """Name the route of the main table that drops the packet: the longest one for it is a dead end."""
        destination = ip_address(question.destination)
        no_bits = bytes(len(destination.packed))
        routes = rtnetlink.routes(self._socket, socket.AF_INET if question.version == IPV4 else socket.AF_INET6)
        fitting = [
            (route.prefix_len, -(route.metric or 0), route.kind, str(subnet))
            for route in routes
            # IPv6 has dead ends that the kernel makes where it has no route.
            if route.kind not in _DEAD_ENDS or route.protocol != _MADE_BY_KERNEL
            if destination in (subnet := ip_network((route.destination or no_bits, route.prefix_len)))
        ]
        *_, kind, longest = max(fitting, default=(0, 0, 0, ""))
        dead_end, answered = _DEAD_ENDS.get(kind, ("", 0))
        # With another error the kernel drops the packet for another reason.
        return RouteAnswer(route=longest, error=_DROPS[number], dead_end=dead_end) if answered == number else None

    def _filtered(self, question: RouteQuestion, asked: Asked) -> RouteAnswer | None:
        """Return the filter of the reverse path that rejects the source of the packet."""
        # The kernel reports it as EINVAL (Linux 6.18), and as EXDEV before. EINVAL has other reasons too, so the
        # filter's own question is asked: by which interface would the host send to the source?
        modes = {
            "all": reverse_path_filter(self._socket),
            question.incoming: reverse_path_filter(self._socket, asked.incoming),
        }
        # The larger of the two counts.
        name, mode = max(modes.items(), key=lambda pair: pair[1])
        if mode not in {_STRICT, _LOOSE} or question.source is None or asked.source is None:
            return None
        setting = (f"net.ipv4.conf.{name}.rp_filter", mode)
        back = RouteQuestion(question.version, question.source, protocol=question.protocol)
        try:
            lookup = route_to(self._socket, Asked(asked.source))
        except OSError as error:
            answer = self._dropped(back, Asked(asked.source), error.errno or 0)
            return replace(answer or RouteAnswer(error="has no route to the source"), reverse_path_filter=setting)
        if lookup.is_local or lookup.interface == asked.incoming or mode == _LOOSE:
            return None
        return replace(self._diverted(back, Asked(asked.source), lookup), reverse_path_filter=setting)

    def _policies(self, question: RouteQuestion) -> list[PolicyRule]:
        return [rule for rule in policy_rules(self._socket, question.version) if rule.applies(question)]

    def _route_itself(self, asked: Asked) -> str | None:
        try:
            lookup = route_to(self._socket, asked, fib_match=True)
        except OSError:
            return None
        # The default route has no destination.
        address = ip_address(lookup.destination) if lookup.destination else None
        if address is None:
            return _DEFAULT_ROUTES[len(asked.destination)]
        return f"{address}/{lookup.prefix_len}"

    def _index(self, name: str) -> int:
        """Return the index of an interface. Raises ``ValueError`` where there is none with that name."""
        try:
            asked = _IFREQ.pack(name.encode(), 0)
            return int(_IFREQ.unpack(fcntl.ioctl(self._socket, _SIOCGIFINDEX, asked))[1])
        except OSError:
            raise ValueError(name) from None

    def _name(self, index: int) -> str:
        try:
            packed_name = _IFREQ.unpack(fcntl.ioctl(self._socket, _SIOCGIFNAME, _IFREQ.pack(b"", index)))[0]
        except OSError:
            return str(index)
        return printable(packed_name.partition(b"\0")[0].decode(errors="replace"))
