"""The neighbour entries that a matrix holds, of both IP versions: what a packet needs before it may go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridgework.matrix.namespaces import Namespace
from bridgework.matrix.neighbour_budget import Key, NeighbourBudget
from bridgework.matrix.neighbour_routes import EntryPrediction
from bridgework.probes.kinds.reasons import VERSION_OF_LENGTH

Held = tuple[int, tuple[Key, ...]]
"""The IP version and the keys to give back."""


class NeighbourBudgets:
    """EntryPrediction says which entries, the version's ledger whether there is room for them."""

    def __init__(self, routing: EntryPrediction, ledgers: Mapping[int, NeighbourBudget]) -> None:
        self._routing, self._ledgers = routing, ledgers

    def hold(self, space: Namespace, address: bytes) -> tuple[Held | None, bool]:
        """What a packet from there to the address needs, ``None`` without room; and whether it stays on the link."""
        version = VERSION_OF_LENGTH[len(address)]
        made, near = self._routing.entries_made(space, address)
        keys = self._ledgers[version].admit(made)
        return (None if keys is None else (version, keys)), near

    def hold_all(self, space: Namespace, addresses: Iterable[bytes]) -> list[Held] | None:
        """The same for several addresses, all or none."""
        together: list[Held] = []
        for address in addresses:
            held, _ = self.hold(space, address)
            if held is None:
                self.let_go(together)
                return None
            together.append(held)
        return together

    def let_go(self, all_held: Iterable[Held]) -> None:
        """Give back what was held."""
        for version, keys in all_held:
            self._ledgers[version].release(keys)

    @property
    def idle(self) -> bool:
        """Whether nothing is held, so that waiting frees nothing."""
        return all(budget.idle for budget in self._ledgers.values())

    def tidy(self) -> None:
        """Delete what is done with."""
        for budget in self._ledgers.values():
            budget.tidy()
