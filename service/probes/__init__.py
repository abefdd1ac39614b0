"""Probes and observations, run where the source stands: one file a kind, one signature, one map."""

from __future__ import annotations

from collections.abc import Mapping

from service.core.checks import Protocol
from service.probes import dns_probe, http, icmp, tcp, udp
from service.probes.attempts import Probe

PROBES: Mapping[Protocol, Probe] = {
    Protocol.ICMP: icmp.probe,
    Protocol.TCP: tcp.probe,
    Protocol.UDP: udp.probe,
    Protocol.HTTP: http.probe,
    Protocol.DNS: dns_probe.probe,
}
