"""The command line: ``python -m tools.engine start --dir DIRECTORY --name NAME``."""

import argparse
import sys
from pathlib import Path

from tools.engine.client import answers
from tools.engine.interrupts import raise_once
from tools.engine.packages import RECORD, install_debian, install_packages, missing_packages
from tools.engine.private_engine import PrivateEngine, remove_orphans
from tools.engine.programs import EngineError, become_root, say


def main() -> int:
    """Do what the command line says; a failure is a sentence and exit code 1."""
    parser = argparse.ArgumentParser(description="A Docker engine in a network namespace of its own.")
    actions = parser.add_subparsers(dest="action", required=True)
    for action in ("start", "stop", "status", "clean"):
        one = actions.add_parser(action, help=f"{action} one engine")
        one.add_argument("--dir", type=Path, required=True, help="where its data is kept")
        one.add_argument("--name", required=True, help="the namespace's name, beginning with bridgework-")
    packages = actions.add_parser("packages", help="install Debian packages: these, or those that an engine needs")
    packages.add_argument("names", nargs="*", help="of Debian packages")
    actions.add_parser("sweep", help="remove the engines whose test run was killed or whose folder is gone")
    given = parser.parse_args()
    raise_once()
    try:
        return perform(given)
    except EngineError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:  # said by the program that started this one, or by make
        return 130


def perform(given: argparse.Namespace) -> int:
    """Carry out one action; returns the exit code."""
    if given.action == "packages":
        if given.names or missing_packages() or RECORD.exists():
            become_root()
            install_debian(*given.names) if given.names else install_packages()
        return 0
    if given.action == "sweep":
        become_root()
        remove_orphans()
        return 0
    engine = PrivateEngine(given.dir, given.name)
    if given.action == "status":
        return status(engine)
    if given.action == "clean" and not engine.leftovers():
        say("There is no private engine to remove.")
        return 0
    become_root()
    getattr(engine, given.action)()
    if given.action == "start":
        print(engine.docker_host)
    return 0


def status(engine: PrivateEngine) -> int:
    """Say whether the engine runs; exit code 3 when not, as service managers do."""
    if engine.running() and answers(engine.socket):
        print(f"running as process {engine.pid()}, DOCKER_HOST={engine.docker_host}")
        return 0
    kept = engine.leftovers()
    print(f"not running, kept in {engine.directory}; `clean` removes it" if kept else "not running")
    return 3


sys.exit(main())
