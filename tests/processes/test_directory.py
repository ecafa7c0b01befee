"""A run's directory goes with it, and what a killed run has left goes with the next."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simlib.processes.directory import LOCK, PREFIX, own_directory

HOLDS = """
import sys, time
from pathlib import Path
from simlib.processes.directory import own_directory
with own_directory(Path(sys.argv[1])) as directory:
    (directory / "queue.db").write_bytes(b"1")
    print(directory, flush=True)
    time.sleep(600)
"""


def holder(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process with a directory, and which that is."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_it_goes_at_the_end_whatever_the_end_is(tmp_path: Path) -> None:
    def interrupted() -> None:
        with own_directory(tmp_path) as directory:
            (directory / "file").write_bytes(b"1")
            assert list(tmp_path.iterdir()) == [directory]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_next_run_removes_what_a_killed_one_has_left(tmp_path: Path, how: int) -> None:
    killed, left = holder(tmp_path)
    living, kept = holder(tmp_path)
    try:
        killed.send_signal(how)
        killed.wait()
        assert (left / "queue.db").exists()
        with own_directory(tmp_path) as directory:
            assert sorted(tmp_path.iterdir()) == sorted([directory, kept])
            assert (kept / "queue.db").exists()
    finally:
        for process in (killed, living):
            process.kill()
            process.wait()
            process.stdout.close()


def test_what_is_somebody_elses_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCK).touch()
    (tmp_path / "simlib-notes").mkdir()
    (tmp_path / f"{PREFIX}unlocked").mkdir()
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}linked").mkdir()
    (tmp_path / f"{PREFIX}linked" / LOCK).symlink_to(elsewhere / LOCK)
    before = sorted(tmp_path.rglob("*"))
    with own_directory(tmp_path):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_killed_run_has_left_elsewhere_is_cleared_up_before_its_directory(
    tmp_path: Path,
) -> None:
    killed, left = holder(tmp_path)
    killed.kill()
    killed.wait()
    assert killed.stdout is not None
    killed.stdout.close()
    seen: list[bytes] = []

    def fails(directory: Path) -> None:
        raise ConnectionError("no server answers")

    with own_directory(tmp_path, clear=fails):
        assert left.exists()  # for the next run, which may reach it
    with own_directory(tmp_path, "another-prefix-"):
        assert left.exists()
    with own_directory(tmp_path, clear=lambda each: seen.append((each / "queue.db").read_bytes())):
        assert not left.exists()
    assert seen == [b"1"]
