"""The entry point: ``gunicorn -c python:bridgework.gunicorn_conf bridgework.asgi:app``."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from bridgework.app import create_app, own_threads
from bridgework.engine.client import EngineAddress
from bridgework.http.auth import BadTokensFile
from bridgework.server.intake import Intake
from bridgework.settings import BadSettings, read_settings
from bridgework.telemetry.logs import configure

GIVE_UP = 3
"""gunicorn's exit status for a worker that can never start. After any other status gunicorn tries again without end."""


def _made() -> Intake:
    """Make the application, or end the start with one sentence about the cause."""
    try:
        settings = read_settings()
        address = EngineAddress.from_environment(os.environ)
    except (BadSettings, ValueError) as error:
        _give_up(error)
    configure(settings.log_level)
    try:
        flask = create_app(settings, address)
    except BadTokensFile as error:
        _give_up(error)
    return Intake(
        flask, threads=settings.threads, own_threads=own_threads(settings), max_body_bytes=settings.max_body_bytes
    )


def _give_up(error: Exception) -> NoReturn:
    sys.stderr.write(f"Bridgework does not start: {error}\n")
    sys.exit(GIVE_UP)


app = _made()
