"""``--watch``: a command that asks again and again, and the spans of time that options take."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from time import sleep, strftime
from typing import Any

import click

from bridgework_cli import output
from bridgework_client.errors import ClientError

SHORTEST_S = 0.2
_SPAN_UNITS = {"s": 1.0, "m": 60.0, "ms": 0.001}


class Span(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """A span of time such as ``30s``, ``500ms`` or ``2m``, in seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; a number alone is in seconds."""
        if isinstance(value, float):
            return value
        text = str(value)
        number = text.rstrip("ms")
        unit = text[len(number) :] or "s"
        if unit in _SPAN_UNITS and number.replace(".", "", 1).isdigit() and number.isascii():
            return float(number) * _SPAN_UNITS[unit]
        return self.fail(f"{text!r} is no span of time such as 30s, 500ms or 2m.", param, ctx)


def watched(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option ``--watch``. On a terminal each answer takes the place of the one before."""

    @click.option("--watch", type=Span(), help="Ask again after this time, such as 5s, until Ctrl-C.")
    @functools.wraps(command)
    def wrapped(*arguments: Any, watch: float | None, **options: Any) -> Any:
        if watch is None:
            return command(*arguments, **options)
        while True:
            if sys.stdout.isatty():
                click.clear()
                output.line(output.style(strftime("%H:%M:%S"), dim=True))
            try:
                command(*arguments, **options)
            except ClientError as error:  # a service that restarts is there again at the next time
                output.line(output.style(str(error), fg="red"), err=True)
            sleep(max(watch, SHORTEST_S))

    return wrapped
