"""What the readers make of rules: matches, effects, and what they do not understand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgework.firewall.iptables_save import read_rule, ruleset_of
from bridgework.firewall.nft_json import Reader, tables_of
from bridgework.firewall.ruleset import ESTABLISHED, LOCAL, REPLY, Hook, Packet
from bridgework.model.observations import FirewallChain

PACKET = Packet(4, "tcp", "10.1.0.2", "10.2.0.3", destination_port=8080, incoming="br-a", outgoing="br-b")


def applies(text, **changes):
    return read_rule(text).applies(Packet(**{**fields(PACKET), **changes}))


def fields(packet):
    return {name: getattr(packet, name) for name in packet.__dataclass_fields__}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-A X -s 10.1.0.0/24 -j DROP", True),
        ("-A X ! -s 10.1.0.0/24 -j DROP", False),
        ("-A X -s 10.9.0.0/24,10.1.0.0/16 -j DROP", True),
        ("-A X -d fd00::/8 -j DROP", False),
        ("-A X -m iprange --dst-range 10.2.0.1-10.2.0.9 -j DROP", True),
        ("-A X -i br-a -o br-b -j DROP", True),
        ("-A X -i br-+ ! -o br-b -j DROP", False),
        ("-A X -p tcp -m tcp --dport 8000:8099 -j DROP", True),
        ("-A X -p udp -m udp --dport 8080 -j DROP", False),
        ("-A X -p 6 -m multiport --dports 22,8080 -j DROP", True),
        ("-A X -p tcp -m multiport --ports 8080 -j DROP", True),
        ("-A X -p tcp -m tcp --sport 80 -j DROP", False),
        ("-A X -p tcp -m tcp --sport 1024:65535 -j DROP", True),
        ("-A X -p tcp -m tcp --sport 40000 -j DROP", None),
        ("-A X -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", False),
        ("-A X -m state --state NEW -j ACCEPT", True),
        ("-A X -m conntrack --ctdir REPLY -j ACCEPT", False),
        ("-A X -m conntrack --ctorigdst 10.2.0.3/32 --ctorigdstport 8080 -j ACCEPT", True),
        ("-A X -m addrtype --dst-type LOCAL -j DROP", False),
        ("-A X -m addrtype ! --dst-type LOCAL -j DROP", True),
        ("-A X -m mark --mark 0x0/0xff -j DROP", True),
        ("-A X -m connmark --mark 0x1 -j DROP", False),
        ("-A X -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", True),
        ("-A X -p tcp -m tcp --tcp-flags SYN,ACK ACK -j DROP", None),
        ("-A X -p icmp -m icmp --icmp-type 8 -j DROP", False),
        ("-A X -m physdev --physdev-is-bridged -j DROP", False),
        ("-A X -f -j DROP", False),
        ("-A X -m policy --dir in --pol ipsec -j DROP", False),
        ("-A X -m policy --dir in --pol none -j DROP", True),
        ('-A X -m comment --comment "a long word" -m limit --limit 3/min --limit-burst 10 -j DROP', None),
        ("-A X -m set --match-set blocked src -j DROP", None),
        ("-A X -s 10.9.0.0/24 -m set --match-set blocked src -j DROP", False),
        ("-A X -m time --timestart 08:00 --weekdays Mon -j DROP", None),
        ("-A X -s odd -j DROP", None),
    ],
)
def test_a_rule_of_iptables_matches_as_the_kernel_does(text, expected):
    assert applies(text) is expected


def test_what_conntrack_and_the_host_say_is_compared():
    assert applies("-A X -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", state=ESTABLISHED) is True
    assert applies("-A X -m conntrack --ctstate DNAT -j ACCEPT", translated=frozenset({"dnat"})) is True
    assert applies("-A X -m addrtype --dst-type LOCAL -j DROP", destination_type=LOCAL) is True
    assert applies("-A X -p icmp -m icmp --icmp-type 0 -j DROP", protocol="icmp", direction=REPLY) is True
    assert applies("-A X -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j DROP", protocol="ipv6-icmp", version=6) is True
    assert applies("-A X -s 10.1.0.2 -j DROP", source=None) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-j DNAT --to-destination 10.2.0.2:80", ("dnat", "10.2.0.2", 80)),
        ("-j DNAT --to-destination [fd00::2]:80", ("dnat", "fd00::2", 80)),
        ("-j DNAT --to-destination fd00::2", ("dnat", "fd00::2", None)),
        ("-j DNAT --to-destination 10.2.0.2-10.2.0.9", ("unknown", None, None)),
        ("-j SNAT --to-source 10.0.0.1", ("snat", "10.0.0.1", None)),
        ("-j REDIRECT --to-ports 3128", ("redirect", None, 3128)),
        ("-j REJECT --reject-with tcp-reset", ("reject", None, None)),
        ("-j NFQUEUE --queue-num 0", ("unknown", None, None)),
        ("-j LOG --log-prefix x", ("continue", None, None)),
        ("-j CT --notrack", ("notrack", None, None)),
        ("-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff", ("save-mark", None, None)),
        ("-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", ("restore-mark", None, None)),
        ("-j U1", ("jump", None, None)),
        ("-g U1", ("goto", None, None)),
        ("", ("continue", None, None)),
    ],
)
def test_a_target_of_iptables_is_read(text, expected):
    (effect,) = read_rule(f"-A X {text}").effects
    assert (effect.kind, effect.address, effect.port) == expected


def test_a_mark_is_set_within_its_mask():
    (effect,) = read_rule("-A X -j MARK --set-xmark 0x4000/0x4000").effects
    assert (effect.kind, effect.value, effect.mask) == ("mark", 0x4000, 0x4000)


def test_base_chains_come_in_the_order_of_their_priorities():
    chains = [FirewallChain(table, "PREROUTING", "ACCEPT", ()) for table in ("nat", "raw", "filter", "mangle")]
    chains.append(FirewallChain("filter", "mine", None, ((1, 60, "-A mine -j DROP"),)))
    tables = ruleset_of(chains, 4)
    order = sorted((c.priority, t.name) for t in tables for c in t.chains.values() if c.hook is Hook.PREROUTING)
    assert [name for _, name in order] == ["raw", "mangle", "nat", "filter"]
    (mine,) = [c for t in tables for c in t.chains.values() if c.name == "mine"]
    assert (mine.hook, len(mine.rules), mine.rules[0].packets, len(mine.rules[:1])) == (None, 1, 1, 1)


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=60))
def test_any_text_is_read_and_nothing_of_it_is_lost(text):
    rule = read_rule(f"-A X {text}")
    assert rule.text == f"-A X {text}"
    assert rule.applies(PACKET) in {True, False, None}


def native(*expressions, family="ip", table="guard", hook="forward", sets=()):
    chain = {"family": family, "table": table, "name": "c", "type": "filter", "hook": hook, "prio": 5, "policy": "drop"}
    rules = [
        {"rule": {"family": family, "table": table, "chain": "c", "handle": n, "expr": list(expression)}}
        for n, expression in enumerate(expressions)
    ]
    objects = [{"metainfo": {}}, {"table": {"family": family, "name": table}}, *sets, {"chain": chain}, *rules]
    return tables_of(json.dumps({"nftables": objects}))


def payload(protocol, name):
    return {"payload": {"protocol": protocol, "field": name}}


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (match(payload("ip", "saddr"), {"prefix": {"addr": "10.1.0.0", "len": 24}}), True),
        (match(payload("ip", "saddr"), {"range": ["10.1.0.1", "10.1.0.9"]}, "!="), False),
        (match(payload("ip", "daddr"), "@named"), True),
        (match(payload("ip6", "daddr"), "fd00::1"), False),
        (match(payload("tcp", "dport"), {"set": [80, {"range": [8000, 9000]}]}), True),
        (match(payload("th", "dport"), 8080), True),
        (match(payload("udp", "dport"), 8080), False),
        (match(payload("tcp", "dport"), 1024, "<"), False),
        (match(payload("tcp", "dport"), 1024, ">="), True),
        (match(payload("icmp", "type"), "echo-request"), False),
        (match({"meta": {"key": "iifname"}}, "br*"), True),
        (match({"meta": {"key": "l4proto"}}, {"set": ["udp", "tcp"]}), True),
        (match({"meta": {"key": "nfproto"}}, "ipv6"), False),
        (match({"meta": {"key": "mark"}}, 1), False),
        (match({"&": [{"meta": {"key": "mark"}}, 255]}, 0), True),
        (match({"meta": {"key": "skuid"}}, 0), None),
        (match({"ct": {"key": "state"}}, ["established", "related"], "in"), False),
        (match({"ct": {"key": "state"}}, "new", "!"), False),
        (match({"ct": {"key": "ip daddr", "dir": "original"}}, "10.2.0.3"), True),
        (match({"ct": {"key": "ip daddr", "dir": "reply"}}, "10.2.0.3"), None),
        (match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), False),
        (match({"fib": {"result": "oif", "flags": ["saddr"]}}, False), None),
        (match({"&": [payload("tcp", "flags"), {"|": ["fin", "syn", "rst", "ack"]}]}, "syn"), True),
        (match({"concat": [payload("ip", "daddr"), payload("tcp", "dport")]}, {"concat": ["10.2.0.3", 8080]}), True),
        (
            match({"concat": [payload("ip", "daddr"), payload("tcp", "dport")]}, {"concat": ["1.1.1.1", 8080]}, "!="),
            None,
        ),
    ],
)
def test_a_native_rule_matches_as_the_kernel_does(statement, expected):
    named = {"set": {"family": "inet", "table": "guard", "name": "named", "elem": [{"elem": {"val": "10.2.0.3"}}]}}
    (table,) = native([statement, {"counter": {"packets": 7, "bytes": 1}}, {"drop": None}], family="inet", sets=[named])
    (rule,) = table.chains["c"].rules
    assert rule.applies(PACKET) is expected
    assert (rule.packets, rule.handle, rule.effects[-1].kind) == (7, 0, "drop")
    assert rule.text.endswith(" drop")


def test_maps_become_a_rule_for_each_element():
    verdicts = {"set": [["br-a", {"jump": {"target": "x"}}], ["br-c", {"drop": None}]]}
    targets = {"map": {"key": payload("tcp", "dport"), "data": {"set": [[80, {"concat": ["10.2.0.2", 8080]}]]}}}
    (table,) = native(
        [{"vmap": {"key": {"meta": {"key": "iifname"}}, "data": verdicts}}],
        [{"dnat": {"family": "ip", "addr": targets}}],
        [{"snat": {"addr": {"map": {"key": {"numgen": {}}, "data": {"set": []}}}}}],
        [
            {
                "mangle": {
                    "key": {"meta": {"key": "mark"}},
                    "value": {"|": [{"&": [{"meta": {"key": "mark"}}, 0xFFFFFF00]}, 4]},
                }
            }
        ],
        [{"mangle": {"key": {"ct": {"key": "mark"}}, "value": {"meta": {"key": "mark"}}}}],
        [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"numgen": {}}}}],
        [{"queue": {"num": 1}}],
        [{"xt": {"type": "match", "name": "recent"}}, {"accept": None}],
        # netavark: `meta mark set meta mark | 0x2000`
        [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"|": [{"meta": {"key": "mark"}}, 0x2000]}}}],
    )
    rules = table.chains["c"].rules
    assert [rule.effects[-1].kind for rule in rules] == [
        "jump", "drop", "dnat", "mark", "save-mark", "unknown", "unknown", "accept", "mark",
    ]  # fmt: skip
    assert [rule.applies(PACKET) for rule in rules[:2]] == [True, False]
    assert (rules[2].effects[0].address, rules[2].effects[0].port) == ("10.2.0.2", 8080)
    assert (rules[3].effects[0].value, rules[3].effects[0].mask) == (4, 0xFF)
    assert (rules[8].effects[0].value, rules[8].effects[0].mask) == (0x2000, 0x2000)  # the other bits stay
    assert not table.chains["c"].accepts


def test_a_line_that_the_dump_before_had_is_not_read_again():
    lines = [json.dumps({"nftables": [{"table": {"family": "inet", "name": name}}]}) for name in ("a", "b", "c")]
    reader = Reader()
    assert reader.tables_of("") == ()
    first = reader.tables_of("\n".join(lines[:2]))
    again = reader.tables_of("\n".join(lines[1:]))
    assert [table.name for table in (*first, *again)] == ["a", "b", "b", "c"]
    assert again[0] is first[1]
    with pytest.raises(ValueError, match="Expecting value"):
        reader.tables_of("nonsense")
    assert reader.tables_of(lines[2])[0] is again[1]
    # What the dump before did not have is forgotten.
    assert reader.tables_of(lines[1])[0] is not again[0]


def test_readings_at_once_give_each_its_own_tables():
    a, b = (json.dumps({"nftables": [{"table": {"family": "inet", "name": name}}]}) for name in ("a", "b"))

    class Interrupted(Reader):
        """Another thread reads b as soon as this one has kept a."""

        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if a in value:
                assert [table.name for table in self.tables_of(b)] == ["b"]

    assert [table.name for table in Interrupted().tables_of(a)] == ["a"]


def test_the_tables_of_iptables_are_left_to_iptables_save():
    assert native([{"drop": None}], table="filter", hook="forward") != ()  # a base chain with another name
    objects = [
        {"table": {"family": "ip", "name": "nat"}},
        {"chain": {"family": "ip", "table": "nat", "name": "OUTPUT", "type": "nat", "hook": "output", "prio": -100}},
        {"table": {"family": "bridge", "name": "x"}},
    ]
    assert tables_of(json.dumps({"nftables": objects})) == ()
    with pytest.raises(ValueError, match="Expecting value"):
        tables_of("nonsense")
