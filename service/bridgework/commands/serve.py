"""``bridgework serve``: run the service."""

from __future__ import annotations

import os
import sys

import click

COMMAND = (sys.executable, "-m", "gunicorn", "-c", "python:bridgework.gunicorn_conf", "bridgework.asgi:app")


@click.command("serve")
@click.option("--bind", metavar="ADDRESS", help="host:port or unix:/path, instead of BRIDGEWORK_BIND.")
def command_serve(bind: str | None) -> None:
    """Serve the HTTP API until the command is interrupted.

    Environment variables such as BRIDGEWORK_BIND and BRIDGEWORK_TOKENS_FILE configure the service. DOCKER_HOST names
    the engine. The page "Configuration" of the documentation lists all of them.
    """
    environment = dict(os.environ)
    if bind:
        environment["BRIDGEWORK_BIND"] = bind
    os.execve(COMMAND[0], COMMAND, environment)  # noqa: S606 - this Python itself, and words of ours
