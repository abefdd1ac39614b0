"""What this process may do, tried where trying changes nothing."""

from __future__ import annotations

import socket
from pathlib import Path

from bridgework.probes.kernel.safe_read import opened
from bridgework.probes.kernel.setns import run_inside

_CAP_NET_ADMIN = 12


def may_enter_namespaces() -> bool:
    """Return whether setns(2) is allowed: a throwaway thread enters the namespace where it already is."""
    try:
        with opened("/proc/self/ns/net") as descriptor:
            run_inside(descriptor, lambda: None)
    except OSError:
        return False
    return True


def may_open_raw_sockets() -> bool:
    """Return whether ICMP can be sent: a raw socket is opened and closed."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except OSError:
        return False
    return True


def may_administer_networks() -> bool:
    """Return whether CAP_NET_ADMIN is effective (capabilities(7), ``CapEff`` of proc(5))."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_NET_ADMIN & 1)


def may_read_process(pid: int | None) -> bool:
    """Return ``False`` if the kernel refuses the namespaces of that process: CAP_SYS_PTRACE is missing (proc(5))."""
    try:
        Path(f"/proc/{pid}/ns/pid").stat()
    except PermissionError:
        return False
    except OSError:
        return True  # it is not among the processes here
    return True


def shares_pid_namespace(pid: int | None) -> bool:
    """Return whether that process is in our process-id namespace, so that its ids are ours too."""
    if pid is None or pid <= 0:
        return False
    try:
        return Path(f"/proc/{pid}/ns/pid").samefile("/proc/self/ns/pid")
    except OSError:
        return False
