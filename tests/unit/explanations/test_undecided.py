"""Why an answer is inconclusive, in words."""

import pytest

from bridgework.explanations import CATALOGUE
from bridgework.explanations.undecided import UNMEASURED, limitation
from bridgework.model.checks import Reason


@pytest.mark.parametrize("reason", UNMEASURED)
def test_a_reason_of_a_measurement_has_words_of_its_own(reason):
    told = limitation(reason.value, "3 pairs")
    assert (told.code, told.what, told.why, told.remedy) == (reason.value, "3 pairs", *UNMEASURED[reason])


@pytest.mark.parametrize(
    ("code", "row"), [("name-ambiguous", "name-ambiguous"), ("of-a-newer-peer", "analysis-limited")]
)
def test_a_code_has_the_words_of_the_catalogue(code, row):
    told = limitation(code, "1 pair")
    assert (told.code, told.why, told.remedy) == (code, CATALOGUE[row].meaning, CATALOGUE[row].remedy)


def test_deadline_is_a_reason_that_can_be_read():
    assert "BRIDGEWORK_REQUEST_TIMEOUT_S" in limitation(Reason.DEADLINE.value, "all pairs").remedy
