"""Sets of expectations from files: each file of a folder is one set, and has the name of the file.

A file is YAML or JSON: a list of expectations as ``bridgework assert`` reads it, or an object with ``expectations``,
``every_s`` and ``notify``. A file that cannot be used changes nothing: its last good content stays in force.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bridgework.expectations.short_forms import BadForm, expanded
from bridgework.model.errors import InvalidInput
from bridgework.model.expectations import ExpectationSet

SUFFIXES = (".yaml", ".yml", ".json")
SET_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
MAX_FILE_BYTES = 4_000_000


class SetFiles:
    """The files of a folder. ``load`` makes a set of a name, a body and a file's name, and raises ``InvalidInput``.

    ``faults`` has a sentence for each file that cannot be used, as of the last reading.
    """

    def __init__(self, folder: Path | None, load: Callable[[str, Mapping[str, Any], str], ExpectationSet]) -> None:
        self._folder, self._load = folder, load
        self._good: dict[str, ExpectationSet] = {}
        self.faults: tuple[str, ...] = ()

    def stamp(self) -> tuple[object, ...]:
        """Return a value that differs after each change of a file."""
        return tuple(sorted((path.name, *_stamp(path)) for path in self._paths()))

    def read(self) -> Sequence[ExpectationSet]:
        """Read all files again."""
        faults, good = [], {}
        for path in sorted(self._paths()):
            try:
                good[path.name] = self._read(path)
            except (OSError, ValueError) as error:
                faults.append(f"{path.name}: {error}")
            except InvalidInput as error:
                faults += [f"{path.name}: {fault.pointer or 'the whole'}: {fault.message}" for fault in error.faults]
            if path.name not in good and path.name in self._good:
                good[path.name] = self._good[path.name]
        names = [one.name for one in good.values()]
        faults += [f"{name}: two files have this name." for name in sorted(set(names)) if names.count(name) > 1]
        if self._folder is not None and not self._folder.is_dir():
            faults.append(f"{self._folder}: there is no such folder.")
        self._good, self.faults = good, tuple(faults)
        return tuple(good.values())

    def _paths(self) -> list[Path]:
        try:
            paths = list(self._folder.iterdir()) if self._folder is not None else []
        except OSError:
            return []
        return [path for path in paths if path.suffix in SUFFIXES and not path.name.startswith(".")]

    def _read(self, path: Path) -> ExpectationSet:
        import yaml  # noqa: PLC0415 - a service without files of sets starts sooner without it

        if not SET_NAME.fullmatch(path.stem):
            raise ValueError("The name of the file is no name of a set: letters, digits, '_', '.' and '-' only.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"The file has more than {MAX_FILE_BYTES} bytes.")
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"This is no YAML: {error}") from error
        body = {"expectations": document} if isinstance(document, list) else document
        if not isinstance(body, dict) or not isinstance(body.get("expectations"), list):
            raise ValueError("This is no list of expectations, and no object with such a list.")  # noqa: TRY004
        return self._load(path.stem, {**body, "expectations": _expanded(body["expectations"])}, path.name)


def _expanded(items: list[Any]) -> list[Any]:
    made = []
    for number, item in enumerate(items, 1):
        try:
            made.append(expanded(item) if isinstance(item, dict) else item)
        except BadForm as error:
            raise ValueError(f"item {number}: {error}") from error
    return made


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
