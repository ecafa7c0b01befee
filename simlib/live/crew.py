"""The processes of a run, seen from whoever starts and ends them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..processes.directory import own_directory
from .child import LINGER
from .target import Target
from .targets.rabbitmq import delete_left

__all__ = ["Crew", "LiveError", "crew"]

Floats = NDArray[np.float64]

PREFIX = "simlib-live-"
"""How the names of runs' directories begin."""
PATIENCE = 60.0
"""Seconds that processes have to start, or to warm up."""

PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from simlib.live.child import main; main()"
)


TASKS = {
    "send": "sends",
    "receive": "receives",
    "together": "sends and receives",
    "serve": "serves",
    "parts": "measures the parts",
}
"""What processes do, by the names of the methods of ``child.Child``."""


class LiveError(RuntimeError):
    """A run on the real thing that came to nothing; the text says why."""


class Crew:
    """The processes of one run, in a directory of its own.

    Parameters
    ----------
    directory : path
        Of the run.
    target : Target
        What is run.
    """

    def __init__(self, directory: Path, target: Target) -> None:
        self.directory, self.target = directory, target
        self._processes: list[tuple[str, subprocess.Popen[bytes]]] = []

    def plan(self, due: Floats, works: Floats, **facts: Any) -> None:
        """Write down what is to be done."""
        for name, numbers in (("due", due), ("works", works)):
            (self.directory / name).write_bytes(np.asarray(numbers, float).tobytes())
        kind = type(self.target)
        plan = {
            "module": kind.__module__,
            "kind": kind.__name__,
            "fields": {each.name: getattr(self.target, each.name) for each in fields(self.target)},
            **facts,
        }
        (self.directory / "plan.json").write_text(json.dumps(plan), encoding="utf-8")

    def start(self, task: str, *numbers: int) -> int:
        """Start a process with a task; which of them it is."""
        index = len(self._processes)
        command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[2])]
        command += [str(self.directory), str(index), task, *map(str, numbers)]
        with (self.directory / f"stderr-{index}").open("wb") as errors:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is the parent's, which ends them in order.
            )
        self._processes.append((task, process))
        return index

    def said(self, what: str, index: int) -> dict[str, Any] | None:
        """What a process has said of something; None: nothing yet."""
        path = self.directory / f"{what}-{index}"
        if not path.exists():
            return None
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return told

    def go(self, instant: float) -> None:
        """Let time begin at an instant."""
        for _, process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"start {instant!r}\n".encode())
            process.stdin.flush()

    def wait(
        self, what: str, reached: Callable[[], bool], most: float = PATIENCE, every: float = 0.005
    ) -> bool:
        """Wait until something is reached; False if that took too long.

        Raises
        ------
        LiveError
            A process has failed.
        """
        until = time.monotonic() + most
        while not reached():
            for task, process in self._processes:
                if process.poll() is not None and not reached():
                    self._fail(task, process)
            if time.monotonic() > until:
                return False
            time.sleep(every)
        return True

    def must(self, what: str, reached: Callable[[], bool]) -> None:
        """Wait until something is reached, which is an error if it takes too long."""
        if not self.wait(what, reached):
            raise LiveError(f"{self.target.name}: {what} took more than {PATIENCE:g} s")

    def rows(self, name: str, columns: tuple[str, ...]) -> dict[str, Floats]:
        """The columns of a log; an unfinished row at its end is left out."""
        path = self.directory / f"log-{name}"
        numbers = np.fromfile(path) if path.exists() else np.empty(0)
        rows = numbers[: len(numbers) // len(columns) * len(columns)].reshape(-1, len(columns))
        return dict(zip(columns, rows.T.copy(), strict=True))

    def length(self, name: str, columns: tuple[str, ...]) -> int:
        """How many rows a log has."""
        path = self.directory / f"log-{name}"
        return path.stat().st_size // (8 * len(columns)) if path.exists() else 0

    def end(self) -> None:
        """Tell all processes that it is over, and see them off."""
        for _, process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        until = time.monotonic() + 2 * LINGER
        for _, process in self._processes:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def check(self) -> None:
        """Raise if a process has ended otherwise than well."""
        for task, process in self._processes:
            if process.returncode:
                self._fail(task, process)

    def _fail(self, task: str, process: subprocess.Popen[bytes]) -> None:
        index = next(n for n, (_, each) in enumerate(self._processes) if each is process)
        errors = (self.directory / f"stderr-{index}").read_text("utf-8", "replace").strip()
        said = errors.splitlines()[-1] if errors else f"it ended with {process.returncode}"
        raise LiveError(f"{self.target.name}, the process that {TASKS[task]}: {said}")


@contextmanager
def crew(target: Target, where: Path | None) -> Iterator[Crew]:
    """The crew of a run, which leaves nothing behind, whether it ends, is interrupted or told to
    terminate. What a run that was killed has left is removed before.

    Parameters
    ----------
    target : Target
        What is run.
    where : path or None
        The directory on the disk in question, in which one is made; None: the system's place for
        temporary files.
    """
    parent = Path(tempfile.gettempdir()) if where is None else where
    with _terminated_in_order(), own_directory(parent, PREFIX, delete_left) as directory:
        found = Crew(directory, target)
        try:
            yield found
        finally:
            found.end()


@contextmanager
def _terminated_in_order() -> Iterator[None]:
    """Let SIGTERM raise SystemExit, so that whoever has to clean up does."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
