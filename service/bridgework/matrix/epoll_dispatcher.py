"""Who is to be called when a descriptor has something to say: one epoll and its handlers."""

from __future__ import annotations

import select
from collections.abc import Callable

EVENTS_AT_ONCE = 512
CHANGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET
"""For a socket that connects: called when it becomes writable, and again when it becomes readable."""


class EpollDispatcher:
    """Handlers by descriptor. A handler may close and unwatch any of them."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def watch(self, descriptor: int, handler: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Call the handler whenever the descriptor has something."""
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, events)

    def unwatch(self, descriptor: int) -> None:
        """Forget a descriptor that is still open."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def closed(self, descriptor: int) -> None:
        """Forget a descriptor that was closed: the kernel has done so already."""
        self._handlers.pop(descriptor, None)

    def listen(self, wait_s: float) -> None:
        """Wait at most so long and call the handlers of all that has something."""
        for descriptor, _ in self._epoll.poll(wait_s, EVENTS_AT_ONCE):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler()

    def close(self) -> None:
        """Close the epoll; the descriptors are others'."""
        self._epoll.close()
