"""Run the tests that depend on the engine's version on other engines than the machine's own.

The engines are those of ``BRIDGEWORK_TEST_ENGINES=NAME=FOLDER,…`` and then Debian's newer one (see debian.py). Without
a way to have that one, the run fails in CI (``CI`` is set) and leaves it out elsewhere; a machine whose system cannot
run it leaves it out in CI too. Arguments go to pytest; a test's path among them is run instead of FILES.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.engines.debian import NotHere, NotNow, newer_engine, version_of

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = (
    "engine/test_scenarios",
    "random/test_agreement",
    "engine/test_containers",
    "engine/test_networks",
    "engine/test_engine_table",
    "engine/test_endpoints",
    "engine/test_freshness",
    "engine/test_listeners",
    "engine/test_matrix_and_checks",
    "engines/test_written_rules",
)
AT_ONCE = os.environ.get("BRIDGEWORK_TEST_WORKERS", "3")  # each waits for its engine most of the time


def main(arguments: list[str]) -> int:
    """Run the tests on each engine and return the exit code."""
    engines = named_engines(os.environ.get("BRIDGEWORK_TEST_ENGINES", ""))
    failed = []
    try:
        engines["debian"] = newer_engine()
    except NotHere as error:
        say(f"Not run on Debian's newer engine, which this machine cannot run: {error}")
    except NotNow as error:
        say(f"Not run on Debian's newer engine, which could not be had: {error}")
        failed += ["debian"] if os.environ.get("CI") else []
    for name, programs in engines.items():
        try:
            say(f"== Docker {version_of(programs)} ({name})")
        except NotHere as error:
            say(f"== {name} does not run here: {error}")
            failed.append(name)
            continue
        failed += [] if tested(programs, arguments) else [name]
    if failed:
        say(f"Failed on: {', '.join(failed)}")
    return 1 if failed else 0


def named_engines(text: str) -> dict[str, Path]:
    """Read ``NAME=FOLDER,NAME=FOLDER``."""
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {name: Path(folder).resolve() for name, _, folder in pairs}


def tested(programs: Path, arguments: list[str]) -> bool:
    """Run the tests on one engine; whether all passed."""
    chosen = [] if any(Path(part.partition("::")[0]).exists() for part in arguments) else map(file_of, FILES)
    command = [sys.executable, "-m", "pytest", "-n", AT_ONCE, "--dist", "loadfile", "--no-loadscope-reorder"]
    environment = {**os.environ, "BRIDGEWORK_TEST_ENGINE": str(programs)}
    command += ["-m", "not long and not quiet", *chosen, *arguments]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode == 0


def file_of(name: str) -> str:
    """Return the path of a file of behaviour tests."""
    return f"tests/{name}.py"


def say(text: str) -> None:
    """Tell the person, apart from what pytest prints."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
