"""Bridgework: a REST service that changes, checks and explains Docker networks."""

__version__ = "0.1.0"
