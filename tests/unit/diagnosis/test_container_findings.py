"""What the engine does silently to a container."""

from __future__ import annotations

from dataclasses import replace

from bridgework.diagnosis.container_findings import findings_for
from bridgework.model.checks import Severity
from bridgework.model.endpoint_names import names_of
from bridgework.model.observations import Observation, ResolverConfiguration
from tests.support.worlds import (
    BRIDGE,
    BUILTIN,
    HOST_NETWORK,
    NONE,
    calls_of,
    codes,
    container,
    finding_of,
    network,
    published,
    seen,
    world,
)

NET = network("backend", "10.1.0.0/24")
VAULT = network("vault", "10.3.0.0/24", internal=True)


def findings(one, *others, observations=None):
    return findings_for(world(*BUILTIN, NET, VAULT, one, *others), one, observations or seen())


def test_an_ordinary_container_has_none():
    assert findings(container("a", (NET, "10.1.0.2"), ports=[published(8081)])) == ()


def test_published_ports_are_ignored_in_host_mode():
    one = container("a", (HOST_NETWORK, None), network_mode="host", configured_ports=[published(8083)])
    found = finding_of(findings(one), "published-ports-ignored")
    assert found.evidence == {"configured_ports": "8083->8080/tcp"}
    assert found.remedy.summary == "Use the port of the program (8080) at the host's address, or a network of its own."


def test_published_ports_are_ignored_without_a_network():
    one = container("a", (NONE, None), network_mode="none", configured_ports=[published(None)])
    assert codes(findings(one)) == ["published-ports-ignored", "network-mode-none"]
    found = finding_of(findings(one), "published-ports-ignored")
    assert (found.evidence, found.remedy.summary) == (
        {"configured_ports": "any->8080/tcp"},
        "Create a again on a network.",
    )


def test_published_ports_are_ignored_by_a_sharer():
    owner = container("owner", (NET, "10.1.0.2"))
    one = container("a", shares_with=owner.id, configured_ports=[published(8083)])
    found = findings(one, owner)
    assert codes(found) == ["published-ports-ignored", "shares-network"]
    assert found[0].remedy.summary == "Create owner again with these ports published."
    gone = findings(one)
    assert codes(gone) == ["shared-network-owner-down", "published-ports-ignored"]


def test_a_stale_share_is_said():
    owner = container("owner", (NET, "10.1.0.2"))
    one = container("a", shares_with=owner.id)
    found = findings(one, owner, observations=seen(namespace_inodes={owner.id: 1, one.id: 2}))
    assert codes(found) == ["shared-network-stale"]


def test_ports_of_an_internal_network_are_not_published():
    found = finding_of(
        findings(container("a", (VAULT, "10.3.0.2"), configured_ports=[published(8083)])), "internal-no-publish"
    )
    assert [call.method for call in calls_of(found.remedy)] == ["POST", "PUT"]


def test_a_port_published_on_loopback_is_pointed_out():
    one = container("a", (NET, "10.1.0.2"), ports=[published(8081, host_ip="127.0.0.1")])
    assert finding_of(findings(one), "port-bound-to-loopback").severity is Severity.INFO


def test_the_default_bridge_alone_has_no_names():
    found = finding_of(findings(container("a", (BRIDGE, "172.17.0.2"))), "default-bridge-no-dns")
    assert (found.severity, calls_of(found.remedy)[0].body) == (Severity.INFO, {"name": "a"})
    assert findings(container("a", (BRIDGE, "172.17.0.2"), (NET, "10.1.0.2"))) == ()


def test_a_legacy_link_is_replaced_by_a_network_with_its_alias():
    target = container("db1", (BRIDGE, "172.17.0.3"))
    one = container("a", (BRIDGE, "172.17.0.2"), links=("/db1:/a/db",))
    found = finding_of(findings(one, target), "legacy-link")
    assert [(call.path, call.body) for call in calls_of(found.remedy)] == [
        ("/v1/networks", {"name": "a-db1"}),
        ("/v1/networks/a-db1/endpoints/a", {}),
        ("/v1/networks/a-db1/endpoints/db1", {"aliases": ["db"]}),
    ]
    assert calls_of(finding_of(findings(one), "legacy-link").remedy) == ()
    user = container("a", (NET, "10.1.0.2", {"links": ("b:b",)}))
    named = container("b", (NET, "10.1.0.3"))
    assert calls_of(finding_of(findings(user, named), "legacy-link").remedy)[-1].body == {}


