"""Rules from the output of ``nft --json list``, one document a line: libnftables-json(5).

A document has all objects of its tables.

A verdict map, or a map of destinations, becomes one rule for each of its elements. That changes nothing, because the
elements of a map exclude one another.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

from bridgework.firewall.nft_keys import key_matches, plain
from bridgework.firewall.nft_text import text_of
from bridgework.firewall.ruleset import COUNTED, UNKNOWN, Chain, Effect, Hook, Match, Rule, Table
from bridgework.model.trace import TABLE_PREFIX

Json = Any
# The names of the tables that iptables-nft keeps.
_IPTABLES_TABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})
# Tables of the families bridge, arp and netdev see frames, not IP packets.
_FAMILIES = frozenset({"ip", "ip6", "inet"})


class Reader:
    """Reads dumps of one host after each other, and reads only those lines again that the dump before did not have."""

    def __init__(self) -> None:
        """Know no line."""
        self._lines: Mapping[str, tuple[Table, ...]] = {}

    def tables_of(self, text: str) -> tuple[Table, ...]:
        """Return the native tables of the dump. Raises ``ValueError`` for what is not nft's JSON."""
        # A line is a table. Most changes are elsewhere, and rules of a table that stays are parsed already.
        known = self._lines
        read = {line: known[line] if line in known else _tables(line) for line in text.splitlines()}
        self._lines = read  # another thread may replace it at once by the lines of its own dump
        return tuple(itertools.chain.from_iterable(read.values()))


def tables_of(text: str) -> tuple[Table, ...]:
    """Return the native tables of the families ip, ip6 and inet. Raises ``ValueError`` for what is not nft's JSON."""
    return tuple(itertools.chain.from_iterable(map(_tables, text.splitlines() or [text])))


def _tables(line: str) -> tuple[Table, ...]:
    # The table of a trace that runs at this moment marks its own packets, and decides nothing.
    return tables_from([thing for thing in json.loads(line).get("nftables", []) if not _is_of_trace(thing)])


def tables_from(objects: Sequence[Json]) -> tuple[Table, ...]:
    """Return the tables of nft's objects, which are a flat list: rules name their chain, and chains their table."""
    named = NamedSets(objects)
    rules: dict[tuple[str, str, str], list[Json]] = {}
    for rule in _all(objects, "rule"):
        rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule)
    tables: dict[tuple[str, str], dict[str, Chain]] = {
        (table["family"], table["name"]): {} for table in _all(objects, "table") if table["family"] in _FAMILIES
    }
    for chain in _all(objects, "chain"):
        of = (chain["family"], chain["table"])
        if of in tables:
            tables[of][chain["name"]] = _chain(chain, LazyRules(rules.get((*of, chain["name"]), ()), named))
    return tuple(Table(*of, chains) for of, chains in tables.items() if not _is_iptables(of, chains))


def _is_of_trace(thing: Json) -> bool:
    ((kind, body),) = thing.items()
    return str(body.get("name" if kind == "table" else "table", "")).startswith(TABLE_PREFIX)


def _all(objects: Iterable[Json], kind: str) -> Iterator[Json]:
    return (thing[kind] for thing in objects if kind in thing)


def _is_iptables(of: tuple[str, str], chains: Mapping[str, Chain]) -> bool:
    """Return whether iptables-nft keeps the table: it has iptables' names and base chains only with iptables' names."""
    # The matches of such a table are opaque in JSON. iptables-save prints them, so it is read from there.
    family, name = of
    bases = {chain.name for chain in chains.values() if chain.hook is not None}
    return family != "inet" and name in _IPTABLES_TABLES and bases <= {hook.name for hook in Hook}


def _chain(chain: Json, rules: Sequence[Rule]) -> Chain:
    # A chain without a hook is called by jumps alone. The hooks of other families (ingress) are not followed.
    hook = next((hook for hook in Hook if hook.value == chain.get("hook")), None)
    kind = "nat" if chain.get("type") == "nat" else "filter"
    return Chain(chain["name"], rules, hook, chain.get("prio", 0), kind, accepts=chain.get("policy") != "drop")


