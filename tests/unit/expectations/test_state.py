"""The state file: what is acknowledged stays, within its bounds, whatever happens to the file or to the process."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from bridgework.expectations import state as state_module
from bridgework.expectations.state import FILE, LOCK
from bridgework.expectations.tables import STEPS
from bridgework.model.errors import StateUnavailable
from bridgework.model.expectations import ExpectationSet
from tests.unit.expectations.conftest import MET, UNKNOWN, VIOLATED, expectation, judged, kept_set


def test_another_worker_sees_a_set_with_its_states(make_store, tmp_path):
    one, other = make_store(tmp_path), make_store(tmp_path)
    kept = kept_set("a", "b", every_s=60, notify=("oncall",), project="shop")
    version = other.version()
    one.put(kept)
    assert other.version() != version
    assert list(other.sets()) == [kept]
    one.record([judged(kept, MET)])
    assert other.states("shop")["a"].status is MET
    assert set(other.states("shop")) == {"a"}
    one.delete("shop")
    assert list(other.sets()) == []
    assert other.states("shop") == {}


def test_the_file_is_readable_by_its_owner_alone(make_store, tmp_path):
    store = make_store(tmp_path)
    store.put(kept_set())
    for file in tmp_path.glob(f"{FILE}*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_only_a_new_status_is_a_change(make_store, tmp_path):
    store, kept = make_store(tmp_path), kept_set()
    store.put(kept)
    assert store.record([judged(kept, MET, "2026-01-01T00:00:00.000000Z")]) == []
    assert store.record([judged(kept, MET, "2026-01-01T00:05:00.000000Z")]) == []
    assert store.states("shop")["web-db"].since == "2026-01-01T00:00:00.000000Z"
    assert store.states("shop")["web-db"].measured_at == "2026-01-01T00:05:00.000000Z"
    [change] = store.record([judged(kept, VIOLATED, "2026-01-01T00:06:00.000000Z")])
    assert (change.before, change.after, change.cause["code"]) == (MET, VIOLATED, "no-listener")
    assert list(store.changes(store.change_numbers("shop"))) == [change]
    assert list(store.changes_after(0)) == [change]
    assert store.last_number() == change.number
    assert store.counts() == {("shop", "no-listener"): 1}


def test_the_first_measurement_is_told_where_it_is_not_met(make_store, tmp_path):
    store, kept = make_store(tmp_path), kept_set("a", "b", "c")
    store.put(kept)
    changes = store.record([judged(kept, status, number=at) for at, status in enumerate((MET, VIOLATED, UNKNOWN))])
    assert [(change.expectation, change.before) for change in changes] == [("b", UNKNOWN)]


def test_an_expectation_that_is_as_before_keeps_its_state(make_store, tmp_path):
    store, kept = make_store(tmp_path), kept_set("a", "b")
    store.put(kept)
    store.record([judged(kept, MET, number=at) for at in (0, 1)])
    other = kept_set("a").expectations[0], expectation("b", port=80)
    store.put(ExpectationSet("shop", other))
    assert set(store.states("shop")) == {"a"}


def test_the_bounds_of_rows_and_days_are_reached(make_store, tmp_path, monkeypatch):
    store, kept = make_store(tmp_path, rows=5, days=2), kept_set(notify=("oncall",))
    store.put(kept)
    for turn in range(12):
        store.record([judged(kept, (MET, VIOLATED)[turn % 2])])
    assert len(store.change_numbers("shop")) == 5
    assert {one.change.number for one in store.deliveries(time.time())} == set(store.change_numbers("shop"))
    later = time.time() + 3 * 86_400
    monkeypatch.setattr(state_module.time, "time", lambda: later)
    store.record([judged(kept, MET)])
    assert len(store.change_numbers("shop")) == 1


def test_a_delivery_stays_until_it_is_taken(make_store, tmp_path):
    store, kept = make_store(tmp_path), kept_set(notify=("oncall", "chat"))
    store.put(kept)
    store.record([judged(kept, VIOLATED)])
    now = time.time()
    first, second = store.deliveries(now)
    assert {first.webhook, second.webhook} == {"oncall", "chat"}
    store.delivered(first, None)
    store.delivered(second, now + 60)
    assert store.deliveries(now) == []
    [left] = make_store(tmp_path).deliveries(now + 61)
    assert (left.webhook, left.attempts) == (second.webhook, 1)


WRITER = """
    import sys
    from pathlib import Path
    from tests.unit.expectations.conftest import CODEC, judged, kept_set, MET, VIOLATED
    from bridgework.expectations.files import SetFiles
    from bridgework.expectations.state import Bounds, StateFile
    store = StateFile(Path(sys.argv[1]), CODEC, SetFiles(None, None), Bounds(1_000_000))
    kept = kept_set()
    store.put(kept)
    for turn in range(1_000_000):
        for change in store.record([judged(kept, (VIOLATED, MET)[turn % 2])]):
            print(change.number, flush=True)
