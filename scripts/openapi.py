"""Write ``openapi.yaml`` from the schemas, or with ``--check`` fail when the committed one differs."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from service.app import openapi_yaml


def main() -> int:
    """Exit status: 1 when ``--check`` finds a difference."""
    path = ROOT / "openapi.yaml"
    made = openapi_yaml()
    if "--check" not in sys.argv[1:]:
        path.write_text(made, encoding="utf-8")
        return 0
    committed = path.read_text(encoding="utf-8") if path.exists() else ""
    if committed == made:
        print("openapi.yaml agrees with the schemas.")
        return 0
    sys.stdout.writelines(
        difflib.unified_diff(committed.splitlines(True), made.splitlines(True), "committed", "made", n=1)
    )
    print("openapi.yaml differs from the schemas: run `make openapi` and commit it.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
