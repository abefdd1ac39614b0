"""Read the converters of the generated C# client, and say where one would refuse what the document allows.

Debian has no C# compiler. A generated converter is regular text: it has a `case` for each property that it reads, and a
`throw` for each property that it requires or does not take as null. Those are compared with the document.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def is_nullable(schema: dict[str, Any]) -> bool:
    """Whether null is a value of it."""
    kinds = schema.get("type", [])
    return "null" in ([kinds] if isinstance(kinds, str) else kinds) or any(map(is_nullable, schema.get("anyOf", ())))


def faults(name: str, schema: dict[str, Any], code: str) -> Iterator[str]:
    """What the converter of one schema does differently."""
    properties = schema.get("properties", {})
    told = {
        "reads": set(re.findall(r'^ +case "(\w+)":', code, re.MULTILINE)),
        "requires": set(re.findall(rf"Property is required for class {name}: (\w+)\.", code)),
        "takes no null for": set(re.findall(rf"Property is not nullable for class {name}: (\w+)\.", code)),
    }
    wanted = {
        "reads": set(properties),
        "requires": set(schema.get("required", ())),
        "takes no null for": {one for one, inner in properties.items() if not is_nullable(inner)},
    }
    for does, found in told.items():
        if found != wanted[does]:
            yield f"{name} {does} {sorted(found)}, and the document says {sorted(wanted[does])}"
    if not re.search(r"default:\s+break;", code):
        yield f"{name} does not pass over a property that it does not know"


def objects() -> dict[str, dict[str, Any]]:
    """The schemas of the document that become classes with a converter, by name."""
    schemas = yaml.safe_load((ROOT / "openapi.yaml").read_text())["components"]["schemas"]
    return {name: schema for name, schema in schemas.items() if "properties" in schema}


def main() -> int:
    """Exit status: 1 when a converter is missing or differs. The argument is the folder of the generated client."""
    models = Path(sys.argv[1]) / "src" / "Bridgework" / "Model"
    read = objects()
    found = [
        fault for name, schema in read.items() for fault in faults(name, schema, (models / f"{name}.cs").read_text())
    ]
    print(*found, f"csharp: {len(read)} converters read, {len(found)} faults", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
