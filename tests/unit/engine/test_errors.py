"""The table of the engine's refusals, without an engine (with one: behaviour/test_engine_table.py)."""

import docker.errors
import pytest
import requests

from bridgework.engine.client import EngineAddress
from bridgework.engine.errors import TABLE, translate, translated
from bridgework.model.errors import EngineMisbehaved, EngineTooSlow, EngineUnreachable, NotFound
from tests.support.recorded_answers import RECORDED
from tests.support.spec_validator import DOCUMENT, codes_of

ADDRESS = EngineAddress("unix:///nowhere.sock")


@pytest.mark.parametrize("answer", RECORDED, ids=lambda answer: answer.said[:40])
def test_what_other_engines_say(answer):
    told = translate(answer.operation, answer.said, 500)
    assert (type(told), told.code) == (answer.error, answer.code)
    assert told.facts.items() >= {"engine_message": answer.said, "engine_status": 500}.items()


OPERATIONS = {
    "create_network": [("post", "/v1/networks")],
    "remove_network": [("delete", "/v1/networks/{network}")],
    "connect": [("put", "/v1/networks/{network}/endpoints/{container}")],
    "disconnect": [("delete", "/v1/networks/{network}/endpoints/{container}")],
    "create_container": [("post", "/v1/containers")],
    "pull_image": [("post", "/v1/containers")],
    "start_container": [("post", "/v1/containers"), ("post", "/v1/containers/{container}/start")],
    "unpause_container": [("post", "/v1/containers/{container}/start")],
    "restart_container": [("post", "/v1/containers/{container}/restart")],
    "rename_container": [("post", "/v1/containers/{container}/rename")],
    "remove_container": [("delete", "/v1/containers/{container}")],
}


TAKEN_FOR_DONE = {"disconnect": {"endpoint-not-found"}}
"""Codes that no caller gets: where there is no endpoint, its removal has succeeded."""


@pytest.mark.parametrize("operation", sorted({name for row in TABLE for name in row.operations} - {"*"}))
def test_the_document_lists_every_code_of_an_operation(operation):
    codes = {row.code for row in TABLE if operation in row.operations} - TAKEN_FOR_DONE.get(operation, set())
    for method, path in OPERATIONS[operation]:
        documented = DOCUMENT["paths"][path][method]
        listed = {code for status in documented["x-problem-codes"] for code in codes_of(documented, status)}
        assert sorted(codes - listed) == [], path


@pytest.mark.parametrize(
    ("operation", "said", "facts"),
    [
        (
            "rename_container",
            'Conflict. The container name "/web" is already in use by container "0a1b". You have to remove it.',
            {"name": "web"},
        ),
        (
            "start_container",
            "Bind for 127.0.0.1:8080 failed: port is already allocated",
            {"host_ip": "127.0.0.1", "host_port": 8080},
        ),
        ("create_network", "existing interface lo is not a bridge", {"bridge": "lo"}),
        ("pull_image", "manifest unknown", {}),
    ],
)
def test_what_the_engine_names_is_a_fact_too(operation, said, facts):
    told = translate(operation, said, 409)
    assert told.facts == {"engine_message": said, "engine_status": 409, **facts}


def test_what_no_row_says_is_said_as_the_engine_said_it():
    told = translate("start_container", "something new", 500)
    assert (type(told), told.code) == (EngineMisbehaved, "engine-answered-strangely")
    assert "something new" in told.detail


def test_a_command_that_is_an_empty_text_is_refused_as_every_other():
    said = 'runc create failed: exec: "": executable file not found in $PATH: unknown'
    told = translate("start_container", said, 400)
    assert told.code == "command-not-runnable"
    assert told.detail == "The container's command '' cannot be run: executable file not found in $PATH."


def test_whether_the_container_itself_is_gone_or_the_one_it_needs():
    assert type(translate("start_container", "No such container: abc", 404, "abc")) is NotFound
    assert translate("start_container", "No such container: def", 404, "abc").code == "shared-network-owner-gone"


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (requests.exceptions.ReadTimeout("read"), EngineTooSlow),
        (requests.exceptions.ConnectTimeout("connect"), EngineTooSlow),
        (requests.exceptions.ConnectionError("Read timed out."), EngineTooSlow),
        (requests.exceptions.ConnectionError("refused"), EngineUnreachable),
        (requests.exceptions.ChunkedEncodingError("half an answer"), EngineMisbehaved),
        (docker.errors.DockerException("no socket"), EngineUnreachable),
    ],
)
def test_an_engine_that_does_not_answer(raised, error):
    with pytest.raises(error), translated("connect", ADDRESS, 5):
        raise raised
