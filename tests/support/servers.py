"""Servers for the tests, run inside a namespace; each prints "ready" when it listens.

Start one with ``python -m tests.support.servers KIND ADDRESS PORT [JSON]``.

``dns`` answers from a table of names. A name that begins or ends with ``slow`` gets no answer, ``broken`` SERVFAIL.
A question by UDP for a name with a record of type ``LATE`` is answered after 20 s.
``http`` answers with the status that the path names; ``/trickle`` sends a byte every 50 ms for ever.
``forge`` answers pings with one thing changed: ``payload``, ``sequence``, ``identifier``, ``sender`` or ``nothing``.
``echo`` repeats UDP datagrams, ``tcp`` accepts connections, ``silent`` reads UDP and says nothing.
"""

import json
import socket
import sys
import threading
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rrset

from bridgework.probes.kinds.echo import checksum

SPOOFED = [["spoof.", "A", "10.77.0.66"]]


def dns_answer(data, table, *, over_tcp):
    query = dns.message.from_wire(data)
    answer = dns.message.make_response(query)
    name, kind = query.question[0].name.to_text(), query.question[0].rdtype
    if name.startswith("slow") or name.endswith(".slow."):
        return None
    if name.startswith("broken"):
        answer.set_rcode(dns.rcode.SERVFAIL)
        return answer.to_wire()
    known = [record for record in table if record[0] == name]
    if not known:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    if name.startswith("big") and not over_tcp:
        answer.flags |= dns.flags.TC
        return answer.to_wire()
    for owner, type_, value in known:
        if type_ == "LATE":
            continue
        if type_ == "CNAME":
            answer.answer.append(dns.rrset.from_text(owner, 60, "IN", "CNAME", value))
            known += [record for record in table if record[0] == value]
        elif kind == dns.rdatatype.from_text(type_):
            answer.find_rrset(answer.answer, dns.name.from_text(owner), dns.rdataclass.IN, kind, create=True).add(
                dns.rdata.from_text("IN", type_, value)
            )
    return answer.to_wire()


def serve_dns(family, address, port, table):
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.bind((address, port))
    tcp = listener(family, address, port)
    threading.Thread(target=serve_dns_tcp, args=(tcp, table), daemon=True).start()
    ready()
    while True:
        data, peer = udp.recvfrom(4096)
        answer = dns_answer(data, table, over_tcp=False)
        if b"spoof" in data:
            # What a stranger would send who guessed the port, but not the question's number.
            udp.sendto(bytes([data[0] ^ 1]) + dns_answer(data, SPOOFED, over_tcp=False)[1:], peer)
        name = dns.message.from_wire(data).question[0].name.to_text()
        if [name, "LATE"] in [row[:2] for row in table]:
            threading.Timer(20, udp.sendto, (answer, peer)).start()
        elif answer:
            udp.sendto(answer, peer)


def serve_dns_tcp(tcp, table):
    while True:
        connection, _ = tcp.accept()
        with connection:
            length = int.from_bytes(connection.recv(2), "big")
            answer = dns_answer(connection.recv(length), table, over_tcp=True)
            connection.sendall(len(answer).to_bytes(2, "big") + answer)


def serve_http(family, address, port):
    sock = listener(family, address, port)
    ready()
    while True:
        threading.Thread(target=answer_http, args=(sock.accept()[0],), daemon=True).start()


def answer_http(connection):
    with connection:
        try:
            request = connection.recv(4096).decode()
            path = request.split()[1]
            if path == "/trickle":
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000:
                    connection.send(bytes([byte]))
                    time.sleep(0.05)
            if path == "/close":
                return
            host = next(line for line in request.splitlines() if line.lower().startswith("host:"))
            status = 418 if path == "/host" and "wanted.example" not in host else int(path[1:4].strip("host") or 200)
            connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: /200\r\n\r\n".encode())
        except OSError:
            return


def serve_datagrams(family, address, port, *, speak):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, port))
    ready()
    while True:
        data, peer = sock.recvfrom(65_536)
        if speak:
            sock.sendto(data, peer)


def serve_tcp(family, address, port):
    sock = listener(family, address, port)
    ready()
    while True:
        # Late, as programs are: whoever left in good order would hear of it, and answer.
        threading.Timer(1.0, sock.accept()[0].close).start()


def serve_forged_pings(change):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    other = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    other.bind(("10.77.0.250", 0))
    ready()
    while True:
        data, peer = sock.recvfrom(65_536)
        message = bytearray(data[20:])
        if message[0] != 8:
            continue
        message[0] = 0
        at = {"payload": 20, "sequence": 6, "identifier": 4}.get(change)
        if at is not None:
            message[at] ^= 0x55
        message[2:4] = bytes(2)
        message[2:4] = checksum(bytes(message)).to_bytes(2, "big")
        (other if change == "sender" else sock).sendto(message, peer)


def listener(family, address, port):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(512)
    return sock


def ready():
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main(kind, address, port, table="[]"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    where = (family, address, int(port))
    if kind == "dns":
        serve_dns(*where, json.loads(table))
    elif kind == "http":
        serve_http(*where)
    elif kind == "forge":
        serve_forged_pings(json.loads(table))
    elif kind == "tcp":
        serve_tcp(*where)
    else:
        serve_datagrams(*where, speak=kind == "echo")


if __name__ == "__main__":
    main(*sys.argv[1:])
