"""Whose namespace and whose files: never another process's, never out of the container's root, never for ever."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridgework.model.checks import ProbeRequest, Protocol, Reason
from bridgework.model.probe_port import Place
from bridgework.probes.kernel import capabilities
from bridgework.probes.kernel.namespace_files import OutOfReach, open_namespace, resolver_configuration, says_otherwise
from bridgework.probes.kernel.safe_read import open_folder, read_in_root
from bridgework.runners.namespace_runner import NamespaceRunner
from tests.support.service import until

ID, OTHER = "a" * 64, "b" * 64
ROOT = Path(__file__).parents[3]


def read(root, path, max_bytes=100):
    folder = open_folder(str(root))
    try:
        return read_in_root(folder, path, max_bytes)
    finally:
        os.close(folder)


@pytest.mark.parametrize(
    ("groups", "otherwise"),
    [
        (f"0::/docker/{ID}\n", False),
        (f"0::/system.slice/docker-{ID}.scope\n", False),
        (f"0::/../{ID}\n", False),
        (f"0::/docker/{OTHER}\n", True),
        ("0::/user.slice/user-0.slice\n", True),
        ("0::/\n", False),
        ("1:name=systemd:/\n0::/\n", False),
        ("", False),
    ],
)
def test_control_groups_tell_whose_a_process_is(groups, otherwise):
    assert says_otherwise(groups, ID) is otherwise


def test_a_process_that_ended_is_no_place():
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.raises(OutOfReach) as caught, open_namespace(Place(ID, "gone", process.pid), pids_visible=True):
        pass
    assert caught.value.reason is Reason.SOURCE_NOT_RUNNING


def test_a_process_id_that_somebody_else_took_is_no_place(monkeypatch):
    monkeypatch.setattr(
        "bridgework.probes.kernel.namespace_files.says_otherwise", lambda _groups, container_id: container_id == ID
    )
    runner = NamespaceRunner(os.getpid)
    request = ProbeRequest(Protocol.ICMP, address="127.0.0.1")
    assert runner.check(Place(ID, "web", os.getpid()), request).reason is Reason.SOURCE_NOT_RUNNING
    assert runner.check(Place(OTHER, "web", os.getpid()), request).reason is None


def test_an_empty_file_is_no_namespace(tmp_path):
    path = tmp_path / "netns"
    path.write_text("")
    with (
        pytest.raises(OutOfReach, match="not shared"),
        open_namespace(Place(None, "x", namespace_path=str(path)), pids_visible=False),
    ):
        pass


def test_the_process_is_believed_before_the_handle(world):
    """What a container really is in may differ from what the engine's handle says: a shared namespace left behind."""
    place = world.a.place()
    own = Place(None, "host", os.getpid(), place.namespace_path)
    runner, blind = NamespaceRunner(os.getpid), NamespaceRunner(lambda: None)
    assert runner.namespace_inode(own) == Path("/proc/self/ns/net").stat().st_ino
    assert blind.namespace_inode(own) == Path(world.a.path).stat().st_ino


def test_links_do_not_lead_out_of_a_containers_root(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("nameserver 6.6.6.6\n")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "absolute").symlink_to(secret)
    (root / "etc" / "relative").symlink_to("../../secret")
    (root / "etc" / "inside").symlink_to("/etc/plain")
    (root / "etc" / "plain").write_text("here")
    assert read(root, "etc/absolute") is None
    assert read(root, "etc/relative") is None
    assert read(root, "etc/inside") == ("here", False)
    assert read(root, "etc/inside", 2) == ("he", True)


def test_no_nesting_of_links_or_folders_uses_up_descriptors(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "there").symlink_to("../../../here")
    (tmp_path / "here").write_text("text")
    deep = tmp_path.joinpath(*["d"] * 100)
    deep.mkdir(parents=True)
    (deep / "file").write_text("text")
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert read(tmp_path, "loop") is None
    assert read(tmp_path, "/".join(["d"] * 100) + "/file") is None
    assert read(tmp_path, "/".join(["d"] * 10) + "/.." * 10 + "/" + "there") == ("text", False)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_link_of_proc_is_followed_by_its_text():
    """What the kernel has behind it can be in another mount namespace."""
    assert read("/proc/self", "root/etc/hostname") is None
    assert read("/proc/self", "fd/0/etc/hostname") is None


def test_a_pipe_in_the_place_of_a_file_holds_nobody(tmp_path):
    os.mkfifo(tmp_path / "resolv.conf")
    assert read(tmp_path, "resolv.conf") is None  # who waits for a writer waits for ever


