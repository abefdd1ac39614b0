"""Tables from the kernel's errno and from ICMP type and code to a ``Reason``.

Sources: ip(7), icmp(7), RFC 792, RFC 1812 section 5.2.7, RFC 4443. Routes of the types ``blackhole``, ``prohibit`` and
``unreachable`` give EINVAL, EACCES and EHOSTUNREACH (ip-route(8)).
"""

from __future__ import annotations

import errno
import os

from bridgework.model.checks import Reason
from bridgework.probes.kernel import neighbour_table

IPV4 = 4
IPV6 = 6
VERSION_OF_LENGTH = {4: IPV4, 16: IPV6}
"""IP version by the length of a packed address, in bytes."""

_BY_ERRNO = {
    errno.ECONNREFUSED: Reason.REFUSED,
    errno.ENOPROTOOPT: Reason.REFUSED,
    errno.ENETUNREACH: Reason.NO_ROUTE,
    errno.ENETDOWN: Reason.NO_ROUTE,
    errno.EINVAL: Reason.NO_ROUTE,
    errno.ENODEV: Reason.NO_ROUTE,
    errno.EHOSTUNREACH: Reason.HOST_UNREACHABLE,
    errno.EHOSTDOWN: Reason.HOST_UNREACHABLE,
    errno.EPERM: Reason.ADMINISTRATIVELY_PROHIBITED,
    errno.EACCES: Reason.ADMINISTRATIVELY_PROHIBITED,
    errno.EMSGSIZE: Reason.MESSAGE_TOO_LONG,
    errno.ETIMEDOUT: Reason.TIMED_OUT,
    errno.ECONNRESET: Reason.CONNECTION_RESET,
    errno.ECONNABORTED: Reason.CONNECTION_RESET,
    errno.EPIPE: Reason.CONNECTION_RESET,
    errno.EADDRNOTAVAIL: Reason.NO_ADDRESS,
    errno.EAFNOSUPPORT: Reason.NO_ADDRESS,
    # Only this machine lacks something: nothing is known about the destination.
    errno.EMFILE: Reason.BUDGET_EXHAUSTED,
    errno.ENFILE: Reason.BUDGET_EXHAUSTED,
    errno.ENOBUFS: Reason.BUDGET_EXHAUSTED,
    errno.ENOMEM: Reason.BUDGET_EXHAUSTED,
}

_ICMP4_UNREACHABLE, _ICMP4_TIME_EXCEEDED = 3, 11
_BY_ICMP4_CODE = {
    0: Reason.NO_ROUTE,
    1: Reason.HOST_UNREACHABLE,
    2: Reason.REFUSED,
    3: Reason.REFUSED,
    4: Reason.MESSAGE_TOO_LONG,
    5: Reason.NO_ROUTE,
    6: Reason.NO_ROUTE,
    7: Reason.HOST_UNREACHABLE,
    9: Reason.ADMINISTRATIVELY_PROHIBITED,
    10: Reason.ADMINISTRATIVELY_PROHIBITED,
    11: Reason.NO_ROUTE,
    12: Reason.HOST_UNREACHABLE,
    13: Reason.ADMINISTRATIVELY_PROHIBITED,
}

_ICMP6_UNREACHABLE, _ICMP6_TOO_BIG, _ICMP6_TIME_EXCEEDED = 1, 2, 3
_BY_ICMP6_CODE = {
    0: Reason.NO_ROUTE,
    1: Reason.ADMINISTRATIVELY_PROHIBITED,
    2: Reason.NO_ROUTE,
    3: Reason.HOST_UNREACHABLE,
    4: Reason.REFUSED,
    5: Reason.ADMINISTRATIVELY_PROHIBITED,
    6: Reason.ADMINISTRATIVELY_PROHIBITED,
}


class IcmpError(OSError):
    """A socket's error that an ICMP message caused; ``mtu_bytes`` is set for ``message-too-long``."""

    def __init__(self, number: int, reason: Reason, mtu_bytes: int | None) -> None:
        super().__init__(number, os.strerror(number))
        self.reason = reason
        self.mtu_bytes = mtu_bytes if reason is Reason.MESSAGE_TOO_LONG else None


def of_errno(number: int | None) -> Reason:
    """Return the reason for an errno; ``host-unreachable`` for one that is not in the table."""
    # EINVAL comes from a blackhole route, and from IPv6 when the kernel's neighbour table is full.
    if number == errno.EINVAL and neighbour_table.is_full("ndisc_cache"):
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
