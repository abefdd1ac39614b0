"""Write ``docs/explanations.md`` from the catalogue, or with ``--check`` fail when the committed one differs."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from service.core.explanations import CATALOGUE

HEAD = """\
# Explanations

What a finding's `code` means. Codes are stable. A `blocking` finding predicts failure; what could not be inspected is
said (`analysis-limited`), never guessed. The same catalogue is served at `GET /v1/explanations`.
This page is made from it by `make explanations`.
"""


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for code, one in sorted(CATALOGUE.items()):
        parts.append(
            f"\n## {code}\n\n*{one.severity}* · {one.meaning}\n\n- **Detected by** {one.detection}\n"
            f"- **Remedy** {one.remedy}\n- **Reads** {one.example}\n"
        )
    return "".join(parts)


def main() -> int:
    """Exit status: 1 when ``--check`` finds a difference."""
    path = ROOT / "docs" / "explanations.md"
    made = page()
    if "--check" not in sys.argv[1:]:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == made:
        print("docs/explanations.md agrees with the catalogue.")
        return 0
    print("docs/explanations.md differs from the catalogue: run `make explanations` and commit it.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
