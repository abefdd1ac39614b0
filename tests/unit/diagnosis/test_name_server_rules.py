"""Rules about the servers behind the embedded DNS server, and where they must find nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.diagnosis.diagnosis import diagnose
from bridgework.model.checks import Verdict
from bridgework.model.observations import (
    EngineObservations,
    HostObservation,
    Observation,
    Observations,
    ResolverConfiguration,
)
from bridgework.model.snapshot import Snapshot
from tests.support.worlds import ask, calls_of, codes, container, network, predict, seen, world

LAB = network("lab")
VAULT = network("vault", "10.2.0.0/24", internal=True)
PLAIN = network("bridge", "172.17.0.0/24")
FILE = "/etc/resolv.conf"
EMBEDDED = ResolverConfiguration(("127.0.0.11",), host_file=FILE, upstreams=("192.0.2.53",))


def found(code, resolver, *, on=LAB, today=("192.0.2.53",), embedded_dns=True, **facts):
    web = container("web", (on, "10.1.0.2"), **facts)
    host = HostObservation(Observation(1), name_servers=((FILE, today),))
    look = {web.id: Observation(2, resolver=resolver, embedded_dns=embedded_dns)}
    observations = EngineObservations(Observations(inside=look, host=host))
    return [one for one in diagnose(Snapshot((on,), (web,)), observations) if one.code == code]


def test_a_server_that_the_host_left_is_told_with_the_restart():
    (fault,) = found("dns-upstream-outdated", EMBEDDED, today=("198.51.100.53",))
    assert "192.0.2.53, which /etc/resolv.conf of the host no longer names: it names 198.51.100.53." in fault.message
    assert [call.path for call in calls_of(fault.remedy)] == ["/v1/containers/web/restart"]


def test_the_default_bridge_has_the_servers_in_its_own_file():
    legacy = ResolverConfiguration(("192.0.2.53",), host_file=FILE)
    assert len(found("dns-upstream-outdated", legacy, on=PLAIN, today=("198.51.100.53",))) == 1
    assert found("dns-upstream-outdated", legacy, on=PLAIN) == []


@pytest.mark.parametrize("resolver", [
    EMBEDDED, replace(EMBEDDED, configured=True), replace(EMBEDDED, host_file=None), replace(EMBEDDED, host_file="/x"),
    replace(EMBEDDED, upstreams=("8.8.8.8", "8.8.4.4")), None,
])  # fmt: skip
def test_servers_of_today_of_a_setting_or_of_the_engine_are_sound(resolver):
    today = ("192.0.2.53",) if resolver is EMBEDDED else ("198.51.100.53",)
    assert found("dns-upstream-outdated", resolver, today=today) == []


def test_servers_are_not_outdated_where_the_host_names_none_or_the_container_has_its_own():
    assert found("dns-upstream-outdated", EMBEDDED, today=()) == []
    assert found("dns-upstream-outdated", EMBEDDED, today=("198.51.100.53",), dns=("192.0.2.53",)) == []
    assert found("dns-upstream-outdated", EMBEDDED, on=VAULT, today=("198.51.100.53",)) == []


def test_an_embedded_server_with_nobody_to_ask_is_told():
    alone = replace(EMBEDDED, upstreams=())
    (fault,) = found("dns-no-upstream", alone)
    assert "/etc/resolv.conf of the host" in fault.remedy.summary
    for sound in (EMBEDDED, replace(alone, host_file=None), replace(alone, nameservers=("192.0.2.53",))):
        assert found("dns-no-upstream", sound) == []
    assert found("dns-no-upstream", alone, on=VAULT) == []


def test_without_its_rules_the_embedded_server_cannot_be_asked():
    (fault,) = found("embedded-dns-rules-missing", EMBEDDED, embedded_dns=False)
    assert [call.path for call in calls_of(fault.remedy)] == ["/v1/containers/web/restart"]
    assert found("embedded-dns-rules-missing", EMBEDDED, embedded_dns=None) == []
    elsewhere = ResolverConfiguration(("192.0.2.53",), host_file=FILE)
    assert found("embedded-dns-rules-missing", elsewhere, on=PLAIN, embedded_dns=False) == []


@pytest.mark.parametrize(("options", "count"), [
    (("ndots:5",), 1), (("ndots:2", "ndots:1"), 0), (("ndots:1",), 0), ((), 0), (("ndots:many",), 0),
])  # fmt: skip
def test_a_search_list_matters_with_a_high_ndots_only(options, count):
    assert len(found("search-list-detours", replace(EMBEDDED, search=("a.example",), options=options))) == count
    assert found("search-list-detours", replace(EMBEDDED, options=options)) == []


def test_a_container_in_host_mode_has_the_hosts_files():
    assert (
        found("search-list-detours", replace(EMBEDDED, search=("a",), options=("ndots:5",)), network_mode="host") == []
    )


def question(name, resolver, embedded_dns):
    web, client = container("web", (LAB, "10.1.0.2")), container("client", (LAB, "10.1.0.3"))
    look = Observation(2, resolver=resolver, embedded_dns=embedded_dns)
    return predict(world(LAB, web, client), ask(client, f"name:{name}"), seen([(client, look)]))


def test_a_check_of_a_name_stops_where_the_rules_are_gone():
    stopped = question("web", EMBEDDED, embedded_dns=False)
    assert (stopped.verdict, codes(stopped)) == (Verdict.UNREACHABLE, ["embedded-dns-rules-missing"])
    assert question("web", EMBEDDED, embedded_dns=True).verdict is Verdict.REACHABLE
    # The hosts file needs no server.
    hosts = replace(EMBEDDED, hosts=(("10.1.0.2", ("web",)),))
    assert question("web", hosts, embedded_dns=False).verdict is Verdict.REACHABLE


def test_a_check_of_a_public_name_says_that_nobody_can_be_asked():
    assert "dns-no-upstream" in codes(question("example.org", replace(EMBEDDED, upstreams=()), embedded_dns=True))
    assert "dns-no-upstream" not in codes(question("example.org", EMBEDDED, embedded_dns=True))
