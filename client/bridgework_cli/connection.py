"""Which service a command talks to: options, environment, profile file, or one that is started for the call."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bridgework_client import Client
from bridgework_client.transport import DEFAULT_URL

Command = Callable[..., Any]


@dataclass(frozen=True)
class Address:
    """Where a service is, and what it is told."""

    url: str = DEFAULT_URL
    token: str | None = None
    ca_file: str | None = None


def profile_file() -> Path:
    """Return the path of the profile file, which need not exist."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "bridgework" / "config.toml"


def address(url: str | None, profile: str | None) -> Address:
    """Choose the service: an option goes before the environment, and the environment before the default profile.

    Raises:
        click.UsageError: The profile is not in the file, or the file cannot be read.
    """
    environment = os.environ
    if url:
        return Address(url, environment.get("BRIDGEWORK_TOKEN"))
    if profile is None and environment.get("BRIDGEWORK_URL"):
        return Address(environment["BRIDGEWORK_URL"], environment.get("BRIDGEWORK_TOKEN"))
    profile = profile or environment.get("BRIDGEWORK_PROFILE")
    file = profile_file()
    if profile is None and not file.exists():
        return Address(token=environment.get("BRIDGEWORK_TOKEN"))
    return _profile(file, profile)


def _profile(file: Path, name: str | None) -> Address:
    import tomllib  # noqa: PLC0415 - who has no profile need not import it

    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.UsageError(f"The profile file {file} cannot be read: {error}") from error
    services = document.get("services", {})
    name = name or document.get("default")
    if name not in services:
        known = ", ".join(sorted(services)) or "none"
        raise click.UsageError(f"{file} has no service {name!r} under [services]; it has: {known}.")
    entry = services[name]
    token = entry.get("token") or os.environ.get("BRIDGEWORK_TOKEN")
    if "token_file" in entry:
        path = Path(entry["token_file"]).expanduser()
        try:
            token = path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise click.UsageError(f"The token file of {name}, {path}, cannot be read: {error.strerror}") from error
    return Address(entry.get("url", DEFAULT_URL), token, entry.get("ca_file"))


def connected(command: Command) -> Command:
    """Give a command its client as first argument, and the options that choose the service."""

    @click.option("--url", metavar="URL", help="The service: http://host:port, https://host or unix:/path.")
    @click.option("--profile", metavar="NAME", help="A service of the profile file ~/.config/bridgework/config.toml.")
    @click.option("--local", is_flag=True, help="Start a service for this call, before this machine's engine.")
    @functools.wraps(command)
    def wrapped(*arguments: Any, url: str | None, profile: str | None, local: bool, **options: Any) -> Any:
        if local and (url or profile):
            raise click.UsageError("--local starts a service of its own: leave out --url and --profile.")
        with ExitStack() as stack:
            if local:
                from bridgework_cli.local import local_service  # noqa: PLC0415 - only --local starts processes

                where = stack.enter_context(local_service())
            else:
                where = address(url, profile)
            try:
                client = Client(where.url, where.token, ca_file=where.ca_file)
            except ValueError as error:
                raise click.UsageError(str(error)) from error
            return command(stack.enter_context(client), *arguments, **options)

    return wrapped


def complete_container(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a container."""
    return _completed(ctx, incomplete, lambda client: (one["name"] for one in client.list_containers()))


def complete_network(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a network."""
    return _completed(ctx, incomplete, lambda client: (one["name"] for one in client.list_networks()))


def complete_code(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete the code of a finding."""
    return _completed(ctx, incomplete, lambda client: (one["code"] for one in client.list_explanations()))


def _completed(ctx: click.Context, incomplete: str, words_of: Callable[[Client], Iterable[str]]) -> list[str]:
    """Return the words that complete it. A service that does not answer at once completes nothing."""
    try:
        where = address(ctx.params.get("url"), ctx.params.get("profile"))
        with Client(where.url, where.token, ca_file=where.ca_file, timeout_s=1.0, retries=0) as client:
            return [word for word in words_of(client) if word.startswith(incomplete) and word.isprintable()]
    except Exception:  # noqa: BLE001 - a message in the middle of a command line is of no use
        return []
