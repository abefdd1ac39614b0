"""``/v1/connectivity/matrix`` and assertions."""
