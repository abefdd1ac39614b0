"""resolv.conf(5) and hosts(5), as text, into values: what a process of the source reads before it asks anybody.

Pure parsing; unknown directives are ignored, as the C libraries do.
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
MAX_WORD_CHARS = 255
"""A name has 253 characters at most (RFC 1035, 3.1); what is longer is no word of these files."""
DEFAULT_NAMESERVER = "127.0.0.1"
_UPSTREAMS_BEGIN = "# ExtServers: ["
_ADDRESS_IN_HOST = re.compile(r"^host\((?P<address>.*)\)$")


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """The options of resolv.conf(5) that change what is asked: ``timeout_s`` is per server and attempt."""

    ndots: int = 1
    timeout_s: float = 5.0
    attempts: int = 2
    use_tcp: bool = False


def parse(resolv_conf: str, hosts: str, *, cut: bool = False) -> ResolverConfiguration:
    """Both files as the source has them; the last ``search`` or ``domain`` wins.

    The source may write anything into its files. So what is kept of them is bounded, and ``truncated`` says that
    something was left out: because the caller had only the beginnings (``cut``), or beyond a bound of this module.
    """
    nameservers: list[str] = []
    search: list[str] = []
    options: list[str] = []
    for words in _directives(resolv_conf):
        match words:
            case ["nameserver", address, *_]:
                nameservers.append(address)
            case ["search", *domains]:
                search = domains
            case ["domain", domain, *_]:
                search = [domain]
            case ["options", *given]:
                options.extend(given)
    entries, whole = _hosts(hosts)
    return ResolverConfiguration(
        nameservers=tuple(nameservers[:MAX_NAMESERVERS]),
        search=tuple(search[:MAX_SEARCH_DOMAINS]),
        options=tuple(options[:MAX_OPTIONS]),
        hosts=entries,
        upstreams=_upstreams(resolv_conf),
        truncated=cut or not whole or len(search) > MAX_SEARCH_DOMAINS or len(options) > MAX_OPTIONS,
    )


def _directives(text: str) -> Iterable[list[str]]:
    for line in text.split("\n"):
        if line[:1] not in "#;":
            yield [word for word in line.split() if len(word) <= MAX_WORD_CHARS]


def _hosts(text: str) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], bool]:
    """The lines that name something, up to ``MAX_HOST_NAMES`` names in all; and whether these are all lines."""
    entries: list[tuple[str, tuple[str, ...]]] = []
    left = MAX_HOST_NAMES
    for line in text.split("\n"):
        address, *names = [word for word in line.partition("#")[0].split() if len(word) <= MAX_WORD_CHARS] or [""]
        if len(names) > left:
            return tuple(entries), False
        if names:
            entries.append((address, tuple(names)))
            left -= len(names)
    return tuple(entries), True


def _upstreams(resolv_conf: str) -> tuple[str, ...]:
    """Docker writes the servers behind its embedded one into a comment: ``# ExtServers: [host(10.0.0.2) 8.8.8.8]``.

    Line by line: one regular expression over the whole text took time by its square, when a hostile file began this
    comment thousands of times and never ended it.
    """
    for line in resolv_conf.split("\n"):
        if line.startswith(_UPSTREAMS_BEGIN) and "]" in line:
            servers = line.removeprefix(_UPSTREAMS_BEGIN).partition("]")[0].split()
            return tuple(
                _ADDRESS_IN_HOST.sub(r"\g<address>", word)
                for word in servers[:MAX_UPSTREAMS]
                if len(word) <= MAX_WORD_CHARS
            )
    return ()


def options_of(configuration: ResolverConfiguration) -> ResolverOptions:
    """The options within the C library's bounds: ndots to 15, timeout 1 to 30 s, 1 to 5 attempts."""
    given = dict(option.partition(":")[::2] for option in configuration.options)
    return ResolverOptions(
        ndots=_bounded(given.get("ndots"), 1, 0, 15),
        timeout_s=float(_bounded(given.get("timeout"), 5, 1, 30)),
        attempts=_bounded(given.get("attempts"), 2, 1, 5),
        use_tcp="use-vc" in given,
    )


def _bounded(text: str | None, default: int, lowest: int, highest: int) -> int:
    if text is None or not (text.isascii() and text.isdigit()):
        return default
    return max(lowest, min(highest, int(text[:4])))
