"""Checks: one pair, a matrix, assertions."""
