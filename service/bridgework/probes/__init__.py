"""Probes and observations, run where the source stands: one file a kind, one signature, one map."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from bridgework.model.checks import Protocol
from bridgework.probes.kinds.attempts import Probe

PROBES: Mapping[Protocol, str] = {
    Protocol.ICMP: "icmp",
    Protocol.TCP: "tcp",
    Protocol.UDP: "udp",
    Protocol.HTTP: "http",
    Protocol.DNS: "dns",
}


def probe_of(protocol: Protocol) -> Probe:
    """The ``probe`` of the protocol's file, imported when first asked for: a helper waits only for what it needs."""
    probe: Probe = import_module(f"{__name__}.kinds.{PROBES[protocol]}").probe
    return probe
