"""Builds the image, as `docker build .` does; with ``--base local``, also where no engine and no registry is at hand.

A local base is made by debootstrap from this system's own release, and an engine of its own builds on it: one without
bridge and firewall rules, in mount and process namespaces of its own, so that it and all that it mounted are gone the
moment it ends, whatever way. Its images stay under `.bridgework/image` for the next time; ``--clean`` removes them.

dockerd also has a network namespace of its own: where its setting is ``"bridge": "none"``, it deletes a docker0 that it
finds, which is the one of the machine's own engine. Only dockerd changes networks. containerd does not, so it stays in
the machine's namespace, and the steps of a build, which it starts, install packages over the machine's network.
"""

import argparse
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.engine import (
    CGROUPS,
    CONTAINERD_SETTINGS,
    SEARCH_PATH,
    EngineError,
    UnixConnection,
    answers,
    ask,
    become_root,
    install_packages,
    no_services_started,
    run,
    say,
    wait_until,
)

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / ".bridgework" / "image"
NAME = f"bridgework-image-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
LOCAL_BASE = "bridgework-base:local"
PYTHON_PACKAGES = "python3,python3-venv,ca-certificates"
AUTHORITIES = Path("etc/ssl/certs/ca-certificates.crt")
NEEDLESS = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt",
    "var/lib/apt/lists",
)
DAEMONS = """
containerd --config "$1" & containerd=$!
unshare --net dockerd --config-file "$2" & dockerd=$!
read -r _
kill $dockerd; wait $dockerd
kill $containerd; wait $containerd
"""
"""Runs until its standard input ends, which it also does when its parent is killed."""


# -- the engine that builds --------------------------------------------------------------------------------------


@contextlib.contextmanager
def builder() -> Iterator[Path]:
    """Run an engine that only builds; yields its socket."""
    if os.geteuid() != 0:
        raise EngineError("A local base needs root: run this as root or through sudo.")
    STORE.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        handle = os.open(STORE, os.O_RDONLY)
        stack.callback(os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX)
        runtime = Path("/run") / NAME
        shutil.rmtree(runtime, ignore_errors=True)
        runtime.mkdir(mode=0o700)
        stack.callback(_forget, runtime)
        log = stack.enter_context((STORE / "engine.log").open("wb"))
        daemons = subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
                *("sh", "-c", DAEMONS, "sh", *_settings(runtime)),
            ],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PATH": SEARCH_PATH},
            cwd="/",
        )
        stack.callback(_end, daemons)
        ready = runtime / "docker.sock"
        if not wait_until(lambda: answers(ready) or daemons.poll() is not None, 60) or daemons.poll() is not None:
            tail = "\n".join((STORE / "engine.log").read_text(errors="replace").splitlines()[-15:])
            raise EngineError(f"The engine that builds did not start:\n{tail}")
        yield ready


