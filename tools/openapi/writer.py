"""Writes the document as YAML that people read: short lists and small objects on one line, long texts as blocks."""

from __future__ import annotations

import re
from typing import Any

import yaml

WIDTH = 150
_LONGEST_INLINE = 135
_LONGEST_DESCRIBED = 128
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_SCALARS = (str, int, float, bool, type(None))


class _Writer(yaml.SafeDumper):
    """PyYAML's writer, which otherwise puts each scalar of a list on a line of its own."""

    def ignore_aliases(self, _: Any) -> bool:
        """Write equal parts out; YAML's anchors are not understood by every OpenAPI tool."""
        return True


def _list(writer: _Writer, value: list[Any]) -> yaml.Node:
    # A list of names, such as the codes of all problems, is wrapped: one a line would be hundreds of lines.
    names = all(isinstance(one, str) and _NAME.fullmatch(one) for one in value)
    return writer.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=names or _short(value))


def _mapping(writer: _Writer, value: dict[str, Any]) -> yaml.Node:
    # A text beside other things is read best on a line of its own, unless all of them are a few words.
    longest = _LONGEST_DESCRIBED if "description" in value else _LONGEST_INLINE
    return writer.represent_mapping("tag:yaml.org,2002:map", value, flow_style=_short(list(value.values()), longest))


def _text(writer: _Writer, value: str) -> yaml.Node:
    return writer.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


def _short(values: list[Any], longest: int = _LONGEST_INLINE) -> bool:
    return all(isinstance(one, _SCALARS) for one in values) and len(str(values)) <= longest


_Writer.add_representer(list, _list)
_Writer.add_representer(dict, _mapping)
_Writer.add_representer(str, _text)


def to_yaml(document: dict[str, Any]) -> str:
    """Return the document's text."""
    text: str = yaml.dump(document, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=WIDTH)
    return text
