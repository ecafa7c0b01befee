"""SQLiteQueue: what it keeps in its file, and who may share it."""

from __future__ import annotations

import errno
import inspect
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from simlib.queues import (
    CorruptQueueError,
    Empty,
    Full,
    LeaseLostError,
    QueueClosedError,
    QueueError,
    SQLiteQueue,
    recover,
)
from simlib.queues.sqlite import database
from simlib.queues.sqlite.wal import read_wal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "q.db"


def test_messages_are_there_when_the_queue_is_opened_again(path: Path, clock: Any) -> None:
    with SQLiteQueue(path, clock=clock) as q:
        q.put(b"1")
        q.put(b"2", headers={"k": "\u00e9"}, priority=2)
        q.put(b"3", delay=5.0)
        q.ack(q.get())
        q.put(b"4")
        q.get()
    with SQLiteQueue(path, clock=clock) as q:
        assert (q.qsize(), q.delayed, q.unacked) == (2, 1, 0)
        assert q.ids() == {1, 3, 4}
        clock.advance(5.0)
        assert [(m.id, m.body, m.attempts) for m in q.get_many(9)] == [
            (1, b"1", 2),
            (3, b"3", 1),
            (4, b"4", 1),
        ]


def test_ids_go_on_when_the_newest_messages_are_gone(path: Path) -> None:
    with SQLiteQueue(path) as q:
        q.put_many([b"", b"", b""])
        q.put(b"", priority=1)
        q.ack_many(q.get_many(4))
    with SQLiteQueue(path) as q:
        assert q.put(b"") == 5


def test_nothing_but_the_database_is_left_after_a_close(path: Path) -> None:
    with SQLiteQueue(path), SQLiteQueue(path):
        assert len(list(path.parent.iterdir())) == 5
    assert list(path.parent.iterdir()) == [path]


def test_an_open_queue_keeps_what_it_holds_from_another(path: Path) -> None:
    with SQLiteQueue(path) as one, SQLiteQueue(path) as other:
        one.put_many([b"1", b"2"])
        first = one.get()
        assert other.get().body == b"2"
        with pytest.raises(Empty):
            other.get(block=False)
        assert (one.unacked, other.unacked) == (2, 2)
        other.ack(first)  # Whoever shows the delivery may settle it.
        with pytest.raises(LeaseLostError):
            one.ack(first)


def test_closing_gives_back_what_the_handle_held_and_no_more(path: Path) -> None:
    with SQLiteQueue(path) as one:
        one.put_many([b"1", b"2"])
        one.get()
        with SQLiteQueue(path) as other:
            other.get()
        assert (one.qsize(), one.unacked) == (1, 1)
        again = one.get()
        assert (again.body, again.attempts) == (b"2", 2)


def test_two_handles_agree_about_the_bound(path: Path) -> None:
    with SQLiteQueue(path, 2) as one, SQLiteQueue(path, 2) as other:
        one.put(b"1")
        other.put(b"2")
        assert one.full()
        assert other.full()


def test_the_bound_may_change_at_any_time(path: Path, background: Any) -> None:
    with SQLiteQueue(path) as q:
        q.put(b"1")
        q.maxsize = 1
        assert q.full()
        with pytest.raises(Full):
            q.put(b"2", block=False)
        putter = background(q.put, b"2")
        q.maxsize = 2
        assert putter.outcome() == 2
        q.maxsize = 0
        assert q.put(b"3") == 3


def test_a_closed_queue_answers_nothing(path: Path) -> None:
    q = SQLiteQueue(path)
    q.close()
    for call in (q.qsize, q.empty, q.full, q.__len__, q.flush, q.ids, q.due_in):
        with pytest.raises(QueueClosedError):
            call()


