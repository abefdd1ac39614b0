"""The reasoning: immutable values and pure functions. Knows no Flask, no Docker, no socket."""
