"""Servers with a fault: bound to an interface, with a full backlog, or stopped. ``servers.py KIND PORT``."""

import os
import signal
import socket
import sys
import time

kind, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET6) as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if kind == "bound":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    listener.bind(("::1" if kind == "loopback" else "::", port))
    listener.listen(0 if kind == "full" else 8)
    waiting = []
    for _ in range(3 if kind == "full" else 0):
        client = socket.socket(socket.AF_INET6)
        client.setblocking(False)
        client.connect_ex(("::1", port))
        waiting.append(client)
    time.sleep(0.05)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if kind == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(600)
