"""What a fault made by hand is, how it is made and taken back, and what an answer may say about it.

A command begins with the place where it runs: ``client``, ``web``, ``third`` and ``far`` are containers, ``host`` is
the engine's host, ``beside`` its neighbour. Words such as ``$WEB`` stand for what the world has in their place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

NAMED, HONEST, INVENTED, MISSED = "named", "honest", "invented", "missed"
WITHOUT_CAUSE = "connection-refused"
"""It blocks, and says that its cause is not known."""
_FAMILY = {
    4: {"ip": "ip -4", "iptables": "iptables", "icmp": "icmp", "l3": "ip", "bits": "32"},
    6: {"ip": "ip -6", "iptables": "ip6tables", "icmp": "icmpv6", "l3": "ip6", "bits": "128"},
}


@dataclass(frozen=True)
class Fault:
    """One fault. ``way`` is what is asked (``world.WAYS``), ``codes`` are those that name the culprit.

    A finding names it where its message and evidence hold every word of ``tells``; the first two say where it is.
    """

    name: str
    way: str
    made: tuple[str, ...]
    codes: tuple[str, ...]
    tells: tuple[str, ...] = ()
    version: int = 4
    undone: tuple[str, ...] = ()
    port: int = 8080
    protocol: str = "tcp"

    @property
    def id(self):
        return f"{self.name}-{self.version}"

    @property
    def words(self):
        return _FAMILY[self.version]


def fault(name, way, made, codes, tells="", *, versions=(4,), undone="", **more):
    """Rows of a table: one for each IP version. Lines of ``made`` and ``undone`` are commands."""
    codes = (codes,) if isinstance(codes, str) else codes
    row = Fault(name, way, lines(made), codes, tuple(tells.split()), undone=lines(undone), **more)
    return [replace(row, version=version) for version in versions]


def lines(text):
    return tuple(line.strip() for line in text.strip().splitlines() if line.strip())


def undoing(made):
    """The commands that take back what these made. What the world repairs by itself is not among them."""
    undone = []
    for command in reversed(made):
        place, _, text = command.partition(" ")
        back = _inverse(text.split())
        if back:
            undone.append(f"{place} {' '.join(back)}")
    return tuple(undone)


def _inverse(words):
    program, rest = words[0], words[1:]
    if program in {"iptables", "ip6tables", "ebtables", "arptables"}:
        back = [{"-A": "-D", "-I": "-D", "-N": "-X"}.get(word, word) for word in rest]
        return [program, *rest[:-1], "ACCEPT"] if "-P" in rest else [program, *back]
    if program == "nft":
        return ["nft", "delete", *rest[1:4]] if rest[:2] == ["add", "table"] else None
    if program == "tc":
        return ["tc", "qdisc", "del", *rest[2:5]]
    at = next((at for at, word in enumerate(rest) if word in {"add", "replace"}), None)
    # A default route is given back by ``World.repair``.
    if program not in {"ip", "bridge"} or at is None or {"route", "default"} <= set(rest):
        return None
    left_out = {"policy": ("action", "priority"), "neigh": ("lladdr", "nud"), "fdb": ("lladdr",)}.get(rest[at - 1], ())
    verb = "delete" if "xfrm" in rest else "del"
    return [program, *rest[:at], verb, *_without(rest[at + 1 :], *left_out)]


def _without(words, *names):
    kept, skip = [], False
    for word in words:
        if not skip and word not in names:
            kept.append(word)
        skip = word in names
    return kept


def judged(row, answer, replaced):
    """What an answer does with the fault, and the finding that shows it. ``replaced`` fills in the words of tells."""
    if answer["verdict"] != "unreachable":
        return MISSED, answer["verdict"]
    findings = answer["findings"]
    tells = [replaced(word) for word in row.tells]
    named = [one for one in findings if one["code"] in row.codes and all(word in _text(one) for word in tells)]
    blocking = [
        one for one in findings if one["severity"] == "blocking" and one["code"] not in {*row.codes, WITHOUT_CAUSE}
    ]
    # A trace may show the place of the culprit without what it is: then the place must be right.
    traced = [one for one in findings if "stopped_by" in one["evidence"] and one not in named]
    stopped = [one for one in traced if not all(word in _text(one) for word in tells[:2])]
    for one in (*blocking, *stopped):
        return INVENTED, one
    return (NAMED, named[0]) if named else (HONEST, [one["message"] for one in findings])


def _text(finding):
    return f"{finding['message']} {finding['component']['name']} {json.dumps(finding['evidence'])}"
