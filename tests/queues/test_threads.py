"""One queue, many threads."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from instructions import is_ours, is_quiet

from simlib.queues import Empty, LeaseLostError


@pytest.fixture(autouse=True)
def _threads_take_turns_often() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


_ROOM = ("records.py", "segments.py")


def restless(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, but in queues it lets other threads go on wherever they may do so.

    Not in the room that turns messages into bytes: whoever is there holds the lock, or waits for
    the disk, which lets others go on, too.
    """

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if not is_quiet(frame):
            time.sleep(0)
        return trace

    def enter(frame: FrameType, event: str, arg: Any) -> Any:
        if not is_ours(frame.f_code) or frame.f_code.co_filename.endswith(_ROOM):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return trace

    def traced(*args: Any) -> Any:
        usual = sys.gettrace()
        sys.settrace(enter)
        try:
            return call(*args)
        finally:
            sys.settrace(usual)

    return traced


STOP = b"stop"


@pytest.mark.parametrize("lease", [None, 600.0])
@pytest.mark.parametrize("maxsize", [0, 1, 5])
@pytest.mark.parametrize(("producers", "consumers"), [(1, 1), (3, 1), (1, 3), (4, 4)])
def test_every_message_is_delivered_exactly_once(
    make_queue: Any,
    background: Any,
    producers: int,
    consumers: int,
    maxsize: int,
    lease: float | None,
) -> None:
    q = make_queue(maxsize, lease=lease)
    each = 600 // producers

    def produce(name: int) -> None:
        for number in range(each):
            q.put(b"%d-%d" % (name, number))

    def consume() -> list[bytes]:
        seen = []
        while True:
            message = q.get()
            q.ack(message)
            if message.body == STOP:
                return seen
            seen.append(message.body)

    takers = [background(consume) for _ in range(consumers)]
    makers = [background(produce, name) for name in range(producers)]
    for maker in makers:
        maker.outcome()
    for _ in takers:
        q.put(STOP, priority=-1)
    seen = [taker.outcome() for taker in takers]

    put = [b"%d-%d" % (name, number) for name in range(producers) for number in range(each)]
    assert Counter(body for bodies in seen for body in bodies) == Counter(put)
    assert (q.qsize(), q.unacked) == (0, 0)
    for bodies in seen:  # What one producer put, each consumer sees in that order.
        for name in range(producers):
            own = [int(body.split(b"-")[1]) for body in bodies if body.startswith(b"%d-" % name)]
            assert own == sorted(own)


def test_messages_that_are_returned_are_all_done_in_the_end(
    make_queue: Any, background: Any
) -> None:
    q = make_queue()
    done: Counter[bytes] = Counter()
    lock = threading.Lock()

    def consume() -> None:
        while True:
            message = q.get()
            if message.body == STOP:
                return
            if message.attempts < 3:
                q.nack(message)
                continue
            q.ack(message)
            with lock:
                done[message.body] += 1
                if len(done) == 200:
                    q.put_many([STOP] * 3)

    takers = [background(consume) for _ in range(3)]
    for number in range(200):
        q.put(b"%d" % number)
    for taker in takers:
        taker.outcome()
    assert done == Counter(b"%d" % number for number in range(200))


def test_a_bounded_queue_never_holds_more_than_it_may(make_queue: Any, background: Any) -> None:
    q = make_queue(2)
    putters = [background(lambda: [q.put(b"") for _ in range(200)]) for _ in range(3)]
    longest = 0
    for _ in range(600):
        longest = max(longest, q.qsize())
        q.ack(q.get())
    for putter in putters:
        putter.outcome()
    assert longest <= 2
    assert q.empty()


