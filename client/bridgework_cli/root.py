"""The command ``bridgework`` and the table of its commands."""

from __future__ import annotations

import importlib

import click

from bridgework import __version__

COMMANDS = {
    "apply": "plan",
    "assert": "assertions",
    "check": "check",
    "completion": "shell",
    "containers": "views",
    "diagnose": "findings",
    "events": "events",
    "explain": "findings",
    "exposure": "exposure",
    "fix": "fix",
    "matrix": "matrix",
    "networks": "views",
    "plan": "plan",
    "serve": "serve",
    "token": "token",
    "topology": "views",
    "trace": "trace",
}
"""Each command and the module that has it as ``command_NAME``. Importing all modules takes longer than a check."""

EPILOG = """\b
Exit codes:
  0  reachable, or nothing is wrong
  1  unreachable, an assertion failed, or a blocking finding
  2  the command line is not right, or it names something that does not exist
  3  the service does not answer, refuses the token, or cannot do it
"""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"bridgework_cli.commands.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"command_{cmd_name}")
        return command


@click.command(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="bridgework %(version)s")
def root() -> None:
    """Check, explain and change Docker networks by a Bridgework service.

    BRIDGEWORK_URL is the address of the service (http://127.0.0.1:8080 by default), and BRIDGEWORK_TOKEN is your token.
    A profile file names several services: see `bridgework check --help`.
    """
