"""All faults, and those that no finding names yet."""

from pathlib import Path

from tests.causes.fault import HONEST, NAMED
from tests.causes.in_containers import DESTINATION, SOURCE
from tests.causes.on_the_host import LINKS, ROUTES, RULES

FAULTS = [*SOURCE, *DESTINATION, *LINKS, *RULES, *ROUTES]
assert len({row.id for row in FAULTS}) == len(FAULTS)
NOT_NAMED = frozenset(Path(__file__).with_name("not_named.txt").read_text().split())
"""Faults whose answer is honest that their cause is not known."""


def expected(row):
    """What the answer does with the fault."""
    return HONEST if row.id in NOT_NAMED else NAMED
