"""What several rules ask of one situation is derived once."""

from bridgework.analysis.rules.base import once_for_each


def test_the_result_is_kept_for_the_newest_situation_alone():
    asked = []

    @once_for_each
    def derived(situation):
        asked.append(situation)
        return len(asked)

    # Two situations can be equal, and yet stand before different states of the engine.
    one, other = [], []
    assert [derived(situation) for situation in (one, one, other, other, one)] == [1, 1, 2, 2, 3]
    assert len(asked) == 3
