"""What an SQLite queue makes of files that are damaged, torn or cut short."""

from __future__ import annotations

import random
import shutil
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from size import size

from simlib.queues import (
    CorruptQueueError,
    Empty,
    QueueError,
    RecoveryWarning,
    SQLiteQueue,
    recover,
)
from simlib.queues.sqlite import durability, wal
from simlib.queues.sqlite.wal import read_wal

Files = dict[str, bytes]


def far_away() -> float:
    """A clock for which every delay and every lease is over."""
    return 1e12


@dataclass
class Found:
    """What came out of a queue."""

    bodies: dict[int, bytes] = field(default_factory=dict)
    reported: int = 0
    """Messages that were reported as damaged."""
    warned: int | None = None
    """Messages that a warning said were missing; None: no warning."""
    refused: QueueError | None = None


def files_of(folder: Path) -> Files:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def lay_out(folder: Path, files: Files) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "q.db"


def read_all(path: Path) -> Found:
    found = Found()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecoveryWarning)
        try:
            queue = SQLiteQueue(path, sync="never", clock=far_away)
        except QueueError as error:
            found.refused = error
            return found
    found.warned = max(
        (w.message.messages for w in caught if isinstance(w.message, RecoveryWarning)), default=None
    )
    with queue:
        while True:
            try:
                message = queue.get(block=False)
            except CorruptQueueError:
                found.reported += 1
            except Empty:
                return found
            else:
                assert message.id not in found.bodies
                found.bodies[message.id] = message.body


def body(number: int) -> bytes:
    return b"body %d " % number * 12


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a queue costs no more than it has to where that is done a hundred thousand times:
    nothing is reserved for a full disk, and a page's checksum is not computed twice."""
    monkeypatch.setattr(durability, "_RESERVE", 1)
    monkeypatch.setattr(wal, "_checksum", lru_cache(4096)(wal._checksum))


@pytest.fixture(params=["closed", "killed"])
def small(
    request: pytest.FixtureRequest, quickly: None, memory_path: Path
) -> tuple[Files, dict[int, bytes]]:
    """A small queue's files, and the messages that are in it."""
    folder = memory_path / "original"
    folder.mkdir()
    queue = SQLiteQueue(folder / "q.db", clock=lambda: 0.0)
    queue.put_many([body(number) for number in range(1, 9)])
    queue.ack_many(queue.get_many(2))
    if request.param == "killed":
        queue._handle.durability.checkpoint()
    queue.put(body(9), priority=3, headers={"k": [1]})
    queue.put(body(10), delay=5.0)
    queue.put(body(11))
    held = queue.get()
    assert held.id == 9
    queue.nack(held)
    queue.put(b"x" * 5000)
    queue.ack(queue.get())
    queue.get()
    queue.put(body(13))
    getattr(queue, "close" if request.param == "closed" else "_kill")()
    files = files_of(folder)
    expected = {number: body(number) for number in (3, 4, 5, 6, 7, 8, 10, 11, 13)}
    expected[12] = b"x" * 5000
    return {name: content for name, content in files.items() if "shm" not in name}, expected


def test_the_small_queue_is_as_expected(small: Any, memory_path: Path) -> None:
    files, expected = small
    assert read_all(lay_out(memory_path / "copy", files)) == Found(expected)


def check(found: Found, expected: dict[int, bytes]) -> None:
    """Refused, or all that is missing was reported, and nothing is wrong."""
    if found.refused is not None:
        return
    for number, content in found.bodies.items():
        # Of a log that lost its end, with a warning, acknowledged messages are back.
        known = expected.get(number) or (body(number) if found.warned is not None else None)
        assert content == known
    missing = len(expected.keys() - found.bodies.keys())
    assert missing <= found.reported + (found.warned or 0)


PARTS = size(1, 10)  # For several processes to share.


