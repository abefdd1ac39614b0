"""The hooks of the documentation site (mkdocs.yml): pages from outside of docs/, the API's operations, and links.

Pages are written for readers of the repository. A link to another page of the site leads there, and a link to any other
file of the repository leads to the repository. A link to a file that does not exist stops the build.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "ARCHITECTURE.md": "architecture.md",
    "bench/RESULTS.md": "results.md",
}
"""Pages of the repository and the names that they have on the site."""
SHIM = "https://unpkg.com/iframe-worker/shim"
"""A browser runs no worker of a page that was opened from a folder. The theme's plugin ``offline`` gets this script
from another host, which the site must not need, so docs/vendored has it."""
API_HEAD = """\
# Operations of the API

This page lists every operation of the OpenAPI document, which also describes each field. A running service shows the
whole document at `/docs`.
"""
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""
    for source, name in ELSEWHERE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, "api.md", content=operations()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead each link from the place that the page has in the repository to the place that it has on the site."""
    del files
    name = page.file.src_uri
    source = next((path for path, made in ELSEWHERE.items() if made == name), f"docs/{name}")

    def lead(found: re.Match[str]) -> str:
        return found[1] + _target(source, found[2], str(config.extra["repository"])) + found[3]

    # Code keeps its brackets: only the text between the blocks has links.
    parts, end = [], 0
    for block in _CODE.finditer(markdown):
        parts += [_LINK.sub(lead, markdown[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, _LINK.sub(lead, markdown[end:])])


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Name the dialog of the search, which the theme leaves without a name, and load its script from the site."""
    del page, config
    dialog = '<div class="md-search" data-md-component="search" role="dialog"'
    if dialog not in output:
        raise PluginError("The theme has another search dialog now: look at on_post_page in tools/docs_site.py.")
    if SHIM not in output:
        raise PluginError("The theme loads the search of a folder otherwise now: look at SHIM in tools/docs_site.py.")
    return output.replace(dialog, f'{dialog} aria-label="Search"').replace(SHIM, "vendored/iframe-worker-1.0.4.js")


def on_post_template(output: str, template_name: str, config: Any) -> str:
    """Leave the script of the search out of 404.html, which only a web server shows."""
    del template_name, config
    return output.replace(f'<script src="{SHIM}"></script>', "")


def _target(source: str, link: str, repository: str) -> str:
    place, hash_sign, anchor = link.partition("#")
    if not place or "://" in link or link.startswith("mailto:"):
        return link
    path = os.path.normpath(Path(source).parent / place)
    if not (ROOT / path).exists():
        raise PluginError(f"{source} links to {path}, and there is no such file.")
    if path in ELSEWHERE or (path.startswith("docs/") and (ROOT / path).is_file()):
        page = ELSEWHERE.get(path, path.removeprefix("docs/"))
        own_folder = Path(ELSEWHERE.get(source, source.removeprefix("docs/"))).parent
        return os.path.relpath(page, own_folder) + hash_sign + anchor
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{repository.rstrip('/')}/{kind}/main/{path}{hash_sign}{anchor}"


def operations() -> str:
    """Write the page of the API's operations from openapi.yaml."""
    document: Any = yaml.load((ROOT / "openapi.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    parts = [API_HEAD]
    tags = {tag["name"]: tag.get("description", "") for tag in document["tags"]}
    for tag, description in tags.items():
        parts.append(f"\n## {tag}\n\n{description}\n")
        parts += [text for path, item in document["paths"].items() for text in _written(document, tag, path, item)]
    return "".join(parts)


def _written(document: Any, tag: str, path: str, item: Any) -> Iterator[str]:
    for method in ("get", "post", "put", "delete"):
        operation = item.get(method)
        if not operation or tag not in operation["tags"]:
            continue
        yield f"\n### {operation['summary']}\n\n`{method.upper()} {path}`\n\n{operation.get('description', '')}\n"
        given = [_resolved(document, one) for one in [*item.get("parameters", []), *operation.get("parameters", [])]]
        rows = [f"| `{one['name']}` | {one['in']} | {_cell(one['description'])} |\n" for one in given]
        if rows:
            yield "\n| parameter | in | meaning |\n|---|---|---|\n" + "".join(rows)
        codes = operation.get("x-problem-codes", {})
        if codes:
            listed = ", ".join(f"[{code}](problems.md#{code})" for group in codes.values() for code in group)
            yield f"\nProblems: {listed}.\n"


def _resolved(document: Any, value: Any) -> Any:
    while "$ref" in value:
        found = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        value = found
    return value


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
