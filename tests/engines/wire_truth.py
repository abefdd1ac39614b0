"""What the wire says, apart from the service: run inside a network namespace, on standard input a list of questions.

A question is ``[protocol, address, port]``; the answer, on standard output, a list of ``true`` (answered), ``false``
(refused or silent) in the same order. Uses Python's own library alone, so that no code of the service takes part.
"""

import contextlib
import json
import os
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

TRIES, WAIT_S = 3, 0.5
ECHO_REQUEST, ECHO_REPLY = {socket.AF_INET: 8, socket.AF_INET6: 128}, {socket.AF_INET: 0, socket.AF_INET6: 129}


def answered(question):
    """Whether anything answered, the last of a few tries."""
    protocol, address, port = question
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    ask = {"icmp": ping, "tcp": connect, "udp": echo, "http": head}[protocol]
    for _ in range(TRIES):
        with contextlib.suppress(OSError):
            if ask(family, address, port):
                return True
    return False


def connect(family, address, port):
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(WAIT_S)
        sock.connect((address, port))
        return True


def echo(family, address, port):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(WAIT_S)
        sock.connect((address, port))
        sock.send(b"truth")
        return sock.recv(64) == b"truth"


def head(family, address, port):
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(WAIT_S)
        sock.connect((address, port))
        sock.send(b"GET / HTTP/1.0\r\n\r\n")
        return sock.recv(64).startswith(b"HTTP/")


def ping(family, address, _):
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    identity = int.from_bytes(os.urandom(2), "big")
    packet = struct.pack("!BBHHH", ECHO_REQUEST[family], 0, 0, identity, 1)
    if family == socket.AF_INET:  # the kernel fills in the checksum of ICMPv6 alone (RFC 3542, section 3.1)
        total = sum(struct.unpack("!4H", packet))
        total = (total & 0xFFFF) + (total >> 16)
        packet = struct.pack("!BBHHH", ECHO_REQUEST[family], 0, ~total & 0xFFFF, identity, 1)
    with socket.socket(family, socket.SOCK_RAW, protocol) as sock:
        sock.connect((address, 0))
        sock.send(packet)
        end = time.monotonic() + WAIT_S
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            reply = sock.recv(512)
            body = reply[(reply[0] & 15) * 4 :] if family == socket.AF_INET else reply
            if body[0] == ECHO_REPLY[family] and body[4:6] == identity.to_bytes(2, "big"):
                return True
    return False


if __name__ == "__main__":
    with ThreadPoolExecutor(16) as pool:
        json.dump(list(pool.map(answered, json.load(sys.stdin))), sys.stdout)
