"""Servers that never come to an end, run inside a namespace.

Start one with ``python -m tests.support.hostile_servers KIND ADDRESS PORT JSON``.

``http-…`` says something that is no answer, as fast as it can or a byte at a time. ``dns-…`` answers every question
with more than anybody wants to know, ``dns-wrong`` with endless answers to other questions. ``dns-rebind`` gives
another address from its second answer on, ``dns-circle`` names that lead to each other. ``icmp-flood`` answers a ping
with endless replies of which only the payload is wrong. Each says "ready" when it waits.
"""

import contextlib
import itertools
import socket
import struct
import sys
import threading
import time

import dns.message
import dns.rcode
import dns.rrset

from bridgework.probes.kinds.echo import checksum
from tests.support.servers import ready

REBOUND = itertools.chain(["10.77.0.3"], itertools.repeat("10.77.0.4"))
HTTP = {
    "http-continue": itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
    "http-slow-continue": itertools.cycle((b"HTTP/1.1 100 Continue\r\n\r\n", 0.05)),
    "http-headers": itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.cycle((b"X: y\r\n", 0.02))),
    "http-line": itertools.cycle((b"H", 0.02)),
    "http-processing": itertools.repeat(b"HTTP/1.1 102 Processing\r\n\r\n" * 500),
    "http-spaces": itertools.repeat(b" " * 8000),
}


def main(kind, address, port, _):
    if kind in HTTP:
        serve_http(HTTP[kind], address, int(port))
    elif kind == "icmp-flood":
        serve_pings()
    else:
        serve_dns(DNS[kind], address, int(port))


def serve_http(says, address, port):
    with socket.create_server((address, port)) as sock:
        ready()
        while True:
            connection, _ = sock.accept()
            with connection, contextlib.suppress(OSError):
                for word in says:
                    if isinstance(word, float):
                        time.sleep(word)
                    else:
                        connection.sendall(word)


def heavy(query, size):
    """As many records as fit, each with a name of 125 labels that takes two bytes here."""
    name = b"".join(b"\x01" + bytes([97 + number % 26]) for number in range(124)) + b"\0"
    question = name + struct.pack("!HH", 1, 1)
    records = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", 60_000 - number, 1, 0, 1) + b"a"
        for number in range((size - 12 - len(question)) // 13)
    )
    return query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records) // 13, 0, 0) + question + records


def many(query, _):
    """Thousands of addresses for the name that was asked for."""
    message = dns.message.from_wire(query)
    question = query[12 : 12 + len(message.question[0].name.to_wire() or b"") + 4]
    count = 3000
    records = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH4s", 1, 1, 0, 4, struct.pack("!I", 0x0A4D0000 + number))
        for number in range(count)
    )
    return query[:2] + struct.pack("!HHHHH", 0x8180, 1, count, 0, 0) + question + records


def unknown(query, _):
    answer = dns.message.make_response(dns.message.from_wire(query))
    answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer.to_wire()


def wrong(query, _):
    return bytes([query[0] ^ 1]) + unknown(query, 0)[1:]


def rebind(query, _):
    """One address the first time, and another ever after."""
    answer = dns.message.make_response(dns.message.from_wire(query))
    answer.answer.append(dns.rrset.from_text(answer.question[0].name, 0, "IN", "A", next(REBOUND)))
    return answer.to_wire()


def circle(query, _):
    """A name that leads to another, and that one back."""
    answer = dns.message.make_response(dns.message.from_wire(query))
    name = answer.question[0].name.to_text()
    for owner, target in ((name, "other."), ("other.", name)):
        answer.answer.append(dns.rrset.from_text(owner, 0, "IN", "CNAME", target))
    return answer.to_wire()


def truncated(query, _):
    return query[:2] + b"\x82\x00" + query[4:]


DNS = {
    "dns-circle": circle,
    "dns-heavy": heavy,
    "dns-many": many,
    "dns-rebind": rebind,
    "dns-unknown": unknown,
    "dns-wrong": wrong,
    "dns-trickle": truncated,
}


def serve_dns(answer, address, port):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, port))
    tcp = socket.create_server((address, port))
    threading.Thread(target=trickle, args=(tcp,), daemon=True).start()
    ready()
    while True:
        query, peer = udp.recvfrom(4096)
        with contextlib.suppress(OSError):
            udp.sendto(answer(query, 60_000), peer)
            if answer in {wrong, heavy}:
                end = time.monotonic() + 3
                while time.monotonic() < end:
                    udp.sendto(answer(query, 60_000), peer)


def trickle(tcp):
    """An answer of 65,535 bytes, one at a time."""
    while True:
        connection, _ = tcp.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"\xff\xff")
            while True:
                connection.sendall(b"\0")
                time.sleep(0.02)


def serve_pings():
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    ready()
    while True:
        data, peer = sock.recvfrom(65_536)
        message = bytearray(data[20:])
        if message[0] != 8:
            continue
        message[0], message[20] = 0, message[20] ^ 0x55
        message[2:4] = bytes(2)
        message[2:4] = checksum(bytes(message)).to_bytes(2, "big")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                sock.sendto(message, peer)


if __name__ == "__main__":
    main(*sys.argv[1:])
