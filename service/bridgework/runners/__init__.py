"""Where a probe runs: in the namespace itself, or in a helper container that shares it."""
