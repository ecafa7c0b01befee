"""Processes that are killed at work: nothing they were told is forgotten."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from size import size

from simlib.queues import FileQueue, QueueLockedError, RecoveryWarning

CHILD = """
import sys
from simlib.queues import FileQueue

folder, sync, start = sys.argv[1], sys.argv[2], int(sys.argv[3])
queue = FileQueue(folder, sync=sync, segment_size=1 << 14)
number = start
while True:
    bodies = [b"%d" % (number + place) for place in range(1 + number % 3)]
    queue.put_many(bodies)
    print("put", *(int(body) for body in bodies), flush=True)
    number += len(bodies)
    if number % 2:
        for message in queue.get_many(2):
            print("got", int(message.body), message.attempts, flush=True)
            if number % 5:
                print("acking", int(message.body), flush=True)
                queue.ack(message)
                print("acked", int(message.body), flush=True)
"""


def kill_one(folder: Path, sync: str, start: int, patience: float) -> dict[str, list[list[int]]]:
    """Let a process work for a while and kill it; what it has said."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), sync, str(start)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    said = [child.stdout.readline()]  # so that it is at work for certain
    time.sleep(patience)
    child.send_signal(signal.SIGKILL)
    said += child.stdout.read().splitlines(keepends=True)
    child.wait()
    child.stdout.close()
    told: dict[str, list[list[int]]] = {"put": [], "got": [], "acking": [], "acked": []}
    for line in said:
        if line.endswith("\n"):
            word, *numbers = line.split()
            told[word].append([int(each) for each in numbers])
    return told


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9; the power-cut tests run there")
@pytest.mark.parametrize("sync", ["always", "batch", "never"])
def test_a_killed_process_loses_nothing(tmp_path: Path, tally: Any, sync: str) -> None:
    rng = random.Random(sync)
    waiting: dict[int, int] = {}  # how often each was delivered
    may_be_gone: set[int] = set()
    start = 0
    for turn in range(size(5, 200)):
        tally.count("kill -9 at work", f"FileQueue, {sync}")
        told = kill_one(tmp_path / "q", sync, start, rng.random() * 0.05)
        for numbers in told["put"]:
            waiting |= dict.fromkeys(numbers, 0)
        for number, attempts in told["got"]:
            waiting[number] = attempts
        for (number,) in told["acking"]:
            may_be_gone.add(number)
        for (number,) in told["acked"]:
            del waiting[number]
            may_be_gone.discard(number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecoveryWarning)
            queue = FileQueue(tmp_path / "q", lease=None)
        with queue:
            found = {int(message.body): message for message in queue.get_many(1_000_000)}
            # What was being put needn't have been announced.
            most = max(number for numbers in told["put"] for number in numbers) + 3
            assert found.keys() >= waiting.keys() - may_be_gone, f"turn {turn}"
            assert all(number in waiting or number <= most for number in found), f"turn {turn}"
            for number, attempts in waiting.items():
                if attempts and number in found:
                    assert found[number].attempts > attempts
                    assert found[number].redelivered
            queue.ack_many(found.values())
        waiting.clear()
        may_be_gone.clear()
        start = most + 10


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_killed_owner_leaves_no_lock(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "q"), "never", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    with pytest.raises(QueueLockedError, match="one process at a time"):
        FileQueue(tmp_path / "q")
    child.kill()
    child.stdout.read()
    child.wait()
    child.stdout.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)
        FileQueue(tmp_path / "q").close()
