"""Errors for an engine that does not answer, answers too late, or answers what its API does not promise."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

from bridgework.model.errors import EngineMisbehaved, EngineTooSlow, EngineUnreachable, Remedy
from bridgework.telemetry import deadline

# What reading JSON of an unexpected shape raises: a list where an object should be, text where a number should be …
SHAPE_ERRORS = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, OverflowError)


def patience(limit_s: float, left_s: float | None = None) -> float:
    """Return the seconds to wait now: what is left of ``limit_s``, or of the request's own deadline if that is less.

    Raises ``EngineTooSlow`` when nothing is left, or ``TookTooLong`` if the engine has not been asked yet.
    """
    # A request makes several engine calls, so each has only what the calls before it left.
    wait_s = deadline.left(limit_s if left_s is None else left_s)
    if wait_s <= 0:
        if left_s is None:
            deadline.require_left()  # the engine was not asked yet, so it was not too slow
        raise too_slow(limit_s)
    return wait_s


def is_malformed(error: BaseException | None) -> bool:
    """Return whether the error says that an answer arrived and is not HTTP."""
    # These three are HTTPException too, but they mean that the connection closed before an answer, or within one.
    closed = (http.client.RemoteDisconnected, http.client.IncompleteRead, http.client.NotConnected)
    return isinstance(error, http.client.HTTPException) and not isinstance(error, closed)


@contextmanager
def expected_shape(asked: str) -> Iterator[None]:
    """Turn an error from reading JSON of another shape than the engine's API promises into ``EngineMisbehaved``."""
    try:
        yield
    except SHAPE_ERRORS as error:
        raise malformed(asked, type(error).__name__) from error


def malformed(asked: str, why: object) -> EngineMisbehaved:
    """Return the error for an answer that is not HTTP, has no end, or has another shape than its request promises."""
    return EngineMisbehaved(
        code="engine-answered-strangely", detail=f"The engine's answer to {asked} is not understood: {why}."
    )


def unexpected(path: str, status: int, body: bytes) -> EngineMisbehaved:
    """Return the error for a status that the engine's API does not promise for ``GET path``."""
    # The engine's message is short; a proxy's page of HTML is cut off.
    words = body[:200].decode(errors="replace")
    return EngineMisbehaved(
        code="engine-answered-strangely", detail=f"The engine answered {status} to GET {path}: {words}"
    )


def unreachable(url: str, why: str) -> EngineUnreachable:
    """Return the error for an engine that does not answer at this address."""
    return EngineUnreachable(
        code="engine-unreachable",
        detail=f"No Docker engine answers at {url}: {why}.",
        remedy=Remedy(
            "Start the engine, or set DOCKER_HOST to where it listens.", commands=("systemctl start docker",)
        ),
    )


def too_slow(after_s: float) -> EngineTooSlow:
    """Return the error for an engine that did not answer within ``after_s`` seconds."""
    return EngineTooSlow(
        code="engine-too-slow",
        detail=f"The Docker engine did not answer within {after_s:g} s; a requested change may still happen.",
        remedy=Remedy("Read the current state before you try again. An Idempotency-Key makes a retry safe."),
    )
