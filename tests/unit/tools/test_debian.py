"""How Debian's newer engine is had: the mirror is the machine's own, and each failure has a sentence."""

import pytest

from tests.engines import debian, run


def sources(folder, entry):
    """apt's options for sources of ours alone."""
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "given.sources" if entry.startswith("Types") else folder / "given.list").write_text(entry)
    return ("-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={folder}", "-o",
            f"Dir::State::Lists={folder}/lists")  # fmt: skip


OFF = "Types: deb\nEnabled: no\nURIs: http://other.example/debian\nSuites: trixie\nComponents: main\n\n"


@pytest.fixture
def trixie(monkeypatch):
    monkeypatch.setattr(debian, "os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "trixie"})


@pytest.mark.usefixtures("trixie")
@pytest.mark.parametrize(
    "entry",
    [
        "deb http://mirror.example/debian trixie main contrib\n",
        "deb [arch=amd64 trusted=yes] http://mirror.example/debian/ trixie main\n",
        "# deb http://other.example/debian trixie main\ndeb http://mirror.example/debian trixie main\n",
        "deb http://docker.example/linux trixie stable\ndeb http://mirror.example/debian trixie main\n",
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie trixie-updates\nComponents: main\n",
        OFF + "Types: deb\nURIs: http://mirror.example/debian\nSuites: stable\nComponents: main\n",
    ],
)
def test_the_mirror_is_the_machines_own(tmp_path, entry):
    assert debian.debian_mirror(*sources(tmp_path, entry)) == "http://mirror.example/debian/"


@pytest.mark.usefixtures("trixie")
@pytest.mark.parametrize(
    "entry", ["deb file:/srv/debian ./\n", "deb http://docker.example/linux trixie stable\n", "\n"]
)
def test_a_machine_without_a_mirror(tmp_path, entry):
    with pytest.raises(debian.NotHere, match="no mirror of Debian"):
        debian.debian_mirror(*sources(tmp_path, entry))


def test_a_machine_that_is_no_debian(tmp_path, monkeypatch):
    monkeypatch.setattr(debian, "os_release", lambda: {"ID": "ubuntu", "VERSION_CODENAME": "noble"})
    with pytest.raises(debian.NotHere):
        debian.debian_mirror(*sources(tmp_path, "deb http://mirror.example/ubuntu noble main\n"))


def test_a_mirror_that_does_not_answer(tmp_path):
    with pytest.raises(debian.NotNow, match=r"127\.0\.0\.1"):
        debian.download(tmp_path / "apt", "http://127.0.0.1:9/debian/")


def test_packages_without_a_program(tmp_path):
    with pytest.raises(debian.NotNow, match="no program dockerd"):
        debian.collect(tmp_path, tmp_path / "new")


def test_programs_that_do_not_run_here(tmp_path, monkeypatch):
    (tmp_path / "root" / "usr" / "sbin").mkdir(parents=True)
    program = tmp_path / "root" / "usr" / "sbin" / "dockerd"
    program.write_text("#!/bin/sh\necho 'libc.so.6: version `GLIBC_2.38 not found' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(debian, "PROGRAMS", ("dockerd",))
    with pytest.raises(debian.NotHere, match=r"GLIBC_2\.38 not found"):
        debian.collect(tmp_path / "root", tmp_path / "new")


def engine(folder):
    """A program that says its version as dockerd does."""
    folder.mkdir()
    (folder / "dockerd").write_text("#!/bin/sh\necho 'Docker version 29.7.2, build x'\n")
    (folder / "dockerd").chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("failure", "ci", "passed", "code"),
    [
        (None, "true", True, 0),
        (None, "true", False, 1),
        (debian.NotNow("offline"), "true", True, 1),
        (debian.NotNow("offline"), "", True, 0),
        (debian.NotHere("too old"), "true", True, 0),
    ],
)
def test_what_a_run_answers(tmp_path, monkeypatch, capsys, failure, ci, passed, code):
    def newer():
        if failure:
            raise failure
        return engine(tmp_path / "newer")

    ran = []
    monkeypatch.setattr(run, "newer_engine", newer)
    monkeypatch.setattr(run, "tested", lambda programs, _: ran.append(programs.name) or passed)
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("BRIDGEWORK_TEST_ENGINES", f"mine={engine(tmp_path / 'given')}")
    assert run.main([]) == code
    assert ran == (["given"] if failure else ["given", "newer"])
    said = capsys.readouterr().err
    assert "== Docker 29.7.2 (mine)" in said
    assert failure is None or str(failure) in said


def test_a_folder_without_an_engine_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "newer_engine", lambda: engine(tmp_path / "newer"))
    monkeypatch.setattr(run, "tested", lambda *_: True)
    monkeypatch.setenv("BRIDGEWORK_TEST_ENGINES", f"mine={tmp_path}")
    assert run.main([]) == 1
    assert "mine does not run here" in capsys.readouterr().err
