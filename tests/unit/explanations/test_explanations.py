"""The catalogue is whole, its codes are well formed, and no finding escapes it."""

from __future__ import annotations

import re

import pytest

from bridgework.explanations import (
    CATALOGUE,
    HOST,
    SYMPTOMS,
    containers,
    engine,
    finding,
    firewall,
    names,
    of_container,
    of_network,
    paths,
    routes,
)
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
    assert CATALOGUE[code].symptoms
    references = CATALOGUE[code].references
    assert references
    assert all(re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]+/[\w./#-]+", url) for url in references)


@pytest.mark.parametrize("name", SYMPTOMS)
def test_a_symptom_leads_to_codes_of_the_catalogue(name):
    symptom = SYMPTOMS[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", symptom.name)
    assert symptom.codes
    assert set(symptom.codes) <= set(CATALOGUE)
    assert len(set(symptom.codes)) == len(symptom.codes)
    assert symptom.first_step.endswith(".")
    assert not symptom.title.endswith(".")


def test_every_cause_in_a_symptom_names_it():
    assert {(name, code) for name, one in SYMPTOMS.items() for code in one.codes} == {
        (name, code) for code, row in CATALOGUE.items() for name in row.symptoms
    }


def test_text_of_others_is_escaped_in_the_sentences_of_a_finding():
    found = finding("no-listener", HOST, f"A rule says {HOSTILE}.", remedy=Remedy(f"Remove {HOSTILE}."))
    for sentence in (found.message, found.remedy.summary):
        assert acted_on(sentence) == []
        assert r"evil\x1b[2J\x9b31m\u202egpj" in sentence


def test_no_code_has_two_rows():
    rows = [*containers.ROWS, *engine.ROWS, *firewall.ROWS, *names.ROWS, *paths.ROWS, *routes.ROWS]
    assert sorted(row.code for row in rows) == list(CATALOGUE)


def test_the_catalogue_is_sorted_and_cannot_be_changed():
    assert list(CATALOGUE) == sorted(CATALOGUE)
    with pytest.raises(TypeError):
        CATALOGUE["x"] = CATALOGUE["no-listener"]


def test_a_finding_takes_its_severity_from_the_catalogue_unless_told():
    assert finding("no-listener", HOST, "…").severity is Severity.BLOCKING
    assert finding("no-listener", HOST, "…", severity=Severity.INFO).severity is Severity.INFO
    assert finding("no-listener", HOST, "…").evidence == {}


def test_an_unknown_code_is_an_error():
    with pytest.raises(KeyError):
        finding("no-such-code", HOST, "…")


def test_components_carry_kind_id_and_name():
    assert of_container(Container("a" * 64, "web")).kind == "container"
    assert of_network(Network("b" * 64, "net")).name == "net"
