"""Settings: an unknown or bad one stops the start with a sentence; every one stands in docs/configuration.md."""

import os
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from bridgework.settings import CLIENT_VARIABLES, BadSettings, Settings, read_settings
from tools.service import COMMAND

PAGE = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"
OIDC = {"OIDC_ISSUER": "https://i", "OIDC_AUDIENCE": "a", "OIDC_JWKS_URL": "https://i/keys"}


@pytest.fixture
def read(monkeypatch):
    def one(**given):
        for name, value in given.items():
            monkeypatch.setenv(f"BRIDGEWORK_{name}", value)
        return read_settings()

    return one


@pytest.mark.parametrize("name", sorted(CLIENT_VARIABLES))
def test_a_variable_of_the_command_line_is_no_setting_and_no_mistake(read, name):
    read(**{name.removeprefix("BRIDGEWORK_"): "lab"})


@pytest.mark.parametrize("given", [
    {"THREAD": "4"}, {"THREADS": "one"}, {"THREADS": "1"}, {"ENGINE_TIMEOUT_S": "0"}, {"ENGINE_TIMEOUT_S": "nan"},
    {"ALLOWED_HOST_PORTS": "0-70000"}, {"ALLOWED_HOST_PORTS": "9-1"}, {"ALLOWED_HOST_PORTS": "x"},
    {"LOG_LEVEL": "loud"},
    {"PROBE_ALLOWED_CIDRS": "10.0.0.1/8"}, {"ALLOWED_SUBNETS": "everything"}, {"ALLOW_HOST_MODE": "perhaps"},
    {"TOKENS_FILE": "/none/such"}, {"MAX_BODY_BYTES": "1"}, {"PROXIES": "-1"}, {"OIDC_ISSUER": "https://i"},
    {**OIDC, "OIDC_JWKS_URL": "http://issuer.example/keys"}, {**OIDC, "OIDC_JWKS_URL": "file:///etc/passwd"},
    {**OIDC, "OIDC_JWKS_URL": "https://"}, {"PROBE_RUNNER": "magic"}, {"ALLOWED_HOST_PORTS": "a-b"},
    {"ALLOWED_HOST_PORTS": "80-"}, {"BIND": ""}, {"BIND": "nonsense"}, {"BIND": "127.0.0.1:99999"}, {"BIND": ":80a"},
    {"BIND": "unix:"}, {"ALLOWED_PUBLISHED_ADDRESSES": "localhost"},
])  # fmt: skip
def test_a_bad_setting_stops_the_start_with_a_sentence_that_names_it(read, given):
    with pytest.raises(BadSettings) as caught:
        read(**given)
    assert any(f"BRIDGEWORK_{name}" in str(caught.value) for name in given) or "OIDC" in str(caught.value)


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "[::1]:8080", "unix:/run/x.sock", "localhost:80,127.0.0.1:81"])
def test_where_it_can_listen(read, bind):
    assert read(BIND=bind).bind == bind


@pytest.mark.parametrize(("name", "value"), [("DOCKER_HOST", "nonsense"), ("BRIDGEWORK_TOKENS_FILE", __file__)])
def test_what_only_a_worker_can_judge_stops_the_start_in_a_sentence_too(name, value):
    settings = {**os.environ, "BRIDGEWORK_BIND": "127.0.0.1:0", name: value}
    ended = subprocess.run(COMMAND, env=settings, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 3
    assert f"Bridgework does not start: {value if name != 'DOCKER_HOST' else name} is " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_misspelled_one_is_told_its_neighbour(read):
    with pytest.raises(BadSettings, match="BRIDGEWORK_THREADS"):
        read(THREDS="4")


def test_lists_and_numbers(read):
    settings = read(
        ALLOWED_IMAGES="busybox, team/*", PROBE_ALLOWED_CIDRS="10.0.0.0/8", ALLOWED_HOST_PORTS="8080", **OIDC
    )
    assert settings.policy.allowed_images == ("busybox", "team/*")
    assert settings.policy.probe_allowed_subnets == ("10.0.0.0/8",)
    assert settings.policy.host_ports == (8080, 8080)


def test_without_any_the_defaults_are_in_force(read):
    assert read() == Settings()


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_every_setting_is_documented_with_its_default(field):
    row = next((line for line in PAGE.read_text().splitlines() if f"`BRIDGEWORK_{field.name.upper()}`" in line), None)
    assert row is not None, f"{PAGE.name} says nothing of BRIDGEWORK_{field.name.upper()}"
    assert row.startswith("| ")
    default = row.split("|")[2].strip().strip("`")
    assert default == written(field.default)


def written(value):
    """A default, as a person would set it."""
    if isinstance(value, bool):
        return str(value).lower()
    text = ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
    return text.removesuffix(".0") or "none"
