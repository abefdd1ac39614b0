"""Every code of the catalogue is provoked by a test on a real engine, or stands in ``RECORDED`` with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridgework.explanations import CATALOGUE
from tests.support.proves import NOT_RUN, ONLY_READ, TESTS, not_followed, provoked, require_run_remedies

RECORDED = {
    "bridge-port-limit": ("diagnosis/test_diagnostics.py", "it takes a thousand containers on one bridge"),
    "connection-refused": (
        "analysis/test_verdict.py", "what refuses beside a missing program has a finding of its own where it is seen",
    ),
    "conntrack-table-full": (
        "diagnosis/test_leftovers.py", "the limit is the whole machine's, and is set in its first namespace alone",
    ),
    "neighbour-table-full": (
        "diagnosis/test_diagnostics.py", "the table is the whole machine's: filling it breaks whatever else runs here",
    ),
    "overlay-not-attachable": ("diagnosis/test_diagnostics.py", "it needs a network of a swarm"),
    "subnet-overlaps-network": (
        "diagnosis/test_diagnostics.py", "the engine refuses overlapping pools; it takes an IPAM plugin or a race",
    ),
    "vxlan-checksum-offload": (
        "analysis/test_verdict.py", "it takes a network card whose driver computes wrong checksums inside of VXLAN",
    ),
    "vlan-without-parent": ("diagnosis/test_diagnostics.py", "it needs a dummy link, which this kernel does not have"),
}  # fmt: skip
"""Code → the unit test on recorded state, and why no real engine of the tests can be brought to it."""


def test_every_code_is_provoked_or_recorded_with_a_reason():
    marked = provoked()
    missing = sorted(CATALOGUE.keys() - marked.keys() - RECORDED.keys())
    assert missing == [], "mark the test that provokes the code with @proves (tests/support/proves.py), or add a reason"


def test_no_mark_and_no_reason_is_out_of_date():
    marked = provoked()
    assert sorted(marked.keys() - CATALOGUE.keys()) == []
    assert sorted(RECORDED.keys() - CATALOGUE.keys()) == []
    assert sorted(RECORDED.keys() & marked.keys()) == []


def test_each_remedy_that_is_run_belongs_to_a_code_and_the_others_have_a_reason():
    run = provoked("remedied")
    assert sorted(run.keys() - CATALOGUE.keys()) == []
    assert sorted(NOT_RUN.keys() - CATALOGUE.keys()) == []
    assert sorted(NOT_RUN.keys() & run.keys()) == []
    assert all(len(reason.split()) > 3 for reason in NOT_RUN.values())


def test_each_remedy_is_followed_by_the_helper_that_proves_it():
    assert set(not_followed()) == ONLY_READ.keys(), "use tests/support/remedies.py"


def test_a_remedy_that_no_test_runs_is_refused():
    words = {"summary": "Wait.", "calls": [], "commands": []}
    reads = {**words, "calls": [{"method": "GET", "path": "/v1/subnets/available", "body": None}]}
    changes = {**words, "commands": ["ip link set eth0 up"]}

    def answer(code, remedy):
        return {"groups": [{"findings": [{"code": code, "severity": "info", "message": "", "remedy": remedy}]}]}

    for code, remedy in (("no-listener", words), ("no-listener", reads), ("link-down", changes), ("no-listener", None)):
        require_run_remedies(answer(code, remedy))
    with pytest.raises(AssertionError, match="no-listener"):
        require_run_remedies(answer("no-listener", changes))


@pytest.mark.parametrize("code", RECORDED)
def test_what_cannot_be_provoked_is_tested_on_recorded_state(code):
    file, reason = RECORDED[code]
    assert f'"{code}"' in Path(TESTS, "unit", file).read_text(encoding="utf-8")
    assert len(reason.split()) > 3
