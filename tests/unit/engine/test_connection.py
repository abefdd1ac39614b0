"""The kept-alive connection to the engine, before a server that answers byte for byte what a test says."""

import contextlib
import os
import socket
import threading
from pathlib import Path

import pytest

from bridgework.engine.client import EngineAddress
from bridgework.engine.connection import PIPELINED, EngineConnection, engine_pid
from bridgework.engine.docker_engine import DockerEngine
from bridgework.model.errors import EngineMisbehaved, EngineUnreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


class Server:
    """Gives each request the next of its answers, and closes where an answer ends with ``CLOSE``."""

    CLOSE = b"<close>"

    def __init__(self, path):
        self.path = str(path)
        self.answers = []
        self.asked = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.taken = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.taken.append(sock)
            threading.Thread(target=self.answer, args=(sock,), daemon=True).start()

    def answer(self, sock):
        with sock, contextlib.suppress(OSError):  # a test that is over closes everything
            while request := sock.recv(65536):
                self.asked.append(request)
                answer = self.answers.pop(0)
                sock.sendall(answer.removesuffix(self.CLOSE))
                if answer.endswith(self.CLOSE):
                    break

    def close(self):
        for sock in (self.listener, *self.taken):
            sock.close()


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path / "engine.sock")
    yield made
    made.close()


@pytest.fixture
def connection(server):
    made = EngineConnection(EngineAddress(f"unix://{server.path}"), timeout_s=2)
    yield made
    made.close()


def test_one_connection_for_many_answers(server, connection):
    server.answers = [OK, b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n"]
    assert connection.get("/networks", {"filters": "{}"}) == (200, b"[]")
    assert connection.get("/networks/x") == (404, b"no!")
    assert connection.generation == 1
    assert server.asked[0].split(b"\r\n")[0] == b"GET /networks?filters=%7B%7D HTTP/1.1"


def test_an_answer_that_ends_the_connection(server, connection):
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]" + server.CLOSE
    server.answers = [closing, OK]
    assert [connection.get("/networks"), connection.get("/networks")] == [(200, b"[]")] * 2
    assert connection.generation == 2


def numbered(number, *headers):
    return b"\r\n".join([b"HTTP/1.1 200 OK", *headers, b"Content-Length: 3", b"", b"%03d" % number])


def paths_of(count):
    return [f"/containers/{number}/json" for number in range(count)]


def bodies_of(answers):
    return [int(body) for status, body in answers if status == 200]


def test_many_answers_at_once(server, connection):
    count = PIPELINED + 3
    first = b"".join(numbered(number) for number in range(PIPELINED))
    server.answers = [first, b"".join(numbered(number) for number in range(PIPELINED, count))]
    assert bodies_of(connection.get_each(paths_of(count))) == list(range(count))
    assert [request.count(b"GET ") for request in server.asked] == [PIPELINED, 3]
    assert connection.generation == 1
    assert connection.get_each([]) == []


@pytest.mark.parametrize("said", [(), (b"Connection: close",)], ids=["closes", "says so"])
def test_a_proxy_that_closes_after_each_answer(server, connection, said):
    server.answers = [numbered(number, *said) + server.CLOSE for number in range(5)]
    assert bodies_of(connection.get_each(paths_of(5))) == list(range(5))


def test_a_connection_that_breaks_between_answers(server, connection):
    server.answers = [OK, numbered(0) + numbered(1)[:-1] + server.CLOSE, *(numbered(number) for number in range(3))]
    connection.get("/networks")
    assert bodies_of(connection.get_each(paths_of(3))) == [0, 1, 2]


def test_one_answer_too_many(server, connection):
    server.answers = [numbered(0) * 3 + server.CLOSE] * 2 + [OK + OK + server.CLOSE]
    with pytest.raises(EngineMisbehaved):
        connection.get_each(paths_of(2))


def test_many_answers_of_which_one_never_ends(server, connection):
    endless = numbered(0) + b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 200_000
    server.answers = [endless + server.CLOSE] * 2
    with pytest.raises(EngineMisbehaved):
        connection.get_each(paths_of(2))


def test_a_body_that_ends_with_the_connection(server, connection):
    server.answers = [b"HTTP/1.1 200 OK\r\n\r\nall of it" + server.CLOSE]
    assert connection.get("/networks") == (200, b"all of it")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nnot all" + Server.CLOSE,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nnot" + Server.CLOSE,
        b"HTTP/1.1 200 OK\r\nConten" + Server.CLOSE,
        Server.CLOSE,
    ],
)
def test_an_answer_that_breaks_off(server, connection, answer):
    server.answers = [answer, answer]
    with pytest.raises(EngineUnreachable):
        connection.get("/networks")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        OK + OK,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 5000,
    ],
)
def test_what_is_no_answer(server, connection, answer):
    server.answers = [answer + server.CLOSE] * 2
    with pytest.raises(EngineMisbehaved):
        connection.get("/networks")


def test_what_would_be_a_second_request(server, connection):
    with pytest.raises(ValueError, match="not a request target"):
        connection.get("/networks/x HTTP/1.1\r\nHost: engine\r\n\r\nDELETE /networks/y")
    assert server.asked == []


def test_the_process_at_the_other_end_is_known_while_it_is_there(server, connection):
    assert connection.peer_pid() is None
    server.answers = [OK]
    connection.get("/networks")
    assert connection.peer_pid() == engine_pid(EngineAddress(f"unix://{server.path}")) == os.getpid()
    server.taken[0].shutdown(socket.SHUT_RDWR)
    assert connection.peer_pid() is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"ApiVersion": "1.43", "MinAPIVersion": "1.12"}', "engine-version-unsupported"),
        (b'{"ApiVersion": "1.60", "MinAPIVersion": "1.56"}', "engine-version-unsupported"),
        (b"{}", "engine-answered-strangely"),
        (b"no", "engine-answered-strangely"),
        (b'{"ApiVersion": "1.55", "MinAPIVersion": "1.40"}', None),
    ],
)
def test_an_engine_is_only_there_if_its_api_is_spoken(server, body, code):
    server.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)]
    engine = DockerEngine(EngineAddress(f"unix://{server.path}"))
    if code is None:
        engine.ping()
        return
    with pytest.raises(EngineMisbehaved) as raised:
        engine.ping()
    assert raised.value.code == code


def test_a_user_without_a_home_needs_none_for_a_socket(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # as systemd's DynamicUser is, where its NSS module is missing
    assert EngineAddress.from_environment({}).certificates is None
    given = {"DOCKER_HOST": "tcp://engine:2376", "DOCKER_TLS_VERIFY": "1"}
    with pytest.raises(ValueError, match="set DOCKER_CERT_PATH"):
        EngineAddress.from_environment(given)
    assert EngineAddress.from_environment(given | {"DOCKER_CERT_PATH": "/certs"}).certificates == Path("/certs")