def test_headers_that_the_stack_is_too_deep_for_leave_the_message_where_it_is(path: Path) -> None:
    with SQLiteQueue(path) as q:
        headers: Any = {}
        for _ in range(90):
            headers = {"k": headers}
        q.put(b"1", headers=headers)

        def deeply(levels: int) -> Any:
            return deeply(levels - 1) if levels else q.get()

        with pytest.raises(RecursionError):
            deeply(sys.getrecursionlimit() - len(inspect.stack(0)) - 60)
        assert (q.qsize(), q.unacked) == (1, 0)
        assert q.get().attempts == 1


def test_a_waiting_put_sees_that_another_handle_made_room(path: Path, background: Any) -> None:
    with SQLiteQueue(path, 1) as one, SQLiteQueue(path, 1) as other:
        one.put(b"1")
        putter = background(one.put, b"2")
        other.get()
        assert putter.outcome() == 2


def test_a_waiting_get_sees_what_another_handle_puts(path: Path, background: Any) -> None:
    with SQLiteQueue(path) as one, SQLiteQueue(path) as other:
        getter = background(one.get)
        other.put(b"1")
        assert getter.outcome().body == b"1"


def test_the_file_gets_small_again(path: Path) -> None:
    with SQLiteQueue(path, sync="never") as q:
        q.put_many([bytes(1000)] * 5000)
        q._handle.durability.checkpoint()
        full = path.stat().st_size
        assert full > 5_000_000
        while messages := q.get_many(100):
            q.ack_many(messages)
        q.put_many([bytes(1000)] * 100)
    assert path.stat().st_size < 2 * 100 * 1000


def test_the_log_does_not_grow_without_bound(path: Path) -> None:
    with SQLiteQueue(path, sync="never") as q:
        for _ in range(3000):
            q.put(bytes(3000))
            q.ack(q.get())
        assert path.with_name("q.db-wal").stat().st_size < 20_000_000


def wait_until_synced(queue: SQLiteQueue) -> None:
    end = time.monotonic() + 60.0
    while queue._handle.durability.puts_to_sync:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_batches_are_synced_in_time(path: Path) -> None:
    with SQLiteQueue(path, sync="batch", batch_size=3, batch_time=None) as q:
        account = q._handle.durability
        q.put(b"1")
        q.put(b"2")
        assert account.puts_to_sync == 2
        q.put(b"3")
        assert account.puts_to_sync == 0
        q.put(b"4")
        q.flush()
        assert account.puts_to_sync == 0
    with SQLiteQueue(path, sync="batch", batch_time=0.001) as q:
        q.put(b"5")
        wait_until_synced(q)


def test_a_batch_that_a_full_disk_did_not_take_is_synced_when_there_is_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SQLiteQueue(path, sync="batch", batch_time=0.001) as q:
        flush = q._handle.flush
        failures = iter([OSError(errno.ENOSPC, "no space left")] * 2)

        def fail_twice() -> None:
            for failure in failures:
                raise failure
            flush()

        monkeypatch.setattr(q._handle, "flush", fail_twice)
        q.put(b"1")
        wait_until_synced(q)
        assert next(failures, None) is None


