"""resolv.conf(5) and hosts(5), as text, into values: what a process of the source reads before it asks anybody.

Pure parsing; unknown directives are ignored, as the C libraries do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from service.core.observations import ResolverConfiguration

MAX_NAMESERVERS = 3
DEFAULT_NAMESERVER = "127.0.0.1"
_DOCKER_UPSTREAMS = re.compile(r"#\s*ExtServers:\s*\[(?P<servers>[^]]*)\]")
_ADDRESS_IN_HOST = re.compile(r"^host\((?P<address>.*)\)$")


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """The options of resolv.conf(5) that change what is asked: ``timeout_s`` is per server and attempt."""

    ndots: int = 1
    timeout_s: float = 5.0
    attempts: int = 2
    use_tcp: bool = False


def parse(resolv_conf: str, hosts: str) -> ResolverConfiguration:
    """Both files as the source has them; the last ``search`` or ``domain`` wins."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    for words in _directives(resolv_conf):
        match words:
            case ["nameserver", address, *_]:
                nameservers.append(address)
            case ["search", *domains]:
                search = tuple(domains)
            case ["domain", domain, *_]:
                search = (domain,)
            case ["options", *given]:
                options.extend(given)
    return ResolverConfiguration(
        nameservers=tuple(nameservers[:MAX_NAMESERVERS]),
        search=search,
        options=tuple(options),
        hosts=tuple(_hosts(hosts)),
        upstreams=_upstreams(resolv_conf),
    )


def _directives(text: str) -> Iterable[list[str]]:
    for line in text.splitlines():
        if line[:1] not in "#;":
            yield line.split()


def _hosts(text: str) -> Iterable[tuple[str, tuple[str, ...]]]:
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if names:
            yield address, tuple(names)


def _upstreams(resolv_conf: str) -> tuple[str, ...]:
    """Docker writes the servers behind its embedded one into a comment: ``# ExtServers: [host(10.0.0.2) 8.8.8.8]``."""
    found = _DOCKER_UPSTREAMS.search(resolv_conf)
    return tuple(_ADDRESS_IN_HOST.sub(r"\g<address>", word) for word in found["servers"].split()) if found else ()


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
