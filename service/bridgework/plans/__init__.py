"""Plans: the engine's state after changes that are not made yet, and which pairs are then reachable."""
