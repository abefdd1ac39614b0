"""gunicorn's gthread worker, made hard to stall: a thread is taken only by a request that has arrived whole.

gthread hands a connection to a thread as soon as it is there, so as many slow clients as there are threads stop
everything. Here the event loop itself collects a request, head and body, within a time and a size; what does not come
in time is answered 408 or dropped. The thread that turns the loop answers too, as long as that is quick (``leader``).
Closing waits in the loop as well (``lingering``), and health is asked in lanes of its own, so it is answered while
every other thread waits for the engine. Whatever gunicorn refuses is a problem document too.
"""

from __future__ import annotations

import errno
import gc
import selectors
import socket
import struct
import time
import uuid
from collections.abc import Callable
from concurrent import futures
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from bridgework import last_call
from bridgework.http_edge import ARRIVAL_S, arrival, expects_continue, path_of, refusal, status_of
from bridgework.leader import Leadership
from bridgework.lingering import Lingering
from bridgework.settings import read_settings
from bridgework.telemetry import deadline

SILENCE_S = 15
LOOK_AFTER_PARENT_S = 1.0
TURN_S = 1.0
LAST_TURNS_S = 0.05
OTHERS_TURN_S = 0.0005
"""Having taken a connection, a worker leaves the next to the others for so long, or one takes all that come at once."""
LAST_CALL_S = 0.1
PIECE_BYTES = 65_536
LANES = (b"/livez", b"/readyz")
_PASSING = {errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK, errno.EINTR}
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
log = structlog.get_logger()


