"""The topology of the engine as a graph."""
