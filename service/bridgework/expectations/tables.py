"""The tables of the state file, and the steps from each older version of them to the newest one.

``PRAGMA user_version`` is the number of steps that a file has behind it. A step is never changed once it was released.
"""

from __future__ import annotations

import sqlite3

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE sets (name TEXT PRIMARY KEY, project TEXT, body TEXT NOT NULL);
    CREATE TABLE states (
      set_name TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL, status TEXT NOT NULL, verdict TEXT,
      since TEXT NOT NULL, measured_at TEXT NOT NULL, message TEXT NOT NULL, findings TEXT NOT NULL,
      PRIMARY KEY (set_name, name)
    );
    CREATE TABLE changes (
      number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, at TEXT NOT NULL, at_s REAL NOT NULL,
      set_name TEXT NOT NULL, project TEXT, document TEXT NOT NULL
    );
    CREATE INDEX changes_of_set ON changes (set_name, number);
    CREATE TABLE deliveries (
      number INTEGER NOT NULL, webhook TEXT NOT NULL, attempts INTEGER NOT NULL, first_at REAL NOT NULL,
      next_at REAL NOT NULL, PRIMARY KEY (number, webhook)
    );
    CREATE TABLE counts (set_name TEXT NOT NULL, cause TEXT NOT NULL, number INTEGER NOT NULL,
      PRIMARY KEY (set_name, cause));
    CREATE TABLE versions (of TEXT PRIMARY KEY, number INTEGER NOT NULL);
    INSERT INTO versions VALUES ('sets', 0);
    """,
)


class NewerFile(sqlite3.DatabaseError):
    """A newer version of the service wrote the file."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the newest version, in one transaction. Raises ``sqlite3.Error``."""
    with connection:
        # Several workers open a new file at the same time: one of them makes the tables.
        connection.execute("BEGIN IMMEDIATE")
        [version] = connection.execute("PRAGMA user_version").fetchone()
        if version > len(STEPS):
            raise NewerFile(f"a newer version of Bridgework wrote it (its tables have the version {version})")
        for step in STEPS[version:]:
            for statement in step.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
