"""``bridgework completion``: the script that completes commands, options and container names in a shell."""

from __future__ import annotations

import click

from bridgework_cli import output

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_BRIDGEWORK_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command_completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  eval "$(bridgework completion bash)"           in ~/.bashrc
    zsh:   eval "$(bridgework completion zsh)"            in ~/.zshrc
    fish:  bridgework completion fish | source            in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only this command needs it

    from bridgework_cli.root import root  # noqa: PLC0415 - root imports this module

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    output.lines(made(root, {}, "bridgework", VARIABLE).source())
