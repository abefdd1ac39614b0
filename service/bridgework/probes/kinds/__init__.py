"""One module a protocol, one signature, one map (``bridgework.probes``)."""
