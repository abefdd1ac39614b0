"""Faults of name servers on a real engine whose host has a resolv.conf of its own: found, and gone after the remedy."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from bridgework.app import create_app
from bridgework.engine.client import EngineAddress
from bridgework.settings import Settings
from tests.support.api import Client, check, codes, run, sweep_up
from tests.support.engine import ENGINE_PROGRAMS
from tests.support.proves import proves, remedied
from tests.support.raw_engine import Raw
from tests.support.remedies import follow
from tools.engine import PrivateEngine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mounts():
    """The folder of a resolv.conf, and a process whose mounts have that file at /etc/resolv.conf."""
    folder = Path(tempfile.mkdtemp(prefix="bridgework-tests-"))
    (folder / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    script = f"mount --bind {folder}/resolv.conf /etc/resolv.conf && echo ready && exec sleep 3600"
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"ready\n"
        yield folder, holder.pid
        holder.kill()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def programs(mounts):
    """The engine's programs, with daemons that start in those mounts."""
    folder, holder = mounts
    for name in ("dockerd", "containerd"):
        real = shutil.which(name, path=f"{ENGINE_PROGRAMS or ''}:/usr/sbin:/usr/bin")
        (folder / name).write_text(f'#!/bin/sh\nexec nsenter --target={holder} --mount {real} "$@"\n')
        (folder / name).chmod(0o755)
    if ENGINE_PROGRAMS:
        for program in ENGINE_PROGRAMS.iterdir():
            if not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return folder


@pytest.fixture(scope="module")
def engine(mounts, programs):
    """An engine with the servers of its host's file: the other tests' engines have a setting instead."""
    name = f"bridgework-tests-{os.getpid()}-dns"
    with PrivateEngine(mounts[0] / "engine", name, settings={"dns": []}, programs=programs) as made:
        yield made


@pytest.fixture
def api(engine, tokens_file):
    client = Client(create_app(Settings(tokens_file=tokens_file, stop_grace_s=1), EngineAddress(engine.docker_host)))
    client.post("/v1/networks", {"name": "lab"}, status=201)
    yield client
    sweep_up(client)


@pytest.fixture
def raw(engine):
    return Raw(engine)


@pytest.fixture
def resolv_conf(mounts):
    file = mounts[0] / "resolv.conf"
    before = file.read_text()
    yield file
    file.write_text(before)


def found(api, code):
    return [one for one in api.get("/v1/diagnostics")["items"] if one["code"] == code]


def only(api, code):
    (one,) = found(api, code)
    return one


def test_an_engine_whose_containers_ask_the_servers_of_today_is_sound(api):
    run(api, "web", network_mode="lab")
    run(api, "plain")
    assert [one for one in api.get("/v1/diagnostics")["items"] if one["severity"] != "info"] == []


@proves("dns-upstream-outdated")
@pytest.mark.parametrize("network", ["lab", "bridge"])
@remedied("dns-upstream-outdated")
def test_a_server_that_the_host_left_is_told_and_a_restart_brings_the_new_one(api, raw, resolv_conf, network):
    run(api, "web", network_mode=network)
    run(api, "fixed", network_mode=network, dns=["192.0.2.99"])
    resolv_conf.write_text("nameserver 198.51.100.53\n")
    fault = only(api, "dns-upstream-outdated")
    assert (fault["severity"], fault["component"]["name"]) == ("warning", "web")
    assert fault["evidence"] == {
        "recorded": ["192.0.2.53"], "host_file": "/etc/resolv.conf", "servers_of_today": ["198.51.100.53"],
    }  # fmt: skip
    follow(api, raw, fault, between=("web", "fixed"))
    assert found(api, "dns-upstream-outdated") == []


@proves("dns-no-upstream")
@remedied("dns-no-upstream")
def test_an_embedded_server_without_any_server_behind_it_is_told(api, raw, resolv_conf):
    resolv_conf.write_text("# nothing\n")
    run(api, "web", network_mode="lab")
    written = Path(f"/proc/{raw.get('/containers/web/json')['State']['Pid']}/root/etc/resolv.conf").read_text()
    if "ExtServers" in written:  # the engine took servers of its own: 8.8.8.8 on 26.1.5
        assert found(api, "dns-no-upstream") == []
        return
    fault = only(api, "dns-no-upstream")
    assert fault["component"]["name"] == "web"
    answer = check(api, "web", {"name": "example.org"}, protocol="icmp")
    assert "dns-no-upstream" in codes(answer["findings"])
    assert "prediction-inconsistent" not in codes(answer["findings"])
    resolv_conf.write_text("nameserver 192.0.2.53\n")  # as the remedy says, before the call that it gives
    follow(api, raw, fault)
    assert found(api, "dns-no-upstream") == []


@proves("embedded-dns-rules-missing")
@remedied("embedded-dns-rules-missing")
def test_a_namespace_without_the_rules_of_the_embedded_server_is_told_and_a_restart_writes_them(api, raw):
    for name in ("web", "client"):
        run(api, name, network_mode="lab")
    pid = raw.get("/containers/client/json")["State"]["Pid"]
    flush = ["iptables-nft", "-t", "nat", "-F"], ["iptables-legacy", "-t", "nat", "-F"], ["nft", "flush", "ruleset"]
    for command in flush:
        if shutil.which(command[0]):
            subprocess.run(["nsenter", f"--target={pid}", "--net", *command], check=False, capture_output=True)
    fault = only(api, "embedded-dns-rules-missing")
    assert (fault["severity"], fault["component"]["name"]) == ("blocking", "client")
    answer = check(api, "client", {"name": "web"}, protocol="icmp")
    assert (answer["verdict"], codes(answer["findings"])) == ("unreachable", ["embedded-dns-rules-missing"])
    follow(api, raw, fault, between=("client", "web"), name="web")
    assert found(api, "embedded-dns-rules-missing") == []
    assert check(api, "client", {"name": "web"}, protocol="icmp")["verdict"] == "reachable"


@proves("search-list-detours")
def test_a_search_list_that_is_asked_first_is_told_until_the_option_is_set(api):
    search = {"network_mode": "lab", "dns_search": ["corp.example"]}
    run(api, "slow", **search, dns_options=["ndots:5"])
    fault = only(api, "search-list-detours")
    assert (fault["severity"], fault["component"]["name"]) == ("info", "slow")
    assert fault["evidence"] == {"search": ["corp.example"], "ndots": 5, "extra_questions": 1}
    assert "ndots:1" in fault["remedy"]["summary"]
    api.delete("/v1/containers/slow?force=true")
    run(api, "slow", **search, dns_options=["ndots:1"])
    assert found(api, "search-list-detours") == []


@proves("embedded-dns-bypassed")
def test_a_name_that_only_the_embedded_server_knows_is_not_said_to_be_on_another_network(api):
    run(api, "web", network_mode="lab")
    overwritten = ["sh", "-c", "echo nameserver 192.0.2.77 > /etc/resolv.conf; sleep 600"]
    run(api, "client", network_mode="lab", command=overwritten)
    answer = check(api, "client", {"name": "web"}, timeout_ms=6000)
    assert answer["verdict"] == answer["predicted"]["verdict"] == "unreachable"
    assert "name-not-on-shared-network" not in codes(answer["findings"])
    (told,) = [one for one in answer["findings"] if one["severity"] == "blocking"]
    assert told["code"] == "embedded-dns-bypassed", answer["findings"]
    assert "192.0.2.77 instead of Docker's embedded server" in told["message"]
