"""Endpoints of containers in networks."""
