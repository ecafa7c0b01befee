"""The harm is really done, what is left is really counted, and it is what each queue promises."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from simlib.live.survival import Survival, flipped_bit, full_disk, kill, power_cut
from simlib.queues import FileQueue, MemoryQueue, SQLiteQueue

ON_DISK = ("file", "sqlite")
MODES = ("always", "batch", "never")

each_on_disk = pytest.mark.parametrize("queue", ON_DISK)
each_mode = pytest.mark.parametrize("sync", MODES)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Where temporary files go; nothing may stay there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


@each_on_disk
@each_mode
def test_a_killed_process_forgets_nothing_that_is_on_the_disk(queue: Any, sync: Any) -> None:
    assert kill(queue, sync, messages=30) == Survival(put=30, kept=30)


@each_on_disk
@pytest.mark.parametrize(("sync", "lost"), [("always", 0), ("batch", 20), ("never", 60)])
def test_a_power_cut_takes_what_was_not_synced(queue: Any, sync: Any, lost: int) -> None:
    found = power_cut(queue, sync)
    assert (found.put, found.lost, found.wrong) == (60, lost, 0)


@pytest.mark.parametrize("harm", [kill, power_cut])
def test_memory_forgets_everything(harm: Any) -> None:
    assert harm("memory", "never", messages=30) == Survival(put=30, kept=0)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of files")
@each_on_disk
@each_mode
def test_a_full_disk_refuses_puts_and_gives_everything_out(queue: Any, sync: Any) -> None:
    found = full_disk(queue, sync)
    assert 40 < found.put <= 65  # of 16,000 bytes each, on a disk of 1 MiB
    assert found.lost == 0
    assert found.said == "OSError"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of files")
def test_memory_needs_no_disk() -> None:
    assert full_disk("memory", "never") == Survival(put=200, kept=200)


@each_on_disk
@each_mode
def test_a_flipped_bit_is_seen_and_costs_one_message(queue: Any, sync: Any) -> None:
    found = flipped_bit(queue, sync)
    assert (found.lost, found.wrong, found.said) == (1, 0, "CorruptQueueError")
    assert found.file == {"file": "00000001.log", "sqlite": "queue.db"}[queue]


@each_on_disk
@each_mode
def test_without_a_sync_nothing_tells_a_flipped_bit_from_a_torn_write(
    queue: Any, sync: Any
) -> None:
    found = flipped_bit(queue, sync, killed=True)
    assert found.wrong == 0
    assert found.offset
    if sync == "never":
        assert (found.lost, found.said) == (30, "RecoveryWarning")
    elif sync == "always":
        assert found.lost <= 1
        assert found.said == "CorruptQueueError"


def test_nobody_notices_a_flipped_bit_in_memory() -> None:
    found = flipped_bit("memory", "never")
    assert found == Survival(put=60, kept=59, wrong=1)
    assert str(found) == "1 of 60 lost, 1 wrong"


def test_wrong_bytes_would_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless(FileQueue):
        def get(self, *args: Any, **options: Any) -> Any:
            message = super().get(*args, **options)
            return message._replace(body=b"l" + message.body[1:]) if message.id == 3 else message

    monkeypatch.setattr("simlib.queues.file.FileQueue", Careless)
    assert power_cut("file", messages=5) == Survival(put=5, kept=4, wrong=1)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Survival(5, 5), "all kept"),
        (Survival(5, 3, said="RecoveryWarning"), "2 of 5 lost; RecoveryWarning"),
    ],
)
def test_an_outcome_in_words(found: Survival, text: str) -> None:
    assert str(found) == text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("disk",), "queue must be one of .*, got 'disk'"),
        (("file", "now"), "sync must be one of .*, got 'now'"),
    ],
)
@pytest.mark.parametrize("harm", [kill, power_cut, full_disk, flipped_bit])
def test_bad_values_are_refused(harm: Any, arguments: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        harm(*arguments)


@pytest.mark.parametrize("harm", [kill, power_cut, flipped_bit])
def test_no_messages_are_refused(harm: Any) -> None:
    with pytest.raises(ValueError, match="messages must be >= 1, got 0"):
        harm("file", messages=0)


def test_each_queue_is_a_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    kinds = {"memory": MemoryQueue, "file": FileQueue, "sqlite": SQLiteQueue}
    for room, kind in kinds.items():

        class Noted(kind):  # type: ignore[misc, valid-type]
            def __init__(self, *args: Any, **options: Any) -> None:
                made.append(type(self).__bases__[0])
                super().__init__(*args, **options)

        monkeypatch.setattr(f"simlib.queues.{room}.{kind.__name__}", Noted)
    for queue in kinds:
        power_cut(queue, messages=1)  # type: ignore[arg-type]
    assert made == [MemoryQueue] * 2 + [FileQueue] * 2 + [SQLiteQueue] * 2
