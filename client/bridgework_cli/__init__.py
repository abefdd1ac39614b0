"""The command line ``bridgework``, a client of the HTTP API. It imports nothing of the service.

Modules are imported when a command needs them, because a pipeline calls ``bridgework check`` many times.
"""

from __future__ import annotations

__version__ = "0.1.0"


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    from bridgework_cli.root import root  # noqa: PLC0415 - the import of click takes time
    from bridgework_cli.running import run  # noqa: PLC0415 - as above

    return run(root, arguments)
