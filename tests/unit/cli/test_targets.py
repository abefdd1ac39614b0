"""Sources and destinations, as they are written on a command line."""

import pytest

from bridgework_cli.targets import BadTarget, check, described

WEB = {"container": "web"}


@pytest.mark.parametrize(("text", "destination", "more"), [
    ("db", {"name": "db"}, {"protocol": "icmp"}),
    ("db:5432", {"name": "db"}, {"protocol": "tcp", "port": 5432}),
    ("container:db", {"container": "db"}, {"protocol": "icmp"}),
    ("container:db:5432", {"container": "db"}, {"protocol": "tcp", "port": 5432}),
    ("name:host", {"name": "host"}, {"protocol": "icmp"}),
    ("address:10.0.0.1:80", {"address": "10.0.0.1"}, {"protocol": "tcp", "port": 80}),
    ("10.77.0.3", {"address": "10.77.0.3"}, {"protocol": "icmp"}),
    ("10.77.0.3:80", {"address": "10.77.0.3"}, {"protocol": "tcp", "port": 80}),
    ("fd00::3", {"address": "fd00::3"}, {"protocol": "icmp"}),
    ("[fd00::3]", {"address": "fd00::3"}, {"protocol": "icmp"}),
    ("[fd00::3]:80", {"address": "fd00::3"}, {"protocol": "tcp", "port": 80}),
    ("host", {"host": True}, {"protocol": "icmp"}),
    ("host:22", {"host": True}, {"protocol": "tcp", "port": 22}),
    ("http://db:8080/health?deep=1", {"name": "db"}, {"protocol": "http", "port": 8080, "path": "/health?deep=1"}),
    ("http://db", {"name": "db"}, {"protocol": "http", "port": 80, "path": "/"}),
    ("http://[fd00::3]:81/", {"address": "fd00::3"}, {"protocol": "http", "port": 81, "path": "/"}),
])  # fmt: skip
def test_a_destination(text, destination, more):
    assert check("web", text) == {"source": WEB, "destination": destination, **more}


@pytest.mark.parametrize("text", [
    "", ":80", "db:", "db:0", "db:65536", "db:http", "db:-1", "db:²", "[fd00::3", "[fd00::3]80", "https://db/", "http://",
    "ftp://db",
])  # fmt: skip
def test_what_is_no_destination(text):
    with pytest.raises(BadTarget):
        check("web", text)


def test_a_url_is_only_for_http():
    with pytest.raises(BadTarget):
        check("web", "http://db/", protocol="tcp")


def test_options_go_into_the_body_and_nothing_else_does():
    body = check("host", "db:53", "udp", ip_version="4", timeout_ms=None)
    assert body == {
        "source": {"host": True}, "destination": {"name": "db"}, "protocol": "udp", "port": 53, "ip_version": "4",
    }  # fmt: skip


@pytest.mark.parametrize(("origin", "text", "line"), [
    ("web", "db:5432", "web -> db:5432 (tcp)"), ("host", "[fd00::3]:80", "host -> [fd00::3]:80 (tcp)"),
    ("container:web", "host", "web -> host (icmp)"), ("web", "http://db/", "web -> db:80 (http)"),
])  # fmt: skip
def test_a_check_in_one_line(origin, text, line):
    assert described(check(origin, text)) == line
