"""An SQLite queue on a disk that is full, and on one that fails."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from disk import fill

from simlib.queues import QueueError, RecoveryWarning, SQLiteQueue

CHILD = Path(__file__).with_name("sqlite_child.py")


@pytest.mark.parametrize("sync", ["always", "never"])
@pytest.mark.parametrize("length", [1000, 30_000])
def test_a_full_disk_refuses_puts_and_lets_everything_out(
    small_disk: Callable[[int], Path], sync: Any, length: int
) -> None:
    folder = small_disk((16 if sync == "always" else 30) << 20)
    queue = SQLiteQueue(folder / "q.db", sync=sync)
    put: list[int] = []

    def fill_with_messages() -> NoReturn:
        while True:
            put.extend(queue.put_many([bytes(length)] * (1 + len(put) % 3)))

    with pytest.raises(OSError, match="No space left") as caught:
        fill_with_messages()
    assert caught.value.errno == errno.ENOSPC
    assert len(put) > 100
    assert queue.qsize() == len(put)
    fill(folder / "ballast")
    with pytest.raises(OSError, match="No space left"):
        queue.put(b"one more" + bytes(length))
    taken = []
    for _ in range(len(put) - 10):
        message = queue.get(block=False)
        taken.append(message.id)
        queue.ack(message)
    queue.nack(queue.get())
    assert taken == put[:-10]
    queue.close()
    with SQLiteQueue(folder / "q.db") as queue:  # It can be opened on a full disk, too.
        assert [message.id for message in queue.get_many(100)] == put[-10:]
    (folder / "ballast").unlink()
    with SQLiteQueue(folder / "q.db") as queue:
        assert queue.put(b"there is room again") == put[-1] + 1
    assert [entry.name for entry in folder.iterdir()] == ["q.db"]


def test_a_queue_that_a_full_disk_does_not_let_open_says_so(
    small_disk: Callable[[int], Path],
) -> None:
    folder = small_disk(8 << 20)
    queue = SQLiteQueue(folder / "q.db")
    queue.put(b"1")
    queue._kill()
    (folder / "q.db-shm").unlink()
    os.truncate(folder / "q.db-owner-2", 4096)  # Its reserve was used up.
    fill(folder / "ballast")
    with pytest.raises(OSError, match="No space left") as caught:
        SQLiteQueue(folder / "q.db")
    assert caught.value.errno == errno.ENOSPC
    (folder / "ballast").unlink()
    with SQLiteQueue(folder / "q.db") as queue:
        assert queue.get().body == b"1"


@pytest.mark.parametrize(("call", "first"), [("fdatasync", 30), ("pwrite64", 120)])
def test_a_disk_that_fails_poisons_the_handle(
    tmp_path: Path, missing: Callable[[str, str], NoReturn], call: str, first: int
) -> None:
    if not shutil.which("strace"):
        missing("strace", "apt-get install strace")
    command = [
        *("strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:error=EIO:when={first}+"),
        *(sys.executable, str(CHILD), "produce_until_it_fails", str(tmp_path / "q.db"), "always"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "ptrace" in run.stderr.lower() and not run.stdout:
        missing(f"the right to trace a process ({run.stderr.strip()[:80]})", "allow ptrace")
    assert not run.stderr
    *puts, one, two, three = run.stdout.splitlines()
    assert one.startswith("QueueError")
    assert "Close the queue, look after the disk, and open the queue again" in one
    assert one == two == three  # No retry.
    put = [int(line.split()[1]) for line in puts]
    assert len(put) > 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)  # The failed write may have been torn.
        queue = SQLiteQueue(tmp_path / "q.db")
    with queue:
        bodies = [int(message.body) for message in queue.get_many(1000)]
    # The one that failed may be there: nobody could know.
    assert bodies in (put, [*put, put[-1] + 1])


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        SQLiteQueue(tmp_path / "none" / "q.db")
    with pytest.raises(QueueError, match="is a folder"):
        SQLiteQueue(tmp_path)
