"""The remedies of faults made by hand: sent or run as they are given, after which the way works again."""

import pytest

from tests.causes.fault import NAMED, judged
from tests.causes.table import FAULTS
from tests.support.proves import remedied
from tests.support.remedies import follow, open_pairs

TRIED = (
    "port-listening-4", "port-isolated-4", "port-no-broadcasts-4", "destination-address-gone-4",
    "destination-ipv6-off-6", "source-by-tunnel-4", "answer-table-4", "source-blackhole-rule-4",
    "answer-blackhole-route-6", "redirect-4", "source-output-drop-4", "input-nft-6", "answer-output-policy-4",
    "netdev-in-4", "bridge-forward-4", "ebtables-policy-4", "destination-netdev-in-4", "destination-arp-off-4",
    "host-arp-off-4", "host-arp-ignore-4", "source-qdisc-4", "destination-qdisc-on-host-4", "fdb-static-4",
    "source-xfrm-out-4", "xfrm-forward-4", "bridge-down-4", "notrack-4", "echo-ignored-4", "foreign-snat-4",
)  # fmt: skip


@pytest.fixture(scope="module")
def healthy(world):
    """The pairs that reach each other without a fault, as by IPv6 between networks of Docker 26."""
    return open_pairs(world.raw)


@remedied(
    "connection-not-tracked",
    "echo-ignored",
    "user-rule-diverts",
    "bridge-port-blocks",
    "container-address-missing",
    "container-route-diverts",
    "container-route-drops",
    "container-rule-diverts",
    "container-rule-drops",
    "ipv6-disabled",
    "link-rule-drops",
    "neighbour-discovery-off",
    "queue-discipline-drops",
    "stale-forwarding-entry",
    "xfrm-policy-blocks",
)
@pytest.mark.parametrize("row", [row for row in FAULTS if row.id in TRIED], ids=lambda row: row.id)
def test_the_way_works_after_the_remedy(world, healthy, row):
    undo = world.make(row)
    try:
        outcome, named = judged(row, world.ask(row), lambda word: world.fill(row, word))
        assert outcome == NAMED, named
        source, destination, port = world.ends_of(row)
        version = None if row.way == "outside" else row.version
        try:
            follow(world.api, world.raw, named, between=(source, destination), port=port, version=version,
                   open_before=healthy, gives_up=["policy drop"])  # fmt: skip
        finally:
            world.renew()
        assert world.is_whole_again(row), named["remedy"]
        assert world.ask(row)["verdict"] == "reachable"
    finally:
        world.undo(undo)
