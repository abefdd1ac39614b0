"""The options of each network driver. An unknown option is refused, because the engine ignores most of them silently.

Sources: Docker documentation of the bridge, macvlan, ipvlan and overlay drivers; libnetwork's label names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address

from bridgework.model.errors import InputFault

_BRIDGE = "com.docker.network.bridge."
_BOOLEANS = frozenset({"true", "false", "1", "0"})


def _boolean(value: str) -> str | None:
    return None if value in _BOOLEANS else 'Must be "true" or "false".'


def _mtu(value: str) -> str | None:
    low, high = 68, 65_535
    sane = value.isascii() and value.isdigit() and len(value) <= len(str(high)) and low <= int(value) <= high
    return None if sane else f"Must be a whole number of bytes, {low} to {high}."


def _interface(value: str) -> str | None:
    sane = re.fullmatch(r"[A-Za-z0-9_.\-]{1,15}", value) and value not in {".", ".."}
    return None if sane else "Must be an interface's name: 1 to 15 letters, digits, dots, dashes or underscores."


def _prefix(value: str) -> str | None:
    sane = re.fullmatch(r"[A-Za-z][A-Za-z0-9_.\-]{0,11}", value)
    return None if sane else "Must be the start of an interface's name: a letter, then up to 11 more characters."


def _parent(value: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z0-9_.\-]{1,20}", value) else "Must be an interface's name."


def _address(value: str) -> str | None:
    try:
        IPv4Address(value)
    except ValueError:
        return "Must be an IPv4 address."
    return None


def _address6(value: str) -> str | None:
    try:
        IPv6Address(value)
    except ValueError:
        return "Must be an IPv6 address."
    return None


def _one_of(*words: str) -> Callable[[str], str | None]:
    return lambda value: None if value in words else f"Must be one of {', '.join(words)}."


def _list_of_numbers(value: str) -> str | None:
    return None if re.fullmatch(r"[0-9]{1,8}(,[0-9]{1,8})*", value) else "Must be numbers, separated by commas."


def _interfaces(value: str) -> str | None:
    return None if all(_interface(name) is None for name in value.split(":")) else "Must be interfaces' names."


_MODES = _one_of("nat", "nat-unprotected", "routed", "isolated")

KNOWN: Mapping[str, Mapping[str, Callable[[str], str | None]]] = {
    "bridge": {
        _BRIDGE + "name": _interface,
        _BRIDGE + "enable_ip_masquerade": _boolean,
        _BRIDGE + "enable_icc": _boolean,
        _BRIDGE + "host_binding_ipv4": _address,
        _BRIDGE + "gateway_mode_ipv4": _MODES,
        _BRIDGE + "gateway_mode_ipv6": _MODES,
        _BRIDGE + "inhibit_ipv4": _boolean,
        _BRIDGE + "trusted_host_interfaces": _interfaces,
        "com.docker.network.driver.mtu": _mtu,
        "com.docker.network.host_ipv4": _address,
        "com.docker.network.host_ipv6": _address6,
        "com.docker.network.container_iface_prefix": _prefix,
    },
    "macvlan": {
        "parent": _parent,
        "macvlan_mode": _one_of("bridge", "vepa", "passthru", "private"),
        "com.docker.network.driver.mtu": _mtu,
    },
    "ipvlan": {
        "parent": _parent,
        "ipvlan_mode": _one_of("l2", "l3", "l3s"),
        "ipvlan_flag": _one_of("bridge", "private", "vepa"),
        "com.docker.network.driver.mtu": _mtu,
    },
    "overlay": {
        "encrypted": lambda value: None if value in {"", "true", "false"} else 'Must be "true", "false" or empty.',
        "com.docker.network.driver.mtu": _mtu,
        "com.docker.network.driver.overlay.vxlanid_list": _list_of_numbers,
    },
}

# The API version that an option, or a value of one, came with. Older engines ignore it silently.
SINCE_API: Mapping[str, tuple[int, int]] = {
    _BRIDGE + "gateway_mode_ipv4": (1, 46),
    _BRIDGE + "gateway_mode_ipv6": (1, 46),
    _BRIDGE + "gateway_mode_ipv4=nat-unprotected": (1, 48),
    _BRIDGE + "gateway_mode_ipv6=nat-unprotected": (1, 48),
    _BRIDGE + "gateway_mode_ipv4=isolated": (1, 48),
    _BRIDGE + "gateway_mode_ipv6=isolated": (1, 48),
    _BRIDGE + "trusted_host_interfaces": (1, 50),
}

ENGINE_OF_API: Mapping[tuple[int, int], str] = {
    (1, 46): "Docker 27",
    (1, 47): "Docker 27.2",
    (1, 48): "Docker 28",
    (1, 49): "Docker 28.1",
    (1, 50): "Docker 28.2",
    (1, 51): "Docker 28.3",
}


def ignored(options: Mapping[str, str], api_version: tuple[int, int]) -> frozenset[str]:
    """Return the names of the options that an engine of that API version keeps and ignores."""
    return frozenset(name for name in options if api_version < SINCE_API.get(name, (0, 0)))


def faults_of(driver: str | None, options: Mapping[str, str], api_version: tuple[int, int]) -> list[InputFault]:
    """Return the faults of a driver's options, with RFC 6901 pointers into the create body.

    The driver ``None`` allows the options of every driver: a config-only network is for networks of any driver.
    """
    known = KNOWN.get(driver) if driver else {name: check for of in KNOWN.values() for name, check in of.items()}
    if known is None:
        return []
    whose = f"The {driver} driver has" if driver else "The drivers have"
    faults: list[InputFault] = []
    for name, value in options.items():
        check = known.get(name)
        message = f"{whose} no such option; known are {', '.join(known)}."
        if check is not None:
            message = _too_new(name, value, api_version) or check(value) or ""
        if message:
            faults.append(InputFault("/options/" + name.replace("~", "~0").replace("/", "~1"), message))
    return faults


def _too_new(name: str, value: str, api_version: tuple[int, int]) -> str | None:
    since = max(SINCE_API.get(name, (0, 0)), SINCE_API.get(f"{name}={value}", (0, 0)))
    return (
        f"The engine is too old for this option; {ENGINE_OF_API[since]} supports it." if api_version < since else None
    )
