"""Answers kept with the snapshot they came from, asked for while another thread replaces that snapshot."""

from flask import Response

from bridgework.http.caching import KeptAnswers
from bridgework.model.snapshot import Snapshot


class Interrupted(KeptAnswers):
    """After each assignment to an attribute, another request comes for the new snapshot: a thread switch."""

    def __init__(self):
        self.interrupting = None
        super().__init__()

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        interrupt = self.__dict__.get("interrupting")
        if name != "interrupting" and interrupt:
            self.interrupting = None
            interrupt()
            self.interrupting = interrupt


def ask(kept, snapshot, text):
    return kept.answer(snapshot, "/v1/networks", lambda: Response(text)).get_data(as_text=True)


def test_an_answer_is_kept_for_its_snapshot_alone():
    kept, before, after = KeptAnswers(), Snapshot(), Snapshot()
    assert ask(kept, before, "one") == "one"
    assert ask(kept, before, "two") == "one"
    assert ask(kept, after, "three") == "three"
    assert ask(kept, after, "four") == "three"


def test_no_request_gets_an_answer_of_the_snapshot_before_while_that_is_replaced():
    kept, before, after = Interrupted(), Snapshot(), Snapshot()
    ask(kept, before, "old")
    seen = []
    kept.interrupting = lambda: seen.append(ask(kept, after, "new"))
    seen.append(ask(kept, after, "new"))
    assert set(seen) == {"new"}
    assert len(seen) > 1
