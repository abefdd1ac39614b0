"""A reader's place in the engine's log, without an engine."""

from bridgework.model.engine_port import EngineEvent
from bridgework.model.event_log import LOG_LIMIT, OVERLAP_NS, GapReason, Known, LogPosition, change_of
from bridgework.model.snapshot import Reference

START = 10 * OVERLAP_NS


def entry(moment, name="x"):
    return EngineEvent(str(START + moment), START + moment, "container", "start", name, name, {})


def taken(position, log):
    """What the engine would answer from ``since_ns`` on, taken."""
    reading = position.take([event for event in log if event.time_ns >= position.since_ns])
    return [event.time_ns - START for event in reading.news], reading.gap


def test_only_what_is_new_is_taken_and_only_once():
    log = [entry(1), entry(2)]
    position = LogPosition(log)
    assert taken(position, log) == ([], None)
    log.append(entry(3))
    assert taken(position, log) == ([3], None)
    assert taken(position, log) == ([], None)


def test_an_entry_that_came_late_with_an_earlier_time_is_not_lost():
    position = LogPosition([entry(5)])
    assert taken(position, [entry(5), entry(4)]) == ([4], None)
    assert taken(position, [entry(5), entry(4), entry(4, "twin")]) == ([4], None)
    assert position.since_ns < START


def test_resuming_goes_on_after_the_entry_in_the_logs_own_order():
    log = [entry(1), entry(3), entry(2), entry(4)]
    assert taken(LogPosition(log, START + 3), log) == ([2, 4], None)
    assert taken(LogPosition(log, START + 4), log) == ([], None)


def test_a_full_log_without_the_anchor_was_overrun():
    position = LogPosition([entry(1)])
    log = [entry(2 + number) for number in range(LOG_LIMIT)]
    news, gap = taken(position, log)
    assert gap is GapReason.LOG_OVERRUN
    assert len(news) == LOG_LIMIT
    assert taken(position, log) == ([], None), "said once"
    assert taken(LogPosition(log, START + 1), log)[1] is GapReason.LOG_OVERRUN


def test_a_short_log_without_the_anchor_is_a_new_engine():
    for log in ([], [entry(7)]):
        position = LogPosition([entry(1)])
        assert taken(position, log)[1] is GapReason.ENGINE_RESTARTED
        assert taken(position, log) == ([], None)


def test_an_empty_log_proves_nothing_over_an_interruption():
    position = LogPosition([])
    assert position.id is None
    assert taken(position, []) == ([], None)
    position.interrupted()
    assert taken(position, [entry(1)]) == ([1], GapReason.ENGINE_RESTARTED)
    assert position.id == str(START + 1)


def test_an_interruption_that_the_log_bridges_is_no_gap():
    position = LogPosition([entry(1)])
    position.interrupted()
    assert taken(position, [entry(1), entry(2)]) == ([2], None)


def test_an_entry_of_the_log_is_told_as_a_change():
    known = {"c1": Known("web", "alpha"), "n1": Known("lan", None)}
    joined = EngineEvent("7", 1_700_000_000_000_000_042, "network", "connect", "n1", "lan", {"container": "c1"})
    change = change_of(joined, known)
    assert (change.network, change.container) == (Reference("n1", "lan"), Reference("c1", "web"))
    assert (change.time, change.name, change.project) == ("2023-11-14T22:13:20.000000042Z", "lan", None)
    died = EngineEvent("8", 0, "container", "die", "c1", "", {"exitCode": "137"})
    change = change_of(died, known)
    assert (change.name, change.project, change.exit_code, change.network) == ("web", "alpha", 137, None)
    unknown = EngineEvent("9", 0, "container", "exec_create: sh", "c9", "", {"exitCode": "?"})
    change = change_of(unknown, known)
    assert (change.action, change.container) == ("exec_create", Reference("c9", ""))
    assert (change.project, change.exit_code) == (None, None)
