"""Rules as iptables-save prints them: which packets they fit, and what they do."""

from dataclasses import replace

import pytest

from bridgework.firewall import simulate
from bridgework.firewall.iptables_save import read_rule
from bridgework.firewall.ruleset import Chain, Hook, Ruleset, Table
from tests.unit.firewall.hosts import Host, packet

WEB = packet("br0 tcp 10.50.0.2 10.51.0.2 80", outgoing="br1", bridge_ports=("veth1", None), mark=0x12)
PING = packet("br0 icmp 10.50.0.2 10.51.0.2")


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("-s 10.50.0.0/24 -d 10.51.0.2/32", True),
        ("! -s 10.50.0.0/24", False),
        ("-s fd00::/64", False),
        ("-m iprange --src-range 10.50.0.1-10.50.0.9", True),
        ("-m iprange --dst-range 10.51.0.3-10.51.0.9", False),
        ("-i br+ -o br1", True),
        ("-i br1", False),
        ("-p 6 -m tcp --dport 80", True),
        ("-p all", True),
        ("-p ipv6-icmp", False),
        ("-p tcp -m multiport --dports 22,80:90", True),
        ("-p tcp -m multiport --ports 22,80", True),
        ("-p tcp -m tcp --dport :79", False),
        ("-p tcp -m tcp --sport 1024:", True),
        ("-p tcp -m tcp --syn", True),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", True),
        ("-p tcp -m tcp --tcp-flags ALL NONE", None),
        ("-p icmp -m icmp --icmp-type 8", False),
        ("-m mark --mark 0x12", True),
        ("-m mark --mark 0x2/0xf", True),
        ("-m connmark --mark 0x1", False),
        ("-m conntrack --ctstate NEW,RELATED --ctdir ORIGINAL", True),
        ("-m conntrack --ctstatus DNAT", False),
        ("-m conntrack --ctorigdst 10.51.0.2/32 --ctorigdstport 80", True),
        ("-m addrtype --dst-type LOCAL", False),
        ("-m physdev --physdev-in veth1", True),
        ("-m policy --dir in --pol none", True),
        ("-m policy --dir in --pol ipsec", False),
        ("-f", False),
        ('-m comment --comment "a \\"word\\""', True),
        ("-m limit --limit 3/min --limit-burst 5", None),
        ("-m limit --limit 3/min -p udp", False),
        ("-m statistic --mode random --probability 0.5", None),
        ("-m owner --uid-owner 0", None),
        ("-m time --timestart 08:00 --dport 81 -p tcp", False),
        ('-m comment --comment "cut off', None),
        ("-m tcp --dport nonsense", None),
    ],
)
def test_which_rules_a_packet_fits(text, fits):
    assert read_rule(f"-A FORWARD {text} -j DROP".replace("  ", " ")).applies(WEB) is fits


@pytest.mark.parametrize(
    "text", ["-m socket", "-m eui64", "-m rpfilter --loose", "-m rpfilter --accept-local --invert"]
)
def test_a_module_that_matches_without_a_known_option_is_unknown(text):
    assert read_rule(f"-A PREROUTING {text} -j DROP").applies(WEB) is None
    assert read_rule(f"-A PREROUTING -i br1 {text} -j DROP").applies(WEB) is False


@pytest.mark.parametrize("own", [True, False, None])
def test_the_reverse_path_of_a_packet(own):
    arrived = replace(WEB, reverse_path=own)
    other = None if own is None else not own
    for options, fits in (("", own), (" --validmark", own), (" --invert", other), (" --validmark --invert", other)):
        assert read_rule(f"-A PREROUTING -m rpfilter{options} -j DROP").applies(arrived) is fits
    assert read_rule("-A PREROUTING -m rpfilter -j DROP").applies(replace(arrived, incoming="lo")) is True


@pytest.mark.parametrize(("text", "fits"), [("8", True), ("any", True), ("255/0", True), ("0/0", False)])
def test_the_type_of_a_ping(text, fits):
    assert read_rule(f"-A INPUT -p icmp -m icmp --icmp-type {text} -j ACCEPT").applies(PING) is fits


@pytest.mark.parametrize(
    ("target", "kind", "fields"),
    [
        ("-j ACCEPT", "accept", {}),
        ("-j REJECT --reject-with icmp-port-unreachable", "reject", {}),
        ("-j RETURN", "return", {}),
        ("-j DOCKER-USER", "jump", {"chain": "DOCKER-USER"}),
        ("-g DOCKER-USER", "goto", {"chain": "DOCKER-USER"}),
        ('-j LOG --log-prefix "x "', "continue", {}),
        ("", "continue", {}),
        ("-j DNAT --to-destination 10.50.0.2:80", "dnat", {"address": "10.50.0.2", "port": 80}),
        ("-j DNAT --to-destination [fd00::2]:80", "dnat", {"address": "fd00::2", "port": 80}),
        ("-j DNAT --to-destination :8080", "dnat", {"address": None, "port": 8080}),
        ("-j SNAT --to-source 10.52.0.1", "snat", {"address": "10.52.0.1"}),
        ("-j MASQUERADE", "masquerade", {}),
        ("-j REDIRECT --to-ports 8080", "redirect", {"port": 8080}),
        ("-j MARK --set-xmark 0x1/0xffffffff", "mark", {"value": 1}),
        ("-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff", "save-mark", {}),
        ("-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff", "restore-mark", {}),
        ("-j CT --notrack", "notrack", {}),
        ("-j DNAT --to-destination 10.50.0.2-10.50.0.9", "unknown", {}),
    ],
)
def test_what_a_rule_does(target, kind, fields):
    effect = read_rule(f"-A PREROUTING {target}".strip()).effects[0]
    assert effect.kind == kind
    assert {name: getattr(effect, name) for name in fields} == fields


def host_rules(*texts, hook=Hook.INPUT, table="filter"):
    base = Chain(hook.name, tuple(map(read_rule, texts)), hook)
    return Ruleset((Table("ip", table, {base.name: base}),))


def test_a_rule_that_is_not_understood_leaves_the_way_open_only_where_it_decides():
    ssh = packet("br0 tcp 10.50.0.2 10.50.0.1 22")
    undecided = simulate.forward(host_rules("-A INPUT -m owner --uid-owner 0 -j DROP"), Host(), ssh)
    assert undecided.verdict == "unknown"
    assert undecided.step.rule.text == "-A INPUT -m owner --uid-owner 0 -j DROP"
    both = host_rules("-A INPUT -m owner --uid-owner 0 -j DROP", "-A INPUT -p tcp -j DROP")
    assert simulate.forward(both, Host(), ssh).verdict == "dropped"


def test_an_unknown_effect_is_not_guessed_either():
    ssh = packet("br0 tcp 10.50.0.2 10.50.0.1 22")
    assert simulate.forward(host_rules("-A INPUT -p tcp -j NFQUEUE --queue-num 0"), Host(), ssh).verdict == "unknown"