def test_an_alias_that_another_holds_is_given_up_by_reconnecting_without_it():
    one = container("a", (NET, "10.1.0.2", {"aliases": ["db", "mine"]}))
    other = container("b", (NET, "10.1.0.3", {"aliases": ["db"]}))
    found = finding_of(findings(one, other), "alias-already-held")
    assert found.evidence == {"name": "db", "network": "backend", "holders": ["a", "b"]}
    assert [(call.method, call.body) for call in calls_of(found.remedy)] == [
        ("DELETE", None),
        ("PUT", {"aliases": ["mine"]}),
    ]


def test_a_name_that_another_took_as_an_alias_is_ambiguous():
    other = container("b", (NET, "10.1.0.3", {"aliases": ["a"]}))
    assert codes(findings(container("a", (NET, "10.1.0.2")), other)) == ["name-ambiguous"]


def test_a_fixed_address_that_was_not_given_or_that_is_taken():
    changed = container("a", (NET, "10.1.0.4", {"configured_ipv4": "10.1.0.3", "configured_ipv6": "fd00::3"}))
    holder = container("b", (NET, "10.1.0.3"))
    found = finding_of(findings(changed, holder), "address-changed")
    assert found.message == "a is configured with 10.1.0.3 on backend, which b holds; it has 10.1.0.4."
    stopped = container("a", (NET, None, {"configured_ipv4": "10.1.0.3"}), state="exited")
    assert codes(findings(stopped, holder)) == ["static-address-taken"]
    assert findings(stopped) == ()


def test_a_network_that_is_gone_is_created_again_and_connected():
    gone = network("old", "10.9.0.0/24")
    found = finding_of(findings(container("a", gone, state="exited")), "network-gone")
    assert [call.path for call in calls_of(found.remedy)] == ["/v1/networks", "/v1/networks/old/endpoints/a"]


def test_name_servers_that_cannot_serve_are_said():
    one = container("a", (NET, "10.1.0.2"), dns=("127.0.0.53",))
    observations = seen([(one, Observation(1, resolver=ResolverConfiguration(("192.0.2.53",))))])
    assert codes(findings(one, observations=observations)) == ["dns-loopback-upstream", "embedded-dns-bypassed"]
    plain = replace(one, dns=())
    assert findings(plain, observations=seen([(plain, Observation(1, sockets=()))])) == ()


def test_what_a_list_of_a_crowded_network_costs_grows_with_the_crowd(monkeypatch):
    """Not with its square: whoever holds a name is looked up, not sought among everybody."""
    asked = []
    crowd = [container(f"c{i}", (NET, f"10.1.0.{i + 2}", {"aliases": ["web"] * (i < 2)})) for i in range(60)]
    everything = world(*BUILTIN, NET, *crowd)
    for module in ("bridgework.model.snapshot", "bridgework.diagnosis.container_findings"):
        monkeypatch.setattr(f"{module}.names_of", lambda endpoint: asked.append(endpoint) or names_of(endpoint))
    found = [codes(findings_for(everything, one, seen())) for one in crowd]
    assert found == [["alias-already-held"]] * 2 + [[]] * 58
    assert len(asked) == 2 * len(crowd)


def test_ports_are_looked_up_by_their_number():
    there = container("there", (NET, "10.1.0.2"), ports=[published(8081)])
    others = [container(f"c{i}", (NET, f"10.1.0.{i + 3}"), ports=[published(9000 + i)]) for i in range(3)]
    wants = container("wants", (NET, None), state="exited", configured_ports=[published(8081)])
    found = finding_of(findings(wants, there, *others), "host-port-taken")
    assert found.evidence["holder"] == "there"
    assert codes(findings(replace(wants, configured_ports=(published(8082),)), there, *others)) == []


def test_a_stopped_container_that_is_not_in_the_network_it_was_created_for():
    one = container("a", state="created", network_mode="backend", error="Bind for 0.0.0.0:9000 failed")
    found = finding_of(findings(one), "network-forgotten")
    assert (
        found.message == "a was created for the network backend and is on no network: when it starts, it has only lo."
    )
    assert found.evidence == {"network_mode": "backend", "error": "Bind for 0.0.0.0:9000 failed"}
    assert [call.path for call in calls_of(found.remedy)] == ["/v1/networks/backend/endpoints/a"]


def test_a_forgotten_network_that_is_gone_is_only_named():
    found = finding_of(findings(container("a", state="exited", network_mode="old")), "network-forgotten")
    assert (found.remedy.summary, calls_of(found.remedy)) == ("Connect a to a network that exists.", ())


def test_no_network_is_forgotten_where_none_is_expected():
    owner = container("owner", (NET, "10.1.0.2"))
    moved = container("moved", (VAULT, None), state="exited", network_mode="backend")
    none = container("none", state="exited", network_mode="none")
    sharer = container("sharer", state="exited", shares_with=owner.id, network_mode=f"container:{owner.id}")
    for one in (moved, none, sharer):
        assert "network-forgotten" not in codes(findings(one, owner))
