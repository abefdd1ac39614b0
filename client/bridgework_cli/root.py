"""The command ``bridgework`` and the table of its commands."""

from __future__ import annotations

import importlib

import click

from bridgework_cli import __version__
from bridgework_cli.targets import did_you_mean

COMMANDS = {
    "apply": "plan",
    "assert": "assertions",
    "check": "check",
    "completion": "shell",
    "containers": "views",
    "diagnose": "findings",
    "events": "events",
    "expect": "expectations",
    "explain": "findings",
    "exposure": "exposure",
    "fix": "fix",
    "matrix": "matrix",
    "networks": "views",
    "open": "open",
    "plan": "plan",
    "reach": "reach",
    "topology": "views",
    "trace": "trace",
}
"""Each command and the module that has it as ``command_NAME``. Importing all modules takes longer than a check."""

SERVICE_COMMANDS = ("serve", "token")
"""Commands of the service's own package. It is another distribution, which need not be installed beside this one."""
NEEDS_SERVICE = "needs the package bridgework in this environment: pip install bridgework"

_WHOLE = 1_000
"""More letters than a summary has."""

EPILOG = """\b
Exit codes:
  0  reachable, or nothing is wrong
  1  unreachable, an assertion failed, or a blocking finding
  2  the command line is not right, or it names something that does not exist
  3  the service does not answer, refuses the token, or cannot do it
"""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; a misspelt one fails with the names that look like it."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise click.UsageError(f"There is no command {name!r}.{did_you_mean(name, self.list_commands(ctx))}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with its whole first sentence."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(_WHOLE)) for name, one in commands if one])

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands."""
        del ctx
        return sorted([*COMMANDS, *SERVICE_COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name in SERVICE_COMMANDS:
            return _command_of_service(cmd_name)
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"bridgework_cli.commands.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"command_{cmd_name}")
        return command


def _command_of_service(name: str) -> click.Command:
    """Import a command of the service, or return one that says what to install."""
    try:
        module = importlib.import_module(f"bridgework.commands.{name}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("bridgework"):
            raise
        return _not_installed(name)
    command: click.Command = getattr(module, f"command_{name}")
    return command


def _not_installed(name: str) -> click.Command:
    # It takes any words, so that it fails with this sentence and not at an option that only the real command has.
    @click.command(name, help=NEEDS_SERVICE.capitalize(), context_settings={"ignore_unknown_options": True})
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def command(words: tuple[str, ...]) -> None:
        del words
        raise click.ClickException(f"`bridgework {name}` {NEEDS_SERVICE}")

    return command


@click.command(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="bridgework %(version)s")
def root() -> None:
    """Check, explain and change Docker networks by a Bridgework service.

    BRIDGEWORK_URL is the address of the service (http://127.0.0.1:8080 by default), and BRIDGEWORK_TOKEN is your token.
    A profile file names several services: see `bridgework check --help`.
    """
