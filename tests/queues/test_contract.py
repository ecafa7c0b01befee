"""What all queues refuse, and say of themselves, in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simlib.queues import FileQueue, MessageQueue, QueueClosedError


@pytest.fixture
def q(make_queue: Any) -> MessageQueue:
    return make_queue()


@pytest.mark.parametrize("thing", [None, "x", "", 5, [[]], (1, b"", {}, 0, 1)])
def test_what_is_no_message_can_not_be_settled(q: Any, thing: Any) -> None:
    q.put(b"work")
    q.get()
    for settle in (q.ack, q.nack, lambda each: q.ack_many([each])):
        with pytest.raises(TypeError):
            settle(thing)
    assert q.unacked == 1


def test_one_message_is_not_several(q: Any) -> None:
    q.put(b"work")
    with pytest.raises(TypeError, match="several messages"):
        q.ack_many(q.get())


def test_nested_headers_are_not_changed_without_a_word(q: Any) -> None:
    for headers in ({"a": {1: "x"}}, {"a": [{None: 1}]}):
        with pytest.raises(TypeError, match="string keys"):
            q.put(b"", headers=headers)
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(ValueError, match="100 levels"):
        q.put(b"", headers={"deep": deep})
    assert q.empty()


def test_priorities_have_the_same_bound(q: Any) -> None:
    q.put(b"", priority=2**63 - 2)
    for priority in (2**63 - 1, -(2**63) + 1):
        with pytest.raises(ValueError, match="priority must be within"):
            q.put(b"", priority=priority)


def test_a_queue_has_a_length_and_is_true_when_it_is_empty(q: Any) -> None:
    assert q
    assert len(q) == 0
    q.put(b"")
    assert len(q) == 1
    assert "ready=1, unacked=0" in repr(q)
    assert "\n" not in repr(q)


def test_a_bound_may_be_set_at_any_time(q: Any) -> None:
    q.put(b"")
    q.maxsize = 1
    assert q.full()


def test_leases_end_when_they_should_though_the_clock_steps_back(
    make_queue: Any, clock: Any
) -> None:
    queue = make_queue(lease=10.0, clock=clock)
    queue.put_many([b"1", b"2"])
    queue.get()
    clock.now = 50.0
    queue.get()
    clock.now = 60.0
    assert (queue.qsize(), queue.unacked) == (1, 1)


def test_a_closed_queue_answers_nothing(q: Any) -> None:
    q.close()
    for ask in (q.qsize, q.empty, q.full, q.__len__, q.flush):
        with pytest.raises(QueueClosedError):
            ask()
    assert "closed" in repr(q)


def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with FileQueue("q", sync="never", segment_size=700) as queue:
        monkeypatch.chdir(tmp_path / "elsewhere")
        for _ in range(20):
            queue.put(b"x" * 300)
        assert repr(queue) == "FileQueue('q', sync='never', ready=20, unacked=0)"
        assert list((tmp_path / "elsewhere").iterdir()) == []
    with FileQueue(tmp_path / "q") as queue:
        assert queue.qsize() == 20
