"""The filter of a traced flow in the kernel (classic BPF, socket(7)): which packets pass, and how much of each one.

The filter passes what has the flow's source port or echo identifier; the exact choice is made afterwards
(``analysis.trace``). The kernel cuts each packet behind its transport header, so no payload reaches the service.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bridgework.model.trace import Flow
from bridgework.probes.kinds.reasons import IPV4
from bridgework.probes.trace.heads import FIN, ICMP_NUMBER, PROTOCOL_NUMBERS, RST, SYN

# linux/bpf_common.h. The accumulator is A, the index register X.
_LOAD_BYTE, _LOAD_HALF, _LOAD_BYTE_AT_X, _LOAD_HALF_AT_X = 0x30, 0x28, 0x50, 0x48
_X_IS_IP_HEADER_LENGTH, _X_IS, _ADD, _ADD_X, _AND, _SHIFT_RIGHT, _A_IS_X = 0xB1, 0x01, 0x04, 0x0C, 0x54, 0x74, 0x87
_EQUAL, _HAS_BIT, _RETURN, _RETURN_A = 0x15, 0x45, 0x06, 0x16
_PROTOCOL_AT, _HEADER_BYTES = {4: 9, 6: 6}, {4: 20, 6: 40}
_FRAGMENT_AT, _FRAGMENT_OFFSET = 6, 0x1FFF
_UDP_BYTES, _ICMP_BYTES, _TCP_BYTES, _TCP_OFFSET_AT, _TCP_FLAGS_AT = 8, 8, 20, 12, 13
_IDENTIFIER_AT = 4


class _Step(NamedTuple):
    """One instruction. A jump names the labels that it leads to; ``None`` is the next instruction."""

    code: int
    value: int = 0
    yes: str | None = None
    no: str | None = None


_Line = _Step | str
"""An instruction, or the label of the one behind it."""


def program_of(flow: Flow, *, with_proxy: bool) -> tuple[bytes, int]:
    """Return the program and the number of its instructions.

    With ``with_proxy`` the packets pass by which docker-proxy leads the flow on. Of TCP these are the packets that
    open, close or refuse a connection.
    """
    version, number = flow.version, PROTOCOL_NUMBERS.get(flow.protocol)
    lines: list[_Line] = [
        _Step(_LOAD_BYTE, 0),
        _Step(_SHIFT_RIGHT, 4),
        _Step(_EQUAL, version, no="drop"),
        *_first_fragment(version),
        _Step(_LOAD_BYTE, _PROTOCOL_AT[version]),
    ]
    if number is None:
        lines += [_Step(_EQUAL, ICMP_NUMBER[version], no="drop"), *_half(_IDENTIFIER_AT, flow.identifier)]
        quoted, places = _ICMP_BYTES, [_IDENTIFIER_AT]
    else:
        lines += [_Step(_EQUAL, ICMP_NUMBER[version], yes="icmp"), _Step(_EQUAL, number, no="drop")]
        lines += [*_half(0, flow.identifier), *_half(2, flow.identifier)]
        lines += [*(_proxied(flow) if with_proxy else ()), _Step(_RETURN, 0), "icmp"]
        quoted, places = (_TCP_BYTES if flow.protocol == "tcp" else _UDP_BYTES), [0, 2]
    # An error quotes the packet that it is about, and so its ports or its identifier.
    behind = _ICMP_BYTES + _HEADER_BYTES[version]
    lines += [step for at in places for step in _half(behind + at, flow.identifier, "keep error")]
    lines += ["drop", _Step(_RETURN, 0), "keep", *_cut(flow, flow.payload_bytes), "keep head", *_cut(flow, 0)]
    lines += ["keep error", *_return_behind(behind + quoted)]
    return _assembled(lines)


def _first_fragment(version: int) -> list[_Line]:
    """Drop fragments without a transport header: their payload could look like one. Set X to the header's length."""
    if version != IPV4:
        return [_Step(_X_IS, _HEADER_BYTES[version])]
    fragments = [_Step(_LOAD_HALF, _FRAGMENT_AT), _Step(_HAS_BIT, _FRAGMENT_OFFSET, yes="drop")]
    return [*fragments, _Step(_X_IS_IP_HEADER_LENGTH, 0)]


def _half(at: int, value: int, label: str = "keep") -> list[_Line]:
    return [_Step(_LOAD_HALF_AT_X, at), _Step(_EQUAL, value, yes=label)]


def _proxied(flow: Flow) -> list[_Line]:
    """Pass the heads of what docker-proxy sends to the container and gets from it; of TCP, of what opens and closes."""
    ports = sorted({port for _, port in flow.behind if port is not None})
    if not ports:
        return []
    # Other programs may send to these ports too. ``analysis.trace.flow.handed_on`` decides which packets belong.
    opening = [_Step(_LOAD_BYTE_AT_X, _TCP_FLAGS_AT), _Step(_HAS_BIT, SYN | FIN | RST, no="drop")]
    passed = [step for port in ports for at in (0, 2) for step in _half(at, port, "keep head")]
    return [*(opening if flow.protocol == "tcp" else []), *passed]


def _cut(flow: Flow, payload_bytes: int) -> list[_Line]:
    """Return the length to keep: up to the end of the transport header, and so much of the payload."""
    if flow.protocol != "tcp":
        return _return_behind((_UDP_BYTES if flow.protocol == "udp" else _ICMP_BYTES) + payload_bytes)
    # The high four bits are the length of the header in words of four bytes (RFC 9293, section 3.1).
    length = [_Step(_LOAD_BYTE_AT_X, _TCP_OFFSET_AT), _Step(_AND, 0xF0), _Step(_SHIFT_RIGHT, 2)]
    return [*length, _Step(_ADD_X), _Step(_ADD, payload_bytes), _Step(_RETURN_A)]


def _return_behind(bytes_behind: int) -> list[_Line]:
    return [_Step(_A_IS_X), _Step(_ADD, bytes_behind), _Step(_RETURN_A)]


def _assembled(lines: Sequence[_Line]) -> tuple[bytes, int]:
    labels: dict[str, int] = {}
    steps: list[_Step] = []
    for line in lines:
        if isinstance(line, str):
            labels[line] = len(steps)
        else:
            steps.append(line)
    code = (
        struct.pack("=HBBI", step.code, _distance(labels, step.yes, at), _distance(labels, step.no, at), step.value)
        for at, step in enumerate(steps)
    )
    return b"".join(code), len(steps)


def _distance(labels: Mapping[str, int], label: str | None, at: int) -> int:
    return 0 if label is None else labels[label] - at - 1
