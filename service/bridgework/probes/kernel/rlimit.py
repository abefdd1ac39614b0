"""The limit of open files of this process (getrlimit(2))."""

from __future__ import annotations

import resource

RESERVED = 256
"""Files for the rest of the service."""


def raise_file_limit(wanted: int) -> int:
    """Raise the soft limit by as much as needed and allowed; return how many of the ``wanted`` files may be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted + RESERVED and soft != hard:
        soft = wanted + RESERVED if hard == resource.RLIM_INFINITY else min(hard, wanted + RESERVED)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(0, soft - RESERVED)
