"""What the kernel knows: processes, mounts and network namespaces."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Process:
    """A process that cannot be confused with a later one of the same id."""

    pid: int
    started: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Describe a running process; None for one that is gone or only waits to be reaped."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return None if fields[0] in "ZX" else cls(pid, fields[19], boot)

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Process.of(self.pid) == self

    def send(self, signal_number: int) -> None:
        """Signal this very process."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal_number)


def mounts_below(*folders: Path) -> list[str]:
    """List mount points at or below the folders, deepest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    inside = [point for point in points if any(Path(point).is_relative_to(folder) for folder in folders)]
    return sorted(inside, key=len, reverse=True)


def same_namespace(pid: int, namespace: Path) -> bool:
    """Whether a process is in the network namespace that a file stands for."""
    try:
        return os.path.samestat(Path(f"/proc/{pid}/ns/net").stat(), namespace.stat())
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False
