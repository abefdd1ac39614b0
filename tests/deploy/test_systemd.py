"""The unit: valid, hardened, and forbidding nothing that the service does.

No systemd runs here (one does in tests/deploy/test_booted.py). The unit's capabilities are given by setpriv, and strace
tells what the service did besides what the unit allows: of system calls, of socket families, of namespaces, of memory
that can be written and executed.
"""

import re
import shutil
import sys

import pytest

from tests.support.api import Client, check, run, sweep_up
from tests.support.deployment import (
    DEPLOY,
    ROOT,
    Remote,
    UnixConnection,
    install,
    process,
    sh,
    wait_for,
)
from tools.service import COMMAND

UNIT = DEPLOY / "systemd" / "bridgework.service"
EXPOSURE = 28
# systemd's RestrictSUIDSGID, which DynamicUser implies, answers openat2 with ENOSYS (src/shared/seccomp-util.c).
NOT_THERE = "openat2"
LOOKED_AT = {NOT_THERE, "mmap", "mprotect", "pkey_mprotect", "setns", "socket"}


def values(key):
    """All values of a key, in their order."""
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


@pytest.fixture
def unit(tmp_path):
    """The unit with a program that exists here."""
    file = tmp_path / UNIT.name
    file.write_text(UNIT.read_text().replace("/opt/bridgework/bin/python3", sys.executable))
    return file


def test_it_is_valid(unit):
    install("systemd-analyze")
    done = sh("systemd-analyze", "verify", "--man=no", str(unit), check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_it_is_hardened(unit):
    sh("systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={EXPOSURE}", str(unit))


def members(name):
    """A set of system calls, its sets expanded."""
    found = set()
    for line in sh("systemd-analyze", "syscall-filter", name).splitlines()[1:]:
        word = line.strip()
        if word and not word.startswith("#"):
            found |= members(word) if word.startswith("@") else {word}
    return found


def allowed_calls():
    allowed = members("@default")
    for line in values("SystemCallFilter"):
        listed = set().union(*(members(word) for word in line.removeprefix("~").split()))
        allowed = allowed - listed if line.startswith("~") else allowed | listed
    return allowed


@pytest.fixture
def confined(engine, tokens_file):
    """The service as nobody with the unit's capabilities; yields how to ask it, and where strace writes."""
    install("strace", "setpriv")
    folder = engine.runtime / "unit"  # a checkout may lie where nobody may look: it is seen through a mount
    checkout = folder / "checkout"
    checkout.mkdir(parents=True)
    shutil.copy(tokens_file, folder)
    (folder / tokens_file.name).chmod(0o644)
    folder.chmod(0o1777)
    names = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in values("AmbientCapabilities")[0].split())
    rights = (f"--inh-caps={names}", f"--ambient-caps={names}", f"--bounding-set=-all,{names}", "--no-new-privs")
    who = ("--reuid=65534", "--regid=65534", f"--groups={engine.socket.stat().st_gid}")
    beyond = ",".join(f"?{name}" for name in sorted(allowed_calls() - LOOKED_AT))
    changed = ("-e", f"trace=!{beyond}", "-e", f"inject={NOT_THERE}:error=ENOSYS")
    strace = ("strace", "-D", "-f", "-qqq", "-e", "signal=none", *changed, "-o", str(folder / "calls"))
    python = str(checkout / ".venv" / "bin" / "python")
    enter = 'mount --bind "$1" "$2" && cd "$2" && shift 2 && exec "$@"'
    command = (
        *("unshare", "--mount", "--propagation", "private", "sh", "-c", enter, "sh", str(ROOT), str(checkout)),
        *("setpriv", *who, *rights, *strace, python, *COMMAND[1:]),
    )
    settings = {
        "BRIDGEWORK_BIND": f"unix:{folder}/http.sock",
        "BRIDGEWORK_TOKENS_FILE": str(folder / tokens_file.name),
        "BRIDGEWORK_WORKERS": "2",
        "BRIDGEWORK_STOP_GRACE_S": "0",
        "DOCKER_HOST": engine.docker_host,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "/usr/bin:/bin",
    }
    with process(*command, log=folder / "log", env=settings, seconds=30):
        remote = Remote(lambda: UnixConnection(folder / "http.sock"))
        wait_for(lambda: remote.status("/readyz") == 200, what="the service")
        yield remote, folder / "calls"
    shutil.rmtree(folder)


def test_it_forbids_nothing_that_the_service_does(confined):
    remote, calls = confined
    client = Client(remote)
    assert client.get("/readyz")["probe_runner"] == {
        "kind": "namespace",
        "reason": "the network namespaces of containers can be entered from here",
        "missing": [],
    }
    client.post("/v1/networks", {"name": "shop"}, status=201)
    run(client, "web", network_mode="shop")
    run(client, "db", network_mode="shop", command=["httpd", "-f", "-p", "8080"])
    for protocol, port in (("icmp", None), ("tcp", 8080), ("http", 8080), ("udp", 53), ("dns", None)):
        answer = check(client, "web", {"name": "db"}, protocol=protocol, **({"port": port} if port else {}))
        assert answer["measured"]["reason"] != "namespace-out-of-reach"
        assert answer["verdict"] == ("unreachable" if port == 53 or protocol == "dns" else "reachable")
    assert client.get("/readyz")["probe_runner"]["missing"] == []
    assert check(client, "host", "db", protocol="tcp", port=8080)["verdict"] == "reachable"
    client.post("/v1/connectivity/matrix", {"all": True})
    for path in ("/v1/diagnostics", "/v1/topology", "/v1/containers/web/dns", "/v1/containers/web/sockets", "/metrics"):
        client.get(path)
    sweep_up(client)
    seen = calls.read_text()
    families = set(re.findall(r"socket\((AF_\w+)", seen))
    assert families <= set(values("RestrictAddressFamilies")[0].split())
    assert "AF_NETLINK" in families
    assert set(re.findall(r"setns\(\d+, (\w+)\)", seen)) == {"CLONE_NEWNET"}
    assert values("RestrictNamespaces") == ["net"]
    assert not re.search(r"PROT_WRITE\|PROT_EXEC", seen)
    others = set(re.findall(r"^\d+ +(\w+)\(", seen, re.MULTILINE)) - LOOKED_AT
    assert others == set()