@pytest.mark.parametrize("sync", ["batch", "never"])
def test_flush_commits_once_more_in_order_to_sync(path: Path, sync: Any) -> None:
    with SQLiteQueue(path, sync=sync, batch_time=None) as q:
        q.put(b"1")
        for _ in range(2):
            q.ack(q.get())
            q.put(b"2")
            before = read_wal(path.with_name("q.db-wal"))
            q.flush()
            after = read_wal(path.with_name("q.db-wal"))
            assert before is not None
            assert after is not None
            assert len(after.commits) == len(before.commits) + 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("sync", "sometimes"),
        ("sync", None),
        ("batch_size", 0),
        ("batch_size", True),
        ("batch_time", 0),
        ("batch_time", float("inf")),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(path: Path, option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{option} must .*{value!r}"):
        SQLiteQueue(path, **{option: value})
    assert not path.exists()


def test_a_priority_that_does_not_fit_is_refused(path: Path) -> None:
    with SQLiteQueue(path) as q:
        for priority in (2**63 - 2, -(2**63) + 2):
            q.put(b"", priority=priority)
            with pytest.raises(ValueError, match=r"priority must be within"):
                q.put(b"", priority=priority + (1 if priority > 0 else -1))
        assert [m.priority for m in q.get_many(9)] == [2**63 - 2, -(2**63) + 2]


def interrupted(call: Callable[[], Any], place: int) -> bool:
    """Call it, with Ctrl-C when the so-manieth call of SQLite returns; False if there are fewer."""
    left = place

    def profile(frame: Any, event: str, function: Any) -> None:
        nonlocal left
        if event == "c_return" and isinstance(
            getattr(function, "__self__", None), sqlite3.Cursor | sqlite3.Connection
        ):
            left -= 1
            if not left:
                raise KeyboardInterrupt

    try:
        sys.setprofile(profile)
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.mark.parametrize("sync", ["always", "batch", "never"])
def test_an_interrupt_leaves_no_transaction_open(
    tmp_path: Path, sync: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.0)
    calls: dict[str, Callable[[SQLiteQueue, Any], Any]] = {
        "put": lambda q, held: q.put(b"new"),
        "put with a bound": lambda q, held: q.put(b"new", headers={"k": 1}),
        "put_many": lambda q, held: q.put_many([b"new", b"new"]),
        "get": lambda q, held: q.get(),
        "get_many": lambda q, held: q.get_many(2),
        "ack": lambda q, held: q.ack(held[0]),
        "ack_many": lambda q, held: q.ack_many(held),
        "nack": lambda q, held: q.nack(held[0]),
        "flush": lambda q, held: q.flush(),
    }
    for name, call in calls.items():
        place = 1
        path = tmp_path / f"{name}.db"
        with (
            SQLiteQueue(path, sync=sync, batch_time=None) as q,
            SQLiteQueue(path, sync=sync, batch_time=None) as other,
        ):
            while True:
                q.put_many([b"1", b"2", b"3"])
                held = q.get_many(2)
                done = not interrupted(lambda: call(q, held), place)  # noqa: B023
                other.put(b"4")
                assert q.put(b"5") == max(q.ids())
                q.get()
                ids = q.ids()
                assert ids == other.ids()
                if done:
                    break
                place += 1
        assert place > 1 or name == "flush"
        with SQLiteQueue(path) as q:
            assert {message.id for message in q.get_many(1000)} == ids


def test_a_queue_is_the_same_by_whatever_link_it_is_opened(path: Path) -> None:
    (path.parent / "elsewhere").mkdir()
    link = path.parent / "elsewhere" / "link.db"
    link.symlink_to(path)
    with SQLiteQueue(link) as one, SQLiteQueue(path) as other:
        one.put_many([b"1", b"2"])
        assert one.get().body == b"1"
        assert other.get().body == b"2"
        assert one.path == other.path == path
    assert list(link.parent.iterdir()) == [link]
    assert recover(link, path.parent / "new.db").messages == 2


def test_a_file_with_two_names_is_refused(path: Path) -> None:
    with SQLiteQueue(path) as q:
        q.put(b"1")
        path.with_name("other.db").hardlink_to(path)
        with pytest.raises(QueueError, match="2 names"):
            SQLiteQueue(path.with_name("other.db"))
        assert q.get().body == b"1"


def test_what_only_looks_like_an_owners_file_is_left_alone(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_bytes(b"precious " * 1000)
    path.with_name("q.db-owner-2").symlink_to(victim)
    path.with_name("q.db-owner-7").hardlink_to(victim)
    path.with_name("q.db-owner-99999999999999999999").write_bytes(b"")
    path.with_name("q.db-owner-\u0663").write_bytes(b"")
    path.with_name("q.db-owner-4").mkdir()
    os.mkfifo(path.with_name("q.db-owner-5"))
    names = set(path.parent.iterdir())
    for _ in range(2):
        with SQLiteQueue(path) as q, SQLiteQueue(path) as other:
            q.put(b"1")
            other.ack(other.get())
            with pytest.raises(Empty):  # It looks for what dead owners held.
                other.get(block=False)
    assert victim.read_bytes() == b"precious " * 1000
    assert set(path.parent.iterdir()) == names | {path}


def test_a_lock_that_is_a_link_is_not_followed(path: Path) -> None:
    path.with_name("q.db-lock").symlink_to(path.with_name("victim"))
    with pytest.raises(OSError, match="symbolic link"):
        SQLiteQueue(path)
    assert not path.with_name("victim").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_a_queue_is_private_and_what_lies_beside_it_no_less(path: Path) -> None:
    with SQLiteQueue(path), SQLiteQueue(path):
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    path.chmod(0o660)
    with SQLiteQueue(path), SQLiteQueue(path):
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o660}


def test_a_message_that_is_too_large_is_refused_before_anything_is_written(path: Path) -> None:
    huge = bytes(1_000_000_001)
    with SQLiteQueue(path) as q:
        for call in (
            lambda: q.put(huge),
            lambda: q.put(huge, priority=1),
            lambda: q.put_many([b"", huge]),
        ):
            with pytest.raises(ValueError, match="1000000001 bytes"):
                call()
        assert q.put(b"1") == 1


def alter(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_database_of_somebody_else_is_refused_and_not_touched(path: Path) -> None:
    alter(path, "CREATE TABLE customer (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(QueueError, match="is an SQLite database, but no queue"):
        SQLiteQueue(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_no_database_is_refused_and_not_touched(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 500)
    with pytest.raises(CorruptQueueError, match="not a database"):
        SQLiteQueue(path)
    assert path.read_bytes() == b"Dear diary, " * 500


def test_a_header_that_forbids_to_write_is_damage(path: Path) -> None:
    SQLiteQueue(path).close()
    content = bytearray(path.read_bytes())
    content[18] ^= 1 << 5  # The version that a writer must know.
    path.write_bytes(content)
    with pytest.raises(CorruptQueueError, match="readonly"):
        SQLiteQueue(path)


def test_an_unknown_version_is_refused(path: Path) -> None:
    SQLiteQueue(path).close()
    alter(path, "PRAGMA user_version = 2")
    with pytest.raises(QueueError, match="version 2, and this program knows version 1 only"):
        SQLiteQueue(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_does_not_use_the_handle_of_its_parent(
    path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    with SQLiteQueue(path) as q:
        q.put(b"1")
        child = os.fork()
        if not child:
            refused = _refuses(q.get_nowait)
            with SQLiteQueue(path) as own:
                os._exit(0 if refused and own.get().body == b"1" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert q.get(timeout=20.0).attempts == 2


def _refuses(call: Callable[[], Any]) -> bool:
    try:
        call()
    except QueueError:
        return True
    return False


def test_handles_that_put_in_turns_give_every_id_once(tmp_path: Path) -> None:
    with SQLiteQueue(tmp_path / "q.db") as one, SQLiteQueue(tmp_path / "q.db") as two:
        ids = [queue.put(b"") for queue in (one, one, one, two, one, two, two, two, one, one, two)]
        assert ids == list(range(1, 12))
        assert [message.id for message in one.get_many(20)] == ids


def test_an_id_that_somebody_else_gave_is_not_given_again_once_its_message_is_done(
    tmp_path: Path,
) -> None:
    with SQLiteQueue(tmp_path / "q.db") as one, SQLiteQueue(tmp_path / "q.db") as two:
        one.put_many([b"1", b"2"])
        assert [one.put(b"3"), one.put(b"4"), one.put(b"5")] == [3, 4, 5]
        two.ack_many(two.get_many(5))
        assert two.put(b"6") == 6
        two.ack(two.get())
        assert one.put(b"7") == 7
        assert one.ids() == {7}
        assert two.get().body == b"7"
