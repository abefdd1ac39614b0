"""Every option of every driver: what it takes, what it refuses, and since which engine it is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgework.model.driver_options import ENGINE_OF_API, KNOWN, SINCE_API, faults_of

NEWEST = max(ENGINE_OF_API)
BRIDGE = "com.docker.network.bridge."
TAKEN = {
    BRIDGE + "name": ["br0", "a" * 15],
    BRIDGE + "enable_ip_masquerade": ["true", "false", "1", "0"],
    BRIDGE + "enable_icc": ["true"],
    BRIDGE + "host_binding_ipv4": ["127.0.0.1"],
    BRIDGE + "gateway_mode_ipv4": ["nat", "nat-unprotected", "routed", "isolated"],
    BRIDGE + "gateway_mode_ipv6": ["routed"],
    BRIDGE + "inhibit_ipv4": ["false"],
    BRIDGE + "trusted_host_interfaces": ["eth0", "eth0:vxlan.1"],
    "com.docker.network.driver.mtu": ["68", "1500", "65535"],
    "com.docker.network.host_ipv4": ["10.0.0.1"],
    "com.docker.network.host_ipv6": ["fd00::1"],
    "com.docker.network.container_iface_prefix": ["net", "a" * 12],
    "parent": ["eth0", "eth0.10"],
    "macvlan_mode": ["bridge", "vepa", "passthru", "private"],
    "ipvlan_mode": ["l2", "l3", "l3s"],
    "ipvlan_flag": ["bridge", "private", "vepa"],
    "encrypted": ["", "true", "false"],
    "com.docker.network.driver.overlay.vxlanid_list": ["4097", "1,2,3"],
}
REFUSED = {
    BRIDGE + "name": ["", "..", "a" * 16, "br 0", "br/0"],
    BRIDGE + "enable_ip_masquerade": ["yes", "True", ""],
    BRIDGE + "enable_icc": ["no"],
    BRIDGE + "host_binding_ipv4": ["::1", "127.0.0.256", "localhost"],
    BRIDGE + "gateway_mode_ipv4": ["bridged", ""],
    BRIDGE + "gateway_mode_ipv6": ["nat "],
    BRIDGE + "inhibit_ipv4": ["2"],
    BRIDGE + "trusted_host_interfaces": ["eth0:", "eth 0"],
    "com.docker.network.driver.mtu": ["67", "65536", "-1", "1e3", "\u0661\u0665\u0660\u0660", "1" * 400],
    "com.docker.network.host_ipv4": ["10.0.0"],
    "com.docker.network.host_ipv6": ["10.0.0.1"],
    "com.docker.network.container_iface_prefix": ["", "0net", "a" * 13],
    "parent": ["", "eth 0", "a" * 21],
    "macvlan_mode": ["l2"],
    "ipvlan_mode": ["bridge"],
    "ipvlan_flag": ["passthru"],
    "encrypted": ["yes"],
    "com.docker.network.driver.overlay.vxlanid_list": ["", "1,", "a", "1;2"],
}


def each(of):
    return [
        pytest.param(driver, name, value, id=f"{driver} {name}={value[:20]}")
        for driver, options in KNOWN.items()
        for name in options
        for value in of[name]
    ]


@pytest.mark.parametrize(("driver", "name", "value"), each(TAKEN))
def test_taken(driver, name, value):
    assert faults_of(driver, {name: value}, NEWEST) == []
    assert faults_of(None, {name: value}, NEWEST) == []


@pytest.mark.parametrize(("driver", "name", "value"), each(REFUSED))
def test_refused_by_its_pointer(driver, name, value):
    (fault,) = faults_of(driver, {name: value}, NEWEST)
    assert fault.pointer == f"/options/{name}"
    assert fault.message.startswith("Must be ")


def test_an_unknown_one_is_refused_with_those_that_are_known():
    (fault,) = faults_of("macvlan", {"a/b~c": "x"}, NEWEST)
    assert fault.pointer == "/options/a~1b~0c"
    assert "The macvlan driver has no such option; known are parent, macvlan_mode, " in fault.message
    (fault,) = faults_of(None, {"x": "y"}, NEWEST)
    assert fault.message.startswith("The drivers have no such option; known are ")
    assert len(faults_of("bridge", {"x": "1", "y": "2"}, NEWEST)) == 2


def test_of_somebody_elses_driver_nothing_is_known():
    assert faults_of("weave", {"x": "y"}, NEWEST) == []


@pytest.mark.parametrize(("option", "since"), SINCE_API.items())
def test_an_engine_that_is_too_old_is_named_by_what_would_do(option, since):
    name, _, value = option.partition("=")
    value = value or TAKEN[name][0]
    before = (since[0], since[1] - 1)
    (fault,) = faults_of("bridge", {name: value}, before)
    assert fault.message == f"The engine is too old for this option; {ENGINE_OF_API[since]} supports it."
    assert faults_of("bridge", {name: value}, since) == []


@given(driver=st.sampled_from([None, *KNOWN]), options=st.dictionaries(st.text(), st.text()))
def test_it_answers_for_any_words(driver, options):
    found = faults_of(driver, options, NEWEST)
    assert len({fault.pointer for fault in found}) == len(found) <= len(options)
