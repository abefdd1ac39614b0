"""``/v1/containers``."""