@pytest.mark.parametrize("how", ["one by one", "together", "returned", "prioritised"])
def test_no_wake_up_of_a_get_is_lost(make_queue: Any, background: Any, how: str) -> None:
    q = make_queue()
    for _ in range(100):
        returned = []
        if how == "returned":
            q.put_many([b"", b""])
            returned = q.get_many(2)
        getters = [background(q.get) for _ in range(2)]
        if how == "one by one":
            put = [q.put(b""), q.put(b"")]
        elif how == "together":
            put = q.put_many([b"", b""])
        elif how == "prioritised":
            put = [q.put(b"", priority=1), q.put(b"", priority=2)]
        else:
            put = [message.id for message in returned]
        for message in returned:
            q.nack(message)
        messages = [getter.outcome() for getter in getters]
        assert sorted(message.id for message in messages) == put
        q.ack_many(messages)


def test_no_wake_up_of_a_put_is_lost(make_queue: Any, background: Any) -> None:
    q = make_queue(2)
    q.put_many([b"", b""])
    for turn in range(1, 101):
        putters = [background(q.put, b""), background(q.put, b"")]
        q.ack_many(q.get_many(2))
        assert sorted(putter.outcome() for putter in putters) == [2 * turn + 1, 2 * turn + 2]


def test_gets_that_give_up_leave_nothing_stuck(make_queue: Any, background: Any) -> None:
    q = make_queue()
    total = 300

    def consume() -> int:
        seen = 0
        while not finished.is_set() or q.qsize():
            seen += len(q.get_many(1, block=True, timeout=0.001))
        return seen

    finished = threading.Event()
    takers = [background(consume) for _ in range(3)]
    for _ in range(total):
        q.put(b"")
    finished.set()
    assert sum(taker.outcome() for taker in takers) == total


@pytest.mark.parametrize("lease", [None, 600.0])
def test_all_ways_to_put_and_get_go_together_however_threads_take_turns(
    make_queue: Any, background: Any, lease: float | None
) -> None:
    q = make_queue(lease=lease)
    each, finished = 36, threading.Event()

    def put_single() -> list[int]:
        return [q.put(b"") for _ in range(each)]

    def put_prioritised() -> list[int]:
        return [q.put(b"", priority=number % 2) for number in range(each)]

    def put_together() -> list[int]:
        return [number for _ in range(each // 3) for number in q.put_many([b""] * 3)]

    def get(take: Callable[[], list[Any]], settle: Callable[[list[Any]], None]) -> list[int]:
        taken = []
        while not finished.is_set() or q.qsize():
            try:
                messages = take()
            except Empty:
                continue
            settle(messages)
            taken += [message.id for message in messages]
        return taken

    def ack_each(messages: list[Any]) -> None:
        for message in messages:
            q.ack(message)

    takers = [
        background(restless(get), take, settle)
        for take, settle in [
            (lambda: [q.get(block=False)], ack_each),
            (lambda: [q.get(timeout=0.001)], ack_each),
            (lambda: q.get_many(3), q.ack_many),
        ]
    ]
    makers = [background(restless(put)) for put in (put_single, put_prioritised, put_together)]
    put = [number for maker in makers for number in maker.outcome()]
    finished.set()
    taken = [number for taker in takers for number in taker.outcome()]
    assert sorted(put) == list(range(1, 3 * each + 1))
    assert sorted(taken) == sorted(put)
    assert (q.qsize(), q.unacked) == (0, 0)


@pytest.mark.parametrize("lease", [None, 600.0])
def test_of_two_threads_that_ack_one_delivery_exactly_one_succeeds(
    make_queue: Any, background: Any, lease: float | None
) -> None:
    q = make_queue(lease=lease)
    rounds = 100
    q.put_many([b""] * rounds)
    messages = q.get_many(rounds)
    barrier = threading.Barrier(2)

    def ack_all() -> list[bool]:
        succeeded = []
        for message in messages:
            barrier.wait()
            try:
                q.ack(message)
            except LeaseLostError:
                succeeded.append(False)
            else:
                succeeded.append(True)
        return succeeded

    one, other = background(restless(ack_all)), background(restless(ack_all))
    winners = [mine + theirs for mine, theirs in zip(one.outcome(), other.outcome(), strict=True)]
    assert winners == [1] * rounds
    assert q.unacked == 0
