"""The catalogue is whole, its codes are well formed, and no finding escapes it."""

from __future__ import annotations

import re

import pytest

from bridgework.explanations import CATALOGUE, HOST, containers, engine, finding, names, of_container, of_network, paths
from bridgework.model.checks import Severity
from bridgework.model.snapshot import Container, Network


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_row_says_everything_in_sentences(code):
    row = CATALOGUE[code]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.code)
    for words in (row.meaning, row.detection, row.remedy, row.example):
        assert words.strip().endswith(".")


def test_no_code_has_two_rows():
    rows = [*containers.ROWS, *engine.ROWS, *names.ROWS, *paths.ROWS]
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
