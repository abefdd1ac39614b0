"""Probes and observations, run where the source stands: one file a kind, one signature, one map."""

from __future__ import annotations

from collections.abc import Mapping

from service.core.checks import Protocol
from service.probes import icmp
from service.probes.attempts import Probe

PROBES: Mapping[Protocol, Probe] = {
    Protocol.ICMP: icmp.probe,
}
