"""What a newcomer does, from a clean checkout: make run, paste what it prints, Ctrl-C, make clean-engine.

And the pages as they are written (the README and those of docs/ that show commands): every command in its order, every
output shown.
"""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tools.engine import PrivateEngine, answers

ROOT = Path(__file__).resolve().parents[2]
READY = "Ctrl-C stops the service."


class Started:
    """A `make run` as a terminal runs it: a process group of its own, its output on a screen."""

    def __init__(self, checkout, command=("make", "run"), **settings):
        self.screen = checkout.parent / "screen"
        self.seen = checkout.parent / "seen"
        self.engine = settings.get("DOCKER_HOST", "")
        with self.screen.open("w") as file:
            self.process = subprocess.Popen(
                command,
                cwd=checkout,
                env=environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.press_ctrl_c()

    def text(self):
        return self.screen.read_text()

    def until_ready(self):
        end = time.monotonic() + 240
        while READY not in self.text() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        assert READY in self.text(), self.text()
        with self.seen.open("a") as seen:
            seen.write(f"{self.text()}\n{self.engine}\n")
        return self.text()

    def press_ctrl_c(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=60)


def environment(**settings):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BRIDGEWORK_", "DOCKER_", "MAKE"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout as it stands, edits included, without what is ignored; its engine is removed at the end."""
    folder = tmp_path_factory.mktemp("clean") / "checkout"
    folder.mkdir()
    copy = "git ls-files -coz --exclude-standard | tar --null --ignore-failed-read -T - -c | tar -x -C"
    subprocess.run(["bash", "-c", f"{copy} {shlex.quote(str(folder))}"], cwd=ROOT, check=True)
    yield folder
    subprocess.run(["make", "clean-engine"], cwd=folder, env=environment(), check=True)


@pytest.fixture
def own_engine(checkout):
    """Keep a machine's real engine out of it: where one answers, the checkout's own is named in its place."""
    if not answers(Path("/var/run/docker.sock")):
        yield {}
        return
    with PrivateEngine(checkout / ".bridgework" / "other", f"bridgework-newcomer-{os.getpid()}") as engine:
        yield {"DOCKER_HOST": engine.docker_host}


def engine_traces(checkout):
    """Find what runs or is mounted for this checkout, by its path and its engine's folder."""
    names = re.findall(r"/run/(bridgework-[a-z0-9-]+)/docker.sock", (checkout.parent / "seen").read_text())
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [text for text in [entry.read_text()] if any(f"/{name}/" in text for name in names)]
        except (FileNotFoundError, ProcessLookupError, UnicodeDecodeError):
            continue
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [line for line in mounts if str(checkout) in line or any(name in line for name in names)]
    return found + [
        str(path) for name in names for path in [Path("/run") / name, Path("/run/netns") / name] if path.exists()
    ]


def documents(text):
    """Read the JSON documents that stand one after another in what curl printed."""
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


def paste(screen):
    """Do what a person does: select the indented lines, paste them into a shell."""
    lines = "\n".join(line for line in screen.splitlines() if line.startswith("  "))
    pasted = subprocess.run(
        ["bash", "-c", lines], env=environment(), check=True, capture_output=True, text=True, cwd="/"
    )
    return documents(pasted.stdout)


def test_a_newcomers_way(checkout, own_engine):
    address = free_address()
    with Started(checkout, BRIDGEWORK_BIND=address, **own_engine) as first:
        screen = first.until_ready()
        assert f"Bridgework is ready at http://{address}" in screen
        assert f"http://{address}/console" in screen
        assert f"http://{address}/docs" in screen
        networks, *containers, check = paste(screen)
        assert {"bridge", "host", "none"} <= {network["name"] for network in networks["items"]}
        assert [(container["name"], container["state"]) for container in containers] == [
            ("tomcat81", "running"),
            ("tomcat82", "running"),
        ]
        assert check["verdict"] == "unreachable"
        # A private engine's containers reach no resolver outside, so theirs does not answer; elsewhere it says no.
        assert check["measured"]["reason"] in {"resolver-failed", "name-unknown"}
        (why,) = [finding for finding in check["findings"] if finding["severity"] == "blocking"]
        assert why["code"] == "default-bridge-no-dns"
        assert why["remedy"]["calls"]

        assert '{"' not in first.text().replace(screen, ""), "no line of the log comes between"
        assert '"path": "/v1/connectivity/checks"' in (checkout / ".bridgework" / "service.log").read_text()
        first.press_ctrl_c()
        with pytest.raises(ConnectionRefusedError), socket.create_connection(address.split(":"), timeout=2):
            pass

    with Started(checkout, BRIDGEWORK_BIND=address, **own_engine) as second:
        again = second.until_ready()
        assert "Making" not in again, "the environment, the token, the engine and its image are there already"
        networks, *_, check = paste(again)
        assert check["verdict"] == "unreachable"


PAGES = (
    "README.md", "docs/by-example.md", "docs/api-concepts.md", "docs/docker-networks.md", "docs/compose.md",
    "docs/pipelines.md", "docs/exposure.md", "docs/plans.md",
)  # fmt: skip
"""In the order in which their commands build on each other."""
MARK = "--- this was command"


def unfinished(command):
    """Whether a quote or a loop is open, so that the next line goes on with it."""
    return subprocess.run(["bash", "-n"], check=False, input=command, text=True, capture_output=True).returncode != 0


def shown_by(page):
    """Each command of the page's console blocks, and what the page shows below it."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if found and unfinished(found[-1][0]):
                found[-1][0] += f"\n{line}"
            elif line.startswith("$ "):
                found.append([line.removeprefix("$ "), ""])
            else:
                found[-1][1] += f"{line}\n"
    return found


def as_shown(shown, printed):
    """Whether this was printed: laid out as one likes, without what stands for ``...``, times as they come."""
    shown, printed = (re.sub(r"\d+\.\d+", "0.0", text) for text in (shown, printed))
    parts = ["".join(part.split()) for part in shown.split("...")]
    return re.fullmatch(".*".join(map(re.escape, parts)), "".join(printed.split())) is not None


def test_the_pages_as_they_are_written(checkout, own_engine):
    pages = [(checkout / name).read_text() for name in PAGES]
    (run, _), (other, _), *commands = [each for page in pages for each in shown_by(page)]
    run, other = (command.partition("#")[0].split() for command in (run, other))
    assert (run, other) == (["make", "run"], ["make", "test"])
    for step in (["scripts/bootstrap"], ["make", "clean-engine"]):
        subprocess.run(step, cwd=checkout, env=environment(), check=True)
    # In a network namespace of its own, where the port that the page names is free.
    inside = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *run)
    with Started(checkout, inside, **own_engine) as started:
        started.until_ready()
        script = "".join(f"{command}\necho; echo {MARK}\n" for command, _ in commands)
        printed = subprocess.run(
            ["nsenter", f"--net=/proc/{started.process.pid}/ns/net", "bash", "-e", "-o", "pipefail"],
            check=False, input=script, cwd=checkout, env=environment(), text=True, capture_output=True,
        )  # fmt: skip
        assert (printed.returncode, printed.stderr) == (0, "")
        for (command, shown), text in zip(commands, printed.stdout.split(MARK)[:-1], strict=True):
            assert as_shown(shown, text), f"{command}\nshows\n{shown}\nand printed\n{text}"


def test_secrets_are_the_owners_alone(checkout):
    kept = checkout / ".bridgework"
    assert kept.stat().st_mode & 0o777 == 0o700
    for name in ("admin-token", "tokens.json"):
        assert (kept / name).stat().st_mode & 0o777 == 0o600
    assert (kept / "admin-token").read_text().strip() not in (kept / "tokens.json").read_text()


def test_a_port_in_use_is_said(checkout):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with Started(checkout, BRIDGEWORK_BIND=f"127.0.0.1:{port}") as started:
            assert started.process.wait(timeout=60) != 0
        assert f"Cannot listen on 127.0.0.1:{port}" in started.text()


def test_a_port_that_is_in_use_by_the_checkouts_own_service_is_said_and_its_command_line_finds_it(checkout):
    address = free_address()
    nowhere = {"BRIDGEWORK_BIND": address, "DOCKER_HOST": "unix:///nowhere.sock"}
    command = [str(checkout / ".venv/bin/bridgework"), "networks"]
    with Started(checkout, **nowhere) as started:
        started.until_ready()
        refused = subprocess.run(
            ["make", "run"], cwd=checkout, env=environment(**nowhere), capture_output=True, text=True, check=False
        )
        token = (checkout / ".bridgework" / "admin-token").read_text().strip()
        named = environment(BRIDGEWORK_TOKEN=token, XDG_CONFIG_HOME=str(checkout.parent))
        asked = subprocess.run(command, env=named, cwd="/", capture_output=True, text=True, check=False)
    assert f"This checkout's own service runs there: http://{address}/console." in refused.stdout
    assert "nowhere.sock" in asked.stderr, "the answer is the own service's"


def test_ctrl_c_while_the_service_starts_is_no_failure(checkout):
    with Started(checkout, BRIDGEWORK_BIND=free_address(), DOCKER_HOST="unix:///nowhere.sock") as started:
        end = time.monotonic() + 60
        while "Starting gunicorn" not in started.text() and time.monotonic() < end:
            time.sleep(0.02)
        started.press_ctrl_c()
    assert "The service has stopped." in started.text()
    assert "Traceback" not in started.text()


def test_a_checkout_that_moved_has_a_command_line_that_runs(checkout):
    moved = checkout.with_name("a moved checkout")
    checkout.rename(moved)
    try:
        for program in ("bridgework", "gunicorn"):
            told = subprocess.run(
                [moved / ".venv/bin" / program, "--version"], check=False, capture_output=True, text=True
            )
            assert told.returncode == 0, told.stderr
        subprocess.run(["scripts/bootstrap"], cwd=moved, env=environment(), check=True)
        activated = f". {shlex.quote(str(moved / '.venv/bin/activate'))} && command -v bridgework"
        told = subprocess.run(["bash", "-c", activated], check=True, capture_output=True, text=True)
        assert told.stdout.strip() == str(moved / ".venv/bin/bridgework")
    finally:
        moved.rename(checkout)


def test_without_an_engine_the_service_starts_and_says_what_is_missing(checkout):
    with Started(checkout, BRIDGEWORK_BIND=free_address(), DOCKER_HOST="unix:///nowhere.sock") as started:
        screen = started.until_ready()
    assert "is not ready. No Docker engine answers at unix:///nowhere.sock: No such file or directory. " in screen
    assert "Start the engine, or set DOCKER_HOST to where it listens." in screen
    assert "curl" not in screen, "nothing of what could be tried would work"


def test_a_service_that_does_not_start_says_why(checkout):
    with Started(
        checkout, BRIDGEWORK_BIND=free_address(), BRIDGEWORK_THREADS="many", DOCKER_HOST="unix:///no"
    ) as started:
        assert started.process.wait(timeout=60) != 0
    assert "Bridgework does not start:" in started.text()


def test_clean_engine_leaves_nothing_and_takes_nothing_else(checkout, own_engine):
    before = engine_traces(checkout)
    assert before
    images = checkout / ".bridgework" / "image"
    (images / "data").mkdir(parents=True)
    subprocess.run(["make", "clean-engine"], cwd=checkout, env=environment(), check=True)
    assert engine_traces(checkout) == (before if own_engine else [])
    assert not images.exists()
    assert (checkout / ".bridgework" / "admin-token").exists()
