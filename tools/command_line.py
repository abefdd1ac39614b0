"""Write docs/command-line.md and client/bridgework.1 from the commands; with ``--check`` fail when one differs."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from bridgework_cli.root import root

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# The command line

`bridgework` is a client of the HTTP API: it works with a service on this machine or elsewhere, and never talks to the
Docker engine itself. This page is made from the commands by `make explanations`, and so is the manual page
`bridgework.1`, which the package bridgework-client installs. The commands `serve` and `token` and the option `--local`
need the package bridgework beside it: `pip install "bridgework-client[service]"`.

"""


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield each command with the words that call it."""
    context = click.Context(root, info_name="bridgework", **root.context_settings)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        if command is None:
            raise KeyError(name)
        inner = click.Context(command, parent=context, info_name=name)
        if isinstance(command, click.Group):
            for verb, one in sorted(command.commands.items()):
                yield f"{name} {verb}", one, click.Context(one, parent=inner, info_name=verb)
        else:
            yield name, command, inner


def paragraphs(command: click.Command) -> Iterator[tuple[str, bool]]:
    """Yield the paragraphs of a command's help, and whether one is laid out and must not be wrapped."""
    texts = [*inspect.cleandoc(command.help or "").split("\n\n"), *(command.epilog or "").split("\n\n")]
    for text in filter(None, texts):
        literal = text.startswith("\b\n")
        yield (text.removeprefix("\b\n") if literal else textwrap.fill(" ".join(text.split()), 120)), literal


def usage(command: click.Command, context: click.Context) -> str:
    """Write the line that shows how to call it."""
    return f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}"


def options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield each option and what it says."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield record[0], " ".join(record[1].split())


def page() -> str:
    """Return the text of the reference page."""
    parts = [HEAD]
    for text, literal in paragraphs(root):
        parts.append(f"```text\n{text}\n```\n\n" if literal else f"{text}\n\n")
    for name, command, context in commands():
        parts.append(f"## {name}\n\n```text\n{usage(command, context)}\n```\n\n")
        parts += [f"```text\n{text}\n```\n\n" if literal else f"{text}\n\n" for text, literal in paragraphs(command)]
        rows = [(option, text) for option, text in options(command, context) if "--help" not in option]
        if rows:
            parts.append("| option | meaning |\n|---|---|\n")
            parts += [
                f"| `{option.replace('|', chr(92) + '|')}` | {text.replace('|', chr(92) + '|')} |\n"
                for option, text in rows
            ]
            parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def manual() -> str:
    """Return the manual page in the format of man(7)."""
    parts = [".TH BRIDGEWORK 1\n.SH NAME\nbridgework \\- check, explain and change Docker networks\n.SH SYNOPSIS\n",
             ".B bridgework\nCOMMAND [ARGUMENTS]\n.SH DESCRIPTION\n"]  # fmt: skip
    parts += [_roff(text, literal) for text, literal in paragraphs(root)]
    parts.append(".SH COMMANDS\n")
    for name, command, context in commands():
        parts.append(f".SS {name}\n{_escaped(usage(command, context))}\n")
        parts += [_roff(text, literal) for text, literal in paragraphs(command)]
        for option, text in options(command, context):
            parts.append(f".TP\n{_escaped(option)}\n{_escaped(text)}\n")
    return "".join(parts)


def _roff(text: str, literal: bool) -> str:
    return f".PP\n.nf\n{_escaped(text)}\n.fi\n" if literal else f".PP\n{_escaped(text)}\n"


def _escaped(text: str) -> str:
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)


def main() -> int:
    """Return the exit status: 1 when ``--check`` finds a difference."""
    status = 0
    for name, text in {"docs/command-line.md": page(), "client/bridgework.1": manual()}.items():
        path = ROOT / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif path.exists() and path.read_text(encoding="utf-8") == text:
            print(f"{name} agrees with the commands.")
        else:
            print(f"{name} differs from the commands: run `make explanations` and commit it.")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
