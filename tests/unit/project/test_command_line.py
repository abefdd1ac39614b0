"""The pages about the command line say what its commands say."""

from pathlib import Path

import pytest

from tools.command_line import manual, page

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("name", "made"), [("docs/command-line.md", page), ("client/bridgework.1", manual)])
def test_a_page_is_made_from_the_commands(name, made):
    assert (ROOT / name).read_text() == made(), "run make explanations"
