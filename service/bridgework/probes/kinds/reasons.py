"""Tables from the kernel's errno and from ICMP type and code to a ``Reason``.

Sources: ip(7), icmp(7), RFC 792, RFC 1812 section 5.2.7, RFC 4443. Routes of the types ``blackhole``, ``prohibit`` and
``unreachable`` give EINVAL, EACCES and EHOSTUNREACH (ip-route(8)).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping

from bridgework.model.checks import Reason
from bridgework.probes.kernel import neighbour_table

IPV4 = 4
IPV6 = 6
VERSION_OF_LENGTH = {4: IPV4, 16: IPV6}
"""IP version by the length of a packed address, in bytes."""


def _by_number(numbers: Mapping[Reason, Iterable[int]]) -> Mapping[int, Reason]:
    return {number: reason for reason, of_reason in numbers.items() for number in of_reason}


_BY_ERRNO = _by_number(
    {
        Reason.REFUSED: (errno.ECONNREFUSED, errno.ENOPROTOOPT),
        Reason.NO_ROUTE: (errno.ENETUNREACH, errno.ENETDOWN, errno.EINVAL, errno.ENODEV),
        Reason.HOST_UNREACHABLE: (errno.EHOSTUNREACH, errno.EHOSTDOWN),
        Reason.ADMINISTRATIVELY_PROHIBITED: (errno.EPERM, errno.EACCES),
        Reason.MESSAGE_TOO_LONG: (errno.EMSGSIZE,),
        Reason.TIMED_OUT: (errno.ETIMEDOUT,),
        Reason.CONNECTION_RESET: (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE),
        Reason.NO_ADDRESS: (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT),
        # Only this machine lacks something: nothing is known about the destination.
        Reason.RESOURCES_EXHAUSTED: (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
    }
)
# Codes of destination unreachable: IANA's icmp-parameters and icmpv6-parameters.
_BY_ICMP4_CODE = _by_number(
    {
        Reason.NO_ROUTE: (0, 5, 6, 11),
        Reason.HOST_UNREACHABLE: (1, 7, 12),
        Reason.REFUSED: (2, 3),
        Reason.MESSAGE_TOO_LONG: (4,),
        Reason.ADMINISTRATIVELY_PROHIBITED: (9, 10, 13),
    }
)
_BY_ICMP6_CODE = _by_number(
    {
        Reason.NO_ROUTE: (0, 2),
        Reason.ADMINISTRATIVELY_PROHIBITED: (1, 5, 6),
        Reason.HOST_UNREACHABLE: (3,),
        Reason.REFUSED: (4,),
    }
)
_TABLE_OF_ERRNO: Mapping[int, neighbour_table.TableName] = {
    errno.ENOBUFS: "arp_cache",
    errno.EINVAL: "ndisc_cache",
}
_ICMP4_UNREACHABLE, _ICMP4_TIME_EXCEEDED = 3, 11
_ICMP6_UNREACHABLE, _ICMP6_TOO_BIG, _ICMP6_TIME_EXCEEDED = 1, 2, 3


class IcmpError(OSError):
    """A socket's error that an ICMP message caused; ``mtu_bytes`` is set for ``message-too-long``."""

    def __init__(self, number: int, reason: Reason, mtu_bytes: int | None) -> None:
        super().__init__(number, os.strerror(number))
        self.reason = reason
        self.mtu_bytes = mtu_bytes if reason is Reason.MESSAGE_TOO_LONG else None


def of_errno(number: int | None) -> Reason:
    """Return the reason for an errno; ``host-unreachable`` for one that is not in the table."""
    # When the kernel's neighbour table is full, IPv4 gives ENOBUFS and IPv6 gives EINVAL. ENOBUFS also comes from a
    # full queue of a link, and EINVAL from a blackhole route.
    table = _TABLE_OF_ERRNO.get(number or 0)
    if table is not None and neighbour_table.is_full(table):
        return Reason.BUDGET_EXHAUSTED
    return _BY_ERRNO.get(number or 0, Reason.HOST_UNREACHABLE)


def of_icmp(version: int, kind: int, code: int) -> Reason | None:
    """Return the reason for an ICMP (``version`` 4) or ICMPv6 (6) error; ``None`` when it is no error."""
    if version == IPV4:
        if kind == _ICMP4_UNREACHABLE:
            return _BY_ICMP4_CODE.get(code, Reason.HOST_UNREACHABLE)
        return Reason.HOST_UNREACHABLE if kind == _ICMP4_TIME_EXCEEDED else None
    if kind == _ICMP6_UNREACHABLE:
        return _BY_ICMP6_CODE.get(code, Reason.HOST_UNREACHABLE)
    if kind == _ICMP6_TOO_BIG:
        return Reason.MESSAGE_TOO_LONG
    return Reason.HOST_UNREACHABLE if kind == _ICMP6_TIME_EXCEEDED else None
