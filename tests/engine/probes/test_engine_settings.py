"""What the engine's own settings say about its firewall rules: read of processes that the test starts."""

import json
import os
import subprocess
import time

import pytest

from bridgework.runners import engine_settings
from bridgework.runners.engine_settings import firewall_setting

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the engine's process is root's")


@pytest.fixture
def setting(tmp_path):
    """Start a process with such a command line, and read its settings."""
    started = []

    def of(*arguments, content=None, user=None, later=False):
        file = tmp_path / "daemon.json"
        if content is not None and not later:
            file.write_text(content)
            os.utime(file, (time.time() - 60, time.time() - 60))
        words = [word.replace("FILE", str(file)) for word in arguments]
        # The shell waits for a line that never comes, so its command line stays.
        command = ["sh", "-c", "echo; read never", *words]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=user)
        started.append(process)
        process.stdout.readline()
        if later:
            file.write_text(content)
            os.utime(file, (time.time() + 60, time.time() + 60))
        found = firewall_setting(process.pid)
        return found and (found.writes, found.source.replace(str(file), "FILE"))

    yield of
    for process in started:
        process.kill()
        process.wait()


OFF = json.dumps({"iptables": False, "hosts": ["fd://"]})


@pytest.mark.parametrize(
    ("arguments", "content", "expected"),
    [
        (["dockerd", "--iptables=false"], None, (False, "its command line")),
        (["dockerd", "--iptables=0", "--config-file", "FILE"], "{}", (False, "its command line")),
        (["dockerd", "--iptables=true"], None, (True, "its command line")),
        (["dockerd", "--iptables=F"], None, (False, "its command line")),
        (["dockerd", "--iptables=T", "--config-file", "FILE"], OFF, (True, "its command line")),
        (["dockerd", "--config-file", "FILE"], OFF, (False, "FILE")),
        (["dockerd", "--config-file=FILE"], OFF, (False, "FILE")),
        (["dockerd", "--config-file=FILE"], '{"ip6tables": false}', (True, "FILE")),
        (["dockerd", "--config-file=FILE"], "", (True, "FILE")),
        (["dockerd", "--config-file=FILE"], None, (True, "FILE")),
        (["dockerd", "--config-file=FILE"], '{"iptables": "false"}', None),
        (["dockerd", "--config-file=FILE"], "no json", None),
        (["dockerd", "--config-file=FILE"], "[]", None),
        # It would be read as {} if only its beginning counted.
        (["dockerd", "--config-file=FILE"], "{}" + " " * 70_000, None),
        (["dockerd", "--iptables=perhaps", "--config-file=FILE"], OFF, (False, "FILE")),
    ],
)
def test_the_command_line_and_then_the_file_decide(setting, arguments, content, expected):
    assert setting(*arguments, content=content) == expected


def test_without_a_file_on_the_command_line_the_usual_one_decides(setting, tmp_path, monkeypatch):
    monkeypatch.setattr(engine_settings, "_DEFAULT_FILE", str(tmp_path / "daemon.json"))
    assert setting("dockerd", content=OFF) == (False, "FILE")


def test_a_file_that_was_written_later_proves_nothing(setting):
    assert setting("dockerd", "--config-file=FILE", content=OFF, later=True) is None


def test_the_engine_of_a_user_and_a_process_that_is_gone_say_nothing(setting):
    assert setting("dockerd", "--iptables=false", user=65534) is None
    assert firewall_setting(2**22 + 1) is None
