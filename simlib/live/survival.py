"""What is left of a queue after a kill, a power cut, a full disk or a flipped bit: tried.

Each function makes a queue in a temporary place, puts messages into it, does the harm, and looks at
what is delivered afterwards. What is counted repeats exactly; nothing is timed.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

from ..queues import (
    CorruptQueueError,
    Empty,
    MemoryQueue,
    MessageQueue,
    RecoveryWarning,
    SQLiteQueue,
    crash,
    recover,
)
from ..queues.kinds import KINDS, open_queue
from ..queues.message import Sync

__all__ = ["Kind", "Survival", "flipped_bit", "full_disk", "kill", "power_cut"]

Kind = Literal["memory", "file", "sqlite"]
"""Where a queue has its messages."""

BATCH = 40
"""Messages that are not on the disk at most, with ``sync="batch"``."""
DISK = 1 << 20
"""Bytes of the disk that fills up, where there is a disk."""
LARGE = 16_000
"""Bytes of a message that fills it."""
MOST = 200
"""Messages after which nobody waits any longer for a disk to be full."""


@dataclass(frozen=True)
class Survival:
    """What was put, and what came of it."""

    put: int
    """Messages whose put had returned before the harm was done."""
    kept: int
    """How many of them were delivered afterwards, as they were put."""
    wrong: int = 0
    """Messages that were delivered and that nobody had put."""
    said: str = ""
    """What told of the harm: the name of an error or a warning; empty: nothing did."""
    file: str = ""
    """The name of the damaged file, if the queue could tell."""
    offset: int | None = None
    """The damaged byte of that file, if the queue could tell."""

    @property
    def lost(self) -> int:
        """Messages that were put, and not delivered as they were put."""
        return self.put - self.kept

    def __str__(self) -> str:
        text = "all kept" if not self.lost else f"{self.lost} of {self.put} lost"
        if self.wrong:
            text += f", {self.wrong} wrong"
        return f"{text}; {self.said}" if self.said else text


def kill(queue: Kind, sync: Sync = "always", *, messages: int = 60) -> Survival:
    """Kill the process that has a queue open (``SIGKILL``), while it puts.

    Parameters
    ----------
    queue : "memory", "file" or "sqlite"
        Where the messages are.
    sync : "always", "batch" or "never"
        When a put is on the disk; batches are of forty.
    messages : int
        How many puts have returned, as far as the process could still say.
    """
    _check(queue, sync, messages)
    with TemporaryDirectory(prefix="simlib-") as place:
        with _child("_put_for_ever", queue, sync, place) as child:
            assert child.stdout is not None
            told = [int(child.stdout.readline()) for _ in range(messages)]
            child.kill()
        found = _look(queue, sync, Path(place), set(map(_body, told)))
    if found.said == "RecoveryWarning":  # The last put had not returned: nobody counts on it.
        return replace(found, said="", file="", offset=None)
    return found


def power_cut(queue: Kind, sync: Sync = "always", *, messages: int = 60) -> Survival:
    """Take from a queue all that was not on the disk, as a power cut does.

    Parameters
    ----------
    queue, sync
        As for :func:`kill`.
    messages : int
        How many were put before.
    """
    _check(queue, sync, messages)
    with TemporaryDirectory(prefix="simlib-") as place:
        opened = _open(queue, sync, Path(place))
        put = _put(opened, messages)
        crash.lose_power(opened)
        return _look(queue, sync, Path(place), put)


def full_disk(queue: Kind, sync: Sync = "always") -> Survival:
    """Put until the disk is full, and then take everything out again, on the full disk.

    The disk is a limit of 1 MiB, which no root is needed for: on the size of files, set by the
    system for a process of its own, or on the pages of the database, set by SQLite.

    Parameters
    ----------
    queue, sync
        As for :func:`kill`.
    """
    _check(queue, sync, 1)
    with TemporaryDirectory(prefix="simlib-") as place:
        with _child("_fill", queue, sync, place) as child:
            assert child.stdout is not None
            put, kept, said = child.stdout.read().split(",")
        return Survival(int(put), int(kept), said=said.strip())


def flipped_bit(
    queue: Kind, sync: Sync = "always", *, messages: int = 60, killed: bool = False
) -> Survival:
    """Flip one bit of the message in the middle, where the queue keeps it.

    If the queue can't be opened then, what :func:`simlib.queues.recover` saves counts as kept.

    Parameters
    ----------
    queue, sync
        As for :func:`kill`.
    messages : int
        How many were put before.
    killed : bool
        Whether the process was killed before, and not ended in order: then a database still has
        its write-ahead log.
    """
    _check(queue, sync, messages)
    with TemporaryDirectory(prefix="simlib-") as place:
        opened = _open(queue, sync, Path(place))
        put = _put(opened, messages)
        if isinstance(opened, MemoryQueue):
            with opened:
                return _flip_in_memory(opened, put)
        if killed:
            crash.kill(opened)
        else:
            opened.close()
        _flip_in_file(Path(place), _body(messages // 2))
        return _look(queue, sync, Path(place), put)


def _check(queue: str, sync: str, messages: int) -> None:
    for name, value, allowed in (
        ("queue", queue, get_args(Kind)),
        ("sync", sync, get_args(Sync)),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {allowed}, got {value!r}")
    if messages < 1:
        raise ValueError(f"messages must be >= 1, got {messages}")


def _open(queue: Kind, sync: Sync, place: Path) -> MessageQueue:
    return open_queue(queue, place, sync=sync, batch_size=BATCH, batch_time=None)


def _body(number: int) -> bytes:
    return b"message %06d " % number * 10


def _put(queue: MessageQueue, messages: int) -> set[bytes]:
    bodies = [_body(number) for number in range(messages)]
    for body in bodies:
        queue.put(body)
    return set(bodies)


def _look(queue: Kind, sync: Sync, place: Path, put: set[bytes]) -> Survival:
    """Open a queue again, and see what it delivers."""
    with warnings.catch_warnings(record=True) as cut:
        warnings.simplefilter("always", RecoveryWarning)
        try:
            opened = _open(queue, sync, place)
        except CorruptQueueError as damage:
            saved = place / "saved"
            saved.mkdir()
            name = KINDS[queue].path or ""
            recover(place / name, into=saved / name)
            return _drained(_open(queue, sync, saved), put, damage)
    return _drained(opened, put, cut[0].message if cut else None)


def _drained(opened: MessageQueue, put: set[bytes], found: object) -> Survival:
    """Take everything out, past what is damaged."""
    bodies = []
    with opened:
        while True:
            try:
                message = opened.get(block=False)
            except Empty:
                break
            except CorruptQueueError as damage:
                found = damage
                continue
            bodies.append(message.body)
            opened.ack(message)
    wrong = sum(body != b"message %s " % body[8:14] * 10 for body in bodies)
    kept = len(put.intersection(bodies))
    if not isinstance(found, CorruptQueueError | RecoveryWarning):
        return Survival(len(put), kept, wrong)
    return Survival(len(put), kept, wrong, type(found).__name__, found.file.name, found.offset)


def _flip_in_memory(queue: MemoryQueue, put: set[bytes]) -> Survival:
    """Let a cosmic ray hit the first message that the queue holds."""
    message = queue.get()
    before = bytes(bytearray(message.body))
    byte = ctypes.c_ubyte.from_address(id(message.body) + bytes.__basicsize__ - 1)
    byte.value ^= 1
    queue.nack(message)
    return _drained(queue, {*(body for body in put if body is not message.body), before}, None)


def _flip_in_file(place: Path, body: bytes) -> None:
    for path in sorted(place.rglob("*")):
        content = bytearray(path.read_bytes()) if path.is_file() else bytearray()
        at = content.find(body)
        if at >= 0:
            content[at] ^= 1
            path.write_bytes(content)
            return
    raise LookupError(f"no file in {place} has {body!r}")


# In a process of its own


def _child(work: str, queue: Kind, sync: Sync, place: str) -> subprocess.Popen[str]:
    """A process that does one of the functions below."""
    # Without the rest of the library it starts in a tenth of the time.
    program = (
        "import sys, types; package = types.ModuleType('simlib');"
        "package.__path__ = [sys.argv[1]]; sys.modules['simlib'] = package;"
        f"from simlib.live.survival import {work}; {work}(*sys.argv[2:])"
    )
    package = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", program, package, queue, sync, place]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _put_for_ever(queue: Kind, sync: Sync, place: str) -> None:
    opened = _open(queue, sync, Path(place))
    number = 0
    while True:
        opened.put(_body(number))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


def _fill(queue: Kind, sync: Sync, place: str) -> None:
    import resource  # Windows has none.

    if queue == "file":
        resource.setrlimit(resource.RLIMIT_FSIZE, (DISK, DISK))
    with _open(queue, sync, Path(place)) as opened:
        if isinstance(opened, SQLiteQueue):
            crash.confine(opened, DISK)
        put, said = 0, ""
        try:
            while put < MOST:
                opened.put(bytes(LARGE))
                put += 1
        except OSError as error:
            said = type(error).__name__
        taken = 0
        while opened.qsize():
            opened.ack(opened.get(block=False))
            taken += 1
    sys.stdout.write(f"{put},{taken},{said}")
