"""Where the service of `make run` listens, and the file that tells it to the checkout's command line."""

import contextlib
import fcntl
import os
import socket

from tools.service import ROOT

URL = ROOT / ".bridgework" / "url"
"""Says where the service is, and is locked while it runs. scripts/bridgework reads it."""


def split_bind(bind: str) -> tuple[str, int] | None:
    """Take `host:port` apart; None for a unix socket or whatever else gunicorn understands."""
    host, _, port = bind.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else None


def base_url(host: str, port: int) -> str:
    """Return the address a person on this machine reaches the service at."""
    reachable = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def why_not_here(host: str, port: int) -> str | None:
    """Say why the service cannot listen there, and what to do; None when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
        except OSError as error:
            told = f"Cannot listen on {host}:{port}: {error.strerror}.\n"
            url = base_url(host, port)
            if runs_at(url):
                return f"{told}This checkout's own service runs there: {url}/console. Ctrl-C in its terminal stops it."
            return f"{told}Stop what listens there, or choose another address: BRIDGEWORK_BIND=127.0.0.1:8081 make run"
    return None


def runs_at(url: str) -> bool:
    """Whether a service of this checkout runs at this address."""
    try:
        with URL.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return URL.read_text().strip() == url
    return False


def write_url(url: str) -> int:
    """Write where the service is; return the open file, whose lock lasts as long as a process has it open."""
    handle = os.open(URL, os.O_RDWR | os.O_CREAT, 0o644)
    with contextlib.suppress(BlockingIOError):  # another service of this checkout, at another address
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    URL.write_text(f"{url}\n")
    return handle
