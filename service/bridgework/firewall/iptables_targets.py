"""The targets of rules of iptables, behind ``-j`` and ``-g``: iptables-extensions(8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridgework.firewall.ruleset import UNKNOWN, Effect, number

_VERDICTS = {
    "ACCEPT": "accept",
    "DROP": "drop",
    "REJECT": "reject",
    "RETURN": "return",
    "MASQUERADE": "masquerade",
    "NOTRACK": "notrack",
}

# Targets after which the packet goes on to the next rule. They change nothing that decides its way.
_LOGGING = frozenset({"LOG", "NFLOG", "ULOG", "TRACE", "AUDIT"})
_PASSING = _LOGGING | {"TCPMSS", "CHECKSUM", "CLASSIFY", "TOS", "DSCP", "TTL", "HL", "SET", "ECN", "SECMARK"}

# Targets that hand the packet to a program, or rewrite it in a way that is not simulated.
_OTHER = frozenset(["NFQUEUE", "QUEUE", "TPROXY", "SYNPROXY", "CLUSTERIP", "NETMAP", "DNPT", "SNPT"])


def effects_of(option: str, target: str, options: Mapping[str, str]) -> tuple[Effect, ...]:
    """Return the effects of a target; ``option`` is ``-j`` or ``-g``, ``options`` are the target's own."""
    if target in _VERDICTS:
        return (Effect(_VERDICTS[target]),)
    if target in _PASSING:
        return (Effect("continue"),)
    if target in _OTHER:
        return (Effect(UNKNOWN),)
    # iptables refuses a user's chain with the name of a target, so every other word is a chain.
    reader = _TARGETS.get(target)
    if reader is None:
        return (Effect("goto" if option == "-g" else "jump", chain=target),)
    try:
        return reader(options)
    except (KeyError, ValueError):
        return (Effect(UNKNOWN),)


def _dnat(options: Mapping[str, str]) -> tuple[Effect, ...]:
    address, port = _address_and_port(options["--to-destination"])
    return (Effect("dnat", address=address, port=port),)


def _snat(options: Mapping[str, str]) -> tuple[Effect, ...]:
    # The port that SNAT chooses decides nothing here, unless it is named.
    address, port = _address_and_port(options["--to-source"])
    return (Effect("snat", address=address, port=port),)


def _redirect(options: Mapping[str, str]) -> tuple[Effect, ...]:
    # Without ports the destination port stays.
    ports = options.get("--to-ports", "")
    return (Effect("redirect", port=int(ports) if ports else None),)


def _address_and_port(text: str) -> tuple[str | None, int | None]:
    """Split ``10.2.0.2:80``, ``10.2.0.2``, ``:80`` or ``[fd00::2]:80``. Raises ``ValueError`` for a range."""
    if text.startswith("["):
        address, _, port = text[1:].partition("]:")
    elif text.count(":") > 1:  # IPv6 without a port needs no brackets
        address, port = text, ""
    else:
        address, _, port = text.partition(":")
    if address:
        number(address)  # raises on "10.0.0.1-10.0.0.9": the kernel chooses one, so the destination is not known
    return address or None, int(port) if port else None


def _set_mark(kind: str) -> Callable[[Mapping[str, str]], tuple[Effect, ...]]:
    # --set-mark of old dumps has no mask; iptables-save prints --set-xmark.
    def read(options: Mapping[str, str]) -> tuple[Effect, ...]:
        if "--save-mark" in options:
            return (Effect("save-mark"),)
        if "--restore-mark" in options:
            return (Effect("restore-mark"),)
        value, _, mask = options.get("--set-xmark", options.get("--set-mark", "")).partition("/")
        return (Effect(kind, value=int(value, 0), mask=int(mask, 0) if mask else 0xFFFFFFFF),)

    return read


# CT also sets zones and helpers, which change no verdict.
def _ct(options: Mapping[str, str]) -> tuple[Effect, ...]:
    return (Effect("notrack" if "--notrack" in options else "continue"),)


_TARGETS: Mapping[str, Callable[[Mapping[str, str]], tuple[Effect, ...]]] = {
    "DNAT": _dnat,
    "SNAT": _snat,
    "REDIRECT": _redirect,
    "MARK": _set_mark("mark"),
    "CONNMARK": _set_mark("connmark"),
    "CT": _ct,
}
