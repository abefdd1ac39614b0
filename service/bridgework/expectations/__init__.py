"""Kept expectations outside of the engine: the file of their state, the files of their sets, and the webhooks."""
