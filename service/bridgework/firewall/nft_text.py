"""The text of a rule of nftables, for quoting: its JSON has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = Any


def text_of(rule: Json) -> str:
    """Return the rule roughly as ``nft list`` prints it, without counters."""
    words = " ".join(_said(kind, body) for s in rule["expr"] for kind, body in s.items() if kind != "counter")
    comment = f' comment "{rule["comment"]}"' if "comment" in rule else ""
    return words + comment


def _said(kind: str, body: Json) -> str:
    if kind == "match":
        # nft prints no operator for an equal value.
        operator = "" if body["op"] in {"==", "in"} else f"{body['op']} "
        return f"{_expression(body['left'])} {operator}{_expression(body['right'])}"
    if kind == "vmap":
        return f"{_expression(body['key'])} vmap {_expression(body['data'])}"
    if kind in {"jump", "goto"}:
        return f"{kind} {body['target']}"
    if kind in {"dnat", "snat", "redirect"}:
        return f"{kind} to {_target(body or {})}"
    return kind


def _target(body: Json) -> str:
    address = _expression(body.get("addr", ""))
    if "port" not in body:
        return address
    # Without brackets nft would read the port as a part of the address.
    return f"[{address}]:{body['port']}" if ":" in address else f"{address}:{body['port']}"


def _expression(value: Json) -> str:
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, list):
        return ",".join(map(_expression, value))
    # Every other expression is an object with one property, the kind of the expression.
    ((kind, body),) = value.items()
    says = _SAYS.get(kind)
    return kind if says is None else says(body)


def _elements(values: list[Json]) -> list[str]:
    said = list(map(_expression, values))
    # nft prints names in the order of their bytes in memory, which is that of no reader.
    return sorted(said) if all(isinstance(value, str) for value in values) else said


# nft reads these keys only behind the word "meta".
_QUALIFIED = frozenset({"l4proto", "nfproto", "protocol", "length", "priority", "random"})
# An expression that is not in this table is quoted by its kind alone.
_SAYS: Mapping[str, Callable[[Json], str]] = {
    "payload": lambda body: f"{body['protocol']} {body['field']}",
    "meta": lambda body: f"meta {body['key']}" if body["key"] in _QUALIFIED else str(body["key"]),
    "ct": lambda body: f"ct {body['key']}",
    "fib": lambda body: f"fib {','.join(body['flags'])} {body['result']}",
    "prefix": lambda body: f"{body['addr']}/{body['len']}",
    "range": lambda body: f"{body[0]}-{body[1]}",
    "set": lambda body: f"{{ {', '.join(_elements(body if isinstance(body, list) else [body]))} }}",
    "concat": lambda body: " . ".join(map(_expression, body)),
    "&": lambda body: " & ".join(map(_expression, body)),
    "|": lambda body: " | ".join(map(_expression, body)),
}
