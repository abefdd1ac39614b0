"""A Docker engine of our own, whole in a network namespace of its own.

It needs nothing but Python's own library, since it runs before any package is installed.

The engine never meets the machine's own network: its bridges, routes and rules live in the namespace and vanish
with it. Two places hold all of it: the directory given (data) and ``/run/NAME`` (sockets, state), which is short
because a unix socket's path may be no longer than about 100 characters, however deep a checkout lies.
"""

import contextlib
import fcntl
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tools.engine.client import answers, ask
from tools.engine.image import IMAGE, busybox_archive
from tools.engine.interrupts import held_back
from tools.engine.kernel import Process, mounts_below, same_namespace
from tools.engine.packages import find_busybox, install_packages
from tools.engine.programs import SEARCH_PATH, EngineError, run, say, wait_until

NAME_PATTERN = re.compile(r"bridgework-[a-z0-9][a-z0-9-]{0,40}")
READY_SECONDS = 120.0
STOP_SECONDS = 40.0
ENGINE_PROGRAMS = {"dockerd", "containerd", "containerd-shim-runc-v2", "runc", "docker-proxy"}
NETNS_FOLDER = Path("/run/netns")
# Folders that dockerd, a container's shim and umount make beside the places that they are given; parents come last.
MACHINE_FOLDERS = (
    Path("/run/docker/plugins"),
    Path("/run/docker"),
    Path("/run/containerd/s"),
    Path("/run/containerd"),
    Path("/run/mount"),
)
CGROUPS = Path("/sys/fs/cgroup")


