"""HTTP answers of the engine, read in C (httptools): status and body of each, and whether the connection stays.

What is no HTTP, breaks off or has no end is an ``http.client.HTTPException``, as the standard library would raise.
"""

from __future__ import annotations

import http.client

import httptools

MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""No answer of an engine is larger; what goes on longer is no answer."""

MAX_HEAD_BYTES = 64 * 1024


class Answers:
    """What httptools finds in the bytes of as many answers as there were requests."""

    def __init__(self, expected: int = 1) -> None:
        self.found: list[tuple[int, bytes]] = []
        self.connection_stays = False
        self._expected = expected
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._received_bytes = self._limit_bytes = 0
        self._begun = self._bounded = False

    @property
    def whole(self) -> bool:
        """Whether every answer is there, or the last one said that the connection ends with it."""
        ended = bool(self.found) and not self._begun and not self.connection_stays
        return ended or len(self.found) == self._expected

    def take(self, piece: bytes) -> None:
        """Read on. Raises ``http.client.HTTPException`` on what is no HTTP, or more than an answer may be."""
        found = len(self.found)
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from error
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise http.client.BadStatusLine(str(error)) from error
        # A piece may hold the end of one answer and the beginning of the next: of the next, count from the next piece.
        self._received_bytes = self._received_bytes + len(piece) if len(self.found) == found else 0
        if self._received_bytes > (self._limit_bytes or MAX_HEAD_BYTES):
            raise http.client.LineTooLong("answer: it does not end")

    def hand_over(self) -> list[tuple[int, bytes]]:
        """Status and body of each, let go here: the parser and this refer to each other, and would keep them."""
        found, self.found = self.found, []
        return found

    def on_message_begin(self) -> None:
        """httptools: a status line begins."""
        if self.whole:
            raise http.client.BadStatusLine("more answers than requests")
        self._begun, self._bounded, self._limit_bytes = True, False, MAX_HEAD_BYTES

    def on_header(self, name: bytes, _: bytes) -> None:
        """httptools: one header; what bounds a body is remembered."""
        self._bounded = self._bounded or name.lower() in {b"content-length", b"transfer-encoding"}

    def on_headers_complete(self) -> None:
        """httptools: the head is whole."""
        self._limit_bytes = MAX_ANSWER_BYTES

    def on_body(self, piece: bytes) -> None:
        """httptools: more of the body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """httptools: nothing more belongs to this answer."""
        self.found.append((self._parser.get_status_code(), b"".join(self._pieces)))
        self._pieces, self._begun = [], False
        self.connection_stays = self._parser.should_keep_alive()

    def end(self) -> None:
        """The engine closed: the end of a body that names no length, the end of the connection, or a break."""
        if self._begun and not self._bounded and self._limit_bytes == MAX_ANSWER_BYTES:
            self.on_message_complete()
        elif self._begun:
            raise http.client.IncompleteRead(b"")
        if not self.found:
            raise http.client.RemoteDisconnected("it closed the connection without an answer")
        self.connection_stays = False
