"""What only a queue in files does: it is there again after closing, and gives space back."""

from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from simlib.queues import FileQueue, LeaseLostError, QueueClosedError, QueueLockedError
from simlib.queues.crash import kill, lose_power


def used(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.log"))


@pytest.mark.parametrize("end", [FileQueue.close, kill], ids=["closed", "killed"])
def test_everything_is_there_again(tmp_path: Path, clock: Any, end: Any) -> None:
    queue = FileQueue(tmp_path / "q", clock=clock)
    queue.put(b"plain")
    queue.put(b"with headers", headers={"ä": [1, None]})
    queue.put(b"urgent", priority=5)
    queue.put(b"later", delay=10)
    queue.put(b"")
    queue.put(b"done")
    queue.put(b"given back")
    for message in queue.get_many(7):
        if message.body == b"done":
            queue.ack(message)
        elif message.body == b"given back":
            queue.nack(message)
    end(queue)
    with FileQueue(tmp_path / "q", clock=clock) as queue:
        assert (queue.qsize(), queue.delayed, queue.unacked) == (5, 1, 0)
        assert queue.ids() == {1, 2, 3, 4, 5, 7}
        urgent, plain, headers, empty, back = queue.get_many(9)
        assert (urgent.body, urgent.priority, urgent.attempts) == (b"urgent", 5, 2)
        assert (plain.body, plain.id) == (b"plain", 1)
        assert headers.headers == {"ä": [1, None]}
        assert (empty.body, empty.redelivered) == (b"", True)
        assert back.attempts == 2
        assert queue.due_in() == 10
        clock.advance(10)
        assert queue.get().body == b"later"
        assert queue.put(b"next") == 8


def test_a_delivery_of_before_a_restart_is_not_held_any_more(tmp_path: Path) -> None:
    queue = FileQueue(tmp_path / "q")
    queue.put(b"work")
    old = queue.get()
    kill(queue)
    with FileQueue(tmp_path / "q") as queue:
        new = queue.get()
        with pytest.raises(LeaseLostError, match="holds it in attempt 2"):
            queue.ack(old)
        queue.ack(new)


def test_ids_go_on_when_nothing_is_left(tmp_path: Path) -> None:
    for turn in range(1, 4):
        with FileQueue(tmp_path / "q") as queue:
            assert queue.put(b"") == turn
            queue.ack(queue.get())


def test_a_second_opener_is_refused_at_once(tmp_path: Path) -> None:
    with FileQueue(tmp_path / "q") as queue:
        queue.put(b"mine")
        with pytest.raises(QueueLockedError, match="open already"):
            FileQueue(tmp_path / "q")
        assert queue.get().body == b"mine"
    FileQueue(tmp_path / "q").close()


def test_another_process_is_refused_at_once(tmp_path: Path) -> None:
    opening = "import sys; from simlib.queues import FileQueue; FileQueue(sys.argv[1])"
    with FileQueue(tmp_path / "q") as queue:
        queue.put(b"mine")
        child = subprocess.run(
            [sys.executable, "-c", opening, tmp_path / "q"],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert child.returncode == 1
        assert "QueueLockedError" in child.stderr
        assert "belongs to one process at a time" in child.stderr.replace("\n", " ")
        assert queue.get().body == b"mine"


@pytest.mark.parametrize("sync", ["always", "batch", "never"])
def test_a_queue_that_is_dropped_unclosed_gives_its_files_up(tmp_path: Path, sync: Any) -> None:
    queue = FileQueue(tmp_path / "q", sync=sync)
    queue.put_many([b"1", b"2"])
    queue.get()
    del queue
    gc.collect()  # Its timer may be at work for it.
    with FileQueue(tmp_path / "q") as again:
        assert [(message.body, message.attempts) for message in again.get_many(2)] == [
            (b"1", 2),
            (b"2", 1),
        ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_can_spoil_nothing(tmp_path: Path) -> None:
    queue = FileQueue(tmp_path / "q")
    queue.put(b"work")
    child = os.fork()
    if child == 0:
        try:
            queue.get_nowait()
        except QueueClosedError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert queue.get().body == b"work"
    queue.close()


def test_threads_share_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = []
    sync = "fdatasync" if hasattr(os, "fdatasync") else "fsync"
    real = getattr(os, sync)

    def slow(handle: int) -> None:
        syncs.append(handle)
        time.sleep(0.002)
        real(handle)

    with FileQueue(tmp_path / "q") as queue:
        monkeypatch.setattr(os, sync, slow)
        threads = [
            threading.Thread(target=lambda: [queue.put(b"") for _ in range(25)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(syncs) <= 200 / 2
        assert [message.id for message in queue.get_many(300)] == list(range(1, 201))
        monkeypatch.undo()


def test_a_consumer_sees_only_what_is_on_disk(
    tmp_path: Path, background: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, syncing = threading.Event(), threading.Event()
    sync = "fdatasync" if hasattr(os, "fdatasync") else "fsync"
    real = getattr(os, sync)

    def wait(handle: int) -> None:
        syncing.set()
        gate.wait(20)
        real(handle)

    queue = FileQueue(tmp_path / "q", maxsize=1)
    monkeypatch.setattr(os, sync, wait)
    putting = background(queue.put, b"work")
    assert syncing.wait(20)
    assert queue.empty()
    assert putting.waiting
    gate.set()
    assert putting.outcome() == 1
    assert queue.get().body == b"work"
    queue.close()


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@pytest.mark.parametrize("call", ["pread", "pwrite"])
def test_a_get_that_fails_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, many: bool
) -> None:
    with FileQueue(tmp_path / "q") as queue:
        queue.put_many([b"one", b"two"])
        real = getattr(os, call)
        calls = []

        def fail(handle: int, what: Any, offset: int) -> Any:
            calls.append(offset)
            if len(calls) == 1:
                raise OSError(errno.EIO, "not now")
            return real(handle, what, offset)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(OSError, match="not now"):
                queue.get_many(2) if many else queue.get()
        assert (queue.qsize(), queue.unacked) == (2, 0)
        messages = queue.get_many(2)
        assert [(message.body, message.attempts) for message in messages] == [
            (b"one", 1),
            (b"two", 1),
        ]
        queue.ack_many(messages)


def test_a_segment_that_can_not_be_removed_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "somebody looks at it", str(file))

    with FileQueue(tmp_path / "q", segment_size=1 << 10) as queue:
        queue.put(bytes(3000))
        queue.put(b"stays")
        message = queue.get()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            with pytest.raises(PermissionError):
                queue.ack(message)
        assert queue.unacked == 0
        with pytest.raises(LeaseLostError):
            queue.ack(message)
        assert (tmp_path / "q" / "00000001.log").exists()
        queue.compact()
        assert not (tmp_path / "q" / "00000001.log").exists()
    with FileQueue(tmp_path / "q") as queue:
        assert [message.body for message in queue.get_many(9)] == [b"stays"]


def test_strict_acks_without_synced_puts_survive_a_power_cut(tmp_path: Path) -> None:
    queue = FileQueue(tmp_path / "q", sync="never", sync_acks=True, segment_size=1 << 10)
    for _ in range(20):
        queue.put(bytes(200))
    queue.ack(queue.get())
    lose_power(queue)
    with FileQueue(tmp_path / "q") as queue:
        assert [message.id for message in queue.get_many(99)] == list(range(2, 21))


def test_space_comes_back_while_one_message_stays(tmp_path: Path) -> None:
    with FileQueue(tmp_path / "q", sync="never", segment_size=1 << 14) as queue:
        queue.put(b"stays", headers={"for": "ever"}, priority=-1)
        for _ in range(200):
            queue.put_many([bytes(100)] * 50)
            queue.ack_many(queue.get_many(50))
        assert used(tmp_path / "q") < 6 * (1 << 14)
        assert queue.get().body == b"stays"


def test_what_moves_keeps_all_that_is_known_of_it(tmp_path: Path, clock: Any) -> None:
    queue = FileQueue(tmp_path / "q", sync="never", segment_size=1 << 12, clock=clock)
    queue.put(b"held")
    queue.put(b"returned", headers={"some": 1})
    queue.put(b"urgent", priority=3, delay=5)
    _, returned = queue.get_many(2)
    queue.nack(returned)
    returned = queue.get()
    queue.nack(returned)
    for _ in range(100):
        queue.put_many([bytes(200)] * 10, priority=1)
        queue.ack_many(queue.get_many(10))
    assert int(min((tmp_path / "q").glob("*.log")).stem) > 10
    kill(queue)
    with FileQueue(tmp_path / "q", clock=clock) as queue:
        first, second = queue.get_many(2)
        assert (first.id, first.body, first.attempts) == (1, b"held", 2)
        assert (second.id, second.attempts, second.headers) == (2, 3, {"some": 1})
        clock.advance(5)
        assert queue.get()[:2] == (3, b"urgent")


@pytest.mark.parametrize("messages", [0, 1, 100, 1000])
def test_a_closed_queue_takes_at_most_twice_the_space_of_its_messages(
    tmp_path: Path, messages: int
) -> None:
    with FileQueue(tmp_path / "q", sync="never", segment_size=1 << 16) as queue:
        queue.put_many([bytes(100)] * 3000)
        queue.ack_many(queue.get_many(3000 - messages))
    record = 32 + 32 + 104
    assert used(tmp_path / "q") <= 2 * messages * record + 200
    with FileQueue(tmp_path / "q") as queue:
        assert queue.qsize() == messages


def test_compact_gives_space_back_at_once(tmp_path: Path) -> None:
    with FileQueue(tmp_path / "q") as queue:
        queue.put_many([bytes(100)] * 200)
        queue.ack_many([message for message in queue.get_many(200) if message.id % 10])
        before = used(tmp_path / "q")
        queue.compact()
        assert used(tmp_path / "q") < 2 * 20 * (32 + 32 + 104) + 200 < before
    with FileQueue(tmp_path / "q") as queue:
        assert [message.id for message in queue.get_many(99)] == list(range(10, 201, 10))


def test_a_message_larger_than_a_segment_is_no_trouble(tmp_path: Path) -> None:
    bodies = [os.urandom(3_000_000), b"small", os.urandom(10_000)]
    with FileQueue(tmp_path / "q", segment_size=4096) as queue:
        for body in bodies:
            queue.put(body)
    with FileQueue(tmp_path / "q", segment_size=4096) as queue:
        assert [message.body for message in queue.get_many(3)] == bodies


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"sync": "often"}, "sync must be one of"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": True}, "batch_size must be"),
        ({"batch_time": 0}, "batch_time must be > 0 seconds or None, got 0"),
        ({"segment_size": 0}, "segment_size must be"),
        ({"lease": -1}, "lease must be"),
    ],
)
def test_bad_options_are_refused_before_anything_is_made(
    tmp_path: Path, options: Any, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        FileQueue(tmp_path / "q", **options)
    assert not (tmp_path / "q").exists()


def test_nothing_but_its_files_is_left(tmp_path: Path) -> None:
    threads = threading.active_count()
    with FileQueue(tmp_path / "q", sync="batch") as queue:
        queue.put(b"")
    assert sorted(file.name for file in (tmp_path / "q").iterdir()) == ["00000001.log", "mark"]
    deadline = time.monotonic() + 20
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.001)
    assert threading.active_count() == threads


def test_files_are_the_owner_s_alone(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has other permissions")
    with FileQueue(tmp_path / "q"):
        modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "q").iterdir()}
    assert modes == {"00000001.log": 0o600, "mark": 0o600}
