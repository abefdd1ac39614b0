"""What a container may do to lead a probe elsewhere, or to hold it: each is tried here, and leads nowhere."""

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bridgework.model.checks import ProbeRequest, Protocol, Reason, Verdict
from bridgework.model.observations import ResolverConfiguration
from bridgework.model.probe_port import SweepPlan, SweepSource, SweepTarget
from bridgework.printable import printable
from bridgework.probes.kernel import setns
from bridgework.probes.kernel.safe_read import open_folder, read_in_root
from bridgework.runners.namespace_runner import NamespaceRunner

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
ALLOWED = ("10.77.0.0/24",)
DENIED = "10.77.1.2"
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def chain(*names, to):
    """A name that leads through others to an address."""
    links = [[name, "CNAME", following] for name, following in itertools.pairwise(names)]
    return [*links, [names[-1], "AAAA" if ":" in to else "A", to]]


@pytest.fixture(scope="module")
def lying(world):
    """A resolver that tells lies, on port 53 of ``b``, and a program at the denied address that would hear of it."""
    table = [
        *chain("short.", "denied.", to=DENIED),
        *chain(*(f"l{number}." for number in range(12)), to=DENIED),
        *chain("mapped.", to=f"::ffff:{DENIED}"),
        *chain("metadata.", to="169.254.169.254"),
        *chain("mixed.", to="10.77.0.3"),
        *chain("mixed.", to="fd77:1::2"),
        *chain("honest.", "web.", to="10.77.0.3"),
    ]
    world.serve(world.b, "dns", 53, table=table)
    world.serve(world.far, "tcp", 7000)
    world.serve(world.b, "tcp", 7000)
    world.serve(world.b, "http", 8081)
    return world.place(world.a, resolv_conf=f"nameserver {world.b.address}\n")


@pytest.mark.parametrize("name", ["short", "l0", "mapped", "metadata", "mixed"])
@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.ICMP])
def test_a_name_does_not_lead_a_probe_to_a_denied_address(runner, lying, name, protocol):
    request = ProbeRequest(protocol, name=name, port=7000, timeout_ms=2000, allowed_subnets=ALLOWED)
    measured = runner.check(lying, request)
    assert measured.reason is Reason.NOT_ALLOWED
    assert measured.attempts == 0


@pytest.mark.parametrize("name", ["short", "l0", "mapped", "metadata", "mixed"])
def test_nor_does_it_lead_a_matrix_there(namespace_runner, lying, name):
    source = SweepSource(0, lying, (SweepTarget(0, name=name), SweepTarget(1, name="honest")))
    plan = SweepPlan(Protocol.TCP, (source,), port=7000, timeout_ms=2000, allowed_subnets=ALLOWED)
    (row,) = namespace_runner.sweep(plan)
    assert [outcome.reason for outcome in row.outcomes] == [Reason.NOT_ALLOWED, None]


def test_a_chain_of_names_that_stays_inside_is_followed(runner, lying):
    request = ProbeRequest(Protocol.TCP, name="honest", port=7000, timeout_ms=2000, allowed_subnets=ALLOWED)
    assert runner.check(lying, request).verdict is Verdict.REACHABLE


def test_a_chain_in_a_circle_ends(make_world, namespace_runner):
    world = make_world(1, 2)
    world.serve(world.b, "dns-circle", 53, script="hostile_servers")
    place = world.place(world.a, resolv_conf=f"nameserver {world.b.address}\n")
    request = ProbeRequest(Protocol.TCP, name="db", port=7000, timeout_ms=2000, allowed_subnets=ALLOWED)
    assert namespace_runner.check(place, request).reason is Reason.NO_ADDRESS


def test_the_address_that_was_judged_is_the_one_that_is_probed(make_world, namespace_runner):
    """DNS rebinding: the second answer is another one, and the name lives for no time."""
    world = make_world(1, 3)
    world.serve(world.b, "dns-rebind", 53, script="hostile_servers")
    world.serve(world.b, "tcp", 7000)
    place = world.place(world.a, resolv_conf=f"nameserver {world.b.address}\n")
    request = ProbeRequest(
        Protocol.TCP, name="db", port=7000, ip_version=4, count=3, timeout_ms=2000, allowed_subnets=("10.77.0.3/32",)
    )
    measured = namespace_runner.check(place, request)
    assert (measured.address, measured.successes) == ("10.77.0.3", 3)
    assert namespace_runner.check(place, request).reason is Reason.NOT_ALLOWED, "the resolver gave its second answer"


