"""The private engine on the real machine: it starts, recovers, and leaves nothing behind."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.engine import lives
from tools.engine import EngineError, PrivateEngine, ask, install_packages

ROOT = Path(__file__).resolve().parents[2]
NAME = f"bridgework-own-{os.getpid()}"
OF_AN_ENGINE = re.compile(r"docker|\bbr-", re.IGNORECASE)


@pytest.fixture(autouse=True, scope="module")
def programs():
    """Have `ip` and `iptables` on a bare machine before it is looked at."""
    install_packages()


@pytest.fixture
def engine(tmp_path):
    # Deeper than a unix socket's path may be long.
    engine = PrivateEngine(tmp_path / ("deep" * 20) / ("checkout" * 10), NAME)
    yield engine
    engine.clean()
    assert traces(NAME, engine.directory) == []


def run_container(engine, *command, **host_config):
    # A first process takes no SIGTERM unless it asks for it, and the engine waits ten seconds to see.
    body = {"Image": "busybox", "Cmd": command, "StopSignal": "SIGKILL", "HostConfig": host_config}
    status, answer = post_json(engine, "/containers/create", json.dumps(body).encode())
    assert status == 201, answer
    container = json.loads(answer)["Id"]
    assert post_json(engine, f"/containers/{container}/start", b"")[0] == 204
    return container


def post_json(engine, url, body):
    return ask(engine.socket, "POST", url, body, content_type="application/json")


def inspect(engine, container):
    return json.loads(ask(engine.socket, "GET", f"/containers/{container}/json")[1])


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def machine_network():
    """What engines make: bridges, routes by them, rules. Other tests make links of other names meanwhile."""
    told = "".join(output_of(*command) for command in (("ip", "link"), ("ip", "route"), ("ip", "-6", "route")))
    return [line for line in (told + output_of("iptables-save")).splitlines() if OF_AN_ENGINE.search(line)]


def traces(name, folder):
    """Look for what an engine leaves, by other means than the engine's own."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        commands += [text] if f"/{name}/" in text else []
    mounts = [
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if name in line or str(folder) in line
    ]
    cgroups = [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]
    folders = [path for path in (folder, Path("/run") / name, Path("/run/netns") / name) if path.exists()]
    return [*commands, *mounts, *cgroups, *folders]


def shim_socket(engine, container):
    name = hashlib.sha256(f"/run/{engine.name}/containerd.sock/moby/{container}".encode()).hexdigest()
    return Path("/run/containerd/s") / name


def test_it_starts_runs_a_container_and_leaves_nothing_and_the_machines_network_as_it_was(engine):
    before = machine_network()
    engine.start()
    assert ask(engine.socket, "GET", "/images/busybox:latest/json")[0] == 200
    published = {"8080/tcp": [{"HostPort": "8080"}]}
    running = run_container(engine, "httpd", "-f", "-p", "8080", PortBindings=published)
    paused = run_container(engine, "sleep", "1000", NetworkMode="host")
    assert post_json(engine, f"/containers/{paused}/pause", b"")[0] == 204
    shim = shim_socket(engine, running)
    process = inspect(engine, running)["State"]["Pid"]
    assert shim.exists()
    assert traces(NAME, engine.directory)

    engine.clean()

    assert traces(NAME, engine.directory) == []
    assert not lives(process)
    assert not shim.exists()
    assert machine_network() == before


def test_a_second_start_finds_the_engine_as_it_runs(engine):
    engine.start()
    first = engine.pid(), engine.pid("containerd")
    image = json.loads(ask(engine.socket, "GET", "/images/busybox:latest/json")[1])["Id"]
    again = PrivateEngine(engine.directory, NAME)
    again.start()
    assert (again.pid(), again.pid("containerd")) == first
    assert json.loads(ask(engine.socket, "GET", "/images/busybox:latest/json")[1])["Id"] == image


def test_a_killed_engine_starts_again_with_its_containers(engine):
    engine.start()
    killed = engine.pid()
    container = run_container(engine, "sleep", "1000")
    engine.kill()
    assert engine.pid() is None
    engine.start()
    assert engine.pid() not in (None, killed)
    assert inspect(engine, container)["Id"] == container


def test_it_recovers_when_all_was_killed_and_the_namespace_lost_its_name_as_after_a_reboot(engine):
    engine.start()
    container = run_container(engine, "sleep", "1000")
    for program in ("dockerd", "containerd"):
        os.kill(engine.pid(program), signal.SIGKILL)
    output_of("ip", "netns", "delete", NAME)
    Path(f"/run/netns/{NAME}").touch()  # a machine whose /run outlives a reboot keeps the file without its mount
    engine.start()
    assert inspect(engine, container)["State"]["Status"] == "exited"
    run_container(engine, "sleep", "1000")


def test_a_stopped_engine_keeps_its_containers_and_ends_its_processes(engine):
    engine.start()
    container = run_container(engine, "sleep", "1000")
    process = inspect(engine, container)["State"]["Pid"]
    engine.stop()
    assert engine.pid() is None
    assert engine.pid("containerd") is None
    assert not lives(process)
    engine.start()
    assert inspect(engine, container)["Id"] == container


