"""Write the OpenAPI document from the schemas, or with ``--check`` fail when a committed file differs.

The service serves ``openapi.yaml``, and the JSON forms from ``service/bridgework/published``. The typed part of
``bridgework_client`` is made from the same document.
"""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path

from bridgework.app import RESOURCES
from tools.openapi.build import build
from tools.openapi.downgrade import as_3_0
from tools.openapi.python_client import written as written_client
from tools.openapi.writer import to_yaml

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "client" / "bridgework_client"
PUBLISHED = ROOT / "service" / "bridgework" / "published"


def written() -> dict[Path, str]:
    """Return each file's text."""
    document = build(RESOURCES)
    text = to_yaml(document)
    return {
        ROOT / "openapi.yaml": text,
        PUBLISHED / "openapi.json": json.dumps(document, ensure_ascii=False) + "\n",
        PUBLISHED / "openapi-3.0.json": json.dumps(as_3_0(document), ensure_ascii=False) + "\n",
        **{CLIENT / name: text for name, text in written_client(document).items()},
    }


def main() -> int:
    """Return the exit status: 1 when ``--check`` finds a difference."""
    made = written()
    if "--check" not in sys.argv[1:]:
        PUBLISHED.mkdir(exist_ok=True)
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
        return 0
    kept = {path: path.read_text(encoding="utf-8") if path.exists() else "" for path in made}
    differing = [path for path, text in made.items() if kept[path] != text]
    if not differing:
        print("openapi.yaml agrees with the schemas.")
        return 0
    lines = (kept[differing[0]].splitlines(True), made[differing[0]].splitlines(True))
    sys.stdout.writelines(difflib.unified_diff(*lines, "committed", "made", n=1))
    names = ", ".join(str(path.relative_to(ROOT)) for path in differing)
    print(f"{names} differ from the schemas: run `make openapi` and commit what it writes.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
