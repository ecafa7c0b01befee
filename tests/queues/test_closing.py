"""A closed queue, and the threads that still wait at it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from simlib.queues import Full, QueueClosedError, QueueError

CALLS: dict[str, Callable[[Any], Any]] = {
    "put": lambda q: q.put(b""),
    "put with headers": lambda q: q.put(b"", headers={"k": 1}),
    "put_nowait": lambda q: q.put_nowait(b""),
    "put_many": lambda q: q.put_many([b"", b""]),
    "get": lambda q: q.get(),
    "get_nowait": lambda q: q.get_nowait(),
    "get with a timeout": lambda q: q.get(timeout=5.0),
    "get_many": lambda q: q.get_many(2),
    "get_many, waiting": lambda q: q.get_many(2, block=True),
}


@pytest.mark.parametrize("maxsize", [0, 1])
@pytest.mark.parametrize("waiting", [0, 1])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_closed_queue_refuses_puts_and_gets(
    make_queue: Any, maxsize: int, waiting: int, call: Callable[[Any], Any]
) -> None:
    if call is CALLS["put_many"] and maxsize:
        maxsize = 2
    q = make_queue(maxsize)
    q.put_many([b""] * waiting)
    q.close()
    with pytest.raises(QueueClosedError, match="closed"):
        call(q)


@pytest.mark.parametrize("lease", [None, 60.0])
@pytest.mark.parametrize("settle", ["ack", "nack"])
def test_a_closed_queue_refuses_to_settle(
    make_queue: Any, lease: float | None, settle: str
) -> None:
    q = make_queue(lease=lease)
    q.put(b"work")
    message = q.get()
    q.close()
    with pytest.raises(QueueClosedError, match="closed"):
        getattr(q, settle)(message)


@pytest.mark.parametrize("call", ["get", "get with a timeout", "get_many, waiting"])
def test_closing_ends_the_wait_of_a_get(make_queue: Any, background: Any, call: str) -> None:
    q = make_queue()
    getters = [background(CALLS[call], q) for _ in range(3)]
    time.sleep(0.05)  # Time to begin waiting. Who is late finds the queue closed, with one answer.
    q.close()
    for getter in getters:
        with pytest.raises(QueueClosedError):
            getter.outcome()


@pytest.mark.parametrize("call", ["put", "put with headers"])
def test_closing_ends_the_wait_of_a_put(make_queue: Any, background: Any, call: str) -> None:
    q = make_queue(1)
    q.put(b"")
    putters = [background(CALLS[call], q) for _ in range(3)]
    time.sleep(0.05)
    q.close()
    for putter in putters:
        with pytest.raises(QueueClosedError):
            putter.outcome()


def test_closing_twice_is_allowed(make_queue: Any) -> None:
    q = make_queue()
    q.close()
    q.close()


def test_a_queue_is_closed_at_the_end_of_its_context(make_queue: Any) -> None:
    with make_queue() as q:
        q.put(b"work")
        assert q.get().body == b"work"
    with pytest.raises(QueueClosedError):
        q.get_nowait()


def test_an_error_in_the_context_goes_on_and_the_queue_is_closed(make_queue: Any) -> None:
    q = make_queue(1)
    q.put(b"1")
    with pytest.raises(Full), q:
        q.put(b"2", block=False)
    with pytest.raises(QueueClosedError):
        q.put(b"3")


def test_flush_is_always_allowed(make_queue: Any) -> None:
    q = make_queue()
    q.put(b"work")
    q.flush()
    assert q.qsize() == 1


def test_a_closed_queue_is_an_error_of_queues() -> None:
    assert issubclass(QueueClosedError, QueueError)
