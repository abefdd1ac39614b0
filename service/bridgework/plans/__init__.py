"""Plans: the engine's state after changes that are not made yet, and who then reaches whom."""
