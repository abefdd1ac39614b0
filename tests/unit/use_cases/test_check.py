"""One check works out each thing once: where both ends are attached, and the addresses to try."""

from __future__ import annotations

import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from bridgework.analysis import attachment, candidate_addresses
from bridgework.model.checks import (
    CheckRequest,
    ContainerDestination,
    Measurement,
    ProbeRequest,
    Protocol,
    Reason,
    Verdict,
)
from bridgework.model.observations import ListeningSocket, Observation
from bridgework.model.probe_port import Place, RunnerStatus
from bridgework.policy.access import Policy
from bridgework.use_cases.connectivity.check import check
from bridgework.use_cases.services import Services
from tests.support.fake_engine import FACTS
from tests.support.worlds import container, network, world

NET = network("net")
WEB, DB = container("web", (NET, "10.1.0.2")), container("db", (NET, "10.1.0.3"))
SNAPSHOT = world(NET, WEB, DB)
REQUEST = CheckRequest("web", ContainerDestination("db"), ProbeRequest(Protocol.ICMP))
ENGINE = SimpleNamespace(
    facts=lambda: FACTS,
    place_of=lambda _, one: Place(one.id, one.name),
    host_place=lambda _: Place(None, "host"),
)


def services(measurement):
    """A runner that measures this, and sees nothing."""
    runner = SimpleNamespace(
        check=lambda *_: measurement,
        status=lambda: RunnerStatus("namespace", ""),
        observe=lambda *_: None,
        observe_host=lambda: None,
        firewall_state=lambda: None,
        read_firewall=lambda: None,
        routes=lambda _: {},
        namespace_inode=lambda _: None,
    )
    return Services(ENGINE, runner, Policy(), peers=pytest.fail)


@pytest.fixture
def calls(monkeypatch):
    """How often each of these functions was called in any module, and with which container."""
    made = Counter()
    for function, called in (
        (attachment.derive_attachment, lambda _, container_id, __: container_id),
        (candidate_addresses.candidate_addresses, lambda *_: "addresses"),
    ):

        def counted(*arguments, function=function, called=called):
            made[called(*arguments)] += 1
            return function(*arguments)

        for module in [m for name, m in sys.modules.items() if name.startswith("bridgework")]:
            if getattr(module, function.__name__, None) is function:
                monkeypatch.setattr(module, function.__name__, counted)
    return made


@pytest.mark.parametrize(
    ("measurement", "looks"),
    [
        (Measurement(Verdict.REACHABLE), 1),
        # The prediction says reachable, so the check observes everything and predicts once more.
        (Measurement(Verdict.UNREACHABLE, reason=Reason.TIMED_OUT), 2),
    ],
)
def test_one_look_finds_the_addresses_and_the_attachment_of_each_end_once(calls, measurement, looks):
    result = check(services(measurement), SNAPSHOT, REQUEST)
    assert result.verdict is measurement.verdict
    assert calls == {"addresses": looks, WEB.id: looks, DB.id: looks}


def test_a_program_that_answers_after_more_than_a_second_tells_a_filter_from_a_dead_host():
    """The echo was silent. The answer of the program is waited for longer than the default of a probe."""

    def measure(_, probe):
        if probe.protocol is Protocol.TCP and probe.timeout_ms > 1000:
            return Measurement(Verdict.REACHABLE, "10.1.0.3")
        return Measurement(Verdict.UNREACHABLE, "10.1.0.3", reason=Reason.TIMED_OUT)

    made = services(None)
    made.runner.check = measure
    made.runner.observe = lambda *_: Observation(1, sockets=(ListeningSocket("tcp", "ipv4", "0.0.0.0", 8080),))
    result = check(made, SNAPSHOT, REQUEST)
    assert "icmp-blocked-tcp-ok" in [finding.code for finding in result.findings]