class NamedSets:
    """The named sets and maps, by family, table and name."""

    def __init__(self, objects: Iterable[Json]) -> None:
        """Take all objects of a dump."""
        # A named set belongs to a table, and a rule refers to it by its name alone.
        self._elements = {
            (thing["family"], thing["table"], thing["name"]): thing.get("elem", [])
            for kind in ("set", "map")
            for thing in _all(objects, kind)
        }

    def elements(self, rule: Json, reference: Json) -> list[Json]:
        """Return the elements of ``"@name"`` or of an anonymous ``{"set": [...]}``; else the one value itself."""
        if isinstance(reference, str) and reference.startswith("@"):
            return list(self._elements.get((rule["family"], rule["table"], reference[1:]), ()))
        if isinstance(reference, dict) and "set" in reference:
            found = reference["set"]
            return list(found) if isinstance(found, list) else [found]
        return list(reference) if isinstance(reference, list) else [reference]


class LazyRules(Sequence[Rule]):
    """The rules of a chain, read when a packet comes to the chain."""

    # A host with kube-proxy has thousands of rules in chains to which a packet never comes. To read 5,000 takes 140 ms
    # of processor time, to take them from nft's JSON 30 ms.

    def __init__(self, printed: Sequence[Json], named: NamedSets) -> None:
        """Take the JSON of each rule, and the sets and maps that they name."""
        self._printed, self._named = printed, named

    @cached_property
    def _read(self) -> tuple[Rule, ...]:
        return tuple(itertools.chain.from_iterable(_rules(rule, self._named) for rule in self._printed))

    def __len__(self) -> int:
        return len(self._read)

    @overload
    def __getitem__(self, at: int) -> Rule: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Rule]: ...
    def __getitem__(self, at: int | slice) -> Rule | Sequence[Rule]:
        return self._read[at]

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._read)


def _rules(rule: Json, named: NamedSets) -> list[Rule]:
    """Return the rule, or one for each element of its map; an unknown rule for a form that nft does not document."""
    try:
        return _ways(rule, named)
    except (AttributeError, KeyError, TypeError, ValueError):
        return [Rule(json.dumps(rule), (Match(UNKNOWN, text="rule"),), (Effect(UNKNOWN),), handle=rule.get("handle"))]


def _ways(rule: Json, named: NamedSets) -> list[Rule]:
    text = text_of(rule)
    # A rule can have several maps, and statements behind them: every combination is a way of its own.
    ways: list[tuple[tuple[Match, ...], tuple[Effect, ...]]] = [((), ())]
    for statement in rule["expr"]:
        ((kind, body),) = statement.items()
        more = _statement(kind, body, rule, named)
        ways = [(m + matches, e + effects) for (m, e), (matches, effects) in itertools.product(ways, more)]
    # A rule counts packets only where it has a counter.
    packets = next((s["counter"]["packets"] for s in rule["expr"] if isinstance(s.get("counter"), dict)), 0)
    return [Rule(text, matches, effects, packets, rule.get("handle")) for matches, effects in ways]


Part = tuple[tuple[Match, ...], tuple[Effect, ...]]


def _statement(kind: str, body: Json, rule: Json, named: NamedSets) -> list[Part]:
    reader = _READERS.get(kind)
    if reader is None:
        return [((), (_effect(kind, body),))]
    try:
        return list(reader(kind, body or {}, rule, named))
    except (KeyError, TypeError, ValueError):
        # An unknown match leaves it open whether the rule applies; an unknown statement, what the rule does.
        return [((Match(UNKNOWN, text=kind),), ())] if kind in {"match", "vmap"} else [((), (Effect(UNKNOWN),))]


def _effect(kind: str, body: Json) -> Effect:
    if kind in {"jump", "goto"}:
        return Effect(kind, chain=body["target"])
    return Effect(_VERDICTS.get(kind, "continue" if kind in _PASSING else UNKNOWN))


# The statements of nft that are effects of the model under the same name.
_VERDICTS = {"accept": "accept", "drop": "drop", "reject": "reject", "return": "return", "notrack": "notrack"}
_PASSING = frozenset({"counter", "log", "comment", "continue", "ct helper", "last"})


