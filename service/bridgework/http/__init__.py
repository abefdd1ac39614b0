"""The HTTP API: authenticate, parse, authorise, call one use case, serialise."""
