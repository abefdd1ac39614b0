"""A release dates the changelog, and keeps a place for what comes."""

import datetime as dt

import pytest

from tools.release import Refused, dated

DAY = dt.date(2027, 1, 31)
FIRST = """# Changelog

## [Unreleased]

The first version will be 0.1.0.

### Added

- Networks.

[Unreleased]: https://github.com/example/bridgework/commits/main
"""
AFTER_THE_FIRST = """# Changelog

## [Unreleased]

## [0.1.0] - 2027-01-31

### Added

- Networks.

[Unreleased]: https://github.com/example/bridgework/compare/v0.1.0...main
[0.1.0]: https://github.com/example/bridgework/releases/tag/v0.1.0
"""


def test_the_first_release():
    assert dated(FIRST, "0.1.0", DAY) == AFTER_THE_FIRST


def test_the_next_one_is_above_it():
    page = AFTER_THE_FIRST.replace("## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- Names.\n")
    made = dated(page, "0.1.1", dt.date(2027, 2, 1))
    assert "## [Unreleased]\n\n## [0.1.1] - 2027-02-01\n\n### Fixed\n\n- Names.\n\n## [0.1.0] - 2027-01-31" in made
    assert made.endswith(
        "[Unreleased]: https://github.com/example/bridgework/compare/v0.1.1...main\n"
        "[0.1.1]: https://github.com/example/bridgework/compare/v0.1.0...v0.1.1\n"
        "[0.1.0]: https://github.com/example/bridgework/releases/tag/v0.1.0\n"
    )


@pytest.mark.parametrize(
    ("page", "version", "reason"),
    [
        (FIRST, "0.1", "no version"),
        (AFTER_THE_FIRST, "0.1.0", "has a section"),
        (AFTER_THE_FIRST, "0.1.1", "Nothing is listed"),
        (FIRST.replace("[Unreleased]: ", "[Next]: "), "0.1.0", "no link"),
    ],
)
def test_what_cannot_be_released(page, version, reason):
    with pytest.raises(Refused, match=reason):
        dated(page, version, DAY)
