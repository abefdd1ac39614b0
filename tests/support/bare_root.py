"""A bare Debian root with a checkout in it, on which nothing of Bridgework has run yet.

debootstrap makes the root once, below ``build/``, with the programs that the README asks for. apt and pip download what
`make run` installs, and the roots get it as a repository and a folder of wheels: they have no network. Each root is a
view of the first one (overlayfs, kept in memory) in mount, process and network namespaces of its own, so a service that
is started by mistake cannot reach the machine.
"""

import contextlib
import fcntl
import hashlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.support.deployment import install
from tools.engine.packages import PACKAGE_OF

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "bare-root"
CHECKOUT = "/home/a person/bridge work"
"""A path with spaces, as a person may have it."""
_PROGRAMS = "ca-certificates,curl,make,python3"
_PACKAGES = (*PACKAGE_OF.values(), "busybox-static", "dbus", "systemd")
"""What a root can install; the version of Python's venv is that of the root."""
_SETUP = """
set -e
folder=$1 checkout=$2
mount --make-rprivate /
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$folder/base,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
mount -t proc none proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 none run
mount -t tmpfs -o mode=1777 none tmp
mount -t tmpfs -o mode=755 none home
for given in packages wheels; do mkdir "$given" && mount --bind "$folder/$given" "$given"; done
echo 'deb [trusted=yes] file:/packages ./' >etc/apt/sources.list
mkdir -p "./$checkout"
git -C "$3" ls-files -coz --exclude-standard | tar -C "$3" --null --ignore-failed-read -T - -c | tar -x -C "./$checkout"
ip link set lo up
exec chroot . bash -c 'echo ready; until [ -e /run/init ]; do sleep 1; done; exec sh /run/init'
"""
"""The last program is the first process of its namespace: bash takes note of the end of each process without parent. It
gives its place to another program where a test writes one (tests/support/booted.py)."""


def prepared():
    """Return the folder with the root, the packages and the wheels; make it where it is missing."""
    install("debootstrap")
    given = (ROOT / "requirements.lock").read_bytes() + repr(_PACKAGES).encode()
    made = FOLDER / hashlib.sha256(given).hexdigest()[:12]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            new = FOLDER / "new"
            shutil.rmtree(new, ignore_errors=True)
            _make(new)
            new.rename(made)
    return made


def _make(new):
    (new / "packages" / "partial").mkdir(parents=True)
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    components = "main,universe" if release["ID"] == "ubuntu" else "main"
    kind = ["--variant=minbase", f"--components={components}", f"--include={_PROGRAMS}"]
    _run("debootstrap", *kind, release["VERSION_CODENAME"], str(new / "base"))
    version = _run(
        "chroot", str(new / "base"), "python3", "-c", "import sys; print('%s.%s' % sys.version_info[:2])"
    ).strip()
    # This machine's apt, with its sources, chooses what the root lacks.
    options = ["-o", f"Dir::State::status={new}/base/var/lib/dpkg/status", "-o", f"Dir::Cache::archives={new}/packages"]
    wanted = [*_PACKAGES, f"python{version}-venv"]
    _run("apt-get", "-q", "update")
    _run("apt-get", "-q", "-y", *options, "-o", "APT::Sandbox::User=root", "install", "--download-only",
         "--no-install-recommends", *wanted)  # fmt: skip
    _index(new / "packages")
    wheels = ["--only-binary=:all:", "--python-version", version, "--dest", str(new / "wheels")]
    lock = ["--require-hashes", "--requirement", str(ROOT / "requirements.lock")]
    _run(sys.executable, "-m", "pip", "download", "--quiet", *wheels, *lock)


def _index(folder):
    """Write the list of packages that apt reads."""
    entries = []
    for file in sorted(folder.glob("*.deb")):
        content = file.read_bytes()
        entries.append(f"{_run('dpkg-deb', '--field', str(file)).strip()}\nFilename: ./{file.name}\n"
                       f"Size: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n")  # fmt: skip
    (folder / "Packages").write_text("\n".join(entries))


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class BareRoot:
    """One root. ``init`` is the first process of its namespaces, as this machine numbers it."""

    def __init__(self, init):
        self.init = init
        self.checkout = CHECKOUT

    def command(self, *command):
        """Return a command that runs another in the root, in the checkout, as a login of root would."""
        inside = ["nsenter", f"--target={self.init}", "--mount", "--pid", "--net", "--root", "--"]
        variables = ["HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                     "PYTHONUNBUFFERED=1", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels"]  # fmt: skip
        return [*inside, "env", "-i", f"--chdir={self.checkout}", *variables, *command]

    def run(self, *command):
        """Run a command in the root, and return what it prints."""
        return _run(*self.command(*command))

    def start(self, *command):
        """Start a command in a terminal of its own, where no person answers questions."""
        return Session(self.command("setsid", "--ctty", "sh", "-c", 'exec "$@" </dev/null', "sh", *command))

    def processes(self):
        """The command lines of what runs in the root, as its own numbers of them."""
        listed = self.run("sh", "-c", "for each in /proc/[0-9]*; do tr '\\0' ' ' <$each/cmdline; echo; done")
        found = [line.strip() for line in listed.splitlines()]
        return [
            line for line in found if line and not line.startswith(("bash -c echo", "sleep 1", "sh -c for each", "tr "))
        ]

    def kill_everything(self):
        """End all that runs, as a power failure does."""
        self.run("sh", "-c", "kill -9 -1; exit 0")


class Session:
    """A program in a root on a terminal, which is read line by line."""

    def __init__(self, command):
        self.output = []
        terminal, inside = pty.openpty()
        termios.tcsetwinsize(inside, (1000, 1000))
        self.process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside)
        os.close(inside)
        self._terminal = os.fdopen(terminal, "rb")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        while not (found := children.read_text().split()):
            time.sleep(0.01)
        self.leader = int(found[0])

    def lines(self):
        """Each line, as soon as it is printed, until the program has ended or the terminal is closed."""
        while self._terminal is not None:
            try:
                line = self._terminal.readline()
            except OSError:  # what is read of a terminal that no program has open
                break
            if not line:
                break
            self.output.append(line.decode().rstrip())
            yield self.output[-1]

    def send(self, number):
        """Interrupt the program: press Ctrl-C, close the terminal, or send a signal to all that was started there."""
        if self._terminal is None:
            return
        if number == signal.SIGINT:
            os.write(self._terminal.fileno(), b"\x03")
            return
        if number == signal.SIGHUP:
            self._close()
        # A shell whose terminal is closed sends the signal to what it started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.leader, number)

    def end(self):
        """Read to the end, and return the exit code."""
        for _ in self.lines():
            pass
        self._close()
        return self.process.wait(60)

    def _close(self):
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None


@contextlib.contextmanager
def bare_root():
    """Run a fresh root for the time of a block."""
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", _SETUP, "sh"]
    process = subprocess.Popen([*command, str(prepared()), CHECKOUT, str(ROOT)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        yield BareRoot(int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
