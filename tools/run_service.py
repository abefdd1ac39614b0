"""Starts the service for a person who wants to try it, and says how: what `make run` does after the environment.

An engine is found as Docker's own clients find it; where there is none, a private one is started, which stays up when
the service is stopped, so that the next start takes seconds. `python -m tools.run_service clean-engine` removes it.
"""

import contextlib
import hashlib
import http.client
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from tools.engine import answers, attend, held_back, raise_once
from tools.service import ROOT
from tools.service_address import URL, base_url, split_bind, why_not_here, write_url

PRIVATE = ROOT / ".bridgework"
STANDARD_SOCKET = Path("/var/run/docker.sock")
# A checkout's engine is its own: the name says whose it is.
ENGINE_NAME = f"bridgework-run-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
ENGINE_COMMAND = [sys.executable, "-m", "tools.engine"]
ENGINE_PLACE = ["--dir", str(PRIVATE / "engine"), "--name", ENGINE_NAME]
Service = subprocess.Popen[bytes]
LOG = PRIVATE / "service.log"
LOG_LINES_SHOWN = 15
UP_SECONDS = 60
READY_SECONDS = 5


def say(text: str) -> None:
    """Tell the person what is happening."""
    with contextlib.suppress(OSError):  # the terminal is closed, and the service is stopped all the same
        print(text, flush=True)


# -- the token --------------------------------------------------------------------------------------------------


def write_secret(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, from its first byte on."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    give_to_caller(path)


def give_to_caller(path: Path) -> None:
    """Through sudo, what is made in the checkout still belongs to the person who will read it."""
    if os.geteuid() == 0 and "SUDO_UID" in os.environ:
        os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))


def make_token() -> tuple[Path, Path]:
    """Make the admin token once; return its file and the file of token checksums that the service reads."""
    PRIVATE.mkdir(mode=0o700, exist_ok=True)
    PRIVATE.chmod(0o700)
    give_to_caller(PRIVATE)
    token_file, tokens_file = PRIVATE / "admin-token", PRIVATE / "tokens.json"
    if not token_file.exists():
        say(f"Making an admin token, kept in {token_file}")
        write_secret(token_file, secrets.token_urlsafe(32) + "\n")
    checksum = hashlib.sha256(token_file.read_text().strip().encode()).hexdigest()
    admin = {"name": "admin", "role": "admin", "project": None, "sha256": checksum, "expires_at": None}
    if not tokens_file.exists():
        write_secret(tokens_file, json.dumps({"tokens": [admin]}, indent=2) + "\n")
    elif checksum not in tokens_file.read_text():
        say(f"The token in {token_file} is not in {tokens_file}: remove both to have new ones.")
    return token_file, tokens_file


# -- the engine -------------------------------------------------------------------------------------------------


def find_engine() -> dict[str, str]:
    """Find an engine or start a private one; return what the service must be told to find a private one."""
    if os.environ.get("DOCKER_HOST"):
        say(f"Using the engine at DOCKER_HOST={os.environ['DOCKER_HOST']}")
        return {}
    if answers(STANDARD_SOCKET):
        say(f"Using this machine's engine at {STANDARD_SOCKET}")
        return {}
    if STANDARD_SOCKET.exists() and not os.access(STANDARD_SOCKET, os.R_OK | os.W_OK):
        raise SystemExit(f"This machine's engine at {STANDARD_SOCKET} is not open to you: try `sudo make run`.")
    say(f"No engine at DOCKER_HOST or {STANDARD_SOCKET}: using a private one, apart from this machine's network")
    started = attend([*ENGINE_COMMAND, "start", *ENGINE_PLACE], cwd=ROOT, stdout=subprocess.PIPE)
    if started.returncode:
        say("WARNING: no engine could be had, for the reason above. The service starts all the same and says so.")
        return {}
    return {"DOCKER_HOST": started.stdout.strip()}


# -- what to try ------------------------------------------------------------------------------------------------


def examples(url: str, token_file: Path) -> str:
    """Write what a newcomer pastes, in order: what there is, two containers, a ping by name and why it fails."""
    curl = 'curl -s -H "Authorization: Bearer $TOKEN"'
    command = ["httpd", "-f", "-p", "8080"]
    container = json.dumps({"name": "'$name'", "image": "busybox", "command": command, "pull": "missing"})
    check = {"source": {"container": "tomcat81"}, "destination": {"name": "tomcat82"}, "protocol": "icmp"}
    lines = [
        f"export API={url}/v1 TOKEN=$(cat {shlex.quote(str(token_file))})",
        "",
        "# 1. the networks that the engine has",
        f"{curl} $API/networks",
        "# 2. two containers on the default bridge",
        f"for name in tomcat81 tomcat82; do {curl} --json '{container}' $API/containers; done",
        "# 3. can one ping the other by name, and if not, why",
        f"{curl} --json '{json.dumps(check)}' $API/connectivity/checks",
    ]
    return "\n".join(f"  {line}".rstrip() for line in lines)


