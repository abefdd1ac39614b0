"""Rules of the families that see frames: which chains a dump has, and what each does with a packet."""

import json

import pytest

from bridgework.firewall.frames import drop_of, frame_chains
from tests.unit.firewall.hosts import packet

SSH = packet("br0 tcp 10.50.0.2 10.51.0.2 22")
WEB = packet("br0 tcp 10.50.0.2 10.51.0.2 80")
DROP, ACCEPT, RETURN = {"drop": None}, {"accept": None}, {"return": None}
TO_SSH = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}
# No packet of a prediction decides whether a rate is kept.
SOMETIMES = {"limit": {"rate": 5, "per": "second"}}


def jump(kind="jump", target="inner"):
    return {kind: {"target": target}}


def base(name="first", **facts):
    return {"family": "bridge", "table": "t", "name": name, "hook": "forward", "policy": "accept"} | facts


def dump(*rules, inner=(), **facts):
    """A dump with one base chain of these rules, and the chain ``inner`` that they may call."""
    chains = [base(**facts), {"family": "bridge", "table": "t", "name": "inner"}]
    written = [("first", rule) for rule in rules] + [("inner", rule) for rule in inner]
    things = [{"chain": chain} for chain in chains] + [
        {"rule": {"family": "bridge", "table": "t", "chain": chain, "handle": handle, "expr": rule}}
        for handle, (chain, rule) in enumerate(written, 1)
    ]
    return json.dumps({"nftables": things})


def answer(sent, *rules, **facts):
    """What the one base chain does: ``None``, or the text of what drops, and whether it is certain."""
    (chain,) = frame_chains(dump(*rules, **facts))
    drop = drop_of(chain, sent)
    return None if drop is None else (drop.text, drop.is_certain)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"nftables": [{"chain": {"hook": "forward"}}]}'])
def test_what_is_no_dump_has_no_chains(text):
    assert frame_chains(text) == ()


@pytest.mark.parametrize(
    ("written", "devices"), [({}, set()), ({"dev": "eth0"}, {"eth0"}), ({"dev": ["eth0", "eth1"]}, {"eth0", "eth1"})]
)
def test_a_base_chain_has_the_devices_that_the_dump_names(written, devices):
    (chain,) = frame_chains(dump(**written))
    assert (chain.name, chain.hook, chain.devices) == ("first", "forward", devices)


def test_each_line_of_a_dump_is_a_document_of_its_own():
    assert [chain.name for chain in frame_chains(dump() + "\n" + dump(name="second"))] == ["first", "second"]


@pytest.mark.parametrize(
    ("rules", "inner", "expected"),
    [
        ([[TO_SSH, DROP]], [], ("tcp dport 22 drop", True)),
        ([[TO_SSH, ACCEPT], [DROP]], [], None),
        ([[TO_SSH, RETURN], [DROP]], [], None),
        ([[SOMETIMES, DROP]], [], ("limit drop", False)),
        ([[SOMETIMES, DROP], [TO_SSH, DROP]], [], ("tcp dport 22 drop", True)),
        ([[SOMETIMES, DROP], [SOMETIMES, jump()]], [[DROP]], ("limit drop", False)),
        ([[SOMETIMES, ACCEPT], [DROP]], [], ("drop", False)),
        ([[SOMETIMES, ACCEPT], [ACCEPT]], [], None),
        ([[TO_SSH, jump()]], [[DROP]], ("drop", True)),
        ([[TO_SSH, jump("goto")]], [[DROP]], ("drop", True)),
        ([[TO_SSH, jump()], [DROP]], [[ACCEPT]], None),
        ([[TO_SSH, jump()], [DROP]], [[RETURN]], ("drop", True)),
        ([[SOMETIMES, jump()]], [[DROP]], ("drop", False)),
        # A goto does not come back, not even to the next rule of the base chain.
        ([[TO_SSH, jump("goto")], [DROP]], [], None),
        ([[TO_SSH, jump("goto")], [DROP]], [[RETURN]], None),
        ([[SOMETIMES, jump("goto")], [TO_SSH, DROP]], [], ("tcp dport 22 drop", False)),
        ([[TO_SSH, jump()], [DROP]], [[jump("goto", "empty")]], ("drop", True)),
        # What a called chain may accept or may leave open stays open for the rules of its caller.
        ([[TO_SSH, jump()], [DROP]], [[SOMETIMES, ACCEPT]], ("drop", False)),
        ([[TO_SSH, jump()], [DROP]], [[SOMETIMES, RETURN], [ACCEPT]], ("drop", False)),
        ([[TO_SSH, jump()], [DROP]], [[SOMETIMES, RETURN]], ("drop", True)),
        ([[TO_SSH, jump(target="missing")]], [[DROP]], None),
    ],
)
def test_the_first_rule_that_drops_the_packet_is_named(rules, inner, expected):
    assert answer(SSH, *rules, inner=inner) == expected


def test_a_rule_for_another_port_drops_nothing():
    assert answer(WEB, [TO_SSH, DROP]) is None


def test_chains_that_call_each_other_end():
    assert answer(SSH, [jump()], inner=[[jump()], [TO_SSH, DROP]]) == ("tcp dport 22 drop", True)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], ("its policy is drop", True)),
        ([[TO_SSH, ACCEPT]], None),
        ([[SOMETIMES, ACCEPT]], ("its policy is drop", False)),
        ([[SOMETIMES, DROP]], ("its policy is drop", True)),
        ([[TO_SSH, jump("goto")], [ACCEPT]], ("its policy is drop", True)),
    ],
)
def test_the_policy_drops_what_no_rule_decides(rules, expected):
    assert answer(SSH, *rules, policy="drop") == expected
