"""One module a protocol, named as the protocol, each with a function ``probe`` (``attempts.Probe``)."""
