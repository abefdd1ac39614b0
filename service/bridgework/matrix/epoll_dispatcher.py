"""One epoll(7) descriptor and a handler for each descriptor that it watches."""

from __future__ import annotations

import select
from collections.abc import Callable

MAX_EVENTS = 512
# Edge-triggered, for a connecting socket: one call when it becomes writable, another when it becomes readable.
CONNECT_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET


class EpollDispatcher:
    """Calls handlers. A handler may close and unregister any descriptor."""

    # ``selectors.DefaultSelector`` is level-triggered only: it would report connected sockets as writable each time.

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def register(self, descriptor: int, handler: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Call the handler whenever the descriptor has one of the events."""
        # A closed descriptor's number may be used again: the new handler replaces the old one.
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        """Stop watching a descriptor that is still open."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def forget_closed(self, descriptor: int) -> None:
        """Drop the handler of a closed descriptor. The kernel has removed it from the epoll set already (epoll(7))."""
        self._handlers.pop(descriptor, None)

    def dispatch(self, wait_s: float) -> None:
        """Wait for events for ``wait_s`` at most and call their handlers."""
        for descriptor, _ in self._epoll.poll(wait_s, MAX_EVENTS):
            # A handler that ran before this one may have closed the descriptor.
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler()

    def close(self) -> None:
        """Close the epoll descriptor, not the watched ones."""
        self._epoll.close()
