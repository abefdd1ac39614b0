"""Whether the engine's own settings let it write firewall rules: its command line and its daemon.json.

The engine's API does not show it (26.1 to 29.7). Of the file, one boolean is read and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import time

from bridgework.model.observations import FirewallSetting
from bridgework.printable import printable
from bridgework.probes.kernel.namespace_files import process_folder
from bridgework.probes.kernel.safe_read import opened, read_in_root, read_small

_DEFAULT_FILE = "/etc/docker/daemon.json"
_MAX_BYTES = 65_536
_FLAG = re.compile(r"--iptables=(?P<value>\w+)")
_FILE = re.compile(r"--config-file(?:=(?P<file>.+))?")
# As Go's strconv.ParseBool reads a flag's value.
_BOOLEANS = {**dict.fromkeys(("1", "t", "true"), True), **dict.fromkeys(("0", "f", "false"), False)}


def firewall_setting(pid: int) -> FirewallSetting | None:
    """Return what the settings of the engine's process say about ``iptables``; ``None`` where they are not visible."""
    with process_folder(pid) as folder:
        if folder is None:
            return None
        try:
            words = read_small(_open(folder, "cmdline"), _MAX_BYTES).decode(errors="replace").split("\0")
            # A user's own engine (rootless) has its file elsewhere.
            if os.fstat(folder).st_uid != 0:
                return None
            return _on_command_line(words) or _in_file(folder, _file_of(words))
        except OSError:
            return None


def _open(folder: int, name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)


def _on_command_line(words: list[str]) -> FirewallSetting | None:
    for word in words:
        flag = _FLAG.fullmatch(word)
        if flag and flag["value"].lower() in _BOOLEANS:
            return FirewallSetting(_BOOLEANS[flag["value"].lower()], "its command line")
    return None


def _file_of(words: list[str]) -> str:
    for at, word in enumerate(words):
        if flag := _FILE.fullmatch(word):
            return flag["file"] or "".join(words[at + 1 : at + 2])
    return _DEFAULT_FILE


def _in_file(process: int, path: str) -> FirewallSetting | None:
    with opened("root", os.O_PATH | os.O_DIRECTORY, process) as root:
        daemon_json = read_in_root(root, path.lstrip("/"), _MAX_BYTES)
        try:
            changed = os.stat(path.lstrip("/"), dir_fd=root).st_mtime
        except FileNotFoundError:
            # Without the file the engine writes its rules.
            return FirewallSetting(True, path)
    # The engine reads this setting only when it starts, so a newer file says nothing about it.
    if daemon_json is None or daemon_json.cut or changed > _started(process):
        return None
    try:
        value = json.loads(daemon_json.text or "{}").get("iptables", True)
    except (AttributeError, ValueError, RecursionError):
        return None
    return FirewallSetting(value, printable(path)) if isinstance(value, bool) else None


def _started(process: int) -> float:
    """Return when the process started, in seconds since 1970: proc_pid_stat(5), field 22."""
    fields = read_small(_open(process, "stat"), _MAX_BYTES).rpartition(b")")[2].split()
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - age
