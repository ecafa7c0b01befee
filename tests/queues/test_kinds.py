"""Each kind of queue is opened by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simlib.queues import FileQueue, MemoryQueue, MessageQueue, SQLiteQueue
from simlib.queues.kinds import open_queue


@pytest.mark.parametrize(
    ("kind", "expected"), [("memory", MemoryQueue), ("file", FileQueue), ("sqlite", SQLiteQueue)]
)
def test_all_kinds_take_the_same_options(
    tmp_path: Path, clock: Any, kind: str, expected: type[MessageQueue]
) -> None:
    options = {"sync": "batch", "sync_acks": False, "batch_size": 7, "batch_time": None}
    with open_queue(kind, tmp_path, maxsize=3, lease=2.0, clock=clock, **options) as queue:
        assert type(queue) is expected
        assert (queue.maxsize, queue.lease, queue.clock) == (3, 2.0, clock)
        queue.put(b"here")
        assert queue.get().body == b"here"


def test_queues_of_two_kinds_have_room_in_one_directory(tmp_path: Path) -> None:
    with open_queue("file", tmp_path) as one, open_queue("sqlite", tmp_path) as two:
        assert (one.put(b""), two.put(b"")) == (1, 1)
    with open_queue("file", tmp_path) as one, open_queue("sqlite", tmp_path) as two:
        assert one.ids() == two.ids() == {1}


def test_a_kind_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"queue must be one of .*'sqlite'.*, got 'disk'"):
        open_queue("disk", tmp_path)
