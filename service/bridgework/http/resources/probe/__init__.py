"""One check as Prometheus metrics."""
