"""Parses resolv.conf(5) and hosts(5). Unknown directives are ignored, as the C libraries do.

A container can write anything into its files, so the kept part of everything is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bridgework.model.observations import ResolverConfiguration

MAX_NAMESERVERS = 3
MAX_SEARCH_DOMAINS = 32
MAX_OPTIONS = 32
MAX_UPSTREAMS = 16
MAX_HOST_NAMES = 8192
# A name has 253 characters at most (RFC 1035, section 3.1). Longer words are skipped.
MAX_WORD_CHARS = 255
DEFAULT_NAMESERVER = "127.0.0.1"
_UPSTREAMS_BEGIN = "# ExtServers: ["
# Docker 26 to 29 end the file with these comments (libnetwork/internal/resolvconf).
_BASE_BEGINS = "# Based on host file: '"
_OVERRIDES_BEGIN = "# Overrides: ["
_ADDRESS_IN_HOST = re.compile(r"^host\((?P<address>.*)\)$")
_ONE_BY_ONE = frozenset({"single-request", "single-request-reopen"})
Entries = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """The options of resolv.conf(5) that change the queries; ``timeout_s`` is per server and attempt."""

    ndots: int = 1
    timeout_s: float = 5.0
    attempts: int = 2
    use_tcp: bool = False
    single_request: bool = False


def parse(resolv_conf: str, hosts: str, *, cut: bool = False) -> ResolverConfiguration:
    """Parse both files; the last ``search`` or ``domain`` wins.

    ``cut`` says that the caller has only the beginnings of the files. The result is ``truncated`` then, and also when
    something exceeds a bound of this module.
    """
    nameservers: list[str] = []
    search: list[str] = []
    options: list[str] = []
    for line in resolv_conf.split("\n"):
        match [] if line[:1] in "#;" else _words(line):
            case ["nameserver", address, *_]:
                nameservers.append(address)
            case ["search", *domains]:
                search = domains
            case ["domain", domain, *_]:
                search = [domain]
            case ["options", *given]:
                options.extend(given)
    entries, whole = _hosts(hosts)
    host_file, configured = _origin(resolv_conf)
    return ResolverConfiguration(
        nameservers=tuple(nameservers[:MAX_NAMESERVERS]),
        search=tuple(search[:MAX_SEARCH_DOMAINS]),
        options=tuple(options[:MAX_OPTIONS]),
        hosts=entries,
        upstreams=tuple(_upstreams(resolv_conf)),
        host_file=host_file,
        configured=configured,
        truncated=cut or not whole or len(search) > MAX_SEARCH_DOMAINS or len(options) > MAX_OPTIONS,
    )


def _words(text: str) -> list[str]:
    return [word for word in text.split() if len(word) <= MAX_WORD_CHARS]


def _hosts(text: str) -> tuple[Entries, bool]:
    """Return the lines with names, up to ``MAX_HOST_NAMES`` names, and whether these are all of them."""
    entries: list[tuple[str, tuple[str, ...]]] = []
    left = MAX_HOST_NAMES
    for line in text.split("\n"):
        address, *names = _words(line.partition("#")[0]) or [""]
        if len(names) > left:
            return tuple(entries), False
        if names:
            entries.append((address, tuple(names)))
            left -= len(names)
    return tuple(entries), True


def _upstreams(resolv_conf: str) -> Iterable[str]:
    """Return the servers behind Docker's embedded one, from its comment ``# ExtServers: [host(10.0.0.2) 8.8.8.8]``."""
    # Line by line: one regular expression over the whole text took quadratic time for a hostile file that began this
    # comment thousands of times and never ended it.
    for line in resolv_conf.split("\n"):
        if line.startswith(_UPSTREAMS_BEGIN) and "]" in line:
            servers = line.removeprefix(_UPSTREAMS_BEGIN).partition("]")[0].split()[:MAX_UPSTREAMS]
            return [_ADDRESS_IN_HOST.sub(r"\g<address>", word) for word in servers if len(word) <= MAX_WORD_CHARS]
    return []


def _origin(resolv_conf: str) -> tuple[str | None, bool]:
    """Return the host's file that Docker's comments name, and whether a setting gave the servers instead."""
    host_file, configured = None, False
    for line in resolv_conf.split("\n"):
        if line.startswith(_BASE_BEGINS):
            host_file = line.removeprefix(_BASE_BEGINS).partition("'")[0][:MAX_WORD_CHARS]
        elif line.startswith(_OVERRIDES_BEGIN):
            configured = "nameservers" in line
    return host_file, configured


def options_of(configuration: ResolverConfiguration) -> ResolverOptions:
    """Return the options within the C library's bounds: ndots up to 15, timeout 1 to 30 s, 1 to 5 attempts."""
    given = dict(option.partition(":")[::2] for option in configuration.options)
    return ResolverOptions(
        ndots=_bounded(given.get("ndots"), 1, 0, 15),
        timeout_s=float(_bounded(given.get("timeout"), 5, 1, 30)),
        attempts=_bounded(given.get("attempts"), 2, 1, 5),
        use_tcp="use-vc" in given,
        single_request=bool(_ONE_BY_ONE & given.keys()),
    )


def _bounded(text: str | None, default: int, lowest: int, highest: int) -> int:
    if text is None or not (text.isascii() and text.isdigit()):
        return default
    return max(lowest, min(highest, int(text[:4])))
