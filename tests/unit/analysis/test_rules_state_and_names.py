"""The layers of state and of names: one test a rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.model.checks import Severity, Verdict
from bridgework.model.observations import Observation, ResolverConfiguration
from tests.support.worlds import (
    BRIDGE,
    BUILTIN,
    HOST_NETWORK,
    NONE,
    ask,
    calls_of,
    codes,
    container,
    finding_of,
    network,
    predict,
    seen,
    target,
    way,
    world,
)

FRONT, BACK = network("frontend", "10.1.0.0/24"), network("backend", "10.2.0.0/24")
VAULT = network("vault", "10.3.0.0/24", internal=True)


def resolver(*nameservers, hosts=(), upstreams=()):
    return Observation(1, resolver=ResolverConfiguration(nameservers, hosts=hosts, upstreams=upstreams))


def test_what_the_engines_copy_of_a_resolver_file_says_is_uncertain():
    one, two = container("a", (FRONT, "10.1.0.2")), container("b", (FRONT, "10.1.0.3"))
    copy = Observation(1, resolver=ResolverConfiguration(("127.0.0.11",), is_engine_copy=True))
    prediction = predict(world(FRONT, one, two), ask(one, "name:b"), seen([(one, copy)]))
    assert prediction.verdict is Verdict.INCONCLUSIVE
    assert "the engine's copy" in finding_of(prediction, "analysis-limited").message


def test_a_source_that_is_stopped_sends_nothing_and_the_remedy_starts_it():
    one, two = container("a", FRONT, state="exited", exit_code=137, error="oom"), container("b", (FRONT, "10.1.0.3"))
    prediction = predict(world(FRONT, one, two), ask(one, two))
    found = finding_of(prediction, "source-not-running")
    assert found.message == "a is exited (exit code 137, error: oom); nothing can be sent from it."
    assert calls_of(found.remedy)[0].path == "/v1/containers/a/start"
    assert (prediction.verdict, way(prediction)) == (Verdict.UNREACHABLE, [("container", "stopped")])


def test_a_source_that_was_removed_is_said_to_not_exist():
    ghost, two = container("ghost"), container("b", (FRONT, "10.1.0.3"))
    found = finding_of(predict(world(FRONT, two), ask(ghost, two)), "source-not-running")
    assert (found.remedy, "does not exist" in found.message) == (None, True)


def test_a_destination_that_is_stopped_or_removed_holds_no_address():
    one, two = container("a", (FRONT, "10.1.0.2")), container("b", FRONT, state="created")
    found = finding_of(predict(world(FRONT, one, two), ask(one, two)), "destination-not-running")
    assert calls_of(found.remedy)[0].path == "/v1/containers/b/start"
    assert finding_of(predict(world(FRONT, one), ask(one, two)), "destination-not-running").remedy is None


@pytest.mark.parametrize(
    ("protocol", "severity", "verdict"),
    [
        ("icmp", Severity.INFO, Verdict.REACHABLE),
        ("http", Severity.BLOCKING, Verdict.UNREACHABLE),
        ("udp", Severity.BLOCKING, Verdict.UNREACHABLE),
    ],
)
def test_a_paused_destination_answers_pings_and_no_requests(protocol, severity, verdict):
    one, two = container("a", (FRONT, "10.1.0.2")), container("b", (FRONT, "10.1.0.3"), state="paused")
    prediction = predict(world(FRONT, one, two), ask(one, two, protocol, None if protocol == "icmp" else 80))
    found = finding_of(prediction, "container-paused")
    assert (prediction.verdict, found.severity) == (verdict, severity)
    assert [call.path for call in calls_of(found.remedy)] == ["/v1/containers/b/start"]


def test_a_destination_in_host_mode_is_asked_at_the_hosts_address():
    one = container("a", (FRONT, "10.1.0.2"))
    two = container("b", (HOST_NETWORK, None), network_mode="host")
    snapshot = world(*BUILTIN, FRONT, one, two)
    prediction = predict(snapshot, ask(one, two))
    assert (prediction.verdict, codes(prediction)) == (Verdict.REACHABLE, ["host-mode-no-own-address"])
    assert target(snapshot, ask(one, two)) == "10.1.0.1"
    assert codes(predict(snapshot, ask("host", two))) == []


def test_a_destination_that_shares_a_network_is_asked_at_the_owners_address():
    owner = container("owner", (FRONT, "10.1.0.3"))
    sharer = container("sharer", shares_with=owner.id, network_mode=f"container:{owner.id}")
    one = container("a", (FRONT, "10.1.0.2"))
    snapshot = world(FRONT, one, owner, sharer)
    assert codes(predict(snapshot, ask(one, sharer))) == ["shares-network"]
    assert target(snapshot, ask(one, sharer)) == "10.1.0.3"
    assert predict(snapshot, ask(sharer, owner)).path[0].name == "lo"


def test_a_sharer_of_a_container_that_is_gone_has_to_be_made_again():
    sharer = container("sharer", shares_with="f" * 64)
    second = container("second", shares_with=sharer.id)
    one = container("a", (FRONT, "10.1.0.2"))
    snapshot = world(FRONT, one, sharer, second)
    found = finding_of(predict(snapshot, ask(sharer, one)), "shared-network-owner-down")
    assert (calls_of(found.remedy), "a container that is gone" in found.message) == ((), True)
    found = finding_of(predict(snapshot, ask(one, second)), "shared-network-owner-down")
    assert "sharer, which shares the network of a container that is gone" in found.message


def test_containers_that_share_with_each_other_in_a_circle_stand_nowhere():
    one = container("a", shares_with=container("b").id)
    two = container("b", shares_with=one.id)
    assert codes(predict(world(one, two), ask(one, "address:10.0.0.1"))) == ["shared-network-owner-down"]


def test_an_owner_that_started_after_its_sharer_was_restarted_and_the_namespaces_settle_it():
    owner = container("owner", (FRONT, "10.1.0.3"), started_at="2026-01-01T00:00:02.5Z")
    sharer = container("sharer", shares_with=owner.id, started_at="2026-01-01T00:00:02.123456789Z")
    one = container("a", (FRONT, "10.1.0.2"))
    snapshot = world(FRONT, one, owner, sharer)
    assert codes(predict(snapshot, ask(sharer, one))) == ["shared-network-stale"]
    same = seen(namespace_inodes={owner.id: 7, sharer.id: 7})
    assert codes(predict(snapshot, ask(sharer, one), same)) == []
    naive = replace(owner, started_at="2026-01-01T00:00:02.5")
    assert codes(predict(world(FRONT, one, naive, sharer), ask(sharer, one))) == []


def test_a_stale_sharer_still_reaches_its_own_loopback_and_is_warned_of():
    owner = container("owner", (FRONT, "10.1.0.3"))
    sharer = container("sharer", shares_with=owner.id)
    stale = seen([(owner, Observation(1, sockets=()))], namespace_inodes={owner.id: 1, sharer.id: 2})
    prediction = predict(world(FRONT, owner, sharer), ask(sharer, "address:127.0.0.1", "tcp", 80), stale)
    assert finding_of(prediction, "shared-network-stale").severity is Severity.WARNING
    assert prediction.verdict is Verdict.INCONCLUSIVE  # the owner's sockets are not the sharer's


def test_a_container_created_in_none_mode_and_connected_later_is_on_its_network():
    one, two = container("a", (FRONT, "10.1.0.2"), network_mode="none"), container("b", (FRONT, "10.1.0.3"))
    assert predict(world(*BUILTIN, FRONT, one, two), ask(one, two)).verdict is Verdict.REACHABLE


def test_a_container_taken_off_every_network_has_no_network():
    one, two = container("a"), container("b", (FRONT, "10.1.0.3"))
    found = finding_of(predict(world(FRONT, one, two), ask(one, two)), "network-mode-none")
    assert "on no network" in found.message
    assert [call.method for call in calls_of(found.remedy)] == ["POST", "PUT", "PUT"]


def test_a_name_on_another_network_is_unknown_and_the_remedy_gives_both_a_network():
    one, two = container("a", (FRONT, "10.1.0.2")), container("b", (BACK, "10.2.0.2"))
    known = container("c", (FRONT, "10.1.0.4"))
    prediction = predict(world(FRONT, BACK, one, two, known), ask(one, "name:b"))
    found = finding_of(prediction, "name-not-on-shared-network")
    assert found.evidence["valid_names"] == ["c"]
    assert "b is on backend" in found.message
    assert [call.path for call in calls_of(found.remedy)] == [
        "/v1/networks",
        "/v1/networks/a-b/endpoints/a",
        "/v1/networks/a-b/endpoints/b",
    ]


def test_a_bearer_by_another_name_gets_that_name_as_an_alias_on_the_new_network():
    one, two = container("a", (FRONT, "10.1.0.2")), container("b", (BACK, "10.2.0.2", {"aliases": ["db"]}))
    found = finding_of(predict(world(FRONT, BACK, one, two), ask(one, "name:db")), "name-not-on-shared-network")
    assert calls_of(found.remedy)[-1].body == {"aliases": ["db"]}


def test_a_sharer_has_no_name_of_its_own():
    owner = container("owner", (FRONT, "10.1.0.3"))
    sharer = container("sharer", shares_with=owner.id)
    one = container("a", (FRONT, "10.1.0.2"))
    found = finding_of(predict(world(FRONT, one, owner, sharer), ask(one, "name:sharer")), "name-not-on-shared-network")
    assert "sharer shares the network of owner" in found.message


def test_a_running_bearer_without_a_network_is_said_to_be_on_none():
    one, two = container("a", (FRONT, "10.1.0.2")), container("b", (NONE, None), network_mode="none")
    found = finding_of(predict(world(*BUILTIN, FRONT, one, two), ask(one, "name:b")), "name-not-on-shared-network")
    assert "b is on no network" in found.message


def test_a_name_that_nobody_bears_lists_the_valid_ones():
    one, two = container("a", (FRONT, "10.1.0.2")), container("b", (FRONT, "10.1.0.3"))
    found = finding_of(predict(world(FRONT, one, two), ask(one, "name:nobody")), "name-not-on-shared-network")
    assert found.remedy.summary == "Use one of the valid names: b."
    alone = finding_of(predict(world(FRONT, one), ask(one, "name:nobody")), "name-not-on-shared-network")
    assert alone.remedy.summary == "Use an address."


def test_the_name_of_a_stopped_container_does_not_resolve_until_it_is_started():
    one, two = container("a", (FRONT, "10.1.0.2")), container("b", FRONT, state="exited")
    found = finding_of(predict(world(FRONT, one, two), ask(one, "name:b")), "destination-not-running")
    assert "so the name b does not resolve" in found.message


def test_the_host_knows_no_container_by_name():
    two = container("b", (FRONT, "10.1.0.3"))
    found = finding_of(predict(world(FRONT, two), ask("host", "name:b")), "name-not-on-shared-network")
    assert (found.component.kind, calls_of(found.remedy)) == ("host", ())


def test_what_an_upstream_server_knows_is_not_predicted_but_for_internal_networks_which_ask_none():
    one, two = container("a", (FRONT, "10.1.0.2")), container("b", (VAULT, "10.3.0.2"))
    snapshot = world(FRONT, VAULT, one, two)
    assert predict(snapshot, ask(one, "name:example.org")).verdict is Verdict.INCONCLUSIVE
    assert predict(snapshot, ask("host", "name:example.org")).verdict is Verdict.INCONCLUSIVE
    assert codes(predict(snapshot, ask(two, "name:example.org"))) == ["name-not-on-shared-network"]
    assert codes(predict(snapshot, ask(one, "name:a.vault"))) == ["name-not-on-shared-network"]


def test_a_name_with_two_holders_is_ambiguous_and_inconclusive_where_they_differ():
    one = container("a", (FRONT, "10.1.0.2"))
    two = container("b", (FRONT, "10.1.0.3", {"aliases": ["db"]}))
    three = container("c", (FRONT, "10.1.0.4", {"aliases": ["db"]}), state="paused")
    snapshot = world(FRONT, one, two, three)
    prediction = predict(snapshot, ask(one, "name:db"))
    assert prediction.verdict is Verdict.REACHABLE
    assert finding_of(prediction, "name-ambiguous").evidence["holders"] == ["b", "c"]
    listening = [(c, Observation(1, sockets=())) for c in (two, three)]
    assert predict(snapshot, ask(one, "name:db", "http", 80), seen(listening)).verdict is Verdict.UNREACHABLE
    assert predict(snapshot, ask(one, "name:db", "http", 80), seen(listening[1:])).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("localhost", "127.0.0.1"),
        ("10.1.0.3", "10.1.0.3"),
        ("own-host", "10.1.0.2"),
        ("extra", "10.1.0.3"),
        ("gateway", "172.17.0.1"),
        ("linked", "10.1.0.3"),
    ],
)
def test_the_hosts_file_comes_before_dns(name, address):
    one = container(
        "a",
        (FRONT, "10.1.0.2", {"links": ("b:linked",)}),
        hostname="own-host",
        extra_hosts={"extra": "10.1.0.3", "gateway": "host-gateway"},
    )
    two = container("b", (FRONT, "10.1.0.3"))
    prediction = predict(world(*BUILTIN, FRONT, one, two), ask(one, f"name:{name}"))
    assert prediction.verdict is Verdict.REACHABLE
    assert prediction.path[-1].name in {"lo", "eth0", address}


def test_a_link_on_the_default_bridge_gives_its_reader_a_name():
    one = container("a", (BRIDGE, "172.17.0.2"), links=("/b:/a/db", "/gone:/a/gone"))
    two = container("b", (BRIDGE, "172.17.0.3"))
    snapshot = world(*BUILTIN, one, two)
    assert predict(snapshot, ask(one, "name:db")).verdict is Verdict.REACHABLE
    assert predict(snapshot, ask(one, "name:b")).verdict is Verdict.REACHABLE
    assert predict(snapshot, ask(two, "name:a")).verdict is Verdict.UNREACHABLE
    assert predict(snapshot, ask(one, "name:gone")).verdict is Verdict.UNREACHABLE


def test_a_resolver_that_was_seen_is_believed():
    one, two = container("a", (FRONT, "10.1.0.2")), container("b", (FRONT, "10.1.0.3"))
    snapshot = world(FRONT, one, two)
    bypassed = predict(snapshot, ask(one, "name:b"), seen([(one, resolver("192.0.2.53"))]))
    assert bypassed.verdict is Verdict.UNREACHABLE
    assert finding_of(bypassed, "embedded-dns-bypassed").severity is Severity.BLOCKING
    assert "name-not-on-shared-network" not in codes(bypassed)
    upstream = predict(snapshot, ask(one, "name:b.example"), seen([(one, resolver("192.0.2.53"))]))
    assert finding_of(upstream, "embedded-dns-bypassed").evidence == {"nameservers": ["192.0.2.53"]}
    written = seen([(one, resolver("127.0.0.11", hosts=(("10.1.0.3", ("written",)),)))])
    assert predict(snapshot, ask(one, "name:written"), written).verdict is Verdict.REACHABLE


def test_an_upstream_server_on_a_loopback_is_the_container_itself():
    one = container("a", (FRONT, "10.1.0.2"), dns=("127.0.0.53", "127.0.0.11", "not an address"))
    found = finding_of(predict(world(FRONT, one), ask(one, "name:example.org")), "dns-loopback-upstream")
    assert found.evidence == {"dns": ["127.0.0.53"]}


def test_names_are_put_together_for_engines_that_do_not_list_them():
    one = container("a", (FRONT, "10.1.0.2"))
    two = container("b", (FRONT, "10.1.0.3", {"dns_names": (), "aliases": ["db"]}))
    snapshot = world(FRONT, one, two)
    for name in ("b", "db", two.id[:12]):
        assert predict(snapshot, ask(one, f"name:{name}")).verdict is Verdict.REACHABLE


def test_a_name_is_asked_at_ipv6_first_where_there_is_a_route():
    dual = network("dual", "10.4.0.0/24", subnet6="fd00:4::/64")
    one = container("a", (dual, "10.4.0.2", {"ipv6_address": "fd00:4::2"}))
    two = container("b", (dual, "10.4.0.3", {"ipv6_address": "fd00:4::3"}))
    plain = container("c", (FRONT, "10.1.0.2"), extra_hosts={"b": "fd00:4::3"})
    snapshot = world(dual, FRONT, one, two, plain)
    assert predict(snapshot, ask(one, "name:b", ip_version=6)).verdict is Verdict.REACHABLE
    assert predict(snapshot, ask(one, "name:b", ip_version=4)).verdict is Verdict.REACHABLE
    assert codes(predict(snapshot, ask(plain, "name:b"))) == ["address-family-mismatch"]
    assert codes(predict(snapshot, ask(plain, "name:b", ip_version=4))) == ["address-family-mismatch"]


def test_two_sharers_of_one_container_are_one_namespace_and_a_stale_one_is_alone():
    owner = container("owner", (FRONT, "10.1.0.3"))
    one, two = container("a", shares_with=owner.id), container("b", shares_with=owner.id)
    snapshot = world(FRONT, owner, one, two)
    assert predict(snapshot, ask(one, two)).path[0].name == "lo"
    stale = seen(namespace_inodes={owner.id: 1, one.id: 2, two.id: 1})
    assert codes(predict(snapshot, ask(one, two), stale)) == ["shared-network-stale"]


def test_an_address_with_a_prefix_that_cannot_be_is_on_no_network():
    odd = container("a", (FRONT, "10.1.0.2", {"ipv4_prefix_len": 99}))
    assert predict(world(FRONT, odd), ask(odd, "address:10.1.0.9")).verdict is not Verdict.REACHABLE
