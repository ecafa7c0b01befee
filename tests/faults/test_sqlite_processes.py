"""An SQLite queue among processes, some of which are killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from size import size

from simlib.queues import Empty, RecoveryWarning, SQLiteQueue

CHILD = Path(__file__).with_name("sqlite_child.py")


class Child:
    """A running sqlite_child.py."""

    def __init__(self, role: str, path: Path, *numbers: int, sync: str = "never") -> None:
        command = [sys.executable, str(CHILD), role, str(path), sync, *map(str, numbers)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )

    def lines(self) -> Iterator[tuple[str, int]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                letter, number = line.split()
                yield letter, int(number)

    def end(self, kill: bool = False) -> list[tuple[str, int]]:
        """Wait for the end, or bring it about; the lines that were still unread."""
        if kill:
            self.process.kill()
        rest = list(self.lines())
        self.process.wait(60)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        return rest


def drain(queue: SQLiteQueue) -> list[int]:
    bodies = []
    while True:
        try:
            message = queue.get(block=False)
        except Empty:
            return bodies
        bodies.append(int(message.body))
        queue.ack(message)


@pytest.mark.parametrize("sync", ["always", "batch", "never"])
def test_a_killed_process_loses_nothing(tmp_path: Path, tally: Any, sync: Any) -> None:
    path = tmp_path / "q.db"
    seed = random.Random(1)
    put: set[int] = set()
    last: dict[int, int] = {}
    acked: set[int] = set()
    unsure: set[int] = set()
    start = 0
    for _ in range(size(10, 200)):
        tally.count("kill -9 at work", f"SQLiteQueue, {sync}")
        child = Child("both", path, start, sync=sync)
        said = []
        for line in child.lines():
            said.append(line)
            if len(said) >= 30 and seed.random() < 0.02:
                break
        said += child.end(kill=True)
        put |= {number for letter, number in said if letter == "p"}
        acked |= {number for letter, number in said if letter == "a"}
        unsure |= {number for letter, number in said if letter == "b"}
        last[start // 1_000_000] = max((n for letter, n in said if letter == "p"), default=start)
        start += 1_000_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)  # The last write may have been torn.
        queue = SQLiteQueue(path, sync=sync)
    with queue:
        found = Counter(drain(queue))
    assert len(put) > 100
    assert set(found.values()) == {1}
    assert not acked & found.keys()
    assert put - acked - unsure <= found.keys()
    # What else is there was put, but the process died before it could say so.
    for number in found.keys() - put:
        assert last[number // 1_000_000] <= number <= last[number // 1_000_000] + 40
    assert [entry.name for entry in tmp_path.iterdir()] == ["q.db"]


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_a_queue(tmp_path: Path, tally: Any, processes: int) -> None:
    path = tmp_path / "q.db"
    each = size(150, 5000)
    children = [
        Child("produce", path, number * 1_000_000, each) for number in range(processes // 2)
    ]
    children += [Child("consume", path) for _ in range(processes // 2)]
    said = [line for child in children for line in child.end()]
    for _ in said:
        tally.count(f"call of one of {processes} processes", "SQLiteQueue, always")
    assert {child.process.returncode for child in children} == {0}
    put = Counter(number for letter, number in said if letter == "p")
    acked = Counter(number for letter, number in said if letter == "a")
    assert len(put) == each * (processes // 2)
    assert acked == put
    assert [entry.name for entry in tmp_path.iterdir()] == ["q.db"]


def test_what_a_dead_process_held_goes_to_a_waiting_get(tmp_path: Path) -> None:
    with SQLiteQueue(tmp_path / "q.db") as queue:
        queue.put(b"7")
        child = Child("hold", tmp_path / "q.db")
        assert next(child.lines()) == ("h", 7)
        assert (queue.qsize(), queue.unacked) == (0, 1)
        with pytest.raises(Empty):
            queue.get(timeout=0.2)
        child.end(kill=True)
        message = queue.get(timeout=20.0)
        assert (message.body, message.attempts) == (b"7", 2)
        queue.ack(message)
    assert [entry.name for entry in tmp_path.iterdir()] == ["q.db"]


def test_a_get_sees_what_another_process_puts(tmp_path: Path) -> None:
    with SQLiteQueue(tmp_path / "q.db") as queue:
        child = Child("produce", tmp_path / "q.db", 5, 1)
        begun = time.monotonic()
        assert queue.get(timeout=60.0).body == b"5"
        assert time.monotonic() - begun < 60.0
        child.end()