def clean() -> None:
    """Remove what was kept for the next time, once nobody builds."""
    if not STORE.exists():
        return
    become_root()
    handle = os.open(STORE, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _forget(Path("/run") / NAME)
        shutil.rmtree(STORE)
    finally:
        os.close(handle)
    say("Removed what building images had kept")


def _settings(runtime: Path) -> tuple[str, str]:
    engine = {
        "hosts": [f"unix://{runtime}/docker.sock"],
        "data-root": str(STORE / "data"),
        "exec-root": str(runtime / "exec"),
        "pidfile": str(runtime / "dockerd.pid"),
        "containerd": str(runtime / "containerd.sock"),
        "group": "root",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": f"/{NAME}",
        "bridge": "none",
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
    }
    (runtime / "daemon.json").write_text(json.dumps(engine))
    paths = {
        "root": STORE / "data" / "containerd",
        "state": runtime / "containerd",
        "socket": runtime / "containerd.sock",
        "opt": STORE / "data" / "containerd-opt",
    }
    quoted = {key: json.dumps(str(path)) for key, path in paths.items()}
    (runtime / "containerd.toml").write_text(CONTAINERD_SETTINGS.format(**quoted))
    return str(runtime / "containerd.toml"), str(runtime / "daemon.json")


def _end(daemons: subprocess.Popen[bytes]) -> None:
    if daemons.stdin is not None:
        daemons.stdin.close()
    try:
        daemons.wait(30)
    except subprocess.TimeoutExpired:
        daemons.kill()
        daemons.wait()


def _forget(runtime: Path) -> None:
    shutil.rmtree(runtime, ignore_errors=True)
    for top in (*CGROUPS.glob(NAME), *CGROUPS.glob(f"*/{NAME}")):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


# -- the base ----------------------------------------------------------------------------------------------------


def make_base(engine: Path) -> None:
    """Make the base where it is absent: this system's release, Python, and the authorities that this machine trusts."""
    if ask(engine, "GET", f"/images/{LOCAL_BASE}/json")[0] == http.client.OK:
        return
    install("debootstrap")
    release = _release()
    say(f"Making a base image of {release['ID']} {release['VERSION_CODENAME']}")
    components = "main,universe" if release["ID"] == "ubuntu" else "main"
    with tempfile.TemporaryDirectory(dir=STORE) as folder:
        root = Path(folder)
        run(
            *("debootstrap", "--variant=minbase", f"--components={components}", f"--include={PYTHON_PACKAGES}"),
            *(release["VERSION_CODENAME"], folder),
        )
        for needless in NEEDLESS:
            shutil.rmtree(root / needless, ignore_errors=True)
        if (Path("/") / AUTHORITIES).is_file():
            shutil.copyfile(Path("/") / AUTHORITIES, root / AUTHORITIES)
        archive = STORE / "base.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(root, arcname=".", filter=_plain)
    try:
        _import(engine, archive)
    finally:
        archive.unlink()


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out devices: an engine makes those of each container itself."""
    return None if entry.isdev() else entry


def _import(engine: Path, archive: Path) -> None:
    repository, _, tag = LOCAL_BASE.partition(":")
    connection = UnixConnection(engine, timeout=120)
    try:
        with archive.open("rb") as file:
            size = {"Content-Type": "application/x-tar", "Content-Length": str(archive.stat().st_size)}
            connection.request("POST", f"/images/create?fromSrc=-&repo={repository}&tag={tag}", file, size)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
    finally:
        connection.close()
    if answer.status != http.client.OK or '"error"' in text:
        raise EngineError(f"The engine refused the base image: {text[:500]}")


def _release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def install(package: str) -> None:
    """Install a Debian package whose program of the same name is missing."""
    if shutil.which(package, path=SEARCH_PATH):
        return
    say(f"Installing Debian package: {package}")
    apt = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120")
    run(*apt, "update")
    with no_services_started():
        run(*apt, "install", "--yes", "--no-install-recommends", package)


# -- building ----------------------------------------------------------------------------------------------------


def version() -> str:
    """The service's version, read and not imported: nothing is installed yet."""
    found = re.search(r'__version__ = "([^"]+)"', (ROOT / "service" / "bridgework" / "__init__.py").read_text())
    if found is None:
        raise EngineError("service/bridgework/__init__.py names no version.")
    return found.group(1)


def docker(engine: Path | None, *arguments: str) -> None:
    """Run the docker command, its output seen by the person."""
    environment = {**os.environ, "PATH": SEARCH_PATH}
    if engine is not None:
        environment |= {"DOCKER_HOST": f"unix://{engine}", "DOCKER_BUILDKIT": "0"}
    if subprocess.run(["docker", *arguments], env=environment, cwd=ROOT, check=False, stdout=sys.stderr).returncode:
        raise EngineError(f"`docker {arguments[0]}` failed; its own words are above.")


def build(engine: Path | None, base: str | None, tag: str, output: Path | None) -> None:
    """Build, and write the image into a file where that is asked for."""
    arguments = ["--build-arg", f"VERSION={version()}", "--tag", tag]
    if base:
        arguments += ["--build-arg", f"BASE={base}"]
    if engine is not None:  # `host` is the namespace of containerd, see above
        arguments += ["--network", "host", "--build-arg", f"PIP_CERT=/{AUTHORITIES}"]
    for name in ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        if os.environ.get(name):
            arguments += ["--build-arg", name]
    docker(engine, "build", *arguments, ".")
    if output is not None:
        docker(engine, "save", "--output", str(output.resolve()), tag)


def main() -> int:
    """Do what the command line says; a failure is a sentence and exit code 1."""
    parser = argparse.ArgumentParser(description="Build Bridgework's image.")
    parser.add_argument("--base", help="the base image; `local` makes one here and builds with an engine of its own")
    parser.add_argument("--tag", default=f"bridgework:{version()}", help="the image's name (%(default)s)")
    parser.add_argument("--output", type=Path, help="also write the image into this file, for `docker load`")
    parser.add_argument("--clean", action="store_true", help="build nothing; remove what `--base local` kept")
    given = parser.parse_args()
    try:
        if given.clean:
            clean()
            return 0
        if given.base != "local":
            build(None, given.base, given.tag, given.output)
            return 0
        install_packages()
        if not shutil.which("docker", path=SEARCH_PATH):
            install("docker-cli")
        with builder() as engine:
            make_base(engine)
            build(engine, LOCAL_BASE, given.tag, given.output)
            # What no tag holds any more would fill the disk; for a day it makes the next build quick.
            docker(engine, "image", "prune", "--force", "--filter", "until=24h")
    except EngineError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
