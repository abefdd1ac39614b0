"""Names that a check resolves, beside those that the C library resolves in the same namespace with the same files."""

import json
import subprocess

import pytest

from bridgework.model.checks import ProbeRequest, Protocol

# Each case waits for time-outs of the C library, which are whole seconds.
pytestmark = pytest.mark.slow

TABLE = [
    ["web.", "A", "10.77.0.3"],
    ["web.", "AAAA", "fd77:0::3"],
    ["web.lab.", "A", "10.77.0.4"],
    ["four.", "A", "10.77.0.3"],
    ["db.broken.", "A", "10.77.0.9"],
]
# Debian's own Python, whose C library is the machine's.
LOOK_UP = "import json, socket, sys; print(json.dumps([i[4][0] for i in socket.getaddrinfo(sys.argv[1], 1, type=1)]))"
LAST_SERVER = "nameserver 10.77.0.3\n"
SILENT_SERVER = "nameserver 10.77.0.4\n"


@pytest.fixture(scope="module", autouse=True)
def _servers(world):
    world.serve(world.b, "dns", 53, table=TABLE)
    world.serve(world.lab.members[2], "silent", 53)


def by_the_c_library(place, name):
    """The addresses, in the order of their use; none when the C library gives the name up."""
    script = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"'
    command = ["nsenter", f"--net={place.namespace_path}", "unshare", "--mount", "sh", "-c", script, "sh"]
    command += [place.resolver_path, place.hosts_path, "/usr/bin/python3", "-c", LOOK_UP, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert not done.returncode or "socket.gaierror" in done.stderr, done.stderr
    return json.loads(done.stdout) if not done.returncode else []


@pytest.mark.parametrize(
    ("name", "resolv_conf"),
    [
        ("web", f"{LAST_SERVER}search lab\noptions ndots:1\n"),
        ("web", f"{LAST_SERVER}search nowhere\noptions ndots:15\n"),
        ("web", f"{LAST_SERVER}search slow\noptions ndots:15 timeout:1\n"),
        ("web", f"{LAST_SERVER}search slow lab\noptions ndots:15 timeout:1 attempts:1\n"),
        ("db", f"{LAST_SERVER}search slow broken\noptions timeout:1 attempts:1\n"),
        ("four", f"{SILENT_SERVER}{LAST_SERVER}options timeout:1\n"),
        ("four", f"{SILENT_SERVER}{LAST_SERVER}options timeout:1 single-request\n"),
        ("four", f"{SILENT_SERVER}options timeout:1 attempts:1\n"),
    ],
)
def test_a_name_leads_where_the_c_library_says(world, runner, name, resolv_conf):
    place = world.place(world.a, resolv_conf, "127.0.0.1 localhost\n")
    measurement = runner.check(place, ProbeRequest(Protocol.TCP, name=name, port=1, timeout_ms=8_000))
    assert set(measurement.resolved_addresses) == set(by_the_c_library(place, name))
