"""Probes and observations, run inside a source's network namespace."""
