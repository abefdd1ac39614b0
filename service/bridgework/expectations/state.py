"""The state of kept expectations in one SQLite file, which all workers of a service share.

Each change is one transaction, and it is on the disk (``synchronous=FULL``) when it is acknowledged. A file that is
damaged is left as it is: the sets from files go on with a file in memory, and ``kept`` says why. A full disk refuses
what is written, and nothing else; what the watch could not write it writes when there is room again.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bridgework.expectations.files import SetFiles
from bridgework.expectations.tables import migrate
from bridgework.model.checks import Verdict
from bridgework.model.errors import Remedy, StateUnavailable
from bridgework.model.expectations import (
    Assertion,
    Delivery,
    ExpectationSet,
    ExpectationState,
    Judgement,
    Kept,
    Status,
    StatusChange,
)

FILE, LOCK = "expectations.sqlite3", "expectations.lock"
BUSY_S = 5
CHANGES_IN_MEMORY = 1000
TRY_AGAIN_S = 10.0
"""How long after a failure the file is opened again."""
_DAY_S = 86_400
_COLUMNS = "number, id, at, set_name, project, document"


@dataclass(frozen=True, slots=True)
class Codec:
    """How an expectation becomes the JSON of the API, and back."""

    dump: Callable[[Assertion], Mapping[str, Any]]
    load: Callable[[Mapping[str, Any]], Assertion]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many changes are kept: so many of all sets together, and none that is older."""

    rows: int
    days: int = 90