def test_the_command_line_starts_says_and_removes(tmp_path):
    def command(action):
        given = [
            sys.executable,
            "-m",
            "tools.engine",
            action,
            "--dir",
            str(tmp_path / "engine"),
            "--name",
            f"{NAME}-cli",
        ]
        return subprocess.run(given, cwd=ROOT, check=False, capture_output=True, text=True)

    assert command("status").returncode == 3
    try:
        started = command("start")
        assert started.stdout.strip() == f"unix:///run/{NAME}-cli/docker.sock", started.stderr
        assert command("status").returncode == 0
    finally:
        removed = command("clean")
    assert removed.returncode == 0, removed.stderr
    assert traces(f"{NAME}-cli", tmp_path / "engine") == []
    assert "no private engine" in command("clean").stderr


def test_the_engine_of_a_killed_test_run_is_removed_by_the_next_and_no_other(engine, tmp_path):
    engine.start()
    name = f"{NAME}-orphan"
    begin = "from tools.engine import PrivateEngine as E; import os, sys; E(sys.argv[1], sys.argv[2]).__enter__(); "
    orphan = [sys.executable, "-c", begin + "os.kill(os.getpid(), 9)", str(tmp_path / "orphan"), name]
    killed = subprocess.run(orphan, check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert traces(name, tmp_path / "orphan")
    with PrivateEngine(tmp_path / "next", f"{NAME}-next"):
        assert traces(name, tmp_path / "orphan") == []
    assert engine.running()


def test_the_engine_of_a_checkout_that_moved_makes_way_for_one_at_the_new_place(tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    old = PrivateEngine(before / "engine", f"{NAME}-before")
    old.start()
    container = run_container(old, "sleep", "1000")
    before.rename(after)
    with PrivateEngine(after / "engine", f"{NAME}-after") as new:
        assert traces(old.name, before) == []
        assert inspect(new, container)["State"]["Running"] is False
    assert traces(new.name, after / "engine") == []


@pytest.mark.parametrize("taken", ["the name", "the directory"])
def test_it_touches_no_other_engine(engine, tmp_path, taken):
    engine.start()
    by_name = PrivateEngine(tmp_path / "other", NAME)
    other = by_name if taken == "the name" else PrivateEngine(engine.directory, f"{NAME}-other")
    for action in (other.start, other.stop, other.clean):
        with pytest.raises(EngineError, match="belongs to the engine"):
            action()
    assert engine.running()
    assert ask(engine.socket, "GET", "/images/busybox:latest/json")[0] == 200


def test_it_takes_no_namespace_that_it_did_not_make(tmp_path):
    name = f"{NAME}-taken"
    output_of("ip", "netns", "add", name)
    try:
        engine = PrivateEngine(tmp_path / "engine", name)
        for action in (engine.start, engine.clean):
            with pytest.raises(EngineError, match="was not made here"):
                action()
        assert name in output_of("ip", "netns", "list")
    finally:
        output_of("ip", "netns", "delete", name)


@pytest.mark.parametrize("name", ["docker", "bridgework-", "bridgework-A", "bridgework-../x", "bridgework-" + "x" * 80])
def test_a_name_that_could_mean_something_else_is_refused(tmp_path, name):
    with pytest.raises(EngineError, match="must be"):
        PrivateEngine(tmp_path, name)


def test_why_it_did_not_start_is_said_in_the_engines_own_words(engine):
    engine.directory.mkdir(parents=True)
    (engine.directory / "data").write_text("in the way")
    with pytest.raises(EngineError, match="did not start") as error:
        engine.start()
    assert "not a directory" in str(error.value)


IN_EMPTY_RUN = """
import json, os, sys
from tools.engine import PrivateEngine, ask

def post(path, body):
    status, answer = ask(engine.socket, "POST", path, json.dumps(body).encode(), content_type="application/json")
    assert status < 300, answer
    return json.loads(answer or "{}")

with PrivateEngine(sys.argv[1], sys.argv[2]) as engine:
    post(f"/containers/{post('/containers/create', {'Image': 'busybox', 'Cmd': ['sleep', '60']})['Id']}/start", {})
    made = sorted(os.listdir("/run"))
print(made, os.listdir("/run"))
"""


def test_what_the_daemons_make_outside_of_their_places_is_removed_too(tmp_path):
    """On a machine whose /run is empty, as far as this mount namespace shows it."""
    script = [sys.executable, "-c", IN_EMPTY_RUN, str(tmp_path / "engine"), f"{NAME}-alone"]
    in_own_mounts = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
    made, left = output_of(*in_own_mounts, *script).rsplit(" [", 1)
    assert "'containerd', 'docker'" in made
    assert left == "]\n"


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd disables its own units")
def test_without_systemd_the_init_links_of_the_package_are_disabled(tmp_path):
    layers = tmp_path / "layers"
    own_etc = (
        f"mount -t tmpfs none {layers} && mkdir {layers}/upper {layers}/work && mount -t overlay none "
        f"-o lowerdir=/etc,upperdir={layers}/upper,workdir={layers}/work /etc && "
        'update-rc.d docker defaults && update-rc.d docker enable && ls /etc/rc2.d && exec "$@"'
    )
    layers.mkdir()
    disable = "from tools import engine; "
    disable += "engine.keep_from_boot(); import os; print('then', *os.listdir('/etc/rc2.d'))"
    before, after = output_of("unshare", "--mount", "sh", "-c", own_etc, "sh", sys.executable, "-c", disable).split(
        "then"
    )
    assert "S01docker" in before
    assert "S01docker" not in after
    assert "K01docker" in after
