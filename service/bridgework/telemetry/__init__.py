"""Logs, metrics, the request's trace context, its deadline and its progress."""
