"""A text that a container can have in a label, and what a terminal or a page would do with it."""

HOSTILE = "evil\x1b[2J\x9b31m\u202egpj.exe\u2028\x7f\n- more: lines\r\U000e0041"
"""Clears the terminal by two kinds of sequences, reverses the line, begins lines, and hides a character."""


def acted_on(text):
    """The characters of a text that a terminal would act on, apart from its line breaks."""
    return sorted({character for character in text if not character.isprintable() and character != "\n"})
