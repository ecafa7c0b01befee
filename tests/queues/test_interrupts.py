"""Ctrl-C at any instant of a call: nothing is lost or doubled, and the queue serves on.

A signal is let in before each single instruction of a call in turn, and the interpreter raises
KeyboardInterrupt wherever it does so for a signal that comes then. Instructions before which it
looks for no signal are passed over: it would be seen to at the next one that is tried. What reads
and writes files is walked through as well, so that the signal also comes before and after the
system has done its part.
"""

from __future__ import annotations

import _thread
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any

import pytest
from instructions import is_ours, is_quiet

from simlib.queues import (
    Empty,
    FileQueue,
    LeaseLostError,
    MemoryQueue,
    Message,
    MessageQueue,
    SQLiteQueue,
)
from simlib.queues.crash import kill
from simlib.queues.sqlite import durability

LEASE = 60.0


@dataclass(frozen=True)
class Kind:
    """A sort of queue, and how much of it outlives the object."""

    open: Callable[..., MessageQueue]
    """Opens it in a folder that does not exist yet, the first time, with a clock."""
    lasting: bool = True
    """Whether it is there again when it is opened again."""
    leased: bool = False
    """Whether a message comes back by itself after ``LEASE`` seconds."""
    calls: tuple[str, ...] = ("put", "get", "ack", "nack")
    """The beginnings of what is tried."""


def _sqlite(*calls: str, **options: Any) -> Kind:
    def opened(folder: Path, clock: Any) -> SQLiteQueue:
        folder.mkdir(exist_ok=True)
        return SQLiteQueue(folder / "q.db", batch_size=2, batch_time=None, clock=clock, **options)

    return Kind(opened, leased="lease" in options, calls=calls or Kind.calls)


def _file(*calls: str, **options: Any) -> Kind:
    # In segments that hold a few messages, so that some calls begin a new one.
    return Kind(
        lambda folder, clock: FileQueue(
            folder, segment_size=640, batch_size=2, batch_time=None, clock=clock, **options
        ),
        leased="lease" in options,
        calls=calls or Kind.calls,
    )


KINDS = {
    "memory": Kind(lambda folder, clock: MemoryQueue(clock=clock), lasting=False),
    "memory, lease": Kind(
        lambda folder, clock: MemoryQueue(lease=LEASE, clock=clock), lasting=False, leased=True
    ),
    "memory, bounded": Kind(lambda folder, clock: MemoryQueue(9, clock=clock), lasting=False),
    "file, always": _file(),
    "file, batch": _file("put", sync="batch"),
    "file, never": _file(sync="never"),
    "file, never, bounded": _file("put", sync="never", maxsize=9),
    "file, never, lease": _file("get", "nack", sync="never", lease=LEASE),
    "file, never, strict acks": _file("ack", "nack", sync="never", sync_acks=True),
    "sqlite, always": _sqlite(),
    "sqlite, batch": _sqlite("put", sync="batch", maxsize=9),
    "sqlite, never": _sqlite("get", sync="never", lease=LEASE),
    "sqlite, strict acks": _sqlite("ack", sync_acks=True),
}
"""A queue of another sort joins with a line here."""

NEW = [b"new", b"newer", b"newest"]
READY = [b"first", b"second", b"third"]
HELD = b"held"

CALLS: dict[str, Callable[[MessageQueue, Message], Any]] = {
    "put": lambda queue, held: queue.put(NEW[0]),
    "put, urgent": lambda queue, held: queue.put(NEW[0], headers={"k": [1]}, priority=1),
    "put_many": lambda queue, held: queue.put_many(NEW),
    "put_many, urgent": lambda queue, held: queue.put_many(NEW, headers={"k": [1]}, priority=1),
    "get": lambda queue, held: queue.get(),
    "get, with a timeout": lambda queue, held: queue.get(timeout=20.0),
    "get_many": lambda queue, held: queue.get_many(2),
    "ack": lambda queue, held: queue.ack(held),
    "ack_many": lambda queue, held: queue.ack_many([held]),
    "nack": lambda queue, held: queue.nack(held),
    "nack, to drop": lambda queue, held: queue.nack(held, requeue=False),
}


