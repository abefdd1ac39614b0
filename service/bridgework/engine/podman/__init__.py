"""Podman behind its Docker-compatible API: what it answers otherwise than Docker, and what it lacks."""
