"""What this process may do, tried where trying is harmless: the grounds of a runner's status."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from bridgework.probes.kernel.setns import enter, run_in_thread

_CAP_NET_ADMIN = 12


def may_enter_namespaces() -> bool:
    """Whether setns(2) is allowed: a throwaway thread enters the namespace it is already in."""

    def try_it() -> bool:
        try:
            descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                enter(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            return False
        return True

    return run_in_thread(try_it)


def may_open_raw_sockets() -> bool:
    """Whether ICMP can be sent: a raw socket is opened and closed."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except OSError:
        return False
    return True


def may_administer_networks() -> bool:
    """Whether CAP_NET_ADMIN is effective (capabilities(7), ``CapEff`` of proc(5)); deleting anything is no trial."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_NET_ADMIN & 1)


def shares_pid_namespace(pid: int | None) -> bool:
    """Whether that process lives in our process-id namespace, so that the ids it speaks of are ours too."""
    if pid is None or pid <= 0:
        return False
    try:
        return Path(f"/proc/{pid}/ns/pid").stat().st_ino == Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return False
