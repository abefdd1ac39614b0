"""Expectations that are kept: their sets, the watch that measures them, the causes of changes, and the webhooks."""