def test_the_files_of_a_place(tmp_path):
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 10.0.0.1\n")
    place = Place(ID, "x", resolver_path=str(resolv_conf), hosts_path=str(tmp_path / "there is none"))
    assert resolver_configuration(place, pids_visible=False).nameservers == ("10.0.0.1",)
    assert resolver_configuration(Place(ID, "x"), pids_visible=False) is None


def test_a_name_without_a_resolver_file_is_inconclusive(world, namespace_runner):
    place = Place(ID, "x", namespace_path=world.a.path)
    measurement = namespace_runner.check(place, ProbeRequest(Protocol.ICMP, name="db"))
    assert measurement.reason is Reason.NAMESPACE_OUT_OF_REACH
    assert "resolver" in measurement.detail


def test_the_status_names_what_is_in_force_and_missing(tmp_path):
    assert NamespaceRunner(os.getpid).status().kind == "namespace"
    folder = str(tmp_path / "there is none")
    status = NamespaceRunner(lambda: None, folder).status()
    assert status.kind == "unavailable"
    assert any("process ids" in missing for missing in status.missing)
    assert NamespaceRunner(lambda: None, str(tmp_path)).status().kind == "namespace"


@pytest.mark.parametrize(
    ("left", "missing"),
    [("-sys_admin", ["CAP_SYS_ADMIN"]), ("-net_raw", ["CAP_NET_RAW"]), ("-net_admin", ["CAP_NET_ADMIN"])],
)
def test_a_missing_capability_is_named(left, missing):
    program = "import os; from bridgework.runners.namespace_runner import NamespaceRunner as N"
    program += "; s = N(os.getpid).status(); print(s.kind, *s.missing)"
    command = ["setpriv", f"--bounding-set={left}", f"--inh-caps={left}", sys.executable, "-c", program]
    kind, *named = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert named == missing
    assert kind == ("namespace" if missing == ["CAP_NET_ADMIN"] else "unavailable")


def test_a_folder_that_only_root_may_enter_is_missing_and_no_error(tmp_path):
    """As /run/docker is for a user of the group docker."""
    os.chown(tmp_path, 65534, 65534)
    tmp_path.chmod(0o700)
    (tmp_path / "netns").mkdir()
    left = "-dac_override,-dac_read_search"
    program = "import sys; from bridgework.runners.namespace_runner import NamespaceRunner as N"
    program += "; print(N(lambda: None, sys.argv[1]).status().kind)"
    command = ["setpriv", f"--bounding-set={left}", f"--inh-caps={left}", sys.executable, "-c", program]
    told = subprocess.run([*command, str(tmp_path / "netns")], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.split() == ["unavailable"]


def test_process_ids_are_only_believed_in_ones_own_namespace():
    assert capabilities.shares_pid_namespace(os.getpid())
    assert not capabilities.shares_pid_namespace(None)
    assert not capabilities.shares_pid_namespace(0)
    with subprocess.Popen(["unshare", "--pid", "--fork", "sleep", "60"]) as process:
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            until(children.read_text, 30, "a child of unshare")
            inner = children.read_text().split()
            assert not capabilities.shares_pid_namespace(int(inner[0]))
        finally:
            subprocess.run(["kill", "-9", *inner], check=True)


def test_the_host_is_observed_where_the_engine_runs(world):
    process = subprocess.Popen(["nsenter", f"--net={world.lab.router.path}", "sleep", "60"])
    try:
        router = Path(world.lab.router.path).stat().st_ino
        while Path(f"/proc/{process.pid}/ns/net").stat().st_ino != router:
            time.sleep(0.01)
        runner = NamespaceRunner(lambda: process.pid)
        seen = runner.observe_host()
        assert seen.observation.inode == router
        assert seen.ipv4_forwarding is True
        bridge = next(link for link in seen.observation.interfaces if link.name == "br0")
        port = next(link for link in seen.observation.interfaces if link.name == "v0m0")
        assert (bridge.kind, port.kind, port.master_index) == ("bridge", "veth", bridge.index)
        forward = next(
            chain for chain in runner.read_firewall().chains if (chain.table, chain.name) == ("filter", "FORWARD")
        )
        assert forward.policy == "DROP"
        assert any("-i br0 -o br0 -j ACCEPT" in rule for _, _, rule in forward.rules)
        table = seen.observation.neighbour_table
        assert table.limit >= table.in_use > 0
    finally:
        process.kill()
        process.wait()
    assert NamespaceRunner(lambda: None).observe_host() is None


def test_a_listening_process_is_named(world, namespace_runner):
    process = world.serve(world.b, "tcp", 7777)
    seen = namespace_runner.observe(world.b.place(), ("sockets", "processes"))
    (found,) = [sock for sock in seen.sockets if sock.port == 7777]
    assert found.pid == process.pid
    assert found.process.startswith("python")
