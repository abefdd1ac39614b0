"""What changes in a network namespace, as the kernel tells it: links, addresses, routes, policy rules, settings, rules.

The kernel sends these by multicast over netlink (rtnetlink(7); ``NFNLGRP_NFTABLES`` for nf_tables). A message of
nf_tables ends a transaction, and says which program made it. iptables-legacy and ipset tell nothing: their state is in
``RulesWatch``.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from bridgework.model.expectations import SignOfChange
from bridgework.model.trace import TABLE_PREFIX
from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.rules_watch import NETLINK_NETFILTER

_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
# linux/rtnetlink.h, RTNLGRP_*: link; IPv4 and IPv6 of address, route, policy rule and netconf (the settings of
# forwarding, rp_filter and proxy_neigh).
_ROUTE_GROUPS = (1, 5, 9, 7, 11, 8, 19, 24, 25)
_NFTABLES_GROUP = 7
# NFT_MSG_NEWTABLE, _DELTABLE, _NEWCHAIN, _DELCHAIN, _NEWRULE, _DELRULE and _NEWGEN of linux/netfilter/nf_tables.h.
_NEW_RULE, _DELETED_RULE, _NEW_GENERATION = ((10 << 8) | n for n in (6, 8, 15))
_OF_TABLES = {(10 << 8) | n for n in (0, 2, 3, 5, 6, 8)}
_OF_TABLE, _PROGRAM_ID, _PROGRAM_NAME = 1, 2, 3
_NFGENMSG_BYTES = 4
_KINDS = {
    16: ("link", "changed"), 17: ("link", "removed"),
    20: ("address", "added"), 21: ("address", "removed"),
    24: ("route", "added"), 25: ("route", "removed"),
    32: ("policy-rule", "added"), 33: ("policy-rule", "removed"),
    80: ("setting", "changed"), 81: ("setting", "removed"),
}  # fmt: skip
_IFINFO, _IFADDR, _ROUTE, _RULE = struct.Struct("=BxHiII"), struct.Struct("=BBBBI"), 12, 12
_IFNAME, _IFA_LOCAL, _IFA_ADDRESS, _IFA_LABEL = 3, 2, 1, 3
_RTA_DST, _RTA_OIF, _RTA_TABLE = 1, 4, 15
_FRA_PRIORITY, _FRA_TABLE = 6, 15
_NETCONF, _NETCONF_LINK, _NETCONF_NAMES = 4, 1, {2: "forwarding", 3: "rp_filter", 5: "proxy_neigh"}
_ALL_LINKS, _NEW_LINKS = -1, -2
_UP = 0x1
_IPV4_BYTES = 4
_LOCAL_TABLE = 255


class NamespaceWatch:
    """A ``HostWatch`` on the namespace of the thread that makes it. Raises ``OSError`` where the kernel refuses."""

    def __init__(self) -> None:
        self._handles = contextlib.ExitStack()
        self._route = self._handles.enter_context(netlink.open_socket())
        self._rules = self._handles.enter_context(netlink.open_socket(NETLINK_NETFILTER))
        for group in _ROUTE_GROUPS:
            self._route.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        self._rules.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NFTABLES_GROUP)
        self._poll = select.poll()
        for sock in (self._route, self._rules):
            sock.setblocking(False)
            self._poll.register(sock, select.POLLIN)
        self._counted: Counter[tuple[int, str]] = Counter()

    def close(self) -> None:
        """Close both sockets."""
        self._handles.close()

    def wait(self, seconds: float) -> Sequence[SignOfChange]:
        """Wait at most so long for messages, and return what they tell."""
        # Poll errors are read from the socket: ENOBUFS says that messages were lost.
        if not self._poll.poll(seconds * 1000):
            return ()
        return (*self._read(self._route, self._of_route), *self._read(self._rules, self._of_rules))

    def _read(self, sock: socket.socket, read: object) -> Iterator[SignOfChange]:
        while True:
            try:
                data = sock.recv(netlink.RECEIVE_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # More changed at once than the socket holds. That something changed is enough to look again.
                yield _sign("rules" if sock is self._rules else "link", "More changed at once than could be read.")
                continue
            for kind, _, body in netlink.split(data):
                yield from read(kind, body)  # type: ignore[operator]  # one of the two methods below

    def _of_route(self, kind: int, body: bytes) -> Iterator[SignOfChange]:
        about = _KINDS.get(kind)
        if about is None:
            return
        noun, verb = about
        what, ids = _DESCRIBED[noun](body, verb)
        if what:
            yield _sign(noun, what, ids)

    def _of_rules(self, kind: int, body: bytes) -> Iterator[SignOfChange]:
        parts = netlink.attributes(body, _NFGENMSG_BYTES)
        if kind in _OF_TABLES:
            self._counted[kind, _text(parts.get(_OF_TABLE, b""))] += 1
        elif kind == _NEW_GENERATION and self._counted and all(of.startswith(TABLE_PREFIX) for _, of in self._counted):
            self._counted.clear()  # a trace of the service's own, which only marks one flow
        elif kind == _NEW_GENERATION:
            program = _text(parts.get(_PROGRAM_NAME, b"")) or "A program"
            number = struct.unpack(">I", parts.get(_PROGRAM_ID, bytes(4)))[0]
            yield _sign("rules", _of_transaction(program, number, self._counted), (program,))
            self._counted.clear()


def _of_transaction(program: str, number: int, counted: Counter[tuple[int, str]]) -> str:
    parts = []
    for kind, verb in ((_DELETED_RULE, "removed"), (_NEW_RULE, "added")):
        tables = {table: count for (of, table), count in counted.items() if of == kind}
        if tables:
            total = sum(tables.values())
            parts.append(f"{verb} {total} firewall rule{'s' * (total > 1)} ({', '.join(sorted(tables))})")
    return f"{program} (process {number}) {' and '.join(parts) or 'changed the firewall'}."


def _sign(kind: str, what: str, ids: tuple[str, ...] = ()) -> SignOfChange:
    now = datetime.fromtimestamp(time.time(), UTC)
    return SignOfChange(kind, f"{now:%Y-%m-%dT%H:%M:%S.%f}Z", what, ids)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _of_link(body: bytes, verb: str) -> tuple[str, tuple[str, ...]]:
    _, _, _, flags, _ = _IFINFO.unpack_from(body)
    name = _text(netlink.attributes(body, _IFINFO.size).get(_IFNAME, b""))
    if verb == "removed":
        return f"The link {name} was removed.", (name,)
    return f"The link {name} is {'up' if flags & _UP else 'down'}.", (name,)


def _of_address(body: bytes, verb: str) -> tuple[str, tuple[str, ...]]:
    _, length, _, _, index = _IFADDR.unpack_from(body)
    parts = netlink.attributes(body, _IFADDR.size)
    address = _address(parts.get(_IFA_LOCAL, parts.get(_IFA_ADDRESS, b"")))
    link = _text(parts.get(_IFA_LABEL, b"")) or f"link {index}"
    return f"The address {address}/{length} of {link} was {verb}.", (address, link)


def _of_route(body: bytes, verb: str) -> tuple[str, tuple[str, ...]]:
    family, length, table = body[0], body[1], body[4]
    parts = netlink.attributes(body, _ROUTE)
    number = struct.unpack("=I", parts[_RTA_TABLE])[0] if _RTA_TABLE in parts else table
    if number == _LOCAL_TABLE:  # follows each address, which is told by itself
        return "", ()
    address = _address(parts.get(_RTA_DST, b"")) or ("0.0.0.0" if family == socket.AF_INET else "::")
    return f"The route to {address}/{length} in the table {number} was {verb}.", (f"{address}/{length}",)


def _of_policy_rule(body: bytes, verb: str) -> tuple[str, tuple[str, ...]]:
    parts = netlink.attributes(body, _RULE)
    priority = struct.unpack("=I", parts.get(_FRA_PRIORITY, bytes(4)))[0]
    table = struct.unpack("=I", parts[_FRA_TABLE])[0] if _FRA_TABLE in parts else body[4]
    return f"The policy rule {priority} (table {table}) was {verb}.", (str(priority),)


def _of_setting(body: bytes, verb: str) -> tuple[str, tuple[str, ...]]:
    parts = netlink.attributes(body, _NETCONF)
    index = struct.unpack("=i", parts.get(_NETCONF_LINK, bytes(4)))[0]
    where = {_ALL_LINKS: "all links", _NEW_LINKS: "new links"}.get(index, f"the link {index}")
    version = 4 if body[0] == socket.AF_INET else 6
    known = {name: struct.unpack("=i", parts[kind])[0] for kind, name in _NETCONF_NAMES.items() if kind in parts}
    values = " and ".join(f"{name} is {value}" for name, value in known.items())
    # A link that is made or removed brings its settings with it: that is told as a change of the link.
    if verb == "removed" or index > 0 or not known:
        return "", ()
    return f"IPv{version} {values} for {where}.", tuple(known)


def _address(value: bytes) -> str:
    if not value:
        return ""
    return socket.inet_ntop(socket.AF_INET if len(value) == _IPV4_BYTES else socket.AF_INET6, value)


_DESCRIBED = {
    "link": _of_link, "address": _of_address, "route": _of_route, "policy-rule": _of_policy_rule,
    "setting": _of_setting,
}  # fmt: skip
