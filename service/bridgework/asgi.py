"""The entry point: ``gunicorn -c python:bridgework.gunicorn_conf bridgework.asgi:app``."""

from __future__ import annotations

import os
import sys
import threading
from typing import NoReturn

from bridgework.app import create_app, own_threads
from bridgework.engine.client import EngineAddress
from bridgework.expectations.webhooks import BadWebhooksFile
from bridgework.http.auth import BadTokensFile
from bridgework.lifetime import PROCESS
from bridgework.server.intake import Intake
from bridgework.settings import BadSettings, read_settings
from bridgework.telemetry.logs import configure
from bridgework.use_cases.expectations.watch import Watch

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
    except (BadTokensFile, BadWebhooksFile) as error:
        _give_up(error)
    if settings.state_dir is not None or settings.expectations_dir is not None:
        watch: Watch = flask.config["WATCH"]
        threading.Thread(target=watch.run, args=(PROCESS.ending,), name="watch", daemon=True).start()
    return Intake(
        flask, threads=settings.threads, own_threads=own_threads(settings), max_body_bytes=settings.max_body_bytes
    )


def _give_up(error: Exception) -> NoReturn:
    sys.stderr.write(f"Bridgework does not start: {error}\n")
    sys.exit(GIVE_UP)


app = _made()
