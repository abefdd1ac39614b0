"""Debian packages are installed whole, and an installation that was cut short is finished by the next."""

import pytest

from tools.engine import packages
from tools.engine.programs import EngineError


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """The programs that are run, beside whether services may start meanwhile."""
    seen = []
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(packages, "RECORD", tmp_path / "installing")
    monkeypatch.setattr(packages, "run", lambda *command, **_: seen.append((command, packages.POLICY.exists())))
    monkeypatch.setattr(packages.shutil, "which", lambda name, path=None: name)  # noqa: ARG005 - as shutil names it
    monkeypatch.setattr(packages, "missing_packages", list)
    return seen


def test_only_what_dpkg_does_keeps_services_from_starting(commands):
    packages.install_debian("docker.io")
    assert [quiet for _, quiet in commands[:3]] == [False, False, True]
    assert "--download-only" in commands[1][0]
    assert not packages.POLICY.exists()
    assert not packages.RECORD.exists()
    assert any("docker" in command and "disable" in command for command, _ in commands)


def test_what_was_cut_short_is_finished_first_and_its_policy_removed(commands):
    packages.RECORD.write_text("docker.io")
    packages.POLICY.write_text(packages.POLICY_TEXT)
    packages.install_packages()
    assert commands[0] == (("dpkg", "--configure", "-a"), True)
    assert "--fix-broken" in commands[1][0]
    assert not packages.POLICY.exists()
    assert not packages.RECORD.exists()


def test_the_administrators_own_policy_stays(commands):
    packages.POLICY.write_text("#!/bin/sh\nexit 0\n")
    packages.install_debian("graphviz")
    assert packages.POLICY.read_text() == "#!/bin/sh\nexit 0\n"
    assert len(commands) == 3


def test_a_failure_leaves_no_policy_and_no_record(commands, monkeypatch):
    def fail(*command, **_):
        if "--download-only" not in command and "install" in command:
            raise EngineError("no")

    monkeypatch.setattr(packages, "run", fail)
    with pytest.raises(EngineError):
        packages.install_debian("docker.io")
    assert commands == []
    assert not packages.POLICY.exists()
    assert not packages.RECORD.exists()
