"""What the fault tests share."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import pytest
from size import FULL

RESULTS = Path(__file__).with_name("RESULTS.md")

HEAD = """\
# What was tried, and what was lost

Written by `make faults` where all passes; `ARGS="-k file"` brings the rows of those tests up to
date. In each try a queue was crashed or damaged and opened again, and the test asserted that no
message was lost that had been promised, that none came back that had been promised to be gone, that
no body was wrong, and that whatever was dropped was reported. So the losses are those that `sync`
allows: none with `always`, at most the window with `batch`.

Where three services stand in place of a queue, a process that held their databases was killed, and
started again; money, stock and orders were then as after the same crash in memory, and all right
wherever the pattern promises it.

| what | queue | tries |
| --- | --- | --: |
"""

ROW = r"^\| (.+) \| (.+) \| ([\d,]+) \|$"


class Tally:
    """How often each thing was tried."""

    def __init__(self) -> None:
        self._tries: Counter[tuple[str, str]] = Counter()

    def count(self, what: str, queue: str) -> None:
        """Count one more try."""
        self._tries[what, queue] += 1

    def add(self, tries: list[tuple[str, str, int]]) -> None:
        """Add what another process counted."""
        for what, queue, n in tries:
            self._tries[what, queue] += n

    def tries(self) -> list[tuple[str, str, int]]:
        """What was counted: what, with which queue, how often."""
        return [(what, queue, n) for (what, queue), n in self._tries.items()]

    def save(self) -> None:
        """Keep the counts, and those of what was not tried this time."""
        text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
        rows = {(what, queue): n for what, queue, n in re.findall(ROW, text, re.MULTILINE)}
        rows |= {tried: f"{n:,}" for tried, n in self._tries.items()}
        lines = [f"| {what} | {queue} | {n} |\n" for (what, queue), n in sorted(rows.items())]
        RESULTS.write_text(HEAD + "".join(lines), encoding="utf-8")


_tally = Tally()


@pytest.fixture
def tally() -> Tally:
    """Counts what is tried; kept in RESULTS.md after a complete run."""
    return _tally


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the counts of a full-size run in which nothing failed."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tries"] = _tally.tries()
    elif FULL and exitstatus == 0:
        _tally.save()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Add what one of several processes counted; xdist calls it when that has ended."""
    _tally.add(getattr(node, "workeroutput", {}).get("tries", []))


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, if the system has one that takes files; no disk is waited for there."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(prefix="simlib-faults-", dir=memory) as folder:
        yield Path(folder)


class Background:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._outcome: Any = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._outcome = self._call()

    def outcome(self) -> Any:
        self._thread.join(60.0)
        assert not self._thread.is_alive(), "the call did not return in 60 s"
        return self._outcome


@pytest.fixture
def background() -> type[Background]:
    return Background


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the disk: what is on it when the power goes, the test decides."""
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda handle: None, raising=False)


@pytest.fixture
def small_disk(
    tmp_path: Path, missing: Callable[[str, str], NoReturn]
) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system of so many bytes."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            missing("the program mount", "run the tests on Linux")
        if done.returncode:
            missing(
                f"a file system of its own ({done.stderr.strip()})",
                "run the tests as root, who may mount one",
            )
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
