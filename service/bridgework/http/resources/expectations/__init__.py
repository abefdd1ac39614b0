"""Expectations that are kept."""
