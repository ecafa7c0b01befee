"""I/O that fails: whichever call it is, nothing that was promised is lost."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from disk import Disk, fill
from size import size

from simlib.queues import Empty, FileQueue, QueueError, RecoveryWarning

pytestmark = pytest.mark.usefixtures("unsynced")

ERRORS = [errno.EIO, errno.ENOSPC]


def use(folder: Path, sync: str, told: dict[str, set[bytes]]) -> None:
    """A day in the life of a queue whose owner goes on after errors."""
    number = 0

    def attempt(call: Callable[[], Any], before: str, after: str, bodies: set[bytes]) -> None:
        told[before] |= bodies
        try:
            call()
        except (OSError, QueueError):
            return
        told[after] |= bodies

    for _ in range(2):
        try:
            queue = FileQueue(folder, sync=sync, batch_size=4, batch_time=None, segment_size=700)  # type: ignore[arg-type]
        except (OSError, QueueError):
            continue
        for round_ in range(10):
            bodies = [b"%d" % (number := number + 1) * 20 for _ in range(1 + round_ % 3)]
            attempt(lambda: queue.put_many(bodies), "putting", "put", set(bodies))  # noqa: B023
            try:
                messages = queue.get_many(2)
            except (OSError, QueueError):
                continue
            if messages and round_ % 3:
                done = {message.body for message in messages}
                attempt(lambda: queue.ack_many(messages), "acking", "acked", done)  # noqa: B023
        attempt(queue.flush, "flushing", "flushed", set())
        try:
            queue.close()
        except OSError:
            told["not closed"].add(b"")


@pytest.mark.parametrize("sync", ["always", "batch", "never"])
@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_whichever_call_fails_nothing_promised_is_lost(
    tmp_path: Path, tally: Any, sync: str, error: int
) -> None:
    fail_at, step = 0, size(3, 1)
    while True:
        fail_at += step
        folder = tmp_path / "queue"
        disk = Disk(folder, fail_at=fail_at, error=error)
        told: dict[str, set[bytes]] = {
            name: set()
            for name in ("putting", "put", "acking", "acked", "flushing", "flushed", "not closed")
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecoveryWarning)
            with disk.watched():
                use(folder, sync, told)
            with FileQueue(folder) as queue:
                bodies = [message.body for message in queue.get_many(1000)]
        shutil.rmtree(folder)
        where = f"call {fail_at}, {disk.failed}"
        tally.count(f"{errno.errorcode[error]} from the n-th call", f"FileQueue, {sync}")
        assert len(set(bodies)) == len(bodies), where
        assert set(bodies) <= told["putting"], where
        assert told["put"] - told["acking"] <= set(bodies), where
        # A full disk is told apart from what failed for another reason: the ack was accepted.
        assert not told["acked"] & set(bodies), where
        if not disk.failed:
            break
    assert fail_at > 60


def test_a_failed_sync_is_never_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FileQueue(tmp_path / "q")
    queue.put(b"safe")
    calls = []

    def fail(handle: int) -> NoReturn:
        calls.append(handle)
        raise OSError(errno.EIO, "the disk is broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="broken"):
            queue.put(b"who knows")
        for call in (lambda: queue.put(b"x"), queue.get, queue.flush, lambda: queue.get_many(1)):
            with pytest.raises(QueueError, match=r"the disk is broken.*open it again"):
                call()  # type: ignore[operator]
        queue.close()
        assert len(calls) == 1
    with FileQueue(tmp_path / "q") as queue:
        assert queue.get().body == b"safe"


def test_all_who_share_a_failed_sync_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FileQueue(tmp_path / "q")
    errors: list[Exception] = []
    gate = threading.Event()

    def fail(handle: int) -> NoReturn:
        gate.wait(20)
        raise OSError(errno.EIO, "broken")

    def put() -> None:
        try:
            queue.put(b"")
        except Exception as error:
            errors.append(error)

    monkeypatch.setattr(os, "fdatasync", fail)
    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert len(errors) == 4
    queue.close()


def test_a_consumer_that_waits_is_told_of_a_failed_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FileQueue(tmp_path / "q")
    errors: list[Exception] = []

    def get() -> None:
        try:
            queue.get()
        except Exception as error:
            errors.append(error)

    def fail(handle: int) -> NoReturn:
        raise OSError(errno.EIO, "broken")

    consumer = threading.Thread(target=get, daemon=True)
    consumer.start()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="broken"):
            queue.put(b"")
    consumer.join(20)
    assert [type(error) for error in errors] == [QueueError]
    queue.close()


def test_a_write_in_pieces_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    with FileQueue(tmp_path / "q") as queue:
        monkeypatch.setattr(os, "pwrite", lambda handle, data, at: real(handle, data[:7], at))
        queue.put_many([b"one", b"two"])
        queue.ack(queue.get())
    with FileQueue(tmp_path / "q") as queue:
        assert [message.body for message in queue.get_many(9)] == [b"two"]


def put_endlessly(queue: FileQueue, put: list[bytes]) -> None:
    while True:
        body = b"%d" % len(put) * 50
        queue.put(body)
        put.append(body)


@pytest.mark.parametrize("sync", ["always", "batch", "never"])
def test_a_full_disk_refuses_puts_and_can_be_drained(
    small_disk: Callable[[int], Path], sync: Any
) -> None:
    folder = small_disk(1 << 20) / "q"
    with FileQueue(folder, sync=sync, batch_time=None, segment_size=1 << 18) as queue:
        put: list[bytes] = []
        with pytest.raises(OSError, match="No space left") as caught:
            put_endlessly(queue, put)
        assert caught.value.errno == errno.ENOSPC
        assert len(put) > 1000
        with pytest.raises(OSError, match="No space left"):
            queue.put_many([b"x" * 1000] * 100)
        seen = []
        for _ in range(len(put) // 2):
            message = queue.get(block=False)
            seen.append(message.body)
            queue.ack(message)
    with FileQueue(folder, sync=sync, batch_time=None, segment_size=1 << 18) as queue:
        while True:
            try:
                message = queue.get(block=False)
            except Empty:
                break
            seen.append(message.body)
            queue.ack(message)
        assert seen == put
        assert queue.put(b"there is room again") == len(put) + 1
    with FileQueue(folder) as queue:
        assert [message.body for message in queue.get_many(10)] == [b"there is room again"]


def test_acks_that_could_not_be_written_are_no_secret(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(1 << 20)
    queue = FileQueue(disk / "q", segment_size=1 << 17)
    queue.put_many([b"%d" % number * 20 for number in range(3000)])
    fill(disk / "filler")
    for _ in range(2900):
        queue.ack(queue.get(block=False))
    assert queue.qsize() == 100
    with pytest.raises(OSError, match="No space left"):
        queue.close()
    (disk / "filler").unlink()
    with FileQueue(disk / "q") as queue:
        assert queue.qsize() > 100  # at least once


def test_a_disk_that_somebody_else_fills_can_be_drained(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(1 << 20)
    with FileQueue(disk / "q", segment_size=1 << 17) as queue:
        bodies = [b"%d" % number * 20 for number in range(3000)]
        queue.put_many(bodies)
        fill(disk / "filler")
        seen = []
        for _ in bodies:
            message = queue.get(block=False)
            seen.append(message.body)
            queue.ack(message)
        assert seen == bodies
    with FileQueue(disk / "q") as queue:
        assert queue.empty()