"""


def test_no_change_that_was_acknowledged_is_lost_by_a_kill(make_store, tmp_path):
    acknowledged = []
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        with writer:
            acknowledged += [int(writer.stdout.readline()) for _ in range(20)]
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
    numbers = set(make_store(tmp_path).change_numbers("shop"))
    assert set(acknowledged) <= numbers
    assert len(set(acknowledged)) == len(acknowledged)


def test_a_damaged_file_is_said_and_left_as_it_is(make_store, tmp_path):
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "shop.yaml").write_text("[{source: web, destination: 'db:5432'}]")
    content = b"This is no database." * 500
    (tmp_path / FILE).write_bytes(content)
    store = make_store(tmp_path, files=tmp_path / "sets")
    assert store.kept().kind == "memory"
    assert FILE in store.kept().problem
    [kept] = store.sets()
    store.record([judged(kept, VIOLATED)])
    assert len(store.change_numbers("shop")) == 1
    assert (tmp_path / FILE).read_bytes() == content


def test_a_replaced_file_is_used_again(make_store, tmp_path, monkeypatch):
    monkeypatch.setattr(state_module, "TRY_AGAIN_S", 0.0)
    (tmp_path / FILE).write_bytes(b"This is no database." * 500)
    store = make_store(tmp_path)
    assert store.kept().kind == "memory"
    (tmp_path / FILE).unlink()
    assert (store.kept().kind, store.kept().problem) == ("file", None)


def test_a_full_disk_refuses_what_is_written_and_nothing_else(make_store, tmp_path, monkeypatch):
    opened, connect = [], sqlite3.connect

    def keeping(*args, **kwargs):
        opened.append(connect(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(state_module.sqlite3, "connect", keeping)
    store, kept = make_store(tmp_path), kept_set()
    store.put(kept)
    db = opened[0]
    [pages] = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    large = kept_set(*(f"expectation {number}" for number in range(500)))
    with pytest.raises(StateUnavailable, match="full"):
        store.put(large)
    assert store.kept().kind == "file"
    assert "full" in store.kept().problem
    assert list(store.sets()) == [kept]
    db.execute("PRAGMA max_page_count = 100000")
    store.put(large)
    assert store.kept().problem is None


def test_a_file_of_a_newer_version_is_not_touched(make_store, tmp_path):
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    db.close()
    store = make_store(tmp_path)
    assert store.kept().kind == "memory"
    assert "newer version" in store.kept().problem


def test_one_worker_watches(make_store, tmp_path):
    one, other = make_store(tmp_path), make_store(tmp_path)
    assert one.lead()
    assert one.lead()
    assert not other.lead()
    for handle in Path("/proc/self/fd").iterdir():
        if handle.is_symlink() and str(handle.readlink()) == str(tmp_path / LOCK):
            os.close(int(handle.name))  # as the kernel does at the end of a process
    assert other.lead()


def test_without_a_folder_the_workers_share_the_spare_one(make_store, tmp_path):
    files = tmp_path / "sets"
    files.mkdir()
    (files / "shop.json").write_text('[{"source": "web", "destination": "db"}]')
    one, other = (make_store(None, files=files, spare=tmp_path) for _ in range(2))
    assert one.kept().kind == "memory"
    [kept] = one.sets()
    one.record([judged(kept, VIOLATED)])
    assert other.states("shop").keys() == {kept.expectations[0].name}
    assert one.lead()
    assert not other.lead()