def look(url: str, path: str) -> tuple[int, str]:
    """Ask one of the service's health pages; status 0 when nobody answers."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def await_status(url: str, path: str, service: Service, seconds: float) -> tuple[int, str]:
    """Ask until the answer is 200, the service has ended, or the time is over; return the last answer."""
    end = time.monotonic() + seconds
    while True:
        status, body = look(url, path)
        if status == http.client.OK or service.poll() is not None or time.monotonic() > end:
            return status, body
        time.sleep(0.1)


def announce(url: str, token_file: Path, service: Service) -> None:
    """Wait for the service beside it, then say where it is and what to try."""
    if await_status(url, "/livez", service, UP_SECONDS)[0] != http.client.OK:
        return
    status, body = await_status(url, "/readyz", service, READY_SECONDS)
    if service.poll() is not None:
        return
    if status == http.client.OK:
        say(f"\nBridgework is ready at {url}")
        say(pages(url, token_file))
        if not shutil.which("curl"):
            say("(The lines below need curl: apt-get install curl)")
        say("In another terminal, with the admin token (it may do everything: keep it to yourself):\n")
        say(examples(url, token_file))
    else:
        say(f"\nBridgework runs at {url}, but is not ready. {why_not_ready(body) or f'GET /readyz answers {status}.'}")
        say("It becomes ready by itself when an engine answers.")
        say(pages(url, token_file))
    say("\nCtrl-C stops the service. A private engine stays for the next `make run`; `make clean-engine` removes it.\n")


def pages(url: str, token_file: Path) -> str:
    """Name the pages for a browser, the token that they ask for, and the log."""
    return (
        f"Console: {url}/console (it asks for the token that is in {token_file})\n"
        f"API reference: {url}/docs\n"
        f"Command line: BRIDGEWORK_URL={url} BRIDGEWORK_TOKEN=$(cat {shlex.quote(str(token_file))}) "
        f"{shlex.quote(str(ROOT / '.venv/bin/bridgework'))} --help\n"
        f"Log: {LOG}\n"
    )


def why_not_ready(body: str) -> str:
    """Put the service's own words, what is missing and the remedy, into sentences."""
    try:
        answer = json.loads(body)
        remedy = (answer["remedy"] or {}).get("summary", "")
        return " ".join([*answer["missing"], remedy]).strip()
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


# -- the service ------------------------------------------------------------------------------------------------


def own_settings() -> dict[str, str]:
    """Return the service's settings that the person has made: they go before ours, and sudo would drop them."""
    return {key: value for key, value in os.environ.items() if key.startswith("BRIDGEWORK_")}


def service_command(settings: Mapping[str, str], *, through_sudo: bool) -> list[str]:
    """Write gunicorn's command line, with root's rights where the private engine needed them too."""
    command = [sys.executable, "-m", "gunicorn", "-c", "python:bridgework.gunicorn_conf", "bridgework.asgi:app"]
    if not through_sudo:
        return command
    # Root's own bytecode files would stand in the person's checkout.
    pairs = [f"{key}={value}" for key, value in {**settings, "PYTHONDONTWRITEBYTECODE": "1"}.items()]
    return ["sudo", "--", "env", *pairs, *command]


def run_service(command: list[str], settings: Mapping[str, str], url: str | None, token_file: Path) -> int:
    """Run the service until it ends, and say how it ended; what asks this process to stop is passed on."""
    handle = write_url(url or settings["BRIDGEWORK_BIND"])
    give_to_caller(URL)
    # The log's lines of JSON would bury what is said here.
    write_secret(LOG, "")
    with LOG.open("ab") as log, held_back() as held:
        # What asks to stop after this line is passed on to gunicorn.
        say(f"Starting gunicorn on {settings['BRIDGEWORK_BIND']}")
        service = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **settings}, stdout=log, stderr=log, pass_fds=[handle]
        )
        held.pass_on_to(service)
        if url:
            threading.Thread(target=announce, args=(url, token_file, service), daemon=True).start()
        ended = service.wait()
        asked = held.take()
    # While it starts, gunicorn does not know yet how to stop: Python ends it, with a traceback in the log.
    if ended == 0 or asked:
        say("The service has stopped.")
        return 0
    say(f"The service ended with exit code {ended}. The end of {LOG}:")
    say("\n".join(LOG.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]))
    return ended


def serve() -> int:
    """Do it all; returns when the service has ended."""
    bind = os.environ.get("BRIDGEWORK_BIND", "127.0.0.1:8080")
    address = split_bind(bind)
    refusal = why_not_here(*address) if address else None
    if refusal:
        say(refusal)
        return 1
    token_file, tokens_file = make_token()
    state = PRIVATE / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    files = {"BRIDGEWORK_TOKENS_FILE": str(tokens_file), "BRIDGEWORK_STATE_DIR": str(state)}
    settings = {"BRIDGEWORK_BIND": bind, **files, **own_settings()}
    engine = find_engine()
    if os.geteuid() and not engine:
        say("Measuring needs root: without it the service predicts only. `sudo make run` does both.")
    settings |= engine
    command = service_command(settings, through_sudo=bool(engine) and os.geteuid() != 0)
    return run_service(command, settings, base_url(*address) if address else None, token_file)


def main() -> int:
    """Serve, or remove the private engine."""
    raise_once()
    try:
        if sys.argv[1:] == ["clean-engine"]:
            return attend([*ENGINE_COMMAND, "clean", *ENGINE_PLACE], cwd=ROOT).returncode
        return serve()
    except KeyboardInterrupt:
        say("Interrupted.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
