"""Any sequence of operations, with crashes and restarts in between, held against the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test
from test_model import QueueModel

from simlib.queues import FileQueue, MessageQueue, SQLiteQueue
from simlib.queues.crash import kill


def _file(folder: Path, **options: Any) -> MessageQueue:
    return FileQueue(folder / "queue", segment_size=1 << 10, **options)


def _sqlite(folder: Path, **options: Any) -> MessageQueue:
    return SQLiteQueue(folder / "queue.db", **options)


class CrashingModel(QueueModel):
    """A queue in one place, opened again and again."""

    def __init__(self, open_queue: Callable[..., MessageQueue], folder: Path, clock: Any) -> None:
        super().__init__(None, clock)
        self.open_queue = open_queue
        self.folder = folder

    @initialize(
        maxsize=st.sampled_from([0, 3, 6]),
        lease=st.sampled_from([None, 3.0]),
        sync=st.sampled_from(["always", "batch", "never"]),
    )
    def open(self, maxsize: int, lease: float | None, sync: str) -> None:
        self.maxsize = maxsize
        self.lease = lease
        self.options = {"lease": lease, "sync": sync, "batch_time": None, "clock": self.clock}
        self.folder.mkdir()
        self.queue = self.open_queue(self.folder, maxsize=maxsize, **self.options)

    @rule(end=st.sampled_from([kill, lambda queue: queue.close()]))
    def start_again(self, end: Callable[[MessageQueue], None]) -> None:
        end(self.queue)
        self.queue = self.open_queue(self.folder, maxsize=self.maxsize, **self.options)
        for _, item, message in list(self.held.values()):
            self.give_back(item, message)


@pytest.mark.parametrize("open_queue", [_file, _sqlite], ids=["file", "sqlite"])
def test_what_was_said_before_a_crash_holds_after_it(
    open_queue: Any, tmp_path: Path, clock: Any
) -> None:
    folders = iter(tmp_path / str(number) for number in range(10_000))
    run_state_machine_as_test(
        lambda: CrashingModel(open_queue, next(folders), clock),
        settings=settings(settings.default, max_examples=40, stateful_step_count=30),
    )
