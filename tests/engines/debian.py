"""Docker Engine as Debian's next release has it, in a folder of its own: nothing is installed on the machine.

apt reads and writes below the folder alone, and takes only the mirror, proxies and certificates from the machine's
configuration. Measured on Debian 13 in 2026: 21 MB of package lists and 64 MB of packages, 25 s. The programs run
from the folder in PATH (they need glibc 2.38).
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PACKAGES = ("docker.io", "docker-cli", "containerd", "runc")
PROGRAMS = ("dockerd", "docker-proxy", "containerd", "containerd-shim-runc-v2", "runc", "docker")
SUITES = ("testing", "unstable")  # testing leads; it lacks a package for weeks at times
FOLDER = Path(__file__).resolve().parents[2] / "build" / "engines" / "debian"
KEYRINGS = Path("/usr/share/keyrings")


class NotHere(Exception):
    """This machine cannot run the engine, whatever is downloaded: the reason is its system, not the network."""


class NotNow(Exception):
    """The engine could not be downloaded: offline, or Debian has no such package at the moment."""


def newer_engine(folder: Path = FOLDER) -> Path:
    """Return the folder with the programs; download them where they are missing.

    Raises:
        NotHere: the machine has no Debian mirror, or its libraries are too old for the programs.
        NotNow: the mirror does not answer, or does not have the packages.
    """
    programs = folder / "bin"
    if not programs.is_dir():
        mirror = debian_mirror()
        shutil.rmtree(folder, ignore_errors=True)
        unpack(download(folder / "apt", mirror), folder / "root")
        collect(folder / "root", folder / "new")
        (folder / "new").rename(programs)  # only now complete: an interrupted run starts again
        shutil.rmtree(folder / "apt")
        shutil.rmtree(folder / "root")
    return programs


def version_of(programs: Path) -> str:
    """Return the engine's version, such as ``28.5.2``."""
    return run([programs / "dockerd", "--version"], NotHere).split()[2].rstrip(",").partition("+")[0]


def debian_mirror(*options: str) -> str:
    """Return the address of the mirror from which this machine gets its own Debian release.

    apt itself reads its sources (both forms), so that a commented, disabled or foreign entry is none. ``options`` go
    to apt.
    """
    if not shutil.which("apt-get"):
        raise NotHere("This machine has no apt-get, with which the newer engine is downloaded.")
    release = os_release()
    command = ["apt-get", *options, "--no-release-info", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"]
    listed = run([*command, "Created-By: Packages", "Component: main"], NotHere)
    own = {release.get("VERSION_CODENAME"), "stable", "oldstable", "testing", "unstable", "sid"}
    for line in listed.splitlines():
        mirror, _, suite = line.partition(" ")
        if suite in own and release.get("ID") == "debian" and mirror.startswith(("http", "mirror")):
            return mirror
    raise NotHere("This machine's apt sources have no mirror of Debian, from which the newer engine is downloaded.")


def os_release() -> dict[str, str]:
    """Return the fields of os-release."""
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def download(folder: Path, mirror: str) -> list[Path]:
    """Download the packages into a folder and return their files."""
    for part in ("lists/partial", "archives/partial", "packages"):
        (folder / part).mkdir(parents=True)
    keyring = next(iter(sorted(KEYRINGS.glob("debian-archive-keyring.*"))), None)
    signed = f"[signed-by={keyring}] " if keyring else ""
    (folder / "sources.list").write_text("".join(f"deb {signed}{mirror} {suite} main\n" for suite in SUITES))
    (folder / "status").touch()  # no package is installed: none is held back, none is taken for there already
    settings = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "APT::Default-Release": SUITES[0],
        "APT::Sandbox::User": "root",  # _apt cannot write below a checkout
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "30",
    }
    apt = ["apt-get", "-q", *(part for key, value in settings.items() for part in ("-o", f"{key}={value}"))]
    run([*apt, "update"], NotNow)
    run([*apt, "download", *PACKAGES], NotNow, cwd=folder / "packages")
    return sorted((folder / "packages").glob("*.deb"))


def unpack(packages: list[Path], root: Path) -> None:
    """Unpack packages into one tree, without running any of their scripts."""
    for package in packages:
        run(["dpkg-deb", "-x", package, root], NotNow)


def collect(root: Path, folder: Path) -> None:
    """Copy the programs into one folder, and see that they run here."""
    folder.mkdir()
    for name in PROGRAMS:
        found = [path for path in sorted(root.glob(f"usr/*bin/{name}")) if path.is_file()]
        if not found:
            raise NotNow(f"Debian's packages {', '.join(PACKAGES)} have no program {name}.")
        shutil.copy2(found[0], folder / name)
    for name in ("dockerd", "containerd", "runc", "docker"):
        run([folder / name, "--version"], NotHere)


def run(command: Sequence[str | Path], failure: type[Exception], cwd: Path | None = None) -> str:
    """Return a program's output; raise ``failure`` with the program's own words when it fails."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise failure(f"{command[0]}: {error}") from error
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())[-800:]
        raise failure(f"`{Path(command[0]).name} {command[-1]}` failed: {words}")
    return done.stdout
