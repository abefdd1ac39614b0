"""Run a command: what it raises becomes a sentence on standard error and an exit code."""

from __future__ import annotations

import io
import os
import sys

import click

from bridgework_cli import output
from bridgework_client.errors import ClientError, Problem

REACHABLE, UNREACHABLE, USAGE, SERVICE = 0, 1, 2, 3
INTERRUPTED = 130
_YOUR_WORDS = {400, 404, 422}
"""Statuses that mean the request itself is wrong or names something that is not there."""
_HINTS = {
    "token-required": "Set BRIDGEWORK_TOKEN, or `token_file` in the profile file.",
    "token-invalid": "Check BRIDGEWORK_TOKEN, or `token_file` in the profile file.",
}


def run(command: click.Command, arguments: list[str] | None) -> int:  # noqa: PLR0911 - one for each way to end
    """Run it and return its exit code."""
    colour = False if os.environ.get("NO_COLOR") else None
    try:
        code = command.main(arguments, prog_name="bridgework", standalone_mode=False, color=colour)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        told = io.StringIO()
        error.show(told)
        output.lines(told.getvalue(), err=True)  # it can quote a file or a name
        return USAGE
    except click.Abort:
        output.line("Aborted.", err=True)
        return INTERRUPTED
    except Problem as problem:
        return _tell_problem(problem)
    except (ClientError, TimeoutError) as error:
        output.line(output.style(str(error), fg="red"), err=True)
        output.line("Start a service with `bridgework serve`, or name yours by BRIDGEWORK_URL or --url.", err=True)
        return SERVICE
    except BrokenPipeError:  # `bridgework networks | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SERVICE
    except KeyboardInterrupt:
        return INTERRUPTED
    return code if isinstance(code, int) else REACHABLE


def _tell_problem(problem: Problem) -> int:
    output.line(output.style(f"{problem}  [{problem.code}]", fg="red"), err=True)
    for fault in problem.errors:
        output.line(f"  {fault.get('pointer') or fault.get('name') or fault['in']}: {fault['message']}", err=True)
    if problem.code in _HINTS:
        output.line(f"  {_HINTS[problem.code]}", err=True)
    elif problem.remedy:
        output.line(f"  {problem.remedy['summary']}", err=True)
    return USAGE if problem.status in _YOUR_WORDS else SERVICE
