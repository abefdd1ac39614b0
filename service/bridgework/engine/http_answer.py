"""HTTP answers of the engine, parsed by httptools: status and body of each, and whether the connection stays open.

Errors are the ``http.client.HTTPException`` that the standard library would raise.
"""

from __future__ import annotations

import http.client

import httptools

# An answer without an end would otherwise fill the memory of the worker.
MAX_ANSWER_BYTES = 256 * 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024


class Answers:
    """The answers to a number of pipelined requests, filled piece by piece by ``take``."""

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
        """Whether every answer is complete, or the last one said that the connection ends with it."""
        # After "Connection: close" no further answer comes, whatever was asked.
        ended = bool(self.found) and not self._begun and not self.connection_stays
        return ended or len(self.found) == self._expected

    def take(self, piece: bytes) -> None:
        """Parse more bytes. Raises ``http.client.HTTPException`` on bytes that are not HTTP or too many."""
        answers_before = len(self.found)
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from error  # what a callback below raised
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise http.client.BadStatusLine(str(error)) from error
        # A piece can hold the end of one answer and the beginning of the next, and httptools does not say where. So the
        # bytes of the next answer are counted from the next piece on.
        self._received_bytes = self._received_bytes + len(piece) if len(self.found) == answers_before else 0
        if self._received_bytes > (self._limit_bytes or MAX_HEAD_BYTES):
            raise http.client.LineTooLong("answer: it does not end")

    def hand_over(self) -> list[tuple[int, bytes]]:
        """Return status and body of each answer and drop them here."""
        # The parser and this object refer to each other, so the bodies would stay until the garbage collector runs.
        answers, self.found = self.found, []
        return answers

    def on_message_begin(self) -> None:
        """Handle the beginning of a status line (called by httptools)."""
        # Bytes that no request explains: they could not be distinguished from the next answer.
        if self.whole:
            raise http.client.BadStatusLine("more answers than requests")
        self._begun, self._bounded, self._limit_bytes = True, False, MAX_HEAD_BYTES

    def on_header(self, name: bytes, _: bytes) -> None:
        """Remember whether a header bounds the body (called by httptools)."""
        self._bounded = self._bounded or name.lower() in {b"content-length", b"transfer-encoding"}

    def on_headers_complete(self) -> None:
        """Allow a body's size from here on (called by httptools)."""
        self._limit_bytes = MAX_ANSWER_BYTES  # until here the head's limit was in force

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body (called by httptools)."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Keep the whole answer (called by httptools)."""
        self.found.append((self._parser.get_status_code(), b"".join(self._pieces)))
        self._pieces, self._begun = [], False
        self.connection_stays = self._parser.should_keep_alive()

    def end(self) -> None:
        """Handle the end of the connection. Raises ``http.client.HTTPException`` where it cut an answer short."""
        # A body without a length, as HTTP/1.0 proxies send it, ends with the connection (RFC 9112 §6.3).
        if self._begun and not self._bounded and self._limit_bytes == MAX_ANSWER_BYTES:
            self.on_message_complete()
        elif self._begun:
            raise http.client.IncompleteRead(b"")
        if not self.found:
            raise http.client.RemoteDisconnected("it closed the connection without an answer")
        self.connection_stays = False
