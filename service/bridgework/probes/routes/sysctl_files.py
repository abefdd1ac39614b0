"""Finds the file of the host that sets a sysctl, in the order of sysctl.d(5)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

_FOLDERS = ("usr/lib/sysctl.d", "run/sysctl.d", "etc/sysctl.d")
_LAST = "etc/sysctl.conf"
_MAX_BYTES, _MAX_FILES = 65_536, 256


def file_that_sets(root: Path, sysctl: str, value: int) -> str | None:
    """Return the path, below ``root``, of the last file that gives the sysctl this value; ``None`` for none.

    ``sysctl`` is that of an interface, such as ``net.ipv4.conf.eth0.rp_filter``. A new interface has the value of
    ``default``.
    """
    start, _, rest = sysctl.partition(".conf.")
    name = rest.rpartition(".")[0]
    names = {sysctl} if name == "all" else {sysctl, f"{start}.conf.default.{rest.rpartition('.')[2]}"}
    files = [path for path in _files(root) if _sets(root / path, names, str(value))]
    return f"/{files[-1]}" if files else None


def _files(root: Path) -> list[str]:
    # A file of /etc replaces one of the same name in /run or /usr/lib. All are read in the order of their names.
    by_name: dict[str, str] = {}
    for folder in _FOLDERS:
        try:
            files = sorted((root / folder).glob("*.conf"))[:_MAX_FILES]
        except OSError:
            continue
        by_name |= {path.name: f"{folder}/{path.name}" for path in files}
    return [*(by_name[name] for name in sorted(by_name)), _LAST]


def _sets(path: Path, names: set[str], value: str) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_MAX_BYTES).splitlines()
    except OSError:
        return False
    for line in lines:
        key, equals, given = line.strip().removeprefix("-").partition("=")
        # A comment begins with # or ;. A key may have slashes in place of dots.
        pattern = key.strip().replace("/", ".")
        if equals and given.strip() == value and any(fnmatchcase(name, pattern) for name in names):
            return True
    return False