def _map(_: str, body: Json, rule: Json, named: NamedSets) -> Iterator[Part]:
    for key, verdict in named.elements(rule, body["data"]):
        ((kind, value),) = verdict.items()
        yield key_matches(body["key"], [plain(key)], rule), (_effect(kind, value),)


def _translation(kind: str, body: Json, rule: Json, named: NamedSets) -> Iterator[Part]:
    # "dnat to ip daddr map @backends": the address depends on the key of the map.
    address, port = body.get("addr"), body.get("port")
    if isinstance(address, dict) and "map" in address:
        found = address["map"]
        for key, value in named.elements(rule, found["data"]):
            to, to_port = value["concat"] if isinstance(value, dict) else (value, port)
            yield key_matches(found["key"], [plain(key)], rule), (Effect(kind, address=to, port=to_port),)
        return
    if not isinstance(address, str | None) or not isinstance(port, int | None):
        address, port, kind = None, None, UNKNOWN  # computed from the packet, as by `jhash`
    yield (), (Effect(kind, address=address, port=port),)


def _counted(kind: str, body: Json, _: Json, __: NamedSets) -> Iterator[Part]:
    # `limit`, `quota` and `ct count` compare what the kernel counted. In `add @clients { ip saddr limit rate … }` they
    # stand within the element, and the rule goes on only where they hold.
    within = [name for statement in body.get("stmt") or () for name in statement] if kind == "set" else [kind]
    yield tuple(Match(UNKNOWN, text=name) for name in within if name in COUNTED), ()


def _mangled(_: str, body: Json, __: Json, ___: NamedSets) -> Iterator[Part]:
    yield (), (_mark(body),)


def _mark(body: Json) -> Effect:
    """Read ``meta mark set …`` or ``ct mark set …``.

    The value is a number, the other mark, ``mark | value`` or ``mark & mask | value``.
    """
    key = body["key"]
    of_packet = key == {"meta": {"key": "mark"}}
    if not of_packet and key != {"ct": {"key": "mark"}}:
        return Effect("continue" if "meta" in key or "payload" in key else UNKNOWN)
    value, kind = body["value"], "mark" if of_packet else "connmark"
    if isinstance(value, int):
        return Effect(kind, value=value)
    if value in ({"ct": {"key": "mark"}}, {"meta": {"key": "mark"}}):
        return Effect("restore-mark" if of_packet else "save-mark")
    # "mark & mask | value" keeps the bits of the mask, and the effect clears those of its own mask first.
    kept, added = value["|"]
    if kept == key:  # netavark: the other bits stay as they are
        return Effect(kind, value=added, mask=added)
    return Effect(kind, value=added, mask=(~kept["&"][1] & 0xFFFFFFFF) | added)


def _matches(_: str, body: Json, rule: Json, named: NamedSets) -> Iterator[Part]:
    left, operator = body["left"], body["op"]
    values = named.elements(rule, body["right"])
    # A right side can be one value, an anonymous set, or the name of a set.
    if operator in {"<", ">", "<=", ">="}:
        # A comparison is a range with one end at the limit of 32 bits, the largest number that rules compare.
        values = [{"range": _bounds(operator, values[0])}]
    if "concat" in left and operator not in _NEGATIONS:
        # Each combination of values is a way of its own, as of a map.
        yield from ((key_matches(left, [plain(value)], rule), ()) for value in values)
    else:
        yield key_matches(left, values, rule, negated=operator in _NEGATIONS), ()


_NEGATIONS = frozenset({"!=", "!"})
_READERS = {
    "match": _matches,
    "vmap": _map,
    "dnat": _translation,
    "snat": _translation,
    "redirect": _translation,
    "masquerade": _translation,
    "mangle": _mangled,
    "limit": _counted,
    "quota": _counted,
    "ct count": _counted,
    "set": _counted,
}


def _bounds(operator: str, value: int) -> list[int]:
    low = value + (operator == ">") if operator.startswith(">") else 0
    high = value - (operator == "<") if operator.startswith("<") else 0xFFFFFFFF
    return [low, high]
