"""The proxy between the generated clients and the service passes on what a client sends, and hides no fault of it."""

import contextlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tools.clients.stories import unkind_proxy


class Echo(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.send_header("Seen", self.headers["Authorization"])
        self.end_headers()

    def log_message(self, *_):
        pass


def answer(url, *tokens):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.putrequest("GET", "/v1/caller")
        for token in tokens:
            connection.putheader("Authorization", token)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.headers["Seen"]


def test_a_header_that_comes_twice_is_refused_and_not_made_one():
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=upstream.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        with unkind_proxy(f"http://127.0.0.1:{upstream.server_port}") as url:
            assert answer(url, "Bearer one") == (204, "Bearer one")
            assert answer(url, "Bearer one", "Bearer one") == (400, None)
    finally:
        upstream.shutdown()
