"""Names that a container chose, as text that is safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with an escape for each character that a terminal would act on or not show, as ``ls -b`` does.

    A process may give itself any name of 15 bytes and an interface may have nearly any: line breaks, a terminal's
    commands, characters that reverse the order of writing. JSON escapes some of them, but whoever prints the parsed
    value does not. A backslash stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