class StateFile:
    """An ``ExpectationStore`` in a folder: that of the setting, or ``None``.

    ``spare`` is a folder in memory, which ends with the service and which its workers share: it stands in where there
    is no folder, and while the file is damaged. Without a spare folder, the state is in the memory of this worker.
    """

    def __init__(
        self, folder: Path | None, codec: Codec, files: SetFiles, bounds: Bounds, spare: Path | None = None
    ) -> None:
        self._folder, self._codec, self._files, self._bounds, self._spare = folder, codec, files, bounds, spare
        self._opening, self._reads, self._writes = threading.RLock(), threading.RLock(), threading.RLock()
        self._opened: _Opened | None = None
        self._in_folder = False
        self._open_again_at = 0.0
        self._problem: str | None = None
        self._known: tuple[object, tuple[ExpectationSet, ...]] = (None, ())
        self._leader: int | None = None

    def kept(self) -> Kept:
        """See ``ExpectationStore``."""
        try:
            self.version()
        except StateUnavailable as error:
            return Kept("memory", error.detail)
        return Kept("file" if self._in_folder else "memory", self._problem)

    def version(self) -> object:
        """See ``ExpectationStore``."""
        with self._reading() as db:
            [number] = db.execute("SELECT number FROM versions WHERE of = 'sets'").fetchone()
            return self._in_folder, number, self._files.stamp()

    def sets(self) -> Sequence[ExpectationSet]:
        """See ``ExpectationStore``."""
        version = self.version()
        before, known = self._known
        if before != version:
            with self._reading() as db:
                rows = db.execute("SELECT name, project, body FROM sets").fetchall()
            made = {name: self._read_set(name, project, body) for name, project, body in rows}
            made |= {one.name: one for one in self._files.read()}
            known = tuple(made[name] for name in sorted(made))
            self._known = (version, known)
        return known

    def file_faults(self) -> Sequence[str]:
        """See ``ExpectationStore``."""
        self.sets()
        return self._files.faults

    def put(self, wanted: ExpectationSet) -> None:
        """See ``ExpectationStore``."""
        body = {
            "every_s": wanted.every_s,
            "notify": wanted.notify,
            "expectations": [self._codec.dump(one) for one in wanted.expectations],
        }
        with self._writing() as db:
            db.execute(
                "INSERT INTO sets VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET project = excluded.project, "
                "body = excluded.body",
                (wanted.name, wanted.project, _text(body)),
            )
            kept = {one.name: self._definition(one) for one in wanted.expectations}
            for name, definition in db.execute(
                "SELECT name, definition FROM states WHERE set_name = ?", (wanted.name,)
            ).fetchall():
                if kept.get(name) != definition:
                    db.execute("DELETE FROM states WHERE set_name = ? AND name = ?", (wanted.name, name))
            db.execute("UPDATE versions SET number = number + 1 WHERE of = 'sets'")

    def delete(self, name: str) -> None:
        """See ``ExpectationStore``."""
        with self._writing() as db:
            db.execute(
                "DELETE FROM deliveries WHERE number IN (SELECT number FROM changes WHERE set_name = ?)", (name,)
            )
            for table, column in (("sets", "name"), ("states", "set_name"), ("changes", "set_name")):
                db.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))  # noqa: S608 - names from the line above
            db.execute("DELETE FROM counts WHERE set_name = ?", (name,))
            db.execute("UPDATE versions SET number = number + 1 WHERE of = 'sets'")

    def states(self, name: str) -> Mapping[str, ExpectationState]:
        """See ``ExpectationStore``."""
        of = next((one for one in self.sets() if one.name == name), None)
        if of is None:
            return {}
        definitions = {one.name: self._definition(one) for one in of.expectations}
        with self._reading() as db:
            rows = db.execute(
                "SELECT name, definition, status, verdict, since, measured_at, message, findings FROM states "
                "WHERE set_name = ?",
                (name,),
            ).fetchall()
        return {row[0]: _state(row[2:]) for row in rows if definitions.get(row[0]) == row[1]}

    def record(self, judgements: Sequence[Judgement]) -> Sequence[StatusChange]:
        """See ``ExpectationStore``."""
        made: list[StatusChange] = []
        with self._writing() as db:
            for one in judgements:
                before = self._keep_state(db, one)
                # The first measurement of a new expectation is told only where it is not met.
                if before is not one.state.status and (before is not None or one.state.status is Status.VIOLATED):
                    made.append(self._keep_change(db, one, before or Status.UNKNOWN))
            if made:
                self._keep_within_bounds(db)
        return made

    def _keep_state(self, db: sqlite3.Connection, one: Judgement) -> Status | None:
        """Replace the state of an expectation, and return the status that it had; ``None`` for a new expectation."""
        key, definition, state = (one.set.name, one.assertion.name), self._definition(one.assertion), one.state
        row = db.execute(
            "SELECT status, since FROM states WHERE set_name = ? AND name = ? AND definition = ?", (*key, definition)
        ).fetchone()
        before = Status(row[0]) if row else None
        since = row[1] if row and before is state.status else state.since
        db.execute(
            "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*key, definition, state.status, state.verdict, since, state.measured_at, state.message,
             _text(state.findings)),
        )  # fmt: skip
        return before

    def _keep_change(self, db: sqlite3.Connection, one: Judgement, before: Status) -> StatusChange:
        state, now = one.state, time.time()
        change = StatusChange(
            number=0, id=f"change_{uuid.uuid4().hex}", at=state.since or "", set=one.set.name,
            expectation=one.assertion.name, before=before, after=state.status, expect=one.assertion.expect,
            verdict=state.verdict, message=state.message, cause=asdict(one.cause) if one.cause else {},
            findings=state.findings, project=one.set.project,
        )  # fmt: skip
        row = db.execute(
            "INSERT INTO changes (id, at, at_s, set_name, project, document) VALUES (?, ?, ?, ?, ?, ?)",
            (change.id, change.at, now, change.set, change.project, _text(_document(change))),
        )
        change = replace(change, number=row.lastrowid or 0)
        for webhook in one.set.notify:
            db.execute("INSERT INTO deliveries VALUES (?, ?, 0, ?, ?)", (change.number, webhook, now, now))
        db.execute(
            "INSERT INTO counts VALUES (?, ?, 1) ON CONFLICT (set_name, cause) DO UPDATE SET number = number + 1",
            (change.set, change.cause.get("code", "")),
        )
        return change

    def _keep_within_bounds(self, db: sqlite3.Connection) -> None:
        [newest] = db.execute("SELECT max(number) FROM changes").fetchone()
        oldest = time.time() - self._bounds.days * _DAY_S
        db.execute("DELETE FROM changes WHERE number <= ? OR at_s < ?", (newest - self._bounds.rows, oldest))
        db.execute("DELETE FROM deliveries WHERE number NOT IN (SELECT number FROM changes)")

    def change_numbers(self, name: str) -> Sequence[int]:
        """See ``ExpectationStore``."""
        with self._reading() as db:
            rows = db.execute("SELECT number FROM changes WHERE set_name = ? ORDER BY number DESC", (name,)).fetchall()
        return [number for (number,) in rows]

    def changes(self, numbers: Sequence[int]) -> Sequence[StatusChange]:
        """See ``ExpectationStore``."""
        with self._reading() as db:
            rows = [
                db.execute(f"SELECT {_COLUMNS} FROM changes WHERE number = ?", (number,)).fetchone()  # noqa: S608
                for number in numbers
            ]
        return [_change(row) for row in rows if row is not None]

    def changes_after(self, number: int, most: int = 100) -> Sequence[StatusChange]:
        """See ``ExpectationStore``."""
        with self._reading() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM changes WHERE number > ? ORDER BY number LIMIT ?",  # noqa: S608
                (number, most),
            ).fetchall()
        return [_change(row) for row in rows]

    def last_number(self) -> int:
        """See ``ExpectationStore``."""
        with self._reading() as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
        return int(row[0]) if row else 0

    def counts(self) -> Mapping[tuple[str, str], int]:
        """See ``ExpectationStore``."""
        with self._reading() as db:
            rows = db.execute("SELECT set_name, cause, number FROM counts").fetchall()
        return {(name, cause): number for name, cause, number in rows}

    def deliveries(self, now: float) -> Sequence[Delivery]:
        """See ``ExpectationStore``."""
        with self._reading() as db:
            rows = db.execute(
                f"SELECT webhook, attempts, first_at, {_COLUMNS} FROM deliveries JOIN changes USING (number) "  # noqa: S608
                "WHERE next_at <= ? ORDER BY number LIMIT 100",
                (now,),
            ).fetchall()
        return [Delivery(_change(row[3:]), *row[:3]) for row in rows]

    def delivered(self, delivery: Delivery, again_at: float | None) -> None:
        """See ``ExpectationStore``."""
        key = (delivery.change.number, delivery.webhook)
        with self._writing() as db:
            if again_at is None:
                db.execute("DELETE FROM deliveries WHERE number = ? AND webhook = ?", key)
            else:
                db.execute(
                    "UPDATE deliveries SET attempts = attempts + 1, next_at = ? WHERE number = ? AND webhook = ?",
                    (again_at, *key),
                )

    def lead(self) -> bool:
        """See ``ExpectationStore``."""
        self.kept()
        folder = self._folder if self._in_folder else self._spare
        if self._leader is not None or folder is None:
            return True
        try:
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            # The kernel releases the lock when the process ends, however it ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._leader = descriptor
        return True

    def _definition(self, assertion: Assertion) -> str:
        return _text(self._codec.dump(assertion))

    def _read_set(self, name: str, project: str | None, body: str) -> ExpectationSet:
        read = json.loads(body)
        expectations = tuple(self._codec.load(one) for one in read["expectations"])
        return ExpectationSet(name, expectations, read["every_s"], tuple(read["notify"]), project)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        # A reader has a connection of its own: it does not wait until the disk has what another thread writes.
        with self._reads:
            try:
                yield self._connections().reader
            except sqlite3.Error as error:
                raise self._failed(error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._writes:
            try:
                db = self._connections().writer
                with db:
                    db.execute("BEGIN IMMEDIATE")
                    yield db
            except sqlite3.Error as error:
                raise self._failed(error) from error
            if self._in_folder:
                self._problem = None

    def _connections(self) -> _Opened:
        with self._opening:
            is_time = self._folder is not None and time.monotonic() >= self._open_again_at
            if self._opened is not None and (self._in_folder or not is_time):
                return self._opened
            if self._folder is not None:
                try:
                    fresh = _opened(str(self._folder / FILE))
                except (sqlite3.Error, OSError) as error:
                    self._problem = f"The file {self._folder / FILE} cannot be used: {error}."
                    self._open_again_at = time.monotonic() + TRY_AGAIN_S
                else:
                    self._opened, self._in_folder, self._problem = fresh, True, None
            if self._opened is None:
                self._opened = _opened(str(self._spare / FILE) if self._spare is not None else None)
            return self._opened

    def _failed(self, error: sqlite3.Error) -> StateUnavailable:
        """Note a failure. Where the file itself is damaged, it is closed, so that the next call opens it again."""
        self._problem = f"The file {self._folder / FILE if self._folder else FILE} cannot be used: {error}."
        # A full disk and a lock that lasts too long are operational: the file is as it was.
        if not isinstance(error, sqlite3.OperationalError):
            self._opened, self._in_folder = None, False
        return StateUnavailable(
            code="expectations-state-unavailable",
            detail=self._problem,
            remedy=Remedy("Make room on its file system, or replace the file, as /readyz says."),
        )


@dataclass(frozen=True, slots=True)
class _Opened:
    """Two connections to one database, each for one thread at a time."""

    reader: sqlite3.Connection
    writer: sqlite3.Connection


def _opened(path: str | None) -> _Opened:
    """Open a file, or make it, readable by its owner alone. Raises ``sqlite3.Error`` and ``OSError``."""
    if path is None:
        # One database for both: a shared cache lives as long as a connection to it.
        name = f"file:expectations-{uuid.uuid4().hex}?mode=memory&cache=shared"
        writer = _connected(name)
        migrate(writer)
        return _Opened(_connected(name), writer)
    # SQLite gives its other files (WAL) the mode of this one.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    writer = _connected(f"file:{quote(path)}")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA synchronous = FULL")
    [sound] = writer.execute("PRAGMA quick_check(1)").fetchone()
    if sound != "ok":
        raise sqlite3.DatabaseError(sound)
    migrate(writer)
    return _Opened(_connected(f"file:{quote(path)}"), writer)


def _connected(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=True)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _state(row: Sequence[Any]) -> ExpectationState:
    status, verdict, since, measured_at, message, findings = row
    known = Verdict(verdict) if verdict else None
    return ExpectationState(Status(status), known, since, measured_at, message, tuple(json.loads(findings)))


def _document(change: StatusChange) -> dict[str, Any]:
    told = asdict(change)
    for column in ("number", "id", "at", "set", "project"):
        del told[column]
    return told


def _change(row: Sequence[Any]) -> StatusChange:
    number, change_id, at, name, project, document = row
    told = json.loads(document)
    return StatusChange(
        number=number, id=change_id, at=at, set=name, expectation=told["expectation"], before=Status(told["before"]),
        after=Status(told["after"]), expect=Verdict(told["expect"]),
        verdict=Verdict(told["verdict"]) if told["verdict"] else None, message=told["message"], cause=told["cause"],
        findings=tuple(told["findings"]), project=project,
    )  # fmt: skip