def walk(call: Callable[[], Any], walked: set[CodeType], at: int = 0) -> list[int]:
    """Make a call, and let a signal in before so many of the queue's instructions, from 1.

    Returns which instructions there are before which a signal must be tried.
    """
    passed = 0
    places: list[int] = []
    # Drawn from without a call, after which the signal would be seen to here.
    signals = map(_thread.interrupt_main, [signal.SIGINT])

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal passed
        if event == "opcode":
            passed += 1
            if passed == at:
                sys.settrace(None)  # The next step would be to see to the signal.
                [_] = signals
            elif not is_quiet(frame):
                places.append(passed)
        return trace

    def enter(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code not in walked and not is_ours(frame.f_code):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return trace

    usual = sys.gettrace()
    try:
        sys.settrace(enter)
        try:
            call()
        finally:
            sys.settrace(usual)
    except KeyboardInterrupt:
        pass
    return [*places, passed]


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[CodeType]]:
    """The code of the calls to the system, to be walked through. None waits for the disk."""
    codes = set()

    def walk(name: str, call: Callable[..., Any]) -> None:
        def walked_call(*args: Any) -> Any:
            return call(*args)

        codes.add(walked_call.__code__)
        monkeypatch.setattr(os, name, walked_call)

    for name in ("fsync", "fdatasync"):
        if hasattr(os, name):
            walk(name, os.fstat)
    for name in ("pwrite", "pread", "ftruncate"):
        if hasattr(os, name):
            walk(name, getattr(os, name))
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield codes
    signal.signal(signal.SIGINT, usual)


CASES = [(kind, call) for kind in KINDS for call in CALLS if call.startswith(KINDS[kind].calls)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory, if there is one: SQLite waits for any disk. It reserves no space."""
    monkeypatch.setattr(durability, "_RESERVE", 1)
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(prefix="simlib-test-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """No garbage is collected: a signal that comes then goes to what other tools do about it."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(("kind", "call"), CASES)
def test_an_interrupt_at_any_instruction_does_no_harm(
    place: Path, clock: Any, background: Any, walked: set[CodeType], kind: str, call: str
) -> None:
    def begin(at: int) -> tuple[MessageQueue, Message]:
        queue = KINDS[kind].open(place / str(at), clock)
        queue.put_many([HELD, *READY])
        return queue, queue.get()

    queue, held = begin(0)
    places = walk(lambda: CALLS[call](queue, held), walked)
    queue.close()
    assert len(places) > 5
    for at in places:
        queue, held = begin(at)
        walk(lambda: CALLS[call](queue, held), walked, at)  # noqa: B023
        try:
            # In a thread of its own: whatever the interrupted one still holds is in its way.
            background(_check, KINDS[kind], place / str(at), clock, queue, held, at).outcome()
        except BaseException as error:
            error.add_note(f"after a signal before instruction {at}")
            raise


def _check(
    kind: Kind, folder: Path, clock: Any, queue: MessageQueue, held: Message, at: int
) -> None:
    """Use a queue after an interrupted call, and find every message where it may be."""
    queue.put(b"after")
    found = queue.get_many(99)
    bodies = [message.body for message in found]
    assert len(set(bodies)) == len(bodies)
    assert set(bodies) <= {HELD, *READY, *NEW, b"after"}
    assert bodies[-1] == b"after"
    put = [body for body in bodies if body in NEW]
    assert put in ([], NEW, NEW[:1])  # All or none.
    assert all(message.headers == {"k": [1]} for message in found if message.priority)
    queue.ack_many(found)

    if HELD in bodies:  # Given back.
        assert found[bodies.index(HELD)].attempts == 2
        with pytest.raises(LeaseLostError):
            queue.ack(held)
    else:  # Still held, or done already.
        with suppress(LeaseLostError):
            queue.ack(held)

    # What the interrupted call took and could not hand over is held, by nobody.
    taken = [body for body in READY if body not in bodies]
    assert taken == READY[: len(taken)]
    assert (queue.qsize(), queue.unacked, len(queue.ids())) == (0, len(taken), len(taken))
    if kind.leased:
        clock.advance(LEASE)
        assert (queue.qsize(), queue.unacked) == (len(taken), 0)
    queue.put(b"the end")
    if kind.lasting:
        kill(queue) if at % 2 else queue.close()
        queue = kind.open(folder, clock)
    if kind.lasting or kind.leased:
        again = queue.get_many(99)
        assert [message.body for message in again] == [*taken, b"the end"]
        assert all(message.redelivered for message in again[:-1])
        queue.ack_many(again)
        assert (queue.qsize(), queue.ids()) == (0, set())
    else:
        queue.ack(queue.get())
    with pytest.raises(Empty):
        queue.get_nowait()
    queue.close()
