"""Random hosts, predicted for another engine before the upgrade, are made again on that engine and measured there.

Each host is made on every engine. From each, a plan says what each other one would let pass, and that is held against
what is measured there: each address by a program of its own, and the service's matrix. The machine's own engine takes
part, and the one of ``BRIDGEWORK_TEST_ENGINE``, or else Debian's newer one. ``BRIDGEWORK_TEST_HOSTS`` is the number of
hosts, ``BRIDGEWORK_TEST_FIRST_HOST`` the seed of the first.
"""

import itertools
import os
from pathlib import Path

import pytest

from tests.upgrades.hosts import Host
from tests.upgrades.lab import Counts, compare, compare_exposure

FEW = int(os.environ.get("BRIDGEWORK_TEST_HOSTS", "5"))
MANY = 100
FIRST = int(os.environ.get("BRIDGEWORK_TEST_FIRST_HOST", "0"))
MOST_UNDECIDED = 0.001
REPORTS = Path("build/upgrades")
"""Each run's counts, and whatever was not right."""


def predict_and_measure(labs, hosts):
    """Count for each ordered pair of engines what was right, wrong and undecided."""
    has_modes = all(lab.variant.release >= (28, 0) for lab in labs.values())
    found = {pair: Counts() for pair in itertools.permutations(labs, 2)}
    for seed in hosts:
        host = Host(seed, has_modes)
        for lab in labs.values():
            lab.make(host)
        for (now, then), counts in found.items():
            lab, target = labs[now], labs[then]
            if not lab.can_become_others(host):
                continue
            plan = lab.plan({"upgrade_engine": host.upgrade(lab.variant, target.variant)})
            counts.add_all(f"host {seed}", compare(plan.after, target))
            counts.add_all(f"host {seed}", compare_exposure(plan.after, lab.host_links(), target))
    REPORTS.mkdir(parents=True, exist_ok=True)
    for (now, then), counts in found.items():
        lines = [str(counts), *counts.wrong, *counts.undecided]
        (REPORTS / f"{now}-to-{then}.txt").write_text("\n".join([*lines, ""]))
    return found


def check(found):
    assert sum(counts.right for counts in found.values()) > 100
    for pair, counts in found.items():
        assert counts.wrong == [], pair
        total = counts.right + len(counts.undecided)
        assert len(counts.undecided) <= total * MOST_UNDECIDED, (pair, counts.undecided)


def test_a_few_hosts_are_after_an_upgrade_as_predicted(labs):
    check(predict_and_measure(labs, range(FIRST, FIRST + FEW)))


@pytest.mark.long
def test_many_hosts_are_after_an_upgrade_as_predicted(labs):
    check(predict_and_measure(labs, range(FIRST, FIRST + MANY)))
