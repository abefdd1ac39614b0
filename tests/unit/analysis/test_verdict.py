"""Prediction and measurement weighed against each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.analysis.case import Case
from bridgework.analysis.verdict import why_inconclusive
from bridgework.model.checks import Measurement, Protocol, Reason, Severity, Verdict
from bridgework.model.observations import (
    FirewallChain,
    FirewallRules,
    ListeningSocket,
    Observation,
    ResolverConfiguration,
    Route,
)
from bridgework.model.trace import Flow, Loss, Trace, TracedSurprise, TraceStep
from tests.support.worlds import BRIDGE, BUILTIN, ask, codes, container, finding_of, network, published, seen, world

NET = network("simon_network", "10.77.0.0/24")
MESH = network("mesh", "10.10.0.0/24", driver="overlay")
ONE, TWO = container("a", (NET, "10.77.0.2")), container("b", (NET, "10.77.0.3"))
WEB = container("web", (NET, "10.77.0.4"), ports=[published(8081)])
FAR = container("far", (MESH, "10.10.0.2", {"gateway": None}))
LEFT, RIGHT = container("left", (BRIDGE, "172.17.0.2")), container("right", (BRIDGE, "172.17.0.3"))
SNAPSHOT = world(*BUILTIN, NET, MESH, ONE, TWO, WEB, FAR, LEFT, RIGHT)


def measured(reason=None, **facts):
    verdict = facts.pop("verdict", Verdict.UNREACHABLE if reason else Verdict.REACHABLE)
    return Measurement(verdict, reason=reason, **facts)


def weighed(question, measurement, **facts):
    observations = facts.pop("observations", seen())
    return Case.of(SNAPSHOT, question, observations).weigh(measurement, **facts)


def test_two_that_agree_say_no_more_than_the_prediction():
    result = weighed(ask(ONE, TWO), measured())
    assert (result.verdict, result.findings) == (Verdict.REACHABLE, ())
    assert result.predicted.verdict is result.measured.verdict


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Reason.TIMED_OUT, "not known. It was not traced."),
        (Reason.HOST_UNREACHABLE, "not known. It was not traced."),
        (Reason.ADMINISTRATIVELY_PROHIBITED, "not known. It was not traced."),
        (Reason.NO_ROUTE, "The source has no route to the destination."),
    ],
)
def test_a_surprise_names_no_cause_that_was_not_seen(reason, told):
    result = weighed(ask(ONE, TWO), measured(reason))
    surprise = finding_of(result, "prediction-inconsistent")
    assert (result.verdict, surprise.evidence["measured"]) == (Verdict.UNREACHABLE, reason.value)
    assert told in surprise.message


def test_a_surprise_says_where_the_trace_saw_the_packet_last():
    flow = Flow(4, "icmp", "10.77.0.2", "10.77.0.3", None, 7)
    last = TraceStep("interface", "request", "source", "a", predicted=True, seen=True, interface="eth0", leaving=True)
    rule = replace(last, kind="rule", place="destination", of="b", table="filter", chain="INPUT", handle=4)
    lost = Measurement(Verdict.UNREACHABLE, "10.77.0.3", reason=Reason.TIMED_OUT)

    def told(loss, traced=None):
        shown = traced or TracedSurprise(Trace(flow, (last,), lost=loss))
        return finding_of(weighed(ask(ONE, TWO), lost, traced=shown), "prediction-inconsistent")

    stopped = told(Loss("request", "A rule drops it.", last, rule))
    assert stopped.message.endswith("A rule drops it.")
    assert stopped.evidence["last_seen"] == "eth0 of a"
    assert stopped.evidence["stopped_by"] == "filter INPUT of b"
    unseen = told(None, TracedSurprise(Trace(flow, missing=("The host was not recorded.",))))
    assert unseen.message.endswith("Where the packet was lost is not known. The host was not recorded.")
    assert told(None, TracedSurprise(why_not="No right.")).message.endswith("is not known. No right.")
    answered = replace(last, direction="reply", place="destination", of="b", leaving=True)
    refused = told(None, TracedSurprise(Trace(flow, (last, answered))))
    assert refused.evidence["answered_at"] == "eth0 of b"
    elsewhere = TracedSurprise(Trace(replace(flow, address="10.77.0.9"), (last,), lost=Loss("request", "There.", last)))
    assert "There." not in told(None, elsewhere).message


def test_missing_rules_of_the_engine_are_no_finding_of_a_packet_that_passes():
    none_written = seen(
        firewall=FirewallRules((FirewallChain("filter", "FORWARD", "ACCEPT", ()),)), ipv4_firewall=False
    )
    passed = weighed(ask(ONE, TWO), measured(), observations=none_written)
    assert (codes(passed.predicted), passed.findings) == (["firewall-rules-missing"], ())
    stopped = weighed(ask(ONE, TWO), measured(Reason.TIMED_OUT), observations=none_written)
    assert "firewall-rules-missing" in codes(stopped)


def test_what_was_predicted_to_block_and_did_not_is_kept_as_a_warning():
    result = weighed(ask(LEFT, "name:right"), measured())
    assert result.verdict is Verdict.REACHABLE
    assert finding_of(result, "default-bridge-no-dns").severity is Severity.WARNING
    assert finding_of(result.predicted, "default-bridge-no-dns").severity is Severity.BLOCKING
    assert "upstream server knows the name" in finding_of(result, "prediction-inconsistent").message
    apart = weighed(ask(ONE, LEFT), measured())
    assert "What let it pass is not known." in finding_of(apart, "prediction-inconsistent").message


def test_what_was_not_seen_does_not_matter_once_it_passed():
    result = weighed(ask(ONE, "host", "tcp", 9999), measured())
    assert result.verdict is Verdict.REACHABLE
    assert {found.severity for found in result.findings} == {Severity.INFO}


def test_a_measurement_that_decided_nothing_leaves_it_inconclusive_whatever_was_predicted():
    result = weighed(ask(ONE, LEFT), measured(Reason.BUDGET_EXHAUSTED, verdict=Verdict.INCONCLUSIVE, detail="full"))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "(budget-exhausted: full)" in finding_of(result, "analysis-limited").message
    assert why_inconclusive(result) == "budget-exhausted"
    assert "gc_thresh3" in finding_of(result, "analysis-limited").remedy.summary
    bare = weighed(ask("host", TWO), measured(verdict=Verdict.INCONCLUSIVE))
    assert why_inconclusive(bare) == "analysis-limited"
    assert finding_of(bare, "analysis-limited").component.kind == "host"


def test_where_nothing_could_be_sent_the_prediction_is_the_answer():
    stopped = container("stopped", NET, state="exited")
    snapshot = world(NET, ONE, stopped)
    question = ask(stopped, ONE)
    nothing = measured(Reason.SOURCE_NOT_RUNNING, verdict=Verdict.INCONCLUSIVE)
    result = Case.of(snapshot, question).weigh(nothing)
    assert (result.verdict, codes(result)) == (Verdict.UNREACHABLE, ["source-not-running"])


def test_a_refusal_names_no_cause_unless_one_was_seen():
    result = weighed(ask(ONE, TWO, "tcp", 80), measured(Reason.REFUSED, address="10.77.0.3"))
    found = finding_of(result, "connection-refused")
    assert (found.component.name, found.evidence["listening"]) == ("b", None)
    assert "It is not known whether" in found.message
    open_port = Observation(1, sockets=(ListeningSocket("tcp", "ipv4", "0.0.0.0", 80),))
    listens = weighed(ask(ONE, TWO, "tcp", 80), measured(Reason.REFUSED), observations=seen([(TWO, open_port)]))
    found = finding_of(listens, "connection-refused")
    assert found.evidence["listening"] == ["tcp 0.0.0.0:80"]
    assert "though a socket of b listens there (tcp 0.0.0.0:80)" in found.message
    assert codes(listens) == ["connection-refused", "prediction-inconsistent"]
    known = weighed(
        ask(ONE, TWO, "tcp", 80), measured(Reason.REFUSED), observations=seen([(TWO, Observation(1, sockets=()))])
    )
    assert codes(known) == ["no-listener"]
    assert codes(weighed(ask(ONE, TWO), measured(Reason.REFUSED))) == ["prediction-inconsistent"]


def test_a_refusal_by_the_host_does_not_say_that_a_published_port_is_not():
    assert "port-not-published" not in codes(weighed(ask(ONE, "host", "tcp", 8081), measured(Reason.REFUSED)))
    nowhere = weighed(ask(ONE, "name:example.org", "tcp", 80), measured(Reason.REFUSED))
    assert finding_of(nowhere, "connection-refused").component.kind == "host"


def test_a_name_that_the_resolver_does_not_know_lists_the_valid_ones():
    found = finding_of(
        weighed(ask(ONE, "name:example.org"), measured(Reason.NAME_UNKNOWN)), "name-not-on-shared-network"
    )
    assert found.evidence["valid_names"] == ["b", "web"]
    alone = weighed(ask(FAR, "name:example.org"), measured(Reason.NAME_UNKNOWN))
    assert finding_of(alone, "name-not-on-shared-network").remedy.summary == "Use an address."
    assert codes(weighed(ask(LEFT, "name:right"), measured(Reason.NAME_UNKNOWN))) == ["default-bridge-no-dns"]


def test_a_look_up_that_failed_names_the_upstream_servers():
    resolver = ResolverConfiguration(("127.0.0.11",), upstreams=("192.0.2.53",))
    observations = seen([(ONE, Observation(1, resolver=resolver))])
    result = weighed(ask(ONE, "name:example.org"), measured(Reason.RESOLVER_FAILED), observations=observations)
    assert finding_of(result, "dns-upstream-failed").evidence == {"servers": ["192.0.2.53"]}
    assert "dns-upstream-failed" in codes(weighed(ask(ONE, "name:example.org"), measured(Reason.RESOLVER_FAILED)))
    assert "dns-upstream-failed" not in codes(weighed(ask(ONE, "name:b"), measured(Reason.RESOLVER_FAILED)))
    assert "dns-upstream-failed" not in codes(weighed(ask(LEFT, "name:right"), measured(Reason.RESOLVER_FAILED)))


def test_a_source_without_a_network_has_no_upstream_server_at_fault():
    owner = container("owner", (NET, "10.77.0.5"), started_at="2026-01-01T00:00:02Z")
    left_behind = container("guest", shares_with=owner.id, started_at="2026-01-01T00:00:01Z")
    case = Case.of(world(*BUILTIN, NET, owner, left_behind), ask(left_behind, "name:owner"))
    found = codes(case.weigh(measured(Reason.RESOLVER_FAILED)))
    assert "shared-network-stale" in found
    assert "dns-upstream-failed" not in found


def test_a_packet_too_long_names_the_link_and_what_passes():
    question = ask(ONE, TWO, payload_bytes=1400, dont_fragment=True)
    found = finding_of(weighed(question, measured(Reason.MESSAGE_TOO_LONG, path_mtu_bytes=1300)), "mtu-mismatch")
    assert (found.component.name, found.evidence) == ("simon_network", {"path_mtu_bytes": 1300})
    large = ask(ONE, TWO, payload_bytes=1473, dont_fragment=True)
    assert codes(weighed(large, measured(Reason.MESSAGE_TOO_LONG))) == ["mtu-mismatch"]
    assert "mtu-mismatch" in codes(weighed(ask("host", TWO), measured(Reason.MESSAGE_TOO_LONG)))


def test_silence_from_an_overlay_address_means_the_other_node():
    found = weighed(ask(FAR, "address:10.10.0.9"), measured(Reason.TIMED_OUT))
    assert "overlay-peer-unreachable" in codes(found)
    assert "overlay-peer-unreachable" not in codes(weighed(ask(ONE, TWO), measured(Reason.TIMED_OUT)))


def test_pings_that_pass_the_tunnel_of_an_overlay_where_tcp_does_not_mean_damaged_checksums():
    question = ask(FAR, "address:10.10.0.9", "tcp", port=80)
    pings = {Protocol.ICMP: measured(address="10.10.0.9")}
    result = weighed(question, measured(Reason.TIMED_OUT), also=pings)
    (found,) = [one for one in result.findings if one.code == "vxlan-checksum-offload"]
    assert found.remedy.commands == ()
    assert "overlay-peer-unreachable" not in codes(result)
    routes = (
        Route("10.0.0.0/8", "ipv4", None, "lo", None, "global", "static"),
        Route("0.0.0.0/0", "ipv4", "192.0.2.1", "ens192", None, "global", "static"),
    )
    observed = seen(host=Observation(1, routes=routes))
    result = weighed(question, measured(Reason.TIMED_OUT), also=pings, observations=observed)
    (found,) = [one for one in result.findings if one.code == "vxlan-checksum-offload"]
    assert found.remedy.commands == ("ethtool -K ens192 tx-checksum-ip-generic off",)
    silent = {Protocol.ICMP: measured(Reason.TIMED_OUT)}
    assert "overlay-peer-unreachable" in codes(weighed(question, measured(Reason.TIMED_OUT), also=silent))


def test_a_ping_that_failed_where_a_connection_succeeds_is_a_filter_of_pings():
    tcp = {Protocol.DNS: measured(), Protocol.TCP: measured(address="10.77.0.3")}
    result = weighed(ask(ONE, TWO), measured(Reason.TIMED_OUT), also=tcp)
    assert finding_of(result, "icmp-blocked-tcp-ok").message == "10.77.0.3 answers tcp, but does not answer pings."
    neither = weighed(ask(ONE, TWO), measured(Reason.TIMED_OUT), also={Protocol.TCP: measured(Reason.TIMED_OUT)})
    assert "icmp-blocked-tcp-ok" not in codes(neither)


def test_findings_come_worst_first_then_by_code_and_never_twice():
    result = weighed(ask(ONE, "host", "tcp", 9999), measured(Reason.REFUSED))
    keys = [("blocking", "warning", "info").index(found.severity) for found in result.findings]
    assert keys == sorted(keys)
    assert len({(found.code, found.message) for found in result.findings}) == len(result.findings)
