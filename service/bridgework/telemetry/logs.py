"""Structured logs: one JSON object a line on standard error, with the id of the request.

No line holds a token, an environment value or a body.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import structlog

PROCESSORS: tuple[structlog.types.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(),
)


def configure(level: str) -> None:
    """Set up structlog for the process."""
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # Not PrintLoggerFactory: with PYTHONUNBUFFERED, print() writes the line and its end in two system calls, and a
        # line of another worker can come between them.
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def audit(event: str, **facts: Any) -> None:
    """Write an audit line about a ``change`` or a ``refusal``, whatever the log level is."""
    line: Any = {"event": event, "audit": True, **facts}
    for processor in PROCESSORS:
        line = processor(None, "info", line)
    sys.stderr.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
    sys.stderr.flush()
