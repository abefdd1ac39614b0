"""What ``redocly diff`` does not count as a break, but a generated client or a program that decides on codes does.

``strip DOCUMENT`` prints it without examples; ``compare OLD NEW`` fails when NEW lacks a problem code, a known value, a
named component, or an operation's class that OLD had.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


def promises(document: dict[str, Any]) -> Iterator[str]:
    """What must not vanish, as sentences."""
    for path, item in document["paths"].items():
        for method, operation in ((name, part) for name, part in item.items() if name != "parameters"):
            where = f"{method.upper()} {path}"
            yield f"{where} is in the class {operation['tags'][0]}"
            for status, codes in operation.get("x-problem-codes", {}).items():
                for code in codes:
                    yield f"{where} answers {status} with the code {code}"
    for name, schema in document["components"]["schemas"].items():
        yield f"there is a component {name}"
        for field, inner in schema.get("properties", {}).items():
            for value in inner.get("x-known-values", ()):
                yield f"{name}.{field} may be {value}"


def stripped(node: Any) -> Any:
    """The same without examples."""
    if isinstance(node, dict):
        return {name: stripped(inner) for name, inner in node.items() if name != "examples"}
    return [stripped(inner) for inner in node] if isinstance(node, list) else node


def main() -> int:
    """Exit status: 1 when a promise is broken."""
    documents = [yaml.safe_load(Path(path).read_text(encoding="utf-8")) for path in sys.argv[2:]]
    if sys.argv[1] == "strip":
        yaml.safe_dump(stripped(documents[0]), sys.stdout, sort_keys=False, allow_unicode=True, width=120)
        return 0
    old, new = documents
    kept = set(promises(new))
    broken = [promise for promise in promises(old) if promise not in kept]
    for promise in broken:
        print(f"No longer so: {promise}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
