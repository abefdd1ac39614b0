"""``/v1/connectivity/checks`` and the Prometheus probe."""
