"""The table of rules is what it says it is."""

from __future__ import annotations

from core import random_worlds as worlds
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.checks import Severity
from service.core.explanations import CATALOGUE
from service.core.reachability.prediction import situations_of
from service.core.rules.table import LAYERS, judge, verdict_of

RULES = [rule for _, rules in LAYERS for rule in rules]


def test_every_code_of_the_table_is_in_the_catalogue():
    assert {code for rule in RULES for code in rule.codes} <= set(CATALOGUE)


def test_the_layers_come_in_the_order_in_which_a_packet_passes_them():
    assert [name for name, _ in LAYERS] == [
        "source",
        "destination",
        "name",
        "address",
        "route",
        "wire",
        "host",
        "port",
    ]


@settings(deadline=None)
@given(worlds.odd_snapshots, worlds.odd_questions, worlds.odd_evidence)
def test_a_rule_gives_only_the_codes_of_its_row_even_where_a_layer_before_it_would_have_stopped(
    snapshot, question, seen
):
    for situation in situations_of(snapshot, question, seen):
        for rule in RULES:
            assert {finding.code for finding in rule.find(situation)} <= set(rule.codes)


@settings(deadline=None)
@given(worlds.engines(), st.data())
def test_the_first_layer_that_blocks_is_the_last_that_is_asked(snapshot, data):
    question = data.draw(worlds.questions_of(snapshot))
    for situation in situations_of(snapshot, question, data.draw(worlds.evidences(snapshot))):
        verdict, findings = judge(situation)
        assert verdict is verdict_of(findings)
        blocking = [
            name
            for name, rules in LAYERS
            if any(f in findings and f.severity is Severity.BLOCKING for rule in rules for f in rule.find(situation))
        ]
        assert len(blocking) <= 1
