"""What the kernel says about routes, on a namespace that the test makes: a bridge, a tunnel, and rules between them."""

import random
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from bridgework.model.observations import RouteQuestion
from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.setns import run_inside
from bridgework.probes.routes.host_routes import HostRoutes
from bridgework.probes.routes.policy_rules import policy_rules

BRIDGE, TUNNEL, WEB, CLIENT = "br0", "tun0", "10.1.0.2", "10.2.0.2"
WORLD = f"""
    link set lo up
    link add {BRIDGE} type bridge
    link add br1 type bridge
    tuntap add dev {TUNNEL} mode tun
    link set {BRIDGE} up
    link set br1 up
    link set {TUNNEL} up
    addr add 10.1.0.1/24 dev {BRIDGE}
    addr add 10.2.0.1/24 dev br1
    addr add fd00:1::1/64 dev {BRIDGE} nodad
    route add default dev {TUNNEL} table 52
    -6 route add default dev {TUNNEL} table 52
"""
RULES = (
    "from all lookup 52",
    "not from all fwmark 0xca6c lookup 52",
    "from all to 10.1.0.0/24 lookup 52",
    "from 10.2.0.0/24 lookup 52",
    "from all iif br1 lookup 52",
    "from all fwmark 0x1/0xff lookup 52",
    "from all ipproto tcp dport 80 lookup 52",
    "from all iif lo lookup 52",
    "from all to 10.1.0.0/24 blackhole",
    "from all lookup main suppress_prefixlength 0",
)


