"""One source of a matrix while it is measured: what is still to be sent, what is under way, what came of it."""

from __future__ import annotations

import socket
from array import array
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from bridgework.matrix.neighbour_entries import Held
from bridgework.model.checks import Reason, Verdict
from bridgework.model.probe_port import SweepOutcome, SweepRow, SweepSource
from bridgework.probes.kinds.attempts import verdict_of
from bridgework.probes.kinds.sockaddr import SocketAddress, family_of, numeric


class Destination(NamedTuple):
    """An address in the three forms that are needed."""

    version: int
    packed: bytes
    sockaddr: SocketAddress


def destination_of(address: str, port: int) -> Destination:
    """Raises ``OSError`` when the text is no usable address."""
    version, sockaddr = numeric(address, port)
    return Destination(version, socket.inet_pton(family_of(version), sockaddr[0].partition("%")[0]), sockaddr)


class RowProgress:
    """Positions count the source's targets from 0. Times are seconds of ``time.monotonic``."""

    def __init__(self, source: SweepSource) -> None:
        self.source = source
        size = len(source.targets)
        self.left = size
        self.ready: deque[int] = deque()
        self.destinations: list[Destination | None] = [None] * size
        self.addresses: list[str | None] = [target.address for target in source.targets]
        self.outcomes: list[SweepOutcome | None] = [None] * size
        self.sent = array("d", bytes(8 * size))
        self.under_way: dict[int, Held] = {}

    def destination(self, position: int) -> Destination:
        """Where a position that is ready goes to. Raises ``LookupError`` for one that is not."""
        destination = self.destinations[position]
        if destination is None:
            raise LookupError(f"position {position} has no destination yet")
        return destination

    def finish(self, position: int, reason: Reason | None, rtt_ms: float | None = None) -> None:
        """Write down an outcome, once; without a reason it is a success."""
        if self.outcomes[position] is not None:
            return
        self.outcomes[position] = SweepOutcome(
            index=self.source.targets[position].index,
            verdict=Verdict.REACHABLE if reason is None else verdict_of(reason),
            rtt_ms=rtt_ms,
            reason=reason,
            address=self.addresses[position],
        )
        self.left -= 1

    def give_up(self, reason: Reason) -> None:
        """Everything that is still open ends for this reason."""
        for position in self.open_positions():
            self.finish(position, reason)

    def open_positions(self) -> Iterable[int]:
        """Those without an outcome."""
        return [position for position, outcome in enumerate(self.outcomes) if outcome is None]

    def whole(self) -> SweepRow:
        """The row; every outcome must be there."""
        return SweepRow(self.source.index, tuple(outcome for outcome in self.outcomes if outcome is not None))
