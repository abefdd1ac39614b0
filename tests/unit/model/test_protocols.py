"""What each protocol of a check must have, also where the type checker does not look."""

import json
import re
from pathlib import Path

import pytest

from bridgework.http.resources.checks.requests import PROTOCOLS, WITH_PORT, port_faults
from bridgework.http.static_files import PACKAGE
from bridgework.model.checks import Protocol
from bridgework.probes.kinds.kind import kind_of
from bridgework_cli import targets

CONSOLE = PACKAGE / "console"


@pytest.mark.parametrize("protocol", Protocol)
def test_its_module_has_what_its_traits_say(protocol):
    kind = kind_of(protocol)
    assert Path(kind.probe.__code__.co_filename).stem == protocol.value
    kinds = {None: None, "tcp": "SOCK_STREAM", "udp": "SOCK_DGRAM"}
    assert (kind.connection and kind.connection.kind.name) == kinds[protocol.transport]


@pytest.mark.parametrize("protocol", Protocol)
def test_a_request_without_a_port_is_refused_unless_the_protocol_has_a_default_or_no_port(protocol):
    assert bool(port_faults(protocol.value, None)) == protocol.traits.needs_port
    assert bool(port_faults(protocol.value, 80)) == (protocol.transport is None)
    assert protocol.traits.needs_port or protocol.transport is None or protocol.traits.default_port


def test_the_command_line_and_the_console_offer_each():
    assert set(targets.PROTOCOLS) == set(PROTOCOLS)
    page = (CONSOLE / "index.html").read_text()
    choice = re.search(r'By <select name="protocol">(.*?)</select>', page)
    assert set(re.findall(r'value="(\w+)"', choice[1])) == set(PROTOCOLS)
    needs_port = re.search(r"WITH_PORT = new Set\((.*?)\)", (CONSOLE / "question.js").read_text())
    assert set(json.loads(needs_port[1])) == set(WITH_PORT)
