"""The catalogue is whole, its codes are well formed, and no finding escapes it."""

from __future__ import annotations

import re

import pytest

from bridgework.explanations import (
    CATALOGUE,
    HOST,
    SUBJECTS,
    SYMPTOMS,
    Explanation,
    causes_of,
    finding,
    of_container,
    of_network,
    rows_of,
)
from bridgework.explanations.ports import NO_LISTENER
from bridgework.model.checks import Severity
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Container, Network
from tests.support.hostile_texts import HOSTILE, acted_on


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_row_says_everything_in_sentences(code):
    row = CATALOGUE[code]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.code)
    for words in (row.meaning, row.detection, row.remedy, row.example, row.seen):
        assert words.strip().endswith(".")


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_row_names_a_symptom_and_a_document(code):
    symptoms = CATALOGUE[code].symptoms
    assert symptoms
    assert set(symptoms) <= set(SYMPTOMS)
    assert list(symptoms) == sorted(set(symptoms))
    references = CATALOGUE[code].references
    assert references
    assert all(re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]+/[\w./#-]+", url) for url in references)


@pytest.mark.parametrize("name", SYMPTOMS)
def test_a_symptom_leads_to_causes_the_most_severe_first(name):
    symptom = SYMPTOMS[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", symptom.name)
    order = [list(Severity).index(row.severity) for row in causes_of(name)]
    assert order
    assert order == sorted(order)
    assert symptom.first_step.endswith(".")
    assert not symptom.title.endswith(".")


def test_text_of_others_is_escaped_in_the_sentences_of_a_finding():
    found = finding(NO_LISTENER, HOST, f"A rule says {HOSTILE}.", remedy=Remedy(f"Remove {HOSTILE}."))
    for sentence in (found.message, found.remedy.summary):
        assert acted_on(sentence) == []
        assert r"evil\x1b[2J\x9b31m\u202egpj" in sentence


def test_no_code_has_two_rows():
    rows = [row for subject in SUBJECTS for row in rows_of(subject)]
    assert sorted(row.code for row in rows) == list(CATALOGUE)


def test_the_constant_of_a_row_is_its_code():
    named = {name: row for subject in SUBJECTS for name, row in vars(subject).items() if isinstance(row, Explanation)}
    assert {name.lower().replace("_", "-") for name in named} == set(CATALOGUE)
    assert all(row.code == name.lower().replace("_", "-") for name, row in named.items())


def test_the_catalogue_is_sorted_and_cannot_be_changed():
    assert list(CATALOGUE) == sorted(CATALOGUE)
    with pytest.raises(TypeError):
        CATALOGUE["x"] = CATALOGUE["no-listener"]


def test_a_finding_takes_its_severity_from_the_catalogue_unless_told():
    assert finding(NO_LISTENER, HOST, "…").severity is Severity.BLOCKING
    assert finding(NO_LISTENER, HOST, "…", severity=Severity.INFO).severity is Severity.INFO
    assert finding(NO_LISTENER, HOST, "…").evidence == {}


def test_components_carry_kind_id_and_name():
    assert of_container(Container("a" * 64, "web")).kind == "container"
    assert of_network(Network("b" * 64, "net")).name == "net"
