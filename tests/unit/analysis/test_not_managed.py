"""An engine with iptables=false: what its networks lack, as far as the host's own rules do not have it."""

import pytest

from bridgework.analysis.attachment import EngineState
from bridgework.analysis.docker_rules.not_managed import not_managed
from bridgework.diagnosis.diagnosis import diagnose
from bridgework.model.checks import Severity
from bridgework.model.observations import (
    DockerRules,
    EngineObservations,
    FirewallChain,
    FirewallRules,
    FirewallSetting,
    HostObservation,
    Observation,
    Observations,
    Route,
)
from tests.support.worlds import ask, codes, container, network, predict, seen, world

FRONT, BACK = network("front", "10.1.0.0/16"), network("back", "10.2.0.0/16")
BRIDGES = FRONT.bridge_name, BACK.bridge_name
FILE = "/etc/docker/daemon.json"
OFF = FirewallSetting(writes=False, source=FILE)
WEB = container("web", (FRONT, "10.1.0.2"))


def rules(*nat, forward=(), policy="ACCEPT", setting=OFF):
    chains = {("nat", "POSTROUTING"): (nat, "ACCEPT"), ("filter", "FORWARD"): (forward, policy)}
    made = tuple(
        FirewallChain(table, name, of, tuple((0, 0, f"-A {name} {text}") for text in texts))
        for (table, name), (texts, of) in chains.items()
    )
    return FirewallRules(made, (), "", docker=DockerRules(ipv4=False, setting=setting))


def found(firewall, *networks):
    observations = Observations(firewall=firewall, ipv4_firewall=False)
    return not_managed(EngineState(world(*(networks or (FRONT, BACK))), observations))


def masquerade(at):
    return f"-s 10.{at + 1}.0.0/16 ! -o {BRIDGES[at]} -j MASQUERADE"


@pytest.mark.parametrize(
    ("firewall", "lacking"),
    [
        (rules(), ["front", "back"]),
        (rules(masquerade(0)), ["back"]),
        (rules(masquerade(0), masquerade(1)), None),
        (rules("-j SNAT --to-source 192.0.2.1"), None),
        (rules("-s 10.0.0.0/8 -o br-+ -j MASQUERADE"), ["front", "back"]),
        (rules(masquerade(0), masquerade(1), policy="DROP"), ["front", "back"]),
        (rules(masquerade(0), masquerade(1), policy="DROP", forward=(f"-i {BRIDGES[0]} -j ACCEPT",)), ["back"]),
        # What a rule does that is not understood is not guessed.
        (rules("-m u32 --u32 1 -j MASQUERADE"), None),
        (rules(forward=("-m u32 --u32 1 -j DROP",)), None),
        (rules(setting=None), None),
        (rules(setting=FirewallSetting(writes=True, source=FILE)), None),
        (FirewallRules(docker=DockerRules(setting=OFF)), None),
        (None, None),
    ],
)
def test_the_networks_whose_packets_do_not_leave(firewall, lacking):
    finding = found(firewall)
    assert (finding and sorted(finding.evidence["networks"])) == (lacking and sorted(lacking))
    if finding:
        assert (finding.code, finding.severity) == ("firewall-not-managed", Severity.WARNING)
        assert f"iptables is false in {FILE}" in finding.message


def test_networks_that_are_not_to_leave_lack_nothing():
    option = "com.docker.network.bridge."
    apart = [
        network("vault", "10.3.0.0/16", internal=True),
        network("open", "10.4.0.0/16", options={f"{option}enable_ip_masquerade": "false"}),
        network("routed", "10.5.0.0/16", options={f"{option}gateway_mode_ipv4": "routed"}),
        network("lan", "10.6.0.0/16", driver="macvlan"),
    ]
    assert found(rules(), *apart) is None


def test_the_commands_are_those_that_docker_would_write():
    bridge = FRONT.bridge_name
    translation = f"iptables -t nat -A POSTROUTING -s 10.1.0.0/16 ! -o {bridge} -j MASQUERADE"
    assert found(rules(), FRONT).remedy.commands == (translation,)
    assert found(rules(policy="DROP"), FRONT).remedy.commands == (
        translation,
        f"iptables -I FORWARD -i {bridge} ! -o {bridge} -j ACCEPT",
        f"iptables -I FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    )


def diagnosed(setting, chains=()):
    firewall = FirewallRules(tuple(chains), (), "", docker=DockerRules(ipv4=False, setting=setting))
    observations = Observations(firewall=firewall, ipv4_firewall=False)
    every = diagnose(world(FRONT, WEB), EngineObservations(observations))
    return {one.code: one for one in every if one.code.startswith("firewall")}


def test_the_diagnosis_tells_an_engine_that_writes_none_from_a_flush():
    off, flushed, unknown = (diagnosed(one) for one in (OFF, FirewallSetting(writes=True, source=FILE), None))
    assert [*off] == ["firewall-not-managed"]
    assert off["firewall-not-managed"].evidence["affected"] == 1
    assert flushed["firewall-rules-missing"].severity is Severity.BLOCKING
    assert unknown["firewall-rules-missing"].severity is Severity.WARNING
    assert "iptables=false" in unknown["firewall-rules-missing"].message
    assert "iptables=false" not in flushed["firewall-rules-missing"].message


def asked(firewall, target):
    host = HostObservation(Observation(1, routes=(Route("0.0.0.0/0", "ipv4", None, "eth0", None, "global", "boot"),)))
    other = container("other", (BACK, "10.2.0.2"))
    observations = seen(firewall=firewall, host=host, ipv4_firewall=False)
    return codes(predict(world(FRONT, BACK, WEB, other), ask(WEB, target or other), observations))


def test_a_check_to_the_outside_names_the_setting():
    assert "firewall-not-managed" in asked(rules(), "address:192.0.2.9")
    assert "firewall-not-managed" not in asked(rules(masquerade(0), masquerade(1)), "address:192.0.2.9")
    assert asked(rules(), None) == ["networks-not-isolated"]
    assert "firewall-rules-missing" in asked(rules(setting=None), "address:192.0.2.9")
