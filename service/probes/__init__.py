"""Probes and observations, run where the source stands: one file a kind, one signature, one map."""