@pytest.mark.parametrize("part", range(PARTS))
def test_no_flipped_bit_goes_unnoticed(
    small: Any, memory_path: Path, tally: Any, part: int
) -> None:
    files, expected = small
    places = [(name, at) for name in files if "owner" not in name for at in range(len(files[name]))]
    seed = random.Random(7 + part)
    places = seed.sample(places, 150) if PARTS == 1 else places[part::PARTS]
    refused = recovered = 0
    for name, at in places:
        tally.count("bit flipped in a byte", "SQLiteQueue")
        damaged = bytearray(files[name])
        damaged[at] ^= 1 << seed.randrange(8)
        path = lay_out(memory_path / "copy", {**files, name: bytes(damaged)})
        found = read_all(path)
        try:
            check(found, expected)
        except AssertionError as error:
            raise AssertionError(f"{name}, byte {at}, {damaged[at]:#x}: {found}") from error
        if isinstance(found.refused, CorruptQueueError):
            refused += 1
            assert found.refused.file.parent == path.parent
            again = read_all(path)
            assert again.refused is not None  # It stays so, and nothing is lost by trying.
            salvage = recover(path, memory_path / "copy" / "new.db")
            saved = read_all(salvage.path)
            assert not saved.reported
            for number, content in saved.bodies.items():
                assert content == expected.get(number, body(number))
            missing = len(expected.keys() - saved.bodies.keys())
            assert missing == 0 or salvage.lost, f"{name}, byte {at}: {salvage}"
            recovered += salvage.messages
    assert refused > 0
    assert recovered > refused * (len(expected) - 2)


