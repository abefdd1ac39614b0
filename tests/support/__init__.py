"""The harness of the tests: engines, services, callers, made snapshots and servers."""
