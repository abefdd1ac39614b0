"""The table of rules is what it says it is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bridgework.analysis.case import Case
from bridgework.analysis.rules.table import LAYERS, judge, verdict_of
from bridgework.explanations import CATALOGUE
from bridgework.model.checks import Severity
from tests.support import random_worlds as worlds

RULES = [rule for _, rules in LAYERS for rule in rules]


def test_a_cause_that_stops_elsewhere_is_in_the_catalogue():
    assert {code for rule in RULES for code in rule.elsewhere} <= set(CATALOGUE)
    assert all(step != rule.step for rule in RULES for step in rule.elsewhere.values())


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
        "rules in force",
    ]


@settings(deadline=None)
@given(worlds.engines(), st.data())
def test_after_a_layer_that_blocks_only_what_stops_the_packet_before_is_added(snapshot, data):
    question = data.draw(worlds.questions_of(snapshot))
    for situation in Case.of(snapshot, question, data.draw(worlds.evidences(snapshot))).situations:
        judgement = judge(situation)
        assert judgement.verdict is verdict_of(judgement.findings)
        # Each layer that adds to the causes stops the packet nearer to the source than all the layers before.
        nearest = None
        for _, rules in LAYERS:
            blocking = [
                rule.elsewhere.get(found.code, rule.step)
                for rule in rules
                for found in rule.find(situation)
                if found in judgement.findings and found.severity is Severity.BLOCKING
            ]
            assert nearest is None or all(step < nearest for step in blocking)
            nearest = min([*blocking, *([nearest] if nearest else [])], default=None)
        assert (judgement.stop[0] if judgement.stop else None) == nearest
