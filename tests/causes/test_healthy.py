"""Setups in which everything works, with rules and settings of other programs: nothing in them is blamed.

A second question has a surprise whose cause is none of the setup, a program that is stopped. Then everything is
observed, and still no setting of the setup may be named as blocking.
"""

from dataclasses import replace

import pytest

from tests.causes.healthy import SETUPS

STALLED = 8095


def blocking(findings):
    return [(one["code"], one["message"]) for one in findings if one["severity"] == "blocking"]


@pytest.mark.parametrize("one", SETUPS, ids=lambda one: one.name)
def test_nothing_is_blamed_where_everything_works(world, one):
    questions = one.questions()
    undo = world.make(questions[0])
    try:
        world.start(f"web python3 {world.words(4)['FOLDER']}/servers.py stopped {STALLED}")
        alarms = {}
        for row in questions:
            assert world.passes(row, wait_s=2), row
            answer = world.ask(row)
            assert answer["verdict"] == "reachable", (row.way, row.version, answer)
            alarms[row.way, row.version] = blocking(answer["findings"])
        alarms["diagnosis"] = blocking(world.api.get("/v1/diagnostics")["items"])
        for row in (row for row in questions if row.way == "pair"):
            stalled = replace(row, port=STALLED, protocol="http")
            answer = world.ask(stalled)
            assert answer["verdict"] == "unreachable", answer
            alarms["stalled", row.version] = blocking(answer["findings"])
    finally:
        world.undo(undo)
        assert world.is_whole_again(questions[0])
    assert {what: found for what, found in alarms.items() if found} == {}
