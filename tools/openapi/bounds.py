"""Bounds of what answers hold, by a property's name, which means one thing everywhere in this API.

A generated client may refuse what is beyond a bound. So a bound here is one that no engine, kernel or person can pass;
what people write (names, labels, commands) has none of its own, and is bounded by the engine's whole answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST_TEXT = 256 * 1024 * 1024
"""No answer of an engine's that is longer is taken; a test holds it against the engine room's own limit."""
LONGEST_MS = 86_400_000
"""A day: no request lives as long."""
_FORMATS = {"date-time", "ipv4", "ipv6", "uri"}
_IDENTIFIER, _ADDRESS, _LINK_ADDRESS, _LINK_NAME, _WORD = 255, 64, 95, 15, 64
_LONGEST: Mapping[str, int] = {
    # What engines and swarms give: 64, 25 or 36 characters, or a digest with its algorithm's name.
    **dict.fromkeys(("id", "container_id", "endpoint_id", "engine_id", "image_id", "request_id"), _IDENTIFIER),
    # IPv6 with an IPv4 tail, a prefix length and a zone.
    **dict.fromkeys(("ipv4_address", "ipv6_address", "next_free", "preferred_source", "base"), _ADDRESS),
    "mac_address": _LINK_ADDRESS,  # the kernel's MAX_ADDR_LEN is 32 bytes
    "interface": _LINK_NAME,  # IFNAMSIZ without its end
    # Our own words, the kernel's and Docker's.
    **dict.fromkeys(("api_version", "code", "family", "scope", "severity", "state", "swarm_state"), _WORD),
    **dict.fromkeys(("kernel_version", "process", "title"), _IDENTIFIER),
}


def bound(name: str, schema: dict[str, Any]) -> None:
    """Bound the property ``name`` of an answer, and what lists and maps of texts it holds."""
    types = schema.get("type", [])
    if "string" in ([types] if isinstance(types, str) else types):
        said = {"maxLength", "const", "enum", "pattern"} & schema.keys() or schema.get("format") in _FORMATS
        if not said:
            schema["maxLength"] = _LONGEST.get(name, LONGEST_TEXT)
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            bound("", schema[keyword])
