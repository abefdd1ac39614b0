"""One HTTP answer of the engine, read in C (httptools): its status, its body, and whether the connection stays.

What is no HTTP, breaks off or has no end is an ``http.client.HTTPException``, as the standard library would raise.
"""

from __future__ import annotations

import http.client

import httptools

MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""No answer of an engine is larger; what goes on longer is no answer."""

MAX_HEAD_BYTES = 64 * 1024


class Answer:
    """What httptools finds in the bytes of one answer."""

    def __init__(self) -> None:
        self.status = 0
        self.whole = self.connection_stays = False
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._received_bytes = 0
        self._limit_bytes = MAX_HEAD_BYTES
        self._begun = self._bounded = False

    def take(self, piece: bytes) -> None:
        """Read on. Raises ``http.client.HTTPException`` on what is no HTTP, or more than an answer may be."""
        self._received_bytes += len(piece)
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from error
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise http.client.BadStatusLine(str(error)) from error
        if self._received_bytes > self._limit_bytes:
            raise http.client.LineTooLong("answer: it does not end")

    def body(self) -> bytes:
        """The whole body, let go here: the parser and this refer to each other, and would keep it."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    def on_message_begin(self) -> None:
        """httptools: a status line begins."""
        if self._begun:
            raise http.client.BadStatusLine("a second answer to one request")
        self._begun = True

    def on_header(self, name: bytes, _: bytes) -> None:
        """httptools: one header; what bounds a body is remembered."""
        self._bounded = self._bounded or name.lower() in {b"content-length", b"transfer-encoding"}

    def on_headers_complete(self) -> None:
        """httptools: the head is whole."""
        self._limit_bytes = MAX_ANSWER_BYTES
        self.status = self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        """httptools: more of the body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """httptools: nothing more belongs to this answer."""
        self.whole = True
        self.connection_stays = self._parser.should_keep_alive()

    def end(self) -> None:
        """The engine closed: the end of a body that names no length, or a break."""
        if not self._begun:
            raise http.client.RemoteDisconnected("it closed the connection without an answer")
        if self._bounded or not self.status:
            raise http.client.IncompleteRead(b"")
