"""Print the methods that generators made for each operation, the four languages side by side."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def operations() -> Iterator[tuple[str, str]]:
    """Each operation's tag and id."""
    document = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    for item in document["paths"].values():
        for operation in (part for name, part in item.items() if name != "parameters"):
            yield operation["tags"][0], operation["operationId"]


def found(folder: Path, pattern: str, names: str) -> str:
    """The name that stands in the generated files, or a dash."""
    for file in sorted(folder.glob(pattern)):
        match = re.search(rf"\b({names})\(", file.read_text())
        if match:
            return match[1]
    return "-"


def main() -> int:
    """Exit status: 1 when a language lacks a method."""
    out = Path(sys.argv[1])
    rows = []
    for tag, name in sorted(operations()):
        pascal = name[0].upper() + name[1:]
        snake = re.sub(r"(?=[A-Z])", "_", name).lower()
        title = tag.capitalize()
        rows.append(
            (
                f"client.{title}API.{found(out / 'go', 'api_*.go', pascal)}",
                f"new {title}Api().{found(out / 'java', f'src/main/java/bridgework/api/{title}Api.java', name)}",
                f"{title}Api(client).{found(out / 'python', f'bridgework_api/api/{tag}_api.py', snake)}",
                f"new {title}Api().{found(out / 'typescript', f'apis/{title}Api.ts', name)}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in [("Go", "Java", "Python", "TypeScript"), *rows]:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    return 1 if any(text.endswith("-") for row in rows for text in row) else 0


if __name__ == "__main__":
    sys.exit(main())
