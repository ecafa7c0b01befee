"""MemoryQueue beside the standard library's queue and a bare deque."""

import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from simlib.queues import MemoryQueue

from .measure import Comparison, Slice, alternate
from .report import Table, at_least, figure, times

BURST = 1_000
BURSTS = 10  # in a slice
SLICES = 20  # makes 200,000 messages
STANDING = 50_000
BATCH = 100
BODIES = [number.to_bytes(4, "big") * 64 for number in range(BURST)]  # 256 bytes each

# What puts a burst into a queue, and what takes one out.
Bursts = tuple[Callable[[], None], Callable[[], None]]


def tables() -> Iterator[Table]:
    for standing in (0, STANDING):
        yield _beside_standard_queue(standing)


def _beside_standard_queue(standing: int) -> Table:
    contenders = {
        "MemoryQueue, get + ack": _one_by_one(MemoryQueue()),
        "MemoryQueue with a lease, get + ack": _one_by_one(MemoryQueue(lease=30.0)),
        f"put_many, get_many + ack_many ({BATCH})": _in_batches(MemoryQueue()),
        "queue.Queue, get + task_done": _standard_with_task_done(),
        "deque (nobody can wait for it)": _bare_deque(),
    }
    standard = _slice(*_standard(), standing)
    # The queue.Queue is what takes turns with each: its time / theirs says how fast they are.
    measured = {
        name: alternate(_slice(*bursts, standing), standard, SLICES)
        for name, bursts in contenders.items()
    }
    first = next(iter(measured.values()))
    return Table(
        title=(
            f"MemoryQueue with {standing:,} messages waiting"
            if standing
            else "MemoryQueue, empty between bursts"
        ),
        about=(
            f"{BURST * BURSTS * SLICES:,} messages of {len(BODIES[0])} bytes in one thread, put "
            f"and taken in bursts of {BURST:,}: how many times as fast as `put` and `get` of "
            "`queue.Queue`. *Both* is a put and a get together. Goal: `MemoryQueue` is at least as "
            "fast in each, its ack and its lease included."
        ),
        columns=("queue", "put", "get", "both", "µs for both", "slices", "goal"),
        rows=[
            ("queue.Queue", "1", "1", "1", figure(first["both"].contender * 1e6), "", ""),
            *(_row(name, parts) for name, parts in measured.items()),
        ],
    )


def _row(name: str, parts: Mapping[str, Comparison]) -> tuple[object, ...]:
    both = parts["both"]
    return (
        name,
        *(times(parts[part].ratio) for part in ("put", "get", "both")),
        figure(both.baseline * 1e6),
        both.ratio.count,
        _goals(parts) if name.startswith("MemoryQueue") else "",
    )


def _goals(parts: Mapping[str, Comparison]) -> str:
    return ", ".join(f"{part} {at_least(1, parts[part].ratio.median)}" for part in ("put", "get"))


def _slice(fill: Callable[[], None], drain: Callable[[], None], standing: int) -> Slice:
    """Bursts in and out of a queue in which so many messages wait."""
    for _ in range(standing // BURST):
        fill()

    def measured() -> Mapping[str, float]:
        put = get = 0.0
        for _ in range(BURSTS):
            begun = time.process_time()
            fill()
            filled = time.process_time()
            drain()
            put += filled - begun
            get += time.process_time() - filled
        messages = BURST * BURSTS
        return {"put": put / messages, "get": get / messages, "both": (put + get) / messages}

    return measured


# Each has loops of its own: to share one would cost a call per message.


def _standard() -> Bursts:
    waiting: queue.Queue[bytes] = queue.Queue()
    put, get = waiting.put, waiting.get

    def fill() -> None:
        for body in BODIES:
            put(body)

    def drain() -> None:
        for _ in range(BURST):
            get()

    return fill, drain


def _standard_with_task_done() -> Bursts:
    waiting: queue.Queue[bytes] = queue.Queue()
    put, get, task_done = waiting.put, waiting.get, waiting.task_done

    def fill() -> None:
        for body in BODIES:
            put(body)

    def drain() -> None:
        for _ in range(BURST):
            get()
            task_done()

    return fill, drain


def _one_by_one(waiting: MemoryQueue) -> Bursts:
    put, get, ack = waiting.put, waiting.get, waiting.ack

    def fill() -> None:
        for body in BODIES:
            put(body)

    def drain() -> None:
        for _ in range(BURST):
            ack(get())

    return fill, drain


def _in_batches(waiting: MemoryQueue) -> Bursts:
    def fill() -> None:
        for start in range(0, BURST, BATCH):
            waiting.put_many(BODIES[start : start + BATCH])

    def drain() -> None:
        for _ in range(BURST // BATCH):
            waiting.ack_many(waiting.get_many(BATCH))

    return fill, drain


def _bare_deque() -> Bursts:
    waiting: deque[bytes] = deque()
    append, popleft = waiting.append, waiting.popleft

    def fill() -> None:
        for body in BODIES:
            append(body)

    def drain() -> None:
        for _ in range(BURST):
            popleft()

    return fill, drain
