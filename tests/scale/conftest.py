"""Others on the machine, who use the neighbour table that belongs to the whole kernel, and talk meanwhile."""

import json
import os
import subprocess
import sys

import pytest

ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 9999))
print("up", flush=True)
while True:
    data, sender = server.recvfrom(2048)
    server.sendto(data, sender)
"""
TALK = """
import json, os, select, socket, sys, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.connect((sys.argv[1], 9999))
sent = lost = 0
print("up", flush=True)
while not select.select([0], [], [], 0.002)[0]:
    client.send(str(sent).encode())
    try:
        while client.recv(2048) != str(sent).encode():
            pass
    except TimeoutError:
        lost += 1
    sent += 1
print(json.dumps({"sent": sent, "lost": lost}))
"""


@pytest.fixture
def others():
    """Two namespaces that talk by a link of their own, and a function that gives the first one more entries."""
    names = [f"others{end}-{os.getpid()}" for end in "ab"]
    first, second = names
    try:
        for name in names:
            run("ip", "netns", "add", name)
        run("ip", "-n", first, "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", second)
        for at, name in enumerate(names, 1):
            run("ip", "-n", name, "link", "set", "v0", "up")
            run("ip", "-n", name, "addr", "add", f"10.98.0.{at}/16", "dev", "v0")
        yield Others(first, second)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


class Others:
    def __init__(self, first, second):
        self.first, self.second = first, second

    def hold(self, number, state, block=1):
        """Make entries for addresses from this block of 256 on.

        Those that are ``reachable`` stay so: the kernel's collector can take none of them.
        """
        set_ = "net.ipv4.neigh.v0.base_reachable_time_ms=3600000"
        run("ip", "netns", "exec", self.first, "sysctl", "-q", "-w", set_)
        lines = [
            f"neigh add 10.98.{block + at // 250}.{1 + at % 250} lladdr 02:00:00:00:00:01 nud {state} dev v0"
            for at in range(number)
        ]
        subprocess.run(["ip", "-n", self.first, "-batch", "-"], input="\n".join(lines), text=True, check=True)

    def __enter__(self):
        self._server = started(self.second, ECHO)
        self._talker = started(self.first, TALK, "10.98.0.2")
        return self

    def __exit__(self, *_):
        self.talked = json.loads(self._talker.communicate("\n", timeout=30)[0])
        self._server.kill()
        self._server.wait()


def started(namespace, program, *arguments):
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", program, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    return process


def run(*command):
    subprocess.run(command, check=True)
