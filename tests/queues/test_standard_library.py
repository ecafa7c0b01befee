"""put, get, qsize, empty, full and maxsize mean what they mean in queue.Queue."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pytest

from simlib.queues import Empty, Full

SHORT = 0.01

CALLS: dict[str, Callable[[Any], Any]] = {
    "get, not waiting": lambda q: q.get(False),
    "get, by name not waiting": lambda q: q.get(block=False),
    "get_nowait": lambda q: q.get_nowait(),
    "get, waiting a moment": lambda q: q.get(timeout=SHORT),
    "get, waiting a moment, by position": lambda q: q.get(True, SHORT),
    "get, waiting no time": lambda q: q.get(timeout=0),
    "get, negative timeout": lambda q: q.get(timeout=-1),
    "get, negative timeout that is not looked at": lambda q: q.get(False, -1),
    "put, not waiting": lambda q: q.put(b"new", False),
    "put, by name not waiting": lambda q: q.put(b"new", block=False),
    "put_nowait": lambda q: q.put_nowait(b"new"),
    "put, waiting a moment": lambda q: q.put(b"new", timeout=SHORT),
    "put, waiting a moment, by position": lambda q: q.put(b"new", True, SHORT),
    "put, waiting no time": lambda q: q.put(b"new", timeout=0),
    "put, negative timeout": lambda q: q.put(b"new", timeout=-1),
    "put, negative timeout that is not looked at": lambda q: q.put(b"new", False, -1),
}


def _reaction(q: Any, call: Callable[[Any], Any]) -> tuple[Any, ...]:
    """What a call does to a queue, in terms that do not depend on the sort of queue."""
    try:
        got = call(q)
    except (Empty, Full, ValueError) as error:
        did: Any = type(error)
    else:
        # A put of ours returns an id, one of the standard library nothing; both return.
        did = got if isinstance(got, bytes) else getattr(got, "body", "returned")
    return did, q.qsize(), q.empty(), q.full(), q.maxsize


@pytest.mark.parametrize("maxsize", [-1, 0, 1, 2])
@pytest.mark.parametrize("waiting", [0, 1, 2])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_does_what_it_does_to_a_standard_queue(
    make_queue: Any, maxsize: int, waiting: int, call: Callable[[Any], Any]
) -> None:
    if 0 < maxsize < waiting:
        waiting = maxsize
    ours, theirs = make_queue(maxsize), queue.Queue[bytes](maxsize)
    for number in range(waiting):
        ours.put(b"%d" % number)
        theirs.put(b"%d" % number)
    assert _reaction(ours, call) == _reaction(theirs, call)


def test_a_queue_with_leases_keeps_the_standard_rules_for_timeouts(make_queue: Any) -> None:
    ours, theirs = make_queue(lease=60.0), queue.Queue[bytes]()
    for call in (lambda q: q.get(False, -1), lambda q: q.get(timeout=-1)):
        assert _reaction(ours, call) == _reaction(theirs, call)


def test_the_exceptions_are_those_of_the_standard_library() -> None:
    assert Empty is queue.Empty
    assert Full is queue.Full


def test_a_get_waits_for_a_put(make_queue: Any, background: Any) -> None:
    q = make_queue()
    getter = background(q.get)
    q.put(b"at last")
    assert getter.outcome().body == b"at last"


def test_a_put_waits_for_room(make_queue: Any, background: Any) -> None:
    q = make_queue(1)
    q.put(b"first")
    putter = background(q.put, b"second")
    assert q.get().body == b"first"
    assert putter.outcome() == 2
    assert q.get().body == b"second"


def test_a_delivered_message_takes_no_room(make_queue: Any) -> None:
    q = make_queue(1)
    q.put(b"first")
    q.get()
    assert not q.full()
    q.put(b"second", block=False)
    assert q.full()


def test_a_delayed_message_takes_room(make_queue: Any, clock: Any) -> None:
    q = make_queue(1, clock=clock)
    q.put(b"later", delay=5.0)
    assert q.full()
    assert q.empty()
    with pytest.raises(Full):
        q.put(b"more", block=False)


def test_a_returned_message_is_taken_back_by_a_full_queue(make_queue: Any) -> None:
    q = make_queue(1)
    q.put(b"first")
    first = q.get()
    q.put(b"second")
    q.nack(first)
    assert q.qsize() == 2
    assert [q.get().body, q.get().body] == [b"first", b"second"]


@pytest.mark.parametrize("maxsize", [1.0, "1", None, True])
def test_a_maxsize_that_is_no_whole_number_is_refused(make_queue: Any, maxsize: Any) -> None:
    with pytest.raises(TypeError, match=f"maxsize.*{maxsize!r}"):
        make_queue(maxsize)


@pytest.mark.parametrize("lease", [0, -1.0, float("nan"), float("inf"), "1"])
def test_a_lease_that_is_no_positive_time_is_refused(make_queue: Any, lease: Any) -> None:
    with pytest.raises(ValueError, match=f"lease.*{lease!r}"):
        make_queue(lease=lease)


def test_the_options_can_be_read_again(make_queue: Any, clock: Any) -> None:
    q = make_queue(7, lease=2.5, clock=clock)
    assert (q.maxsize, q.lease, q.clock) == (7, 2.5, clock)
