"""``bridgework check`` and the question that ``fix`` and ``trace`` share with it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from bridgework_cli import output, targets
from bridgework_cli.connection import complete_container, connected
from bridgework_cli.running import REACHABLE, UNREACHABLE
from bridgework_cli.watching import Span, watched

if TYPE_CHECKING:
    from bridgework_client import Client
    from bridgework_client.documents import CheckRequest, CheckResult


def asks(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments of a check; it receives the request's body as ``body``."""

    @click.argument("source", shell_complete=complete_container)
    @click.argument("destination", shell_complete=complete_container)
    @click.option("-p", "--protocol", type=click.Choice(targets.PROTOCOLS), help="tcp with a port, otherwise icmp.")
    @click.option("--path", help="The path of an http check, if it is not in a URL.")
    @click.option("--question", metavar="NAME", help="The name that a dns check resolves.")
    @click.option("--expected-status", type=click.IntRange(100, 599), help="The status that an http check accepts.")
    @click.option("-4", "ip_version", flag_value="4", help="Use IPv4 only.")
    @click.option("-6", "ip_version", flag_value="6", help="Use IPv6 only.")
    @click.option("--count", type=click.IntRange(min=1), help="Number of attempts.")
    @click.option("--timeout", type=Span(), help="Longest wait for each attempt, such as 2s.")
    @functools.wraps(command)
    def wrapped(
        *arguments: Any, source: str, destination: str, protocol: str | None, timeout: float | None, **options: Any
    ) -> Any:
        more = {key: options.pop(key) for key in ("path", "question", "expected_status", "ip_version", "count")}
        more["timeout_ms"] = None if timeout is None else round(timeout * 1000)
        try:
            body = targets.check(source, destination, protocol, **more)
        except targets.BadTarget as error:
            raise click.UsageError(str(error)) from error
        return command(*arguments, body=body, **options)

    return wrapped


@click.command("check")
@connected
@asks
@click.option("--wait", type=Span(), help="Repeat the check until the destination is reachable, at most for this time.")
@watched
@output.output_option("table", "json", "yaml", "junit")
def command_check(client: Client, body: CheckRequest, wait: float | None, output: str) -> int:
    """Check whether SOURCE reaches DESTINATION, and say why not.

    SOURCE is a container or `host`. DESTINATION is what a program in SOURCE would use: `db:5432`, `db` (a ping),
    `10.77.0.3:80`, `http://db:8080/health` or `host`. `container:db:5432` names the container itself instead of a name
    that SOURCE resolves.

    \b
    Profiles: ~/.config/bridgework/config.toml names several services.
      default = "lab"
      [services.lab]
      url = "https://bridgework.lab.example"
      token_file = "~/.config/bridgework/lab.token"
    `--profile NAME` or BRIDGEWORK_PROFILE chooses one. BRIDGEWORK_URL goes before the default profile.

    The exit code is 0 if DESTINATION is reachable and 1 if it is not.
    """
    result = client.check_connectivity(body) if wait is None else client.wait_for_verdict(body, timeout_s=wait)
    show(result, body, output)
    return exit_code(result)


def show(result: CheckResult, body: CheckRequest, form: str) -> None:
    """Print the answer in one of the forms."""
    question = targets.described(body)
    if form == "table":
        output.check(result, question)
    elif form == "junit":
        causes = "; ".join(finding["message"] for finding in result["findings"])
        unseen = " ".join(map(output.limitation, result["limited"]))
        sentence = " ".join(part for part in (f"The verdict is {result['verdict']}.", causes, unseen) if part)
        output.junit("bridgework check", [(question, output.outcome(result["verdict"]), sentence)])
    else:
        output.document(result, form)


def exit_code(result: CheckResult) -> int:
    """Return 0 only for a reachable destination: a pipeline must not pass when nothing is known."""
    return REACHABLE if result["verdict"] == "reachable" else UNREACHABLE
