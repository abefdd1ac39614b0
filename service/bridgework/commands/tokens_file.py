"""Write the tokens file that the service reads: ``bridgework token new`` adds a token to it.

The token is printed once and stored nowhere. The file has its SHA-256, and the service reads a changed file by itself.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from bridgework.http.auth import BadTokensFile, read_tokens

__all__ = ["BadTokensFile", "add_token"]

MARK = "bw_"
SECRET_BYTES = 32


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
