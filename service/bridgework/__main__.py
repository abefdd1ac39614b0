"""``python -m bridgework``: the commands of the service, where the command ``bridgework`` is not installed."""

from __future__ import annotations

import sys

import click

from bridgework import __version__
from bridgework.commands.serve import command_serve
from bridgework.commands.token import command_token


@click.group(commands=[command_serve, command_token], context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="bridgework %(version)s")
def root() -> None:
    """Run the Bridgework service on this machine, and make its tokens."""


if __name__ == "__main__":
    sys.exit(root.main(prog_name="python -m bridgework", standalone_mode=True))
