"""Power cuts: whatever the moment, what `sync` promises is there, and nothing that wasn't put."""

from __future__ import annotations

import random
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from disk import Disk, gone, some
from size import size

from simlib.queues import FileQueue, Message, RecoveryWarning
from simlib.queues.crash import lose_power

pytestmark = pytest.mark.usefixtures("unsynced")

BATCH = 5


def use(disk: Disk, sync: str, steps: int, rng: random.Random, **options: Any) -> None:
    """A queue at work, with a mark for whatever its owner was told."""
    held: list[Message] = []
    with FileQueue(
        disk.folder, sync=sync, batch_size=BATCH, batch_time=None, segment_size=1024, **options
    ) as queue:
        for step in range(steps):
            choice = rng.random()
            if choice < 0.35 or step < 5:
                bodies = [b"%d-%d." % (step, each) * rng.randrange(1, 40) for each in range(3)]
                bodies = bodies[: rng.choice([1, 1, 3])]
                disk.mark("putting", bodies)
                queue.put_many(bodies, priority=rng.choice([0, 0, 1]))
                disk.mark("put", bodies)
            elif choice < 0.65:
                messages = queue.get_many(rng.choice([1, 3]))
                # Some are never done: they have to move when their segment is cleared away.
                held += [message for message in messages if message.id % 9 != 2]
                disk.mark("got", [message.body for message in messages])
            elif held and rng.random() < 0.1:
                queue.nack(held.pop())
            elif held:
                messages, held = held, []
                bodies = [message.body for message in messages]
                disk.mark("acking", bodies)
                queue.ack_many(messages)
                disk.mark("acked", bodies)
    disk.mark("closed")


def told(disk: Disk, count: int) -> dict[str, list[Any]]:
    """What the owner knew when the power went, by mark, in order."""
    marks: dict[str, list[Any]] = {}
    for event in disk.events[:count]:
        if event.kind == "mark":
            known = marks.setdefault(event.name, [])
            known.extend(event.mark if isinstance(event.mark, list) else [event.mark])
    return marks


def contents(folder: Path) -> list[Message]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)
        queue = FileQueue(folder)
    with queue:
        messages = queue.get_many(100_000)
        queue.ack_many(messages)
    return messages


@pytest.mark.parametrize("survives", ["gone", "some"])
@pytest.mark.parametrize(
    ("sync", "strict"), [("always", False), ("always", True), ("batch", False), ("never", False)]
)
def test_a_power_cut_takes_no_more_than_it_may(
    tmp_path: Path, tally: Any, sync: str, strict: bool, survives: str
) -> None:
    for seed in range(size(1, 3)):
        rng = random.Random(seed)
        disk = Disk(tmp_path / f"queue-{seed}")
        with disk.watched():
            use(disk, sync, 140, rng, sync_acks=strict)
        assert len(disk.events) > 200
        for count in range(0, len(disk.events) + 1, size(5, 1)):
            after = tmp_path / "after"
            disk.after_power_cut(count, after, gone if survives == "gone" else some(rng))
            messages = contents(after)
            tally.count("power cut between two calls", f"FileQueue, {sync}")
            shutil.rmtree(after)
            bodies = [message.body for message in messages]
            marks = told(disk, count)
            where = f"seed {seed}, after {count} events"
            assert len(set(bodies)) == len(bodies), where
            assert set(bodies) <= set(marks.get("putting", [])), where
            missing = set(marks.get("put", [])) - set(marks.get("acking", [])) - set(bodies)
            if sync == "always":
                assert not missing, where
            elif sync == "batch":
                assert len(missing) < BATCH, where
            if strict or "closed" in marks:
                assert not set(bodies) & set(marks.get("acked", [])), where
            if "closed" in marks:
                assert not missing, where


@pytest.mark.parametrize(("sync", "most"), [("always", 0), ("batch", BATCH - 1), ("never", 1000)])
def test_the_model_of_a_power_cut_used_in_simulations_does_the_same(
    tmp_path: Path, sync: str, most: int
) -> None:
    for count in range(1, size(30, 300)):
        queue = FileQueue(tmp_path / str(count), sync=sync, batch_size=BATCH, batch_time=None)  # type: ignore[arg-type]
        bodies = [b"%d" % number for number in range(count)]
        for body in bodies:
            queue.put(body)
        lose_power(queue)
        left = [message.body for message in contents(tmp_path / str(count))]
        assert left == bodies[: len(left)]
        assert len(bodies) - len(left) <= most
        if sync == "never":
            assert left == []


def test_a_flush_makes_everything_safe(tmp_path: Path) -> None:
    queue = FileQueue(tmp_path / "q", sync="never", segment_size=1000)
    bodies = [b"%d" % number for number in range(50)]
    for body in bodies:
        queue.put(body)
    queue.flush()
    queue.put(b"late")
    lose_power(queue)
    assert [message.body for message in contents(tmp_path / "q")] == bodies


def test_a_batch_is_brought_to_disk_in_time(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "q")
    with disk.watched(), FileQueue(disk.folder, sync="batch", batch_time=0.001) as queue:
        queue.put(b"work")
        before = len(disk.events)
        while not any(event.kind == "sync" for event in disk.events[before:]):
            pass  # the test's own time limit ends this
