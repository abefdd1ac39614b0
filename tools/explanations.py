"""Write docs/explanations.md and docs/problems.md from the catalogues; with ``--check`` fail when one differs."""

from __future__ import annotations

import sys
from pathlib import Path

from bridgework.explanations import CATALOGUE
from bridgework.http.problems.catalogue import PROBLEMS

ROOT = Path(__file__).resolve().parent.parent
EXPLANATIONS = """\
# Explanations

What a finding's `code` means. Codes are stable. A `blocking` finding predicts failure; what could not be inspected is
said (`analysis-limited`), never guessed. The same catalogue is served at `GET /v1/explanations`.
This page is made from it by `make explanations`.
"""


PROBLEM_HEAD = """\
# Problems

What the `code` of a problem document means, and what you can do. A failed request answers a problem document (RFC
9457) with the media type `application/problem+json`. Its `type` is `/problems/{code}`, a path that answers the entry
below as JSON. The whole catalogue is served at `GET /v1/problems`. Codes are stable: decide on `code`, show `title` and
`detail`. This page is made from the catalogue by `make explanations`.
"""


def problems() -> str:
    """Return the text of the page of problems."""
    parts = [PROBLEM_HEAD]
    for code, one in sorted(PROBLEMS.items()):
        parts.append(f"\n## {code}\n\n{one.status} · {one.title}\n\n- **When** {one.meaning}\n")
        parts.append(f"- **What to do** {one.remedy}\n")
    return "".join(parts)


def explanations() -> str:
    """Return the text of the page of explanations."""
    parts = [EXPLANATIONS]
    for code, one in sorted(CATALOGUE.items()):
        parts.append(
            f"\n## {code}\n\n*{one.severity}* · {one.meaning}\n\n- **Detected by** {one.detection}\n"
            f"- **Remedy** {one.remedy}\n- **Reads** {one.example}\n"
        )
    return "".join(parts)


def main() -> int:
    """Return the exit status: 1 when ``--check`` finds a difference."""
    pages = {"docs/explanations.md": explanations(), "docs/problems.md": problems()}
    status = 0
    for name, text in pages.items():
        path = ROOT / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif path.exists() and path.read_text(encoding="utf-8") == text:
            print(f"{name} agrees with the catalogue.")
        else:
            print(f"{name} differs from the catalogue: run `make explanations` and commit it.")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
