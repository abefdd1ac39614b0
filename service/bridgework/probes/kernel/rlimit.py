"""Room for open files: a matrix over hundreds of namespaces holds a few in each."""

from __future__ import annotations

import resource

SPARE = 256


def make_room(wanted: int) -> int:
    """Raise this process's soft limit towards the hard one where needed; how many files may then be open for us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted + SPARE and soft != hard:
        soft = wanted + SPARE if hard == resource.RLIM_INFINITY else min(hard, wanted + SPARE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(0, soft - SPARE)