def test_a_damaged_body_is_reported_and_the_others_are_delivered(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    with SQLiteQueue(path) as queue:
        queue.put_many([body(number) for number in range(1, 6)])
    content = path.read_bytes()
    assert content.count(body(3)) == 1
    path.write_bytes(content.replace(body(3), body(3).replace(b"body 3", b"body 8", 1)))
    with SQLiteQueue(path) as queue:
        assert queue.qsize() == 5
        assert [message.id for message in queue.get_many(5)] == [1, 2]
        with pytest.raises(CorruptQueueError, match=r"message 3 .*set aside") as caught:
            queue.get()
        assert caught.value.file == path
        assert [message.id for message in queue.get_many(2)] == [4, 5]
        assert (queue.qsize(), queue.unacked, queue.ids()) == (0, 4, {1, 2, 4, 5})
    with SQLiteQueue(path) as queue:
        assert queue.qsize() == 4


@pytest.mark.parametrize("part", range(PARTS))
def test_a_log_cut_short_anywhere_loses_nothing_that_was_synced_without_an_error(
    quickly: None, memory_path: Path, tally: Any, part: int
) -> None:
    (memory_path / "original").mkdir()
    queue = SQLiteQueue(memory_path / "original" / "q.db")
    for number in range(1, 7):
        queue.put(body(number))
    queue._kill()
    files = {
        name: data for name, data in files_of(memory_path / "original").items() if "shm" not in name
    }
    log = files["q.db-wal"]
    unsynced = {name: data for name, data in files.items() if "owner" not in name}
    everything = {number: body(number) for number in range(1, 7)}
    for cut in range(part, len(log), size(1999, PARTS)):
        tally.count("log cut off at a byte", "SQLiteQueue")
        found = read_all(lay_out(memory_path / "copy", {**files, "q.db-wal": log[:cut]}))
        # The marks know what was synced, so a log that is too short is damage.
        assert isinstance(found.refused, CorruptQueueError) or found.bodies == everything
        # After a power cut they may be gone. Then what is left is a prefix.
        found = read_all(lay_out(memory_path / "copy", {**unsynced, "q.db-wal": log[:cut]}))
        if found.refused is None:
            assert found.bodies == dict(list(everything.items())[: len(found.bodies)])


@pytest.mark.parametrize("nul", [False, True], ids=["gone", "NULs"])
def test_a_power_cut_leaves_what_was_synced_whatever_became_of_the_rest(
    quickly: None, memory_path: Path, tally: Any, nul: bool
) -> None:
    """The log as it was at the last sync; after that any of its sectors may be missing."""
    folder = memory_path / "original"
    folder.mkdir()
    seed = random.Random(3)
    queue = SQLiteQueue(folder / "q.db", sync="always")
    wal = folder / "q.db-wal"
    synced = wal.read_bytes()
    put: dict[int, bytes] = {}
    acked: set[int] = set()
    held: list[Any] = []
    for step in range(size(40, 400)):
        choice = seed.randrange(3)
        if choice == 0 or not put:
            number = queue.put(body(step))
            put[number] = body(step)
            synced = wal.read_bytes()
        elif choice == 1 and queue.qsize():
            held.append(queue.get())
        elif held:
            message = held.pop(seed.randrange(len(held)))
            queue.ack(message)
            acked.add(message.id)
        now = wal.read_bytes()
        log = bytearray(now)
        for sector in range(len(synced) // 512 * 512, len(now), 512):
            if seed.random() < 0.5:
                start = max(sector, len(synced))
                log[start : sector + 512] = bytes(min(sector + 512, len(now)) - start)
        if not nul:
            log = log[: seed.choice([len(synced), len(now)])]
        tally.count("power cut between two calls", "SQLiteQueue, always")
        copy = {"q.db": (folder / "q.db").read_bytes(), "q.db-wal": bytes(log)}
        found = read_all(lay_out(memory_path / "copy", copy))
        assert found.refused is None
        assert not found.reported
        assert put.keys() - acked <= found.bodies.keys() <= put.keys()
        assert all(put[number] == content for number, content in found.bodies.items())
    queue.close()


@pytest.mark.parametrize("sync", ["always", "batch", "never"])
def test_losing_power_loses_what_was_not_synced_and_only_that(tmp_path: Path, sync: Any) -> None:
    path = tmp_path / "q.db"
    queue = SQLiteQueue(path, sync=sync, batch_time=None)
    queue.put_many([b"1", b"2", b"3"])
    queue.ack(queue.get())
    queue.flush()
    queue.ack(queue.get())  # Lazy, in every mode.
    if sync != "always":
        queue.put(b"4")
    queue._lose_power()
    with SQLiteQueue(path) as queue:
        assert [message.body for message in queue.get_many(9)] == [b"2", b"3"]
        assert queue.put(b"5") == 4


def test_a_strict_ack_survives_a_power_cut(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    queue = SQLiteQueue(path, sync_acks=True)
    queue.put_many([b"1", b"2"])
    queue.ack(queue.get())
    queue._lose_power()
    with SQLiteQueue(path) as queue:
        assert [message.body for message in queue.get_many(9)] == [b"2"]


def test_power_is_lost_at_any_moment(quickly: None, memory_path: Path, tally: Any) -> None:
    path = memory_path / "q.db"
    seed = random.Random(11)
    kept: dict[int, bytes] = {}
    maybe: set[int] = set()
    for _ in range(size(12, 200)):
        queue = SQLiteQueue(path, sync=seed.choice(["always", "batch"]), batch_time=None)
        assert kept.keys() <= queue.ids() <= kept.keys() | maybe
        tally.count("power cut between two calls", f"SQLiteQueue, {queue.sync}")
        # What is there now is on the disk: an ack that the power took is none, too.
        kept = dict.fromkeys(queue.ids(), b"")
        maybe = set()
        for _ in range(seed.randrange(30)):
            if seed.random() < 0.6:
                number = queue.put(b"")
                if queue.sync == "always":
                    kept[number] = b""
            else:
                for message in queue.get_many(1):
                    queue.ack(message)
                    kept.pop(message.id, None)
                    maybe.add(message.id)
            if seed.random() < 0.05:
                queue._handle.durability.checkpoint()
                kept = dict.fromkeys(queue.ids(), b"")
        queue._lose_power()


def test_a_killed_queue_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    queue = SQLiteQueue(path, sync="never")
    queue.put_many([b"1", b"2", b"3"])
    queue.ack(queue.get())
    queue.get()
    queue._kill()
    with SQLiteQueue(path) as queue:
        assert [(m.body, m.attempts) for m in queue.get_many(9)] == [(b"2", 2), (b"3", 1)]


def test_a_log_that_vanished_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    queue = SQLiteQueue(path)
    queue.put(b"1")
    queue._kill()
    (tmp_path / "q.db-wal").unlink()
    with pytest.raises(CorruptQueueError, match="its start can't be read"):
        SQLiteQueue(path)


def test_a_torn_end_of_the_log_is_cut_back_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    queue = SQLiteQueue(path, sync="never")
    queue.put(b"1")
    queue.put(b"2")
    queue._kill()
    log = read_wal(tmp_path / "q.db-wal")
    assert log is not None
    wal = (tmp_path / "q.db-wal").read_bytes()
    (tmp_path / "q.db-wal").write_bytes(wal[:-100])
    with pytest.warns(RecoveryWarning, match="1 messages are missing") as caught:
        queue = SQLiteQueue(path)
    warning = caught[0].message
    assert isinstance(warning, RecoveryWarning)
    assert warning.file == tmp_path / "q.db-wal"
    assert (warning.offset, warning.messages) == (log.commits[-2], 1)
    assert warning.offset + warning.dropped == len(wal) - 100
    with queue:
        assert [message.body for message in queue.get_many(9)] == [b"1"]


def test_recovering_refuses_what_it_should_not_touch(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    with SQLiteQueue(path) as queue:
        queue.put(b"1")
        with pytest.raises(QueueError, match="is open"):
            recover(path, tmp_path / "new.db")
    with pytest.raises(FileExistsError, match="there already"):
        recover(path, path)
    with pytest.raises(FileNotFoundError, match="no queue"):
        recover(tmp_path / "none.db", tmp_path / "new.db")


def test_recovering_says_when_a_file_is_short_old_or_gone(quickly: None, memory_path: Path) -> None:
    """Whatever is missing, something is said; and where nothing is said, nothing is missing."""
    folder = memory_path / "original"
    folder.mkdir()
    queue = SQLiteQueue(folder / "q.db")
    states: list[Files] = []
    for step in range(60):
        queue.put(body(step) * 9)
        if step % 3 == 0:
            queue.ack(queue.get())
        if step in (10, 30):
            queue._handle.durability.checkpoint()
        if step % 10 == 0:
            states.append(files_of(folder))
    ids = queue.ids()
    queue._kill()
    files = files_of(folder)
    del files["q.db-shm"]
    database, log = files["q.db"], files["q.db-wal"]
    damages: list[Files] = [{"q.db-wal": state["q.db-wal"]} for state in states[:-1]]
    damages += [{"q.db": database[:end]} for end in range(0, len(database), 1000)]
    damages += [{"q.db-wal": log[:end]} for end in range(0, len(log), 10_001)]
    damages += [{"q.db": database[:end], "q.db-wal": b""} for end in range(0, len(database), 2048)]
    silent = 0
    for damage in damages:
        path = lay_out(memory_path / "copy", {**files, **damage})
        salvage = recover(path, memory_path / "copy" / "new.db")
        with SQLiteQueue(salvage.path) as queue:
            missing = ids - queue.ids()
        assert not missing or salvage.lost
        silent += not salvage.lost
    assert silent < len(damages) / 4  # Pages of which the log has the newer state are no loss.


@pytest.mark.parametrize("small", ["closed"], indirect=True)
def test_recovering_says_when_a_page_hides_a_row(small: Any, memory_path: Path) -> None:
    files, expected = small
    leaves = [at for at in range(4096, len(files["q.db"]), 4096) if files["q.db"][at] == 0x0D]
    hidden = 0
    for at in leaves:
        content = bytearray(files["q.db"])
        if not content[at + 4]:
            continue
        newest = at + int.from_bytes(content[at + 6 + 2 * content[at + 4] :][:2], "big")
        for place, flip in ((at + 4, content[at + 4] ^ (content[at + 4] - 1)), (newest + 2, 0xFF)):
            damaged = bytearray(content)
            damaged[place] ^= flip
            path = lay_out(memory_path / "copy", {"q.db": bytes(damaged)})
            salvage = recover(path, memory_path / "copy" / "new.db")
            assert salvage.lost
            hidden += salvage.messages < len(expected)
    assert hidden


@pytest.mark.parametrize("there", [True, False], ids=["empty", "gone"])
@pytest.mark.parametrize("marked", [True, False], ids=["marked", "unmarked"])
def test_a_database_that_is_gone_leaves_its_log_in_peace(
    tmp_path: Path, there: bool, marked: bool
) -> None:
    """SQLite removes the log of an empty database, and all messages may be in it."""
    path = tmp_path / "q.db"
    queue = SQLiteQueue(path)
    for number in range(1, 7):
        queue.put(body(number))
    queue._kill()
    log = (tmp_path / "q.db-wal").read_bytes()
    path.unlink()
    if there:
        path.touch()
    if not marked:
        (tmp_path / "q.db-owner-2").unlink()
    for _ in range(2):
        with pytest.raises(CorruptQueueError, match="its log is there") as caught:
            SQLiteQueue(path)
        assert caught.value.file == path
    assert (tmp_path / "q.db-wal").read_bytes() == log
    assert path.exists() == there
    salvage = recover(path)
    assert (salvage.messages, salvage.lost) == (6, ())
    assert read_all(salvage.path).bodies == {number: body(number) for number in range(1, 7)}


def test_recovering_keeps_everything_of_a_sound_queue(small: Any, memory_path: Path) -> None:
    files, expected = small
    path = lay_out(memory_path / "copy", files)
    salvage = recover(path, memory_path / "copy" / "new.db")
    assert (salvage.messages, salvage.lost) == (len(expected), ())
    with SQLiteQueue(salvage.path, clock=lambda: 1.0) as queue:
        assert queue.ids() == expected.keys()
        assert (queue.delayed, queue.due_in()) == (1, 4.0)
        messages = queue.get_many(99)
        assert {message.id for message in messages if message.attempts > 1} == {3}
        assert queue.put(b"") == 14
    assert files == {name: (memory_path / "copy" / name).read_bytes() for name in files}


def test_a_queue_whose_log_lost_its_start_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    """The schema may still be in the log only, and a file in which SQLite finds none is empty."""
    folder = tmp_path / "original"
    folder.mkdir()
    queue = SQLiteQueue(folder / "q.db")
    for number in range(1, 7):
        queue.put(body(number))
    queue._kill()
    files = files_of(folder)
    unmarked = {name: data for name, data in files.items() if "owner" not in name}
    for at in (0, 9, 20, 40, 100, 5_000, 20_000):  # all in the first transaction
        damaged = bytearray(files["q.db-wal"])
        damaged[at] ^= 4
        for others in (files, unmarked):
            path = lay_out(tmp_path / "copy", {**others, "q.db-wal": bytes(damaged)})
            found = read_all(path)
            assert isinstance(found.refused, CorruptQueueError), at
            again = read_all(path)
            assert isinstance(again.refused, CorruptQueueError), at
            salvage = recover(path, tmp_path / "copy" / "new.db")
            saved = read_all(salvage.path)
            assert saved.bodies.items() <= {n: body(n) for n in range(1, 7)}.items()
            assert len(saved.bodies) == 6 or salvage.lost, at