class Connection(TConn):
    """A connection with what has arrived of its next request."""

    def __init__(self, worker: Worker, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(worker.cfg, sock, client, server)
        self._worker = worker
        self.arrived = bytearray()
        self.asked_ns = 0
        self.continued = False

    def close(self, graceful: bool = False) -> None:
        """Close; a graceful end waits for the client's in the loop, never here."""
        if graceful:
            self.arrived.clear()
            self._worker.lingering.begin(self)
        else:
            super().close()


class Worker(ThreadWorker):
    """A gthread worker whose threads never wait for a client."""

    alive: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_body_bytes = read_settings().max_body_bytes
        self.lanes: dict[bytes, futures.ThreadPoolExecutor] = {}
        self.leadership: Leadership[Connection, Any]
        self.lingering: Lingering
        self.seen_ns = 0
        self.accepts_from_s = 0.0
        self.listens_no_more = False

    def init_process(self) -> None:
        """Make what has threads in the process that uses it."""
        self.lanes = {path: futures.ThreadPoolExecutor(max_workers=1) for path in LANES}
        self.leadership = Leadership(self, self.cfg.threads)
        super().init_process()

    def get_thread_pool(self) -> futures.ThreadPoolExecutor:
        """The leadership's threads."""
        return self.leadership.executor

    def run(self) -> None:
        """Have the loop led until this worker is told to end, and until its connections are done then."""
        self.lingering = Lingering(self.poller)
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        self.set_accept_enabled(True)
        self.leadership.begin()
        while self.alive and self.is_parent_alive():
            self.leadership.watch(LOOK_AFTER_PARENT_S)
        self.alive = False
        self.defer(lambda: None)
        ends = time.monotonic() + self.cfg.graceful_timeout
        while (not self.listens_no_more or self.nr_conns > 0) and time.monotonic() < ends:
            self.leadership.watch(LOOK_AFTER_PARENT_S)
        self.leadership.retire()
        self.murder_keepalived(force=True)
        self.poller.close()
        self.method_queue.close()

    def turn(self, *, at_once: bool) -> None:
        """Turn the loop once: tell the master so, wait for events and dispatch them, end what is too late."""
        gc.enable()
        self.notify()
        others_turn = time.monotonic() < self.accepts_from_s
        if self.alive:
            self.set_accept_enabled(not others_turn and self.nr_conns < self.worker_connections)
        elif not self.listens_no_more:
            self.stop_listening()
        patience_s = 0 if at_once else OTHERS_TURN_S if others_turn else TURN_S if self.alive else LAST_TURNS_S
        events = self.poller.select(patience_s)
        self.seen_ns = time.monotonic_ns()
        for key, _ in events:
            key.data(key.fileobj)
        self.murder_keepalived()
        self.murder_pending()

    def defer(self, call: Callable[..., None], *args: object) -> None:
        """Have the leader call this in its next turn, and begin that now."""
        self.method_queue.defer(call, *args)

    def lasts(self, conn: Connection) -> bool:
        """Changes and checks do; reads mostly do not."""
        return not conn.arrived.startswith(b"GET ")

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """SIGTERM: end, gracefully."""
        super().handle_exit(sig, frame)
        self.leadership.ring()

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """SIGINT, SIGQUIT: end now."""
        self.leadership.resign()
        super().handle_quit(sig, frame)

    def accept(self, listener: Any) -> bool:
        """Take a connection into the loop; whether there was one."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                log.warning("connection-not-taken", reason=error.strerror)
                time.sleep(0.05)
            elif error.errno not in _PASSING:
                raise
            return False
        self.nr_conns += 1
        if self.cfg.workers > 1:
            self.accepts_from_s = time.monotonic() + OTHERS_TURN_S
        silence = struct.pack("ll", SILENCE_S, 0)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, direction, silence)
        self.await_request(Connection(self, sock, client, listener.getsockname()))
        return True

    def stop_listening(self) -> None:
        """Take whom nobody else could, then really listen no more; the silent have a moment left.

        Only before a turn's events are there: one of them may be a listener's.
        """
        ending = [listener for listener in self.sockets if last_call.announce(listener, self.ppid)]
        end = time.monotonic() + LAST_CALL_S
        while ending and (any(self.accept(listener) for listener in ending) or time.monotonic() < end):
            time.sleep(0.001)
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        self._cap_keepalive(time.monotonic() + STOP_KEEPALIVE_LINGER)
        self.listens_no_more = True

    def await_request(self, conn: Connection) -> None:
        """Collect the connection's next request in the loop."""
        conn.timeout = time.monotonic() + ARRIVAL_S
        conn.continued = False
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_client_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """A kept-alive connection's next request begins, and mostly is there whole."""
        self.keepalived_conns.remove(conn)
        self.poller.unregister(client)
        if not self._receive(conn):
            self._abandon(conn)
        elif arrival(conn.arrived, self.max_body_bytes) is HTTPStatus.OK:
            self.enqueue_req(conn)
        else:
            self.await_request(conn)
            self._advance(conn)

    def on_pending_socket_readable(self, conn: Connection, _: socket.socket) -> None:
        """More of a request has arrived."""
        if self._receive(conn):
            self._advance(conn)
        else:
            self._release(conn)
            self._abandon(conn)

    def _receive(self, conn: Connection) -> bool:
        """Take what has arrived; whether the client is still there."""
        try:
            piece = conn.sock.recv(PIECE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        conn.arrived += piece
        return bool(piece)

    def _advance(self, conn: Connection) -> None:
        status = arrival(conn.arrived, self.max_body_bytes)
        if status is HTTPStatus.CONTINUE:
            if not conn.continued and expects_continue(conn.arrived):
                conn.continued = True
                _send(conn, b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        self._release(conn)
        if status is HTTPStatus.OK:
            self.enqueue_req(conn)
        else:
            self._refuse(conn, status)

    def _release(self, conn: Connection) -> None:
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)

    def _abandon(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _refuse(self, conn: Connection, status: HTTPStatus) -> None:
        request_id = uuid.uuid4().hex
        _report(status, conn.client, request_id)
        _send(conn, refusal(status, request_id))
        self.nr_conns -= 1
        conn.close(graceful=True)

    def enqueue_req(self, conn: Connection) -> None:
        """Let a whole request be answered; one that was sent ahead of its turn may still be incomplete."""
        if not conn.arrived:
            conn.arrived += conn.parser.unreader.take_buffered()
            self.await_request(conn)
            self.seen_ns = time.monotonic_ns()
            self._advance(conn)
            return
        conn.asked_ns = self.seen_ns
        lane = self.lanes.get(path_of(conn.arrived))
        if lane is None:
            self.leadership.waiting.append(conn)
        else:
            asked = lane.submit(self.answer, conn)
            asked.add_done_callback(lambda done: self.defer(self.finish, conn, done.result()))

    def answer(self, conn: Connection) -> Any:
        """Answer one request; whether its connection stays. What is garbage is looked for only by the next turn.

        Within an answer a collection would look through all that has been made for it, which is hardly ever garbage.
        """
        gc.disable()
        deadline.arrived(conn.asked_ns)
        conn.data_ready = True
        conn.init()
        conn.parser.unreader.unread(bytes(conn.arrived))
        conn.arrived.clear()
        return self.handle(conn)

    def finish(self, conn: Connection, stays: Any) -> None:
        """Wait for the connection's next request, or end it."""
        if not stays:
            self.nr_conns -= 1
            conn.close(graceful=True)
        elif conn.parser.unreader.buf.getvalue():
            self.enqueue_req(conn)
        else:
            conn.set_timeout()
            if not self.alive:
                conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
            self.keepalived_conns.append(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _keepalive_after(self, conn: Connection, keepalive: Any) -> bool:
        """What is left of a body is dropped; it has arrived whole, so that takes no deadline."""
        return bool(keepalive and (not conn.parser.unreader.buf.getvalue() or conn.parser.finish_body()))

    def handle_error(self, _: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what gunicorn refuses, or what broke, with a problem document that repeats nothing."""
        status = status_of(exc)
        request_id = uuid.uuid4().hex
        _report(status, addr, request_id, exc, accident=status is HTTPStatus.INTERNAL_SERVER_ERROR)
        try:
            client.sendall(refusal(status, request_id))
        except OSError:
            return

    def murder_pending(self) -> None:
        """End what did not arrive in time, and what has lingered long enough."""
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout <= now:
            conn = self.pending_conns[0]
            self._release(conn)
            if conn.arrived:
                self._refuse(conn, HTTPStatus.REQUEST_TIMEOUT)
            else:
                self._abandon(conn)
        self.lingering.end_late(now)

    def _cap_keepalive(self, deadline: float) -> None:
        """A stopping worker waits no longer than this for connections that have sent nothing."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)


def _send(conn: Connection, data: bytes) -> None:
    try:
        conn.sock.send(data, socket.MSG_DONTWAIT)
    except OSError:
        return


def _report(
    status: HTTPStatus, client: Any, request_id: str, error: Exception | None = None, *, accident: bool = False
) -> None:
    address = client[0] if isinstance(client, tuple) and client else ""
    kind = type(error).__name__ if error is not None else None
    if accident:
        log.error("accident", status=int(status), address=address, request_id=request_id, exc_info=error)
    else:
        log.info("refused", status=int(status), address=address, request_id=request_id, error=kind)
