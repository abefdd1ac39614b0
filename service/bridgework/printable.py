"""Makes names that a container chose safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return the text with an escape for each character that a terminal would act on or not show, as ``ls -b`` does."""
    # A process or an interface can have line breaks in its name, terminal commands, or characters that reverse the
    # direction of writing. JSON escapes some of them, but a program that prints the parsed value does not.
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
