"""Faults made by hand, one at a time: the answer names the culprit or says that it does not know it; it invents none.

Whether the fault is there is the word of curl and ping in the same namespace. ``-s`` shows the count at the end.
"""

import sys
from collections import Counter

import pytest

from tests.causes.fault import judged
from tests.causes.table import FAULTS, expected
from tests.support.proves import proves


@pytest.fixture(scope="module")
def counted():
    """How the answers turned out."""
    count = Counter()
    yield count
    sys.stdout.write(f"\nfaults: {dict(count)}\n")


@proves(
    "bridge-port-blocks",
    "container-address-missing",
    "container-route-diverts",
    "container-route-drops",
    "container-rule-diverts",
    "container-rule-drops",
    "connection-not-tracked",
    "echo-ignored",
    "user-rule-diverts",
    "duplicate-mac-address",
    "ipv6-disabled",
    "link-rule-drops",
    "listen-queue-full",
    "neighbour-discovery-off",
    "queue-discipline-drops",
    "socket-bound-to-interface",
    "stale-forwarding-entry",
    "xfrm-policy-blocks",
)
@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row.id)
def test_a_fault_is_named_or_honestly_not_known(world, counted, record_property, row):
    undo = world.make(row)
    try:
        tried = world.tries(row)
        answer = world.ask(row)
        is_there = tried.wait() != 0
    finally:
        world.undo(undo)
    whole = world.is_whole_again(row)
    outcome, why = judged(row, answer, lambda word: world.fill(row, word))
    counted[outcome] += 1
    record_property("outcome", f"{outcome}: {why}")
    assert whole, "the fault is not gone"
    assert is_there, "the fault does nothing"
    assert outcome == expected(row), why