def test_variables_for_a_proxy_divert_no_probe(runner, lying, world, monkeypatch):
    for name in PROXIES:
        monkeypatch.setenv(name, f"http://{world.b.address}:1")
    monkeypatch.setenv("NO_PROXY", "")
    request = ProbeRequest(Protocol.HTTP, address=world.b.address, port=8081, http_path="/204", timeout_ms=2000)
    measured = runner.check(lying, request)
    assert (measured.verdict, measured.status) == (Verdict.REACHABLE, 204)


REUSE = """
import os, subprocess, sys
from pathlib import Path
from bridgework.model.probe_port import Place
from bridgework.probes.kernel import namespace_files as places
ID = "a" * 64
places.says_otherwise = lambda groups, container_id: False  # the next process passes as the container
victim = subprocess.Popen(["sleep", "60"])
real, others = places.open_folder, []
def and_then_it_ends(path, folder=None):
    descriptor = real(path, folder)
    if folder is None and path == f"/proc/{victim.pid}" and not others:
        victim.kill(); victim.wait()
        for _ in range(50):
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(victim.pid - 1))
            others.append(subprocess.Popen(["unshare", "--net", "sleep", "60"]))
            if others[-1].pid == victim.pid:
                break
    return descriptor
places.open_folder = and_then_it_ends
try:
    place = Place(ID, "web", victim.pid)
    if sys.argv[1] == "namespace":
        with places.open_namespace(place, pids_visible=True):
            print("entered")
    else:
        print(places.resolver_configuration(place, pids_visible=True))
except places.OutOfReach as limit:
    print("out of reach:", limit.reason)
finally:
    print("reused" if others[-1].pid == victim.pid else "not reused")
    for other in others:
        other.kill(); other.wait()
"""


@pytest.mark.parametrize(("what", "said"), [("namespace", "out of reach: source-not-running"), ("files", "None")])
def test_a_process_id_that_is_taken_over_in_the_middle_of_a_look_leads_nowhere(what, said):
    """In a process-id namespace of its own, where the next number can be chosen."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", REUSE, what]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.splitlines() == [said, "reused"], done.stderr


@pytest.fixture
def root(tmp_path):
    """A container's root, as a descriptor, and its folder of settings."""
    (tmp_path / "etc").mkdir()
    descriptor = open_folder(str(tmp_path))
    yield descriptor, tmp_path / "etc"
    os.close(descriptor)


def test_a_pipe_in_the_place_of_a_file_is_not_even_opened(root):
    """Whoever opens a pipe for writing waits until somebody opens it for reading: so it is seen whether we did."""
    descriptor, etc = root
    os.mkfifo(etc / "hosts")
    opened = threading.Event()

    def write():
        os.close(os.open(etc / "hosts", os.O_WRONLY))
        opened.set()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.3)  # until it waits there
    try:
        assert read_in_root(descriptor, "etc/hosts", 100) is None
        assert not opened.wait(0.3)
    finally:
        os.close(os.open(etc / "hosts", os.O_RDONLY | os.O_NONBLOCK))
        writer.join()


@pytest.mark.parametrize(("kind", "device"), [("c", (1, 5)), ("c", (5, 2)), ("b", (7, 0))])
def test_a_device_in_the_place_of_a_file_is_none(root, kind, device):
    descriptor, etc = root
    mode = {"c": 0o020644, "b": 0o060644}[kind]
    os.mknod(etc / "hosts", mode, os.makedev(*device))
    assert read_in_root(descriptor, "etc/hosts", 100) is None


@pytest.mark.parametrize("other", ["socket", "folder", "loop", "nowhere", "outside", "magic"])
def test_other_things_in_the_place_of_a_file_are_none(root, other):
    descriptor, etc = root
    hosts = etc / "hosts"
    if other == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(hosts))
            assert read_in_root(descriptor, "etc/hosts", 100) is None
        return
    if other == "folder":
        hosts.mkdir()
    else:
        target = {
            "loop": "/etc/hosts",
            "nowhere": "/none",
            "outside": "../../../../etc/passwd",
            "magic": "/proc/self/exe",
        }
        hosts.symlink_to(target[other])
    assert read_in_root(descriptor, "etc/hosts", 100) is None