@pytest.fixture(scope="module")
def process():
    """A process in a network namespace of its own, with the world in it."""
    made = subprocess.Popen(["unshare", "--net", "sleep", "120"])
    own = Path("/proc/self/ns/net").stat().st_ino
    while Path(f"/proc/{made.pid}/ns/net").stat().st_ino == own:
        time.sleep(0.01)
    for line in WORLD.strip().splitlines():
        inside(made, f"ip {line}")
    inside(made, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
    yield made
    made.kill()
    made.wait()


def inside(process, line):
    done = subprocess.run(
        ["nsenter", f"--net=/proc/{process.pid}/ns/net", *shlex.split(line)], capture_output=True, text=True, check=True
    )
    return done.stdout


def there(process, job):
    with Path(f"/proc/{process.pid}/ns/net").open() as namespace:
        return run_inside(namespace.fileno(), job)


@pytest.fixture
def routes(process):
    """A handle that a thread opened in there, without rules of the tests before."""
    made = there(process, HostRoutes)
    yield made
    made.close()
    for version in ("", "-6 "):
        for line in inside(process, f"ip {version}rule").splitlines():
            priority = int(line.split(":")[0])
            if 0 < priority < 32766:
                inside(process, f"ip {version}rule delete priority {priority}")
    inside(process, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.br1.rp_filter=0")


def question(source=CLIENT, incoming="br1", **fields):
    return RouteQuestion(4, WEB, source, incoming, BRIDGE, **fields)


def listed(process):
    def read():
        with netlink.open_socket() as sock:
            return policy_rules(sock, 4)

    return {rule.priority: rule for rule in there(process, read)}


@pytest.mark.parametrize("text", RULES)
def test_a_rule_has_the_text_that_ip_prints(process, routes, text):
    inside(process, f"ip rule add {text.replace('from all ', '')} priority 100")
    (line,) = [line for line in inside(process, "ip rule").splitlines() if line.startswith("100:")]
    printed = line.split(":", 1)[1].replace("[detached] ", "").strip()
    found = listed(process)[100].text
    # ip leaves out a mask of all bits, and writes a protocol by its name.
    assert found.replace("/0xffffffff", "").replace("ipproto 6", "ipproto tcp") == printed
    assert routes.answers([]) == {}


@pytest.mark.wide
def test_random_rules_decide_as_the_kernel_decides(process, routes):
    """The rule that an answer names is the one without which the kernel would decide otherwise."""
    dice = random.Random(7)
    for _ in range(40):
        chosen = dice.sample([text for text in RULES if "suppress" not in text], 3)
        for priority, text in enumerate(chosen, 100):
            inside(process, f"ip rule add {text.replace('from all ', '')} priority {priority}")
        asked = dice.choice(
            [
                question(),
                question(protocol="tcp", destination_port=80),
                question(mark=1),
                question(None, None),
                question(None, None, mark=0xCA6C),
            ]
        )
        answer = routes.answers([asked]).get(asked)
        while answer is not None:
            assert chosen[answer.priority - 100] == answer.rule.replace("/0xffffffff", "").replace(" 6 ", " tcp ")
            before = answer.priority
            inside(process, f"ip rule delete priority {before}")
            answer = routes.answers([asked]).get(asked)
            assert answer is None or answer.priority > before
        for priority in range(100, 103):
            subprocess.run(
                shlex.split(f"nsenter --net=/proc/{process.pid}/ns/net ip rule delete priority {priority}"),
                check=False,
                capture_output=True,
            )


def test_a_rule_whose_table_has_no_route_for_the_packet_is_not_named(process, routes):
    inside(process, "ip route add 198.51.100.0/24 dev tun0 table 77")
    inside(process, "ip rule add lookup 77 priority 90")
    inside(process, "ip rule add lookup 52 priority 100")
    answer = routes.answers([question()])[question()]
    assert (answer.rule, answer.priority, answer.table) == ("from all lookup 52", 100, 52)


def test_the_usual_routes_need_no_answer(routes):
    assert routes.answers([question(), question(None, None), question(mark=5, protocol="tcp")]) == {}


def test_a_question_about_what_is_gone_has_no_answer(process, routes):
    inside(process, "ip rule add lookup 52 priority 100")
    gone = RouteQuestion(4, WEB, CLIENT, "gone0", BRIDGE)
    assert list(routes.answers([gone, RouteQuestion(4, "nonsense", expected=BRIDGE), question()])) == [question()]
    routes.close()
    assert routes.answers([question()]) is None


def test_ipv6_rules_count_too(process, routes):
    asked = RouteQuestion(6, "fd00:1::2", expected=BRIDGE)
    assert routes.answers([asked]) == {}
    inside(process, "ip -6 rule add to fd00:1::/64 lookup 52 priority 100")
    answer = routes.answers([asked])[asked]
    assert (answer.interface, answer.rule, answer.route) == (TUNNEL, "from all to fd00:1::/64 lookup 52", "::/0")


@pytest.mark.parametrize(("name", "mode", "drops"), [("all", 1, True), ("br1", 1, True), ("br1", 2, False)])
def test_the_reverse_path_filter_is_told_with_its_sysctl(process, routes, name, mode, drops):
    inside(process, "ip rule add to 10.2.0.0/24 lookup 52 priority 100")
    inside(process, f"sysctl -qw net.ipv4.conf.{name}.rp_filter={mode}")
    answer = routes.answers([question()]).get(question())
    assert (answer is not None) is drops
    if answer is not None:
        assert answer.reverse_path_filter == (f"net.ipv4.conf.{name}.rp_filter", mode)
        assert (answer.interface, answer.priority) == (TUNNEL, 100)


@pytest.mark.parametrize(
    ("kind", "version"), [(k, v) for k in ("blackhole", "unreachable", "prohibit") for v in (4, 6)]
)
def test_a_dead_end_is_told_with_its_type(process, routes, kind, version):
    address = WEB if version == 4 else "fd00:1::2"
    inside(process, f"ip -{version} route add {kind} {address}")
    try:
        asked = RouteQuestion(version, address, expected=BRIDGE)
        (answer,) = routes.answers([asked]).values()
        assert (answer.dead_end, answer.route) == (kind, f"{address}/{32 if version == 4 else 128}")
    finally:
        inside(process, f"ip -{version} route delete {kind} {address}")


def test_a_dead_end_that_a_longer_route_hides_is_not_blamed(process, routes):
    """The kernel drops a packet from one of its own addresses that comes in from outside, whatever the routes are."""
    inside(process, "ip route add blackhole 10.0.0.0/8")
    try:
        asked = RouteQuestion(4, WEB, source="10.1.0.1", incoming="br1", expected=BRIDGE)
        assert routes.answers([asked]) == {}
    finally:
        inside(process, "ip route delete blackhole 10.0.0.0/8")


def test_an_interface_that_does_not_forward_is_told_and_not_the_setting_of_all(process, routes):
    asked = RouteQuestion(4, WEB, source=CLIENT, incoming="br1", expected=BRIDGE)
    try:
        inside(process, "sysctl -qw net.ipv4.conf.br1.forwarding=0")
        (answer,) = routes.answers([asked]).values()
        assert answer.not_forwarded_from == "br1"
        inside(process, "sysctl -qw net.ipv4.ip_forward=0")
        assert routes.answers([asked]) == {}
    finally:
        inside(process, "sysctl -qw net.ipv4.ip_forward=0")
        inside(process, "sysctl -qw net.ipv4.ip_forward=1")
