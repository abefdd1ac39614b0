"""The engines between which hosts are upgraded: each release with iptables, and Docker 29 with nftables as well."""

import os
import re
import subprocess

import pytest

from tests.engines.debian import NotHere, NotNow, newer_engine
from tests.engines.run import named_engines
from tests.support.engine import ENGINE_PROGRAMS
from tests.upgrades.hosts import Variant
from tests.upgrades.lab import Lab


def programs():
    """The folders of the named engines, or the machine's own (``None``) and the one to test or Debian's newer one."""
    named = named_engines(os.environ.get("BRIDGEWORK_TEST_ENGINES", ""))
    if named:
        return list(named.values())
    if ENGINE_PROGRAMS is not None:
        return [None, ENGINE_PROGRAMS]
    try:
        return [None, newer_engine()]
    except (NotHere, NotNow) as error:
        pytest.skip(f"there is no second engine: {error}")


def release_of(folder):
    program = str(folder / "dockerd") if folder else "dockerd"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.search(r"version (\d+)\.(\d+)", told).groups()
    return int(major), int(minor)


@pytest.fixture(scope="session")
def labs(tokens_file):
    """A lab for each engine and backend, by the name of the variant."""
    made = {}
    try:
        for folder in programs():
            release = release_of(folder)
            for backend in ("iptables", "nftables") if release >= (29, 0) else ("iptables",):
                name = "{}.{}-{}".format(*release, backend)
                made[name] = Lab(Variant(name, release, backend == "nftables"), folder, tokens_file)
        yield made
    finally:
        for lab in made.values():
            lab.close()