def test_a_link_to_a_file_of_the_kernel_says_nothing():
    """They are regular files of the size 0, some without an end, and reading one may take what others wait for."""
    descriptor = open_folder("/")
    try:
        assert read_in_root(descriptor, "proc/version", 100) == ("", False)
        assert read_in_root(descriptor, "proc/kmsg", 100) == ("", False)
    finally:
        os.close(descriptor)


def test_a_file_that_never_comes_is_waited_for_as_long_as_a_check_takes(world, monkeypatch, request):
    """As of a file system that a program in the container serves: the system call returns when that program wants."""
    late = threading.Event()
    request.addfinalizer(late.set)
    monkeypatch.setattr("bridgework.runners.namespace_runner.resolver_configuration", lambda *_, **__: late.wait(60))
    asked = ProbeRequest(Protocol.ICMP, name="db", timeout_ms=200)
    started = time.monotonic()
    measured = NamespaceRunner(os.getpid).check(world.a.place(), asked)
    assert measured.reason is Reason.DEADLINE
    assert measured.verdict is Verdict.INCONCLUSIVE
    assert time.monotonic() - started < 20
    source = SweepSource(0, world.a.place(), (SweepTarget(0, name="db"),))
    (row,) = NamespaceRunner(os.getpid).sweep(SweepPlan(Protocol.ICMP, (source,), timeout_ms=200))
    assert row.outcomes[0].reason is Reason.NAMESPACE_OUT_OF_REACH


def test_so_many_threads_are_left_behind_and_no_more(monkeypatch):
    monkeypatch.setattr(setns, "MAX_LEFT_BEHIND", 2)
    left_behind = []
    monkeypatch.setattr(setns, "_LEFT_BEHIND", left_behind)
    over = threading.Event()
    descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    before = len(list(Path("/proc/self/fd").iterdir()))
    try:
        for _ in range(2):
            with pytest.raises(setns.HeldUpError):
                setns.run_inside(descriptor, over.wait, time.monotonic() + 0.05)
        with pytest.raises(setns.TooManyHeldUpError):
            setns.run_inside(descriptor, over.wait, time.monotonic() + 0.05)
        over.set()
        for thread in left_behind:
            thread.join()
        assert setns.run_inside(descriptor, lambda: "again", time.monotonic() + 5) == "again"
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    finally:
        over.set()
        os.close(descriptor)


NAMED = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode("utf-8", "surrogateescape"), 0, 0, 0)
sock = socket.create_server(("", 7801))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a) R 1 (b", "a) R 1 (b"),
        ("x\ny: 1", r"x\ny: 1"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\u202eevil", r"\u202eevil"),
        ("\udcff\udcfe", "\ufffd\ufffd"),
        ("\ufeff", r"\ufeff"),
    ],
)
def test_a_process_may_have_any_name(world, namespace_runner, name, shown):
    command = ["nsenter", f"--net={world.b.path}", sys.executable, "-c", NAMED, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        seen = namespace_runner.observe(world.b.place(), ("sockets", "processes"))
        process.stdin.close()
    (found,) = [sock for sock in seen.sockets if sock.port == 7801]
    assert (found.process, found.pid) == (shown, process.pid)


def test_an_interface_may_have_nearly_any_name(world, namespace_runner):
    world.b.ip("link", "add", "\x1b[31mred", "type", "bridge")
    world.b.ip("link", "set", "\x1b[31mred", "up")
    world.b.ip("route", "add", "10.200.0.0/16", "dev", "\x1b[31mred")
    seen = namespace_runner.observe(world.b.place(), ("interfaces", "routes"))
    assert r"\x1b[31mred" in {link.name for link in seen.interfaces}
    assert r"\x1b[31mred" in {route.interface for route in seen.routes}


def test_what_is_printable_stays_as_it_is():
    assert printable("nginx: worker größe 名前") == "nginx: worker größe 名前"


def test_a_hosts_file_is_read_once_for_all_names():
    entries = tuple((f"10.0.{n >> 8}.{n & 255}", (f"N{n}", "all")) for n in range(4096))
    configuration = ResolverConfiguration(hosts=entries)
    assert configuration.addresses_by_name["n7"] == ("10.0.0.7",)
    assert len(configuration.addresses_by_name["all"]) == 4096
    assert configuration.addresses_by_name is configuration.addresses_by_name
