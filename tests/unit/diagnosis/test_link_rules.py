"""Rules about links, on the smallest engine that shows each, and where they must find nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridgework.diagnosis.diagnosis import diagnose
from bridgework.model.checks import Severity
from bridgework.model.observations import (
    AdvertisedLink,
    EngineObservations,
    ForwardingEntry,
    HostObservation,
    Interface,
    InterfaceAddress,
    LinkManager,
    NdpProxies,
    Neighbour,
    Observation,
    Observations,
    Route,
)
from bridgework.model.snapshot import Snapshot
from tests.support.worlds import calls_of, container, network

LAB = network("lab", subnet6="fd00:1::/64", options={"com.docker.network.bridge.name": "br0"})
WEB = container("web", (LAB, "10.1.0.2", {"mac_address": "02:00:00:00:00:02", "ipv6_address": "fd00:1::2"}))
CLIENT = container("client", (LAB, "10.1.0.3", {"mac_address": "02:00:00:00:00:03"}))
WORLD = Snapshot((LAB,), (WEB, CLIENT))
ADDRESSES = (("10.1.0.1", 24), ("fd00:1::1", 64))
SCOPES = {"fe80": "link"}


def link(index, name, *addresses, kind="bridge", mtu=1500, mac="02:00:00:00:00:aa"):
    held = tuple(
        InterfaceAddress(a, length, "ipv6" if ":" in a else "ipv4", SCOPES.get(a[:4], "global"))
        for a, length in addresses
    )
    return Interface(index, name, kind, mac, mtu, "up", ("up",), held)


def host(*links, neighbours=(), routes=(), **facts):
    seen = Observation(1, interfaces=links or (link(1, "br0", *ADDRESSES),), neighbours=neighbours, routes=routes)
    return HostObservation(seen, **facts)


def inside(address, mac, *neighbours, more=()):
    return Observation(
        2, interfaces=(link(2, "eth0", (address, 24), *more, kind="veth", mac=mac),), neighbours=neighbours
    )


def found(code, seen, world=WORLD, inside=None):
    observations = EngineObservations(Observations(host=seen, inside=inside or {}))
    return [finding for finding in diagnose(world, observations) if finding.code == code]


def test_a_bridge_with_its_addresses_is_sound():
    assert found("bridge-address-missing", host()) == []


@pytest.mark.parametrize(("left", "address", "command"), [
    (ADDRESSES[1:], "10.1.0.1", "ip address add 10.1.0.1/24 dev br0"),
    (ADDRESSES[:1], "fd00:1::1", "ip address add fd00:1::1/64 dev br0 nodad"),
])  # fmt: skip
def test_a_bridge_without_its_address_of_a_family_is_told(left, address, command):
    (fault,) = found("bridge-address-missing", host(link(1, "br0", *left)))
    assert (fault.severity, fault.evidence["address"], fault.evidence["affected"]) == (Severity.BLOCKING, address, 2)
    assert fault.remedy.commands == (command,)
    assert "manager" not in fault.evidence


@pytest.mark.parametrize(("program", "file", "words"), [
    ("systemd-networkd", "/etc/systemd/network/a.network", "reads before /etc/systemd/network/a.network"),
    ("NetworkManager", None, "unmanaged-devices"),
])  # fmt: skip
def test_the_program_that_configures_the_bridge_is_named(program, file, words):
    managers = (LinkManager("other", program, 1), LinkManager("br0", program, 412, file))
    (fault,) = found("bridge-address-missing", host(link(1, "br0", *ADDRESSES[1:]), managers=managers))
    assert fault.message.endswith(f"{program} (process 412) configures br0.")
    assert words in fault.remedy.summary
    assert fault.evidence["manager"] == {"program": program, "pid": 412, "file": file}


def test_an_unused_network_without_its_bridge_address_is_a_warning():
    (fault,) = found("bridge-address-missing", host(link(1, "br0", *ADDRESSES[1:])), Snapshot((LAB,), ()))
    assert fault.severity is Severity.WARNING


@pytest.mark.parametrize("options", [
    {"com.docker.network.bridge.inhibit_ipv4": "true"}, {"com.docker.network.bridge.gateway_mode_ipv4": "isolated"},
])  # fmt: skip
def test_a_bridge_that_should_have_no_address_is_sound(options):
    bare = replace(LAB, options={**LAB.options, **options})
    assert found("bridge-address-missing", host(link(1, "br0", *ADDRESSES[1:])), Snapshot((bare,), ())) == []


def test_without_the_hosts_links_nothing_is_told_of_bridges():
    assert found("bridge-address-missing", None) == []
    assert found("bridge-address-missing", host(link(1, "br1"))) == []


def entry(state="permanent", mac="02:00:00:00:00:99", address="10.1.0.2", interface="br0"):
    return Neighbour(address, mac, interface, state)


def test_a_wrong_permanent_entry_of_the_host_is_told_with_the_command_that_deletes_it():
    (fault,) = found("stale-neighbour", host(neighbours=(entry(),)))
    assert fault.message == (
        "The host has the neighbour entry 10.1.0.2 with 02:00:00:00:00:99, but web has 02:00:00:00:00:02."
    )
    assert fault.remedy.commands == ("ip neighbour delete 10.1.0.2 dev br0",)


@pytest.mark.parametrize("harmless", [
    entry(mac="02:00:00:00:00:02"), entry("stale"), entry("failed", None), entry(address="10.1.0.9"),
    entry(interface="br1"), entry("permanent", None),
])  # fmt: skip
def test_an_entry_that_is_right_or_asked_about_again_is_sound(harmless):
    assert found("stale-neighbour", host(neighbours=(harmless,))) == []
    assert found("duplicate-address", host(neighbours=(harmless,))) == []


def test_an_entry_with_the_mac_address_that_the_container_gave_itself_is_right():
    changed = {WEB.id: inside("10.1.0.2", "02:00:00:00:00:99")}
    assert found("stale-neighbour", host(neighbours=(entry(),)), inside=changed) == []


def test_a_wrong_entry_inside_a_container_is_gone_after_its_restart():
    look = {CLIENT.id: inside("10.1.0.3", "02:00:00:00:00:03", entry(interface="eth0"))}
    (fault,) = found("stale-neighbour", host(), inside=look)
    assert fault.component.name == "client"
    assert [call.path for call in calls_of(fault.remedy)] == ["/v1/containers/client/restart"]


@pytest.mark.parametrize(("mac", "learnt", "station"), [
    ("02:00:00:00:00:03", (), "client"),
    ("02:00:00:00:00:aa", (), "the host's br0"),
    ("02:00:00:00:00:99", (ForwardingEntry("02:00:00:00:00:99", "eth1", "br0"),), "a station behind eth1"),
])  # fmt: skip
def test_another_station_that_answers_for_an_address_is_named(mac, learnt, station):
    seen = host(neighbours=(entry("reachable", mac),), forwarding_entries=learnt)
    (fault,) = found("duplicate-address", seen)
    assert fault.component.name == "web"
    assert fault.message == f"{station} answers for 10.1.0.2, the address of web."
    assert fault.remedy.commands == (("ip link set eth1 nomaster",) if learnt else ())


def test_a_confirmed_entry_that_leads_to_nobody_known_is_stale():
    elsewhere = (ForwardingEntry("02:00:00:00:00:99", "eth1", "br9"),)
    assert len(found("stale-neighbour", host(neighbours=(entry("reachable"),), forwarding_entries=elsewhere))) == 1


def test_a_container_with_the_address_of_another_one_is_named():
    look = {CLIENT.id: inside("10.1.0.3", "02:00:00:00:00:03", more=(("10.1.0.2", 24), ("fe80::1", 64)))}
    (fault,) = found("duplicate-address", host(), inside=look)
    assert (fault.component.name, fault.evidence["other"]) == ("web", "client")
    assert [call.path for call in calls_of(fault.remedy)] == ["/v1/containers/client/restart"]


def test_a_container_that_shares_a_namespace_has_no_address_twice():
    sharer = container("beside", network_mode=f"container:{WEB.id}", shares_with=WEB.id)
    look = {sharer.id: inside("10.1.0.2", "02:00:00:00:00:02")}
    assert found("duplicate-address", host(), Snapshot((LAB,), (WEB, sharer)), inside=look) == []


def test_the_host_with_the_address_of_a_container_is_told():
    for address in ("10.1.0.2", "fd00:1::2"):
        (fault,) = found("duplicate-address", host(link(1, "br0", *ADDRESSES, (address, 24))))
        assert fault.evidence["other"] == "the host"
        assert fault.remedy.commands[0].startswith(f"ip address delete {address}/")
    assert found("duplicate-address", host(link(1, "br0", *ADDRESSES), link(2, "eth0", ("10.1.0.2", 24)))) == []


def way_out(interface="wg0", destination="0.0.0.0/0", metric=None, protocol="static"):
    return Route(destination, "ipv4", "192.0.2.1", interface, None, "global", protocol, metric)


UPLINKS = (link(1, "br0", *ADDRESSES), link(2, "wg0", kind="wireguard", mtu=1420), link(3, "eth0", kind="device"))


def test_a_network_with_a_larger_mtu_than_the_way_out_is_moved_by_the_remedy():
    (fault,) = found("mtu-exceeds-egress", host(*UPLINKS, routes=(way_out(),)))
    assert fault.message == (
        "The bridge of lab has an MTU of 1500 bytes, but wg0, the host's link to the outside, has 1420."
    )
    first, *rest = calls_of(fault.remedy)
    assert (first.body["name"], first.body["options"]) == (
        "lab-mtu-1420", {"com.docker.network.driver.mtu": "1420"},
    )  # fmt: skip
    assert [(call.method, call.path) for call in rest] == [
        (method, f"/v1/networks/{name}/endpoints/{who}{force}")
        for who in ("client", "web")
        for method, name, force in (("DELETE", "lab", "?force=true"), ("PUT", "lab-mtu-1420", ""))
    ]


@pytest.mark.parametrize("routes", [
    (), (way_out("eth0"),), (way_out("eth0", metric=1), way_out("wg0", metric=9)), (way_out("gone"),),
    (way_out("br0"),), (way_out(destination="192.0.2.0/24"),),
])  # fmt: skip
def test_a_network_that_fits_through_the_way_out_is_sound(routes):
    assert found("mtu-exceeds-egress", host(*UPLINKS, routes=routes)) == []


def test_an_internal_or_unused_network_may_have_any_mtu():
    seen = host(*UPLINKS, routes=(way_out(), way_out(destination="::/0")))
    assert found("mtu-exceeds-egress", seen, Snapshot((LAB,), ())) == []
    assert found("mtu-exceeds-egress", seen, Snapshot((replace(LAB, internal=True),), (WEB,))) == []
    isolated = {f"com.docker.network.bridge.gateway_mode_ipv{v}": "isolated" for v in (4, 6)}
    assert (
        found("mtu-exceeds-egress", seen, Snapshot((replace(LAB, options={**LAB.options, **isolated}),), (WEB,))) == []
    )


def test_many_containers_are_not_moved_by_a_remedy():
    many = tuple(container(f"c{n}", (LAB, f"10.1.0.{n + 10}")) for n in range(9))
    (fault,) = found("mtu-exceeds-egress", host(*UPLINKS, routes=(way_out(),)), Snapshot((LAB,), many))
    assert calls_of(fault.remedy) == ()
    assert "com.docker.network.driver.mtu=1420" in fault.remedy.summary


def test_a_host_that_forwards_and_refuses_advertisements_is_told():
    (fault,) = found("router-advertisements-refused", host(advertised_links=(AdvertisedLink("eth0.5", 1, True),)))
    assert fault.remedy.commands == ("sysctl -w net.ipv6.conf.eth0/5.accept_ra=2",)
    assert fault.evidence["sysctl"] == "net.ipv6.conf.eth0.5.accept_ra"


@pytest.mark.parametrize(("settings", "routes"), [
    ((2, True), ()), ((1, False), ()), ((0, True), ()), ((1, True), (way_out("eth0", "::/0"),)),
])  # fmt: skip
def test_a_host_that_accepts_advertisements_or_needs_none_is_sound(settings, routes):
    seen = host(advertised_links=(AdvertisedLink("eth0", *settings),), routes=routes)
    assert found("router-advertisements-refused", seen) == []


def test_an_advertised_default_route_does_not_last_where_advertisements_are_refused():
    seen = host(advertised_links=(AdvertisedLink("eth0", 1, True),), routes=(way_out("eth0", "::/0", protocol="ra"),))
    assert len(found("router-advertisements-refused", seen)) == 1


# A part of the prefix of LAN, whose containers are not masqueraded.
SHOWN = network("lab", subnet6="2001:db8:0:0:1::/80", options={
    "com.docker.network.bridge.name": "br0", "com.docker.network.bridge.gateway_mode_ipv6": "routed",
})  # fmt: skip
SHOWN_WEB = container("web", (SHOWN, "10.1.0.2", {"ipv6_address": "2001:db8:0:0:1::2"}))
LAN = link(5, "eth0.5", ("192.0.2.1", 24), ("fe80::1", 64), ("2001:db8::1", 64), kind="device")
BRIDGE = link(1, "br0", ("2001:db8:0:0:1::1", 80))


def unanswered(proxies, lan=LAN, lab=SHOWN, **seen):
    seen = Observations(host=host(BRIDGE, lan, ndp_proxies=proxies), **seen)
    one = replace(SHOWN_WEB, endpoints=tuple(replace(e, network_id=lab.id) for e in SHOWN_WEB.endpoints))
    found = diagnose(Snapshot((lab,), (one,)), EngineObservations(seen))
    return [finding for finding in found if finding.code == "ndp-proxy-missing"]


ENTRY = "ip -6 neigh add proxy 2001:db8:0:0:1::2 dev eth0.5"
SWITCH = "sysctl -w net.ipv6.conf.eth0/5.proxy_ndp=1"


@pytest.mark.parametrize(("proxies", "commands"), [
    (NdpProxies(), (SWITCH, ENTRY)),
    (NdpProxies(enabled=("eth0.5",)), (ENTRY,)),
    (NdpProxies(enabled=("all",)), (ENTRY,)),
    (NdpProxies((("2001:db8:0:0:1::2", "eth0.5"),)), (SWITCH,)),
    (NdpProxies((("2001:db8:0:0:1::2", "eth1"),), ("eth1",)), (SWITCH, ENTRY)),
])  # fmt: skip
def test_addresses_of_the_lan_behind_the_host_need_a_switch_and_an_entry_each(proxies, commands):
    (fault,) = unanswered(proxies)
    assert fault.remedy.commands == commands
    assert (fault.severity, fault.evidence["interface"], fault.evidence["prefix"]) == (
        Severity.WARNING, "eth0.5", "2001:db8::/64",
    )  # fmt: skip


@pytest.mark.parametrize("proxies", [
    None,
    NdpProxies((("2001:db8:0:0:1::2", "eth0.5"),), ("eth0.5",)),
    NdpProxies((("2001:db8:0:0:1::2", None),), ("all",)),
    NdpProxies(programs=("ndppd",)),
])  # fmt: skip
def test_a_host_that_answers_for_its_containers_is_sound(proxies):
    assert unanswered(proxies) == []


@pytest.mark.parametrize("lan", [
    replace(LAN, flags=("up", "no-arp", "point-to-point")),
    link(5, "eth0.5", ("2001:db8:1::1", 64), kind="device"),  # another prefix
    link(5, "eth0.5", ("2001:db8:0:0:1::9", 80), kind="device"),  # the same one: the routes overlap
    link(5, "eth0.5", ("2001:db8::1", 128), kind="device"),
])  # fmt: skip
def test_a_link_whose_neighbours_do_not_ask_is_sound(lan):
    assert unanswered(NdpProxies(), lan) == []


def with_options(**changes):
    prefix = "com.docker.network.bridge."
    return replace(SHOWN, options={f"{prefix}{name}": value for name, value in {"name": "br0", **changes}.items()})


@pytest.mark.parametrize(("lab", "rules", "told"), [
    (with_options(), True, 0),
    (with_options(), None, 0),
    (with_options(), False, 1),  # without ip6tables nothing masquerades
    (with_options(enable_ip_masquerade="false"), True, 1),
    (with_options(gateway_mode_ipv6="isolated"), False, 0),
    (replace(SHOWN, internal=True), True, 0),
])  # fmt: skip
def test_only_networks_that_show_the_addresses_of_their_containers_are_asked_for(lab, rules, told):
    assert len(unanswered(NdpProxies(), lab=lab, ipv6_firewall=rules)) == told


def test_a_network_without_ipv6_or_without_a_container_is_not_asked_for():
    four = network("lab", options={"com.docker.network.bridge.name": "br0"})
    for world in (Snapshot((SHOWN,), ()), Snapshot((four,), (container("web", (four, "10.1.0.2")),))):
        seen = host(BRIDGE, LAN, ndp_proxies=NdpProxies())
        assert found("ndp-proxy-missing", seen, world) == []
