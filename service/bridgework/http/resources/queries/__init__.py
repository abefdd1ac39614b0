"""``/v1/connectivity/queries``."""
