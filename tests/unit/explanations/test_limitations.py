"""What an answer leaves open, in words."""

import pytest

from bridgework.explanations import CATALOGUE
from bridgework.explanations.limitations import LIMITATIONS, limitation, of_pairs
from bridgework.model.checks import Reason


@pytest.mark.parametrize("code", LIMITATIONS)
def test_a_code_of_a_limitation_has_words_of_its_own(code):
    told = limitation(code, "the part")
    assert (told.code, told.what, told.why, told.remedy) == (code, "the part", *LIMITATIONS[code])


def test_a_measured_fact_stands_after_the_reason_and_nothing_of_it_acts_on_a_terminal():
    told = limitation("host-out-of-reach", "the host \x1b[2J", "Missing here: CAP_SYS_ADMIN.")
    assert told.why.endswith(" looked there. Missing here: CAP_SYS_ADMIN.")
    assert "\x1b" not in told.what


def test_the_reason_of_most_pairs_comes_first():
    told = of_pairs({"no-answer": 1, "budget-exhausted": 1200})
    assert [(one.code, one.what) for one in told] == [
        ("budget-exhausted", "1,200 inconclusive pairs"),
        ("no-answer", "1 inconclusive pair"),
    ]


@pytest.mark.parametrize(
    ("code", "row"), [("name-ambiguous", "name-ambiguous"), ("of-a-newer-peer", "analysis-limited")]
)
def test_a_code_has_the_words_of_the_catalogue(code, row):
    told = limitation(code, "1 pair")
    assert (told.code, told.why, told.remedy) == (code, CATALOGUE[row].meaning, CATALOGUE[row].remedy)


def test_deadline_is_a_reason_that_can_be_read():
    assert "BRIDGEWORK_REQUEST_TIMEOUT_S" in limitation(Reason.DEADLINE.value, "all pairs").remedy