@dataclass
class PrivateEngine:
    """One private engine: where it is kept, and what is done with it.

    As a context manager it is started on entry and removed without trace on exit; should its process be killed before
    that, the next start of any private engine removes it.
    """

    directory: Path
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of dockerd's beside those that keep it to itself."""
    programs: Path | None = None
    """A folder with the programs of another engine version; ``None`` for those that the machine has installed."""
    _owner: Process | None = field(default=None, init=False, repr=False)
    _children: list[subprocess.Popen[bytes]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self.directory = Path(self.directory).resolve()
        if not NAME_PATTERN.fullmatch(self.name):
            raise EngineError(
                f"The name {self.name!r} must be `bridgework-` and then a-z, 0-9 and -, 52 in all at most."
            )
        self.runtime = Path("/run") / self.name
        self.socket = self.runtime / "docker.sock"
        self.namespace = NETNS_FOLDER / self.name
        self.log = self.directory / "dockerd.log"

    def __enter__(self) -> Self:
        self._owner = Process.of(os.getpid())
        try:
            self.start()
        except BaseException:  # there will be no exit
            self.clean()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.clean()

    @property
    def docker_host(self) -> str:
        """What DOCKER_HOST must be to reach this engine."""
        return f"unix://{self.socket}"

    # -- starting --

    def start(self) -> None:
        """Start the engine, or what of it is missing; at once when it runs.

        When the first start is interrupted, what it made is removed. An engine that was there before keeps its data.
        """
        self._must_be_root()
        remove_orphans()
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._alone():
            self._must_be_ours()
            if self.running() and answers(self.socket):
                return
            install_packages()
            first = not self.leftovers()
            try:
                self._make_namespace()
                self._start_daemons()
                self._import_image()
            except KeyboardInterrupt:
                if first:
                    self._remove()
                raise
            say(f"The engine answers at {self.docker_host}")

    def running(self) -> bool:
        """Whether the engine's process runs, in its own namespace."""
        return self._in_place("dockerd") and self._in_place("containerd")

    def pid(self, program: str = "dockerd") -> int | None:
        """Return the process id of the engine, or of its containerd; None when it does not run."""
        process = self._process(program)
        return process.pid if process else None

    def _in_place(self, program: str) -> bool:
        process = self._process(program)
        return process is not None and same_namespace(process.pid, self.namespace)

    def _must_be_root(self) -> None:
        if os.geteuid() != 0:
            raise EngineError("A private engine needs root: run this as root or through sudo.")

    def _must_be_ours(self) -> None:
        """Refuse a name or a directory that another engine, or someone else, has in use."""
        owner = self._state().get("directory")
        if owner is None and (self.runtime.exists() or self.namespace.exists()):
            raise EngineError(f"{self.runtime} or {self.namespace} exists and was not made here: choose another name.")
        if owner not in (None, str(self.directory)):
            raise EngineError(f"The name {self.name} belongs to the engine of {owner}: choose another name.")
        for state in known_engines():
            if state["directory"] == str(self.directory) and state["name"] != self.name:
                raise EngineError(f"{self.directory} belongs to the engine {state['name']}: choose another directory.")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the directory, so that two starts at once become one start and one look."""
        if not self.directory.is_dir():  # moved or deleted: nobody else comes to it
            yield
            return
        handle = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _make_namespace(self) -> None:
        """Make the namespace, its loopback up. Make it again when a reboot left only its name."""
        state = self._state()
        state.setdefault("made_netns_mount", not os.path.ismount(NETNS_FOLDER))
        state.setdefault("made_folders", self._folders_to_make())
        self.runtime.mkdir(mode=0o755, exist_ok=True)
        owner = asdict(self._owner) if self._owner else None
        self._save({**state, "directory": str(self.directory), "name": self.name, "owner": owner})
        if not mounts_below(self.namespace):
            self.namespace.unlink(missing_ok=True)
            say(f"Making the network namespace {self.name}")
            run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        # The kernel sends one ICMP error a second to each destination unless told otherwise, and a name that is looked
        # up twice within that second waits for the time-out of the resolver: about 1 s a lookup, 3 s a removal.
        limit = "/proc/sys/net/ipv4/icmp_ratelimit"
        run("nsenter", f"--net={self.namespace}", "--", "sh", "-c", f"echo 0 > {limit}")

    def _folders_to_make(self) -> list[str]:
        """Name the machine's folders that will be there only because of private engines."""
        made = {folder for state in known_engines() for folder in state.get("made_folders", ())}
        return [str(folder) for folder in MACHINE_FOLDERS if str(folder) in made or not folder.exists()]

    def _start_daemons(self) -> None:
        """Start containerd and dockerd, each unless it runs already.

        The containerd is always our own: dockerd would otherwise use one that the machine runs, whose containers
        begin in the machine's network.
        """
        for program in ("dockerd", "containerd"):
            if self._process(program) and not self._in_place(program):
                self._kill_all()
        self._configure()
        if not self._process("containerd"):
            self._spawn("containerd", "--config", str(self.runtime / "containerd.toml"))
        self._await("containerd", (self.runtime / "containerd.sock").is_socket)
        if not self._process("dockerd"):
            (self.runtime / "dockerd.pid").unlink(missing_ok=True)
            say("Starting dockerd")
            self._spawn("dockerd", "--config-file", str(self.runtime / "daemon.json"))
        self._await("dockerd", lambda: answers(self.socket))
        self._give_socket()

    def _configure(self) -> None:
        """Write both daemons' settings: in files, so that the machine's own are not read."""
        settings = {
            # No server outside can be reached from here. The bridge itself refuses a lookup at once, where a server
            # out of reach is waited for at each lookup of an unknown name and at each removal of a container.
            "dns": ["172.17.0.1"],
            **self.settings,
            "hosts": [self.docker_host, *self.settings.get("hosts", ())],
            "data-root": str(self.directory / "data"),
            "exec-root": str(self.runtime / "exec"),
            "pidfile": str(self.runtime / "dockerd.pid"),
            "containerd": str(self.runtime / "containerd.sock"),
            "group": "root",
            # A group of their own makes our containers' processes findable, whatever happened to the engine.
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": f"/{self.name}",
        }
        (self.runtime / "daemon.json").write_text(json.dumps(settings, indent=2))
        quoted = {key: json.dumps(str(path)) for key, path in self._containerd_paths().items()}
        (self.runtime / "containerd.toml").write_text(CONTAINERD_SETTINGS.format(**quoted))

    def _containerd_paths(self) -> dict[str, Path]:
        return {
            "root": self.directory / "data" / "containerd",
            "state": self.runtime / "containerd",
            "socket": self.runtime / "containerd.sock",
            "opt": self.directory / "data" / "containerd-opt",
        }

    def _spawn(self, *command: str) -> None:
        """Start a daemon in the namespace, in a session of its own: no Ctrl-C in a terminal reaches it.

        ``ip netns exec`` would hide the cgroups; ``nsenter`` changes the network alone.
        """
        program = command[0]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        # Interrupted between the two steps, the daemon would run and not be remembered.
        with held_back(), (self.directory / f"{program}.log").open("wb") as log:
            child = subprocess.Popen(
                ["nsenter", f"--net={self.namespace}", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**environment, "PATH": self._search_path()},
                cwd="/",
            )
            self._children.append(child)
            process = Process.of(child.pid)
            if process:
                state = self._state()
                self._save({**state, "processes": {**state.get("processes", {}), program: asdict(process)}})

    def _search_path(self) -> str:
        """Where the daemons find themselves and each other: docker-proxy, the shim, runc."""
        return os.pathsep.join([str(self.programs), SEARCH_PATH]) if self.programs else SEARCH_PATH

    def _await(self, program: str, ready: Callable[[], object]) -> None:
        """Wait until a daemon is ready; say with its own last words why it never was."""
        wait_until(lambda: ready() or not self._process(program), READY_SECONDS)
        if not (self._process(program) and ready()):
            log = self.directory / f"{program}.log"
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise EngineError(f"{program} did not start. The end of {log}:\n{tail}")

    def _give_socket(self) -> None:
        """Let the person who came through sudo, and nobody else, speak to the engine without it."""
        os.chown(self.socket, int(os.environ.get("SUDO_UID", "0")), 0)

    def _import_image(self) -> None:
        """Make the busybox image where it is absent: no registry is asked."""
        if ask(self.socket, "GET", f"/images/{IMAGE}/json")[0] == http.client.OK:
            return
        say(f"Making the image {IMAGE}")
        busybox = find_busybox()
        if busybox is None:
            raise EngineError("No static busybox to make an image of: install busybox-static.")
        changes = "changes=CMD%20%5B%22sh%22%5D&changes=ENV%20PATH%3D/bin"
        url = f"/images/create?fromSrc=-&repo=busybox&tag=latest&{changes}"
        status, body = ask(self.socket, "POST", url, busybox_archive(busybox))
        if status != http.client.OK or b'"error"' in body:
            raise EngineError(f"The engine refused the image: {body.decode(errors='replace')[:500]}")

    # -- stopping --

    def stop(self) -> None:
        """Stop the engine as a service manager would: containers first, then the daemons; data stays."""
        self._must_be_root()
        self._must_be_ours()
        self._end("dockerd", STOP_SECONDS)
        self._end("containerd", 10)
        self._kill_all()

    def kill(self) -> None:
        """Kill the engine's process alone, as a crash would; containers go on."""
        self._end("dockerd", 0)

    def restart(self) -> None:
        """Bring the engine up again after a kill, or stop and start it."""
        self._end("dockerd", STOP_SECONDS)
        self.start()

    def _end(self, program: str, grace: float) -> None:
        process = self._process(program)
        if process:
            if grace:
                process.send(signal.SIGTERM)
                wait_until(lambda: not process.alive(), grace)
            process.send(signal.SIGKILL)
            wait_until(lambda: not process.alive(), 10)
        self._reap()

    def _reap(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]

    def _kill_all(self) -> None:
        """Kill everything that belongs to this engine, containers too."""
        self._thaw()

        def all_gone() -> bool:
            left = self._processes()
            for process in left:
                process.send(signal.SIGKILL)
            self._reap()
            return not left

        wait_until(all_gone, 20)

    def _thaw(self) -> None:
        """Let paused containers run: the older kind of cgroup does not even let a frozen process be killed."""
        for state in CGROUPS.glob(f"freezer/{self.name}/*/freezer.state"):
            with contextlib.suppress(OSError):
                state.write_text("THAWED")

    def _processes(self) -> list[Process]:
        """Find every process of this engine: by its control group, its command line, or its namespace."""
        # A daemon that has just been started is still `nsenter`, which has none of these.
        found = {process for program in ("dockerd", "containerd") if (process := self._process(program))}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._owns(entry):
                process = Process.of(int(entry.name))
                found |= {process} if process else set()
        return list(found)

    def _owns(self, entry: Path) -> bool:
        try:
            if f"/{self.name}/" in (entry / "cgroup").read_text():
                return True
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has just ended
            return False
        if Path(os.fsdecode(arguments[0])).name not in ENGINE_PROGRAMS:
            return False
        ours = f"{self.runtime}/".encode()
        return any(ours in argument for argument in arguments) or same_namespace(int(entry.name), self.namespace)

    # -- removing --

    def clean(self) -> None:
        """Remove the engine and all that it made; nothing when there is none."""
        if self.leftovers():
            self._must_be_root()
            remove_orphans()
            self._must_be_ours()
            self.remove()

    def remove(self) -> None:
        """Kill, unmount and delete whatever is this engine's; say so when anything is left."""
        with self._alone():
            self._remove()

    def _remove(self) -> None:
        with held_back(lambda: say(f"Interrupted: removing the engine {self.name} first")):
            self._kill_all()
            sockets = self._shim_sockets()
            made_folders = self._state().get("made_folders", ())
            self._unmount()
            self._remove_namespace()
            wait_until(self._remove_cgroups, 5)
            self._remove_folders()
            for path in sockets:
                path.unlink(missing_ok=True)
            for folder in made_folders:
                with contextlib.suppress(OSError):  # another engine has something in it
                    Path(folder).rmdir()
            left = self.leftovers()
            if left:
                raise EngineError(f"Removed, except: {', '.join(left)}")
            say(f"Removed the engine {self.name}: nothing of it is left")

    def leftovers(self) -> list[str]:
        """Name whatever of this engine still exists on the machine."""
        paths = [self.runtime, self.namespace, *self._cgroups(), *self._own_entries()]
        return [
            *(f"process {process.pid}" for process in self._processes()),
            *(f"mount {point}" for point in mounts_below(self.directory, self.runtime, self.namespace)),
            *(str(path) for path in paths if path.exists()),
        ]

    def _shim_sockets(self) -> list[Path]:
        """Find the sockets that killed shims leave in a folder all of a machine's shims share."""
        sockets = []
        for file in (
            *self.runtime.glob("containerd/*/*/*/address"),
            *self.runtime.glob("containerd/*/*/*/bootstrap.json"),
        ):
            sockets += re.findall(r"unix://(/run/containerd/s/[0-9a-f]{64})", file.read_text())
        return [Path(path) for path in sockets]

    def _unmount(self) -> None:
        for point in mounts_below(self.directory, self.runtime):
            if run("umount", point, check=False).returncode:
                run("umount", "--lazy", point, check=False)

    def _remove_namespace(self) -> None:
        """Remove the namespace, and the mount that `ip` made for the first one when no other uses it."""
        if mounts_below(self.namespace):
            run("ip", "netns", "delete", self.name)
        self.namespace.unlink(missing_ok=True)
        if self._state().get("made_netns_mount") and NETNS_FOLDER.is_dir() and not any(NETNS_FOLDER.iterdir()):
            run("umount", str(NETNS_FOLDER), check=False)
            with contextlib.suppress(OSError):
                NETNS_FOLDER.rmdir()

    def _cgroups(self) -> list[Path]:
        return [*CGROUPS.glob(self.name), *CGROUPS.glob(f"*/{self.name}")]

    def _remove_cgroups(self) -> bool:
        for top in self._cgroups():
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        return not self._cgroups()

    def _own_entries(self) -> list[Path]:
        return [self.directory / entry for entry in ("data", "dockerd.log", "containerd.log")]

    def _remove_folders(self) -> None:
        """Remove what was made here and nothing else; never through something still mounted."""
        still = mounts_below(self.directory, self.runtime)
        if still:
            raise EngineError(f"Still mounted, so nothing below was removed: {', '.join(still)}")
        for path in (*self._own_entries(), self.runtime):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody else's files are in it
            self.directory.rmdir()

    # -- what is remembered --

    @property
    def _state_file(self) -> Path:
        return self.runtime / "state.json"

    def _state(self) -> dict[str, Any]:
        return read_state(self._state_file)

    def _save(self, state: dict[str, Any]) -> None:
        temporary = self._state_file.with_suffix(".new")
        temporary.write_text(json.dumps(state, indent=2))
        temporary.replace(self._state_file)

    def _process(self, program: str) -> Process | None:
        known = self._state().get("processes", {}).get(program)
        process = Process(**known) if known else None
        return process if process and process.alive() else None


def known_engines() -> list[dict[str, Any]]:
    """Read what is remembered of every private engine on this machine."""
    return [state for file in sorted(Path("/run").glob("bridgework-*/state.json")) if (state := read_state(file))]


def read_state(file: Path) -> dict[str, Any]:
    """Read what is remembered of one engine; nothing when it is just being removed."""
    try:
        state: dict[str, Any] = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return state


def remove_orphans() -> None:
    """Remove the engines that nobody can come back to: their test run was killed, or their folder moved or deleted."""
    for state in known_engines():
        ended = state.get("owner") and not Process(**state["owner"]).alive()
        if ended or not Path(state["directory"]).exists():
            say(f"Removing {state['name']}: {state['directory']} is no longer in use")
            PrivateEngine(Path(state["directory"]), state["name"]).remove()


CONTAINERD_SETTINGS = """\
version = 2
root = {root}
state = {state}
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
  "io.containerd.nri.v1.nri",
]

[grpc]
  address = {socket}

[plugins."io.containerd.internal.v1.opt"]
  path = {opt}
"""
