"""HTTP: parse, authorise, call one operation, serialise."""
