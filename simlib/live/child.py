"""The processes of a run: whoever sends, whoever receives, whoever serves, each in one of its own.

The parent says what to do in ``plan.json`` and by lines to the standard input: ``start`` and an
instant. When that input ends, the run is over, whether the parent ended it or died: so even a
parent that is killed leaves no process behind. What a process has to say stands in files of the
run's directory: ``ready-N`` when it has opened everything, then its log, then ``done-N``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from .consuming import consume
from .open_loop import Log, Sending, clock, drive, fastest
from .target import Taken, Target, unpack

__all__ = ["LINGER", "RECEIVED", "SENT", "Child", "main"]

SENT = ("number", "sent", "returned")
"""Columns of the log of whoever sends."""
RECEIVED = ("number", "started", "finished", "acked", "by", "redelivered")
"""Columns of the log of whoever receives."""

LINGER = 5.0
"""Seconds that a process has to end by itself when the run is over."""


class Child:
    """One process of a run.

    Parameters
    ----------
    directory : path
        Of the run.
    index : int
        Which of the run's processes it is.
    """

    def __init__(self, directory: Path, index: int) -> None:
        self.directory, self.index = directory, index
        self.plan: dict[str, Any] = json.loads((directory / "plan.json").read_text("utf-8"))
        kind = getattr(import_module(self.plan["module"]), self.plan["kind"])
        self.target: Target = kind(**self.plan["fields"])
        self.over = threading.Event()
        self._started = threading.Event()
        self._start = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        """Do what the parent says until it says nothing more."""
        for line in sys.stdin:
            self._start = float(line.split()[1])
            self._started.set()
        self.over.set()
        self._started.set()
        time.sleep(LINGER)
        os._exit(1)  # Whoever hangs in a call to a server would stay.

    def say(self, what: str, **facts: Any) -> None:
        """Leave a file for the parent, which sees it whole or not at all."""
        path = self.directory / f"{what}-{self.index}"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(facts), encoding="utf-8")
        new.replace(path)

    def ready(self, **facts: Any) -> float:
        """Say that everything is open, and wait for the instant at which time begins."""
        self.say("ready", process=os.getpid(), **facts)
        self._started.wait()
        return self._start

    def _where(self) -> str:
        """Where the target is: as planned, or as the process says that serves, the first one."""
        if self.target.calls:
            told = json.loads((self.directory / "ready-0").read_text(encoding="utf-8"))
            return str(told["where"])
        return str(self.plan["where"])

    def work(self, seconds: float) -> None:
        """Do the work of a message."""
        if not self.target.computes:
            time.sleep(seconds)
            return
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    @contextmanager
    def log(self, width: int) -> Iterator[Log]:
        """The file of this process's rows."""
        log = Log(self.directory / f"log-{self.index}", width)
        try:
            yield log
        finally:
            log.close()

    # What there is to do

    def send(self, shared: Any = None) -> None:
        """Drive."""
        name = f"log-{self.index}" if shared is None else "log-sent"
        due, works = (_numbers(self.directory / each) for each in ("due", "works"))
        log = Log(self.directory / name, len(SENT))
        sending = Sending(due, works, log.add, self.over)
        speed = fastest()
        begun = 0.0

        def ready() -> float:
            nonlocal begun
            begun = self.ready() if shared is None else self._begin()
            return begun

        def run(shared: Any) -> None:
            drive(
                sending,
                lambda: self.target.sender(shared),
                self.plan["senders"],
                ready,
                self.plan["warm"],
            )
            self.say(
                "sent",
                processor_time=sending.processor_time,
                time=clock() - begun,
                fastest=speed,
            )

        if shared is not None:
            run(shared)
            return
        with self.target.opened(self._where(), self.plan["maxsize"]) as opened:
            run(opened)
            self.over.wait()

    def _begin(self) -> float:
        self._started.wait()
        return self._start

    def receive(self, first: int, count: int, also: Callable[[Any], None] | None = None) -> None:
        """Receive in so many threads, numbered from ``first`` on."""
        with (
            self.target.opened(self.plan["where"], self.plan["maxsize"]) as shared,
            self.log(len(RECEIVED)) as log,
        ):
            failed: list[BaseException] = []
            opened = threading.Barrier(count + 1)
            jobs: list[Callable[[], None]] = [
                partial(self._consume, shared, first + number, log, opened)
                for number in range(count)
            ]
            if also is not None:
                jobs.append(partial(also, shared))
            threads = [
                threading.Thread(target=self._guarded, args=(job, failed), daemon=True)
                for job in jobs
            ]
            for thread in threads:
                thread.start()
            try:
                opened.wait()
                self.ready()
            except threading.BrokenBarrierError:
                self.over.set()
            for thread in threads:
                thread.join()
            if failed:
                raise failed[0]

    def _guarded(self, job: Callable[[], None], failed: list[BaseException]) -> None:
        try:
            job()
        except BaseException as error:
            failed.append(error)
            self.over.set()
            self._started.set()

    def _consume(self, shared: Any, name: int, log: Log, opened: threading.Barrier) -> None:
        def note(number: int, started: float, finished: float, acked: float, taken: Taken) -> None:
            log.add(number, started, finished, acked, name, taken.redelivered)

        try:
            context = self.target.receiver(shared)
            receiver = context.__enter__()
        except BaseException:
            opened.abort()
            raise
        try:
            opened.wait()
            consume(receiver, self.plan["batch_size"], self.work, note, self.over)
        finally:
            context.__exit__(None, None, None)

    def together(self, count: int) -> None:
        """Send and receive in one process."""
        self.receive(0, count, also=self.send)

    def serve(self, workers: int) -> None:
        """Answer calls, so many at once."""
        with self.log(len(RECEIVED)) as log:

            def handle(number: int, seconds: float) -> None:
                started = clock()
                self.work(seconds)
                finished = clock()
                log.add(number, started, finished, finished, 0, 0)

            with self.target.served(handle, workers) as where:
                self.ready(where=where)
                self.over.wait()

    def parts(self) -> None:
        """Put, take, work and ack one after the other, and time each by itself."""
        works = _numbers(self.directory / "works")
        found: dict[str, list[float]] = {"put": [], "get": [], "service": [], "ack": []}
        most = self.plan["batch_size"]
        with (
            self.target.opened(self._where(), self.plan["maxsize"]) as shared,
            self.target.sender(shared) as send,
        ):
            for number, seconds in enumerate(works):
                begun = clock()
                send(number, 0.0 if self.target.calls else seconds)
                found["put"].append(clock() - begun)
            if self.target.calls:  # Whoever serves writes down how long the work took.
                for number, seconds in enumerate(works):
                    send(number, seconds)
            else:
                self._times(found, most, len(works), shared)
        self.say("parts", **found)

    def _times(self, found: dict[str, list[float]], most: int, left: int, shared: Any) -> None:
        with self.target.receiver(shared) as receiver:
            while left and not self.over.is_set():
                begun = clock()
                taken = receiver.take(most)
                if not taken:
                    continue
                got = clock()
                self.work(unpack(taken[0].body)[1])
                worked = clock()
                receiver.ack(taken)
                for name, seconds in (
                    ("get", got - begun),
                    ("service", worked - got),
                    ("ack", clock() - worked),
                ):
                    found[name].append(seconds)
                left -= len(taken)


def _numbers(path: Path) -> array[float]:
    numbers = array("d")
    numbers.frombytes(path.read_bytes())
    return numbers


def main() -> None:
    """Do the part of a run that the arguments say: its directory, which process, and what."""
    directory, index, task, *numbers = sys.argv[1:]
    child = Child(Path(directory), int(index))
    getattr(child, task)(*map(int, numbers))
