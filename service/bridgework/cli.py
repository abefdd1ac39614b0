"""The command line: ``bridgework token new`` adds a token to the tokens file.

The token is printed once and stored nowhere. The file has its SHA-256, and the service reads a changed file by itself.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bridgework.http.auth import BadTokensFile, read_tokens
from bridgework.policy.access import Role

MARK = "bw_"
SECRET_BYTES = 32
_DURATION = re.compile(r"([1-9][0-9]{0,4})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        token = add_token(given.file, given.name, given.role, given.project, given.expires)
    except (BadTokensFile, OSError) as error:
        sys.stderr.write(f"No token was made: {error}\n")
        return 1
    sys.stdout.write(f"{token}\n")
    sys.stderr.write(f"It is in {given.file} as {given.name} ({given.role}); it is shown this once.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bridgework", description="Bridgework's own command line.")
    nouns = parser.add_subparsers(required=True, metavar="token")
    verbs = nouns.add_parser("token", help="bearer tokens").add_subparsers(required=True, metavar="new")
    new = verbs.add_parser("new", help="make a token, write its entry, print it once")
    new.add_argument("--name", required=True, help="who it is for; unique, it stands in the audit lines")
    new.add_argument("--role", required=True, choices=[role.word for role in Role])
    new.add_argument("--project", help="bind it to a project: it changes only what carries that project's label")
    new.add_argument("--expires", type=_moment, help="a time (2027-01-31T00:00:00Z) or a span (90d, 12h, 30m)")
    file = os.environ.get("BRIDGEWORK_TOKENS_FILE")
    new.add_argument("--file", type=Path, default=file, required=file is None, help="else BRIDGEWORK_TOKENS_FILE")
    return parser


def _moment(text: str) -> str:
    span = _DURATION.fullmatch(text)
    try:
        moment = (
            datetime.now(UTC) + timedelta(**{_UNITS[span.group(2)]: int(span.group(1))})
            if span
            else datetime.fromisoformat(text)
        )
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a time nor a span such as 90d") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds")


def add_token(file: Path, name: str, role: str, project: str | None, expires_at: str | None) -> str:
    """Add an entry and return the token. Raises ``BadTokensFile`` on an invalid file or name, or ``OSError``."""
    token = MARK + secrets.token_urlsafe(SECRET_BYTES)
    digest = hashlib.sha256(token.encode()).hexdigest()
    entry = {"name": name, "role": role, "project": project, "sha256": digest, "expires_at": expires_at}
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _replace(file, {"tokens": [*_present(file), entry]})
    finally:
        os.close(lock)
    return token


def _present(file: Path) -> list[Any]:
    if not file.exists():
        return []
    read_tokens(file)
    entries: list[Any] = json.loads(file.read_text(encoding="utf-8"))["tokens"]
    return entries


def _replace(file: Path, document: dict[str, Any]) -> None:
    """Replace the file in one step, after the new one was checked. A new file is readable by its owner alone."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(document, indent=2) + "\n")
        read_tokens(temporary)
        if file.exists():
            # The service may run as another user than the one who adds a token.
            status = file.stat()
            os.chown(temporary, status.st_uid, status.st_gid)
            temporary.chmod(status.st_mode & 0o777)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
