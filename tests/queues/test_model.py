"""Any sequence of operations, held against a model in a few plain containers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from simlib.queues import Empty, Full, LeaseLostError, Message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=3,
)
HEADERS = st.none() | st.dictionaries(st.text(max_size=3), JSON, max_size=2)
# Sums of these are exact, so that the model and the queue agree about what is due.
DELAYS = st.sampled_from([0.0, 0.0, 0.0, 0.5, 2.0, 3.5])


@dataclass(frozen=True)
class Item:
    """What the model knows of a message."""

    id: int
    body: bytes
    headers: dict[str, Any]
    priority: int
    attempts: int = 1

    @property
    def place(self) -> tuple[int, int]:
        return (-self.priority, self.id)


class QueueModel(RuleBasedStateMachine):
    """A queue beside its model: ready messages, delayed ones, and those under a lease."""

    def __init__(self, make_queue: Any, clock: Any) -> None:
        super().__init__()
        self.make_queue = make_queue
        self.clock = clock
        self.last_id = 0
        self.ready: list[Item] = []
        self.delayed: list[tuple[float, Item]] = []
        self.held: dict[int, tuple[float, Item, Message]] = {}
        self.gone: list[Message] = []
        """Deliveries that are not held any more, for whatever reason."""

    @initialize(maxsize=st.sampled_from([0, 1, 3, 6]), lease=st.sampled_from([None, 3.0]))
    def open(self, maxsize: int, lease: float | None) -> None:
        self.maxsize = maxsize
        self.lease = lease
        self.queue = self.make_queue(maxsize, lease=lease, clock=self.clock)

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.queue.close()

    # What the model does

    @property
    def room(self) -> float:
        waiting = len(self.ready) + len(self.delayed)
        return self.maxsize - waiting if self.maxsize else inf

    def settle(self) -> None:
        now = self.clock()
        for due, item in self.delayed[:]:
            if due <= now:
                self.delayed.remove((due, item))
                self.ready.append(item)
        for end, item, message in list(self.held.values()):
            if end <= now:
                self.give_back(item, message)
        self.ready.sort(key=lambda item: item.place)

    def give_back(self, item: Item, message: Message) -> None:
        del self.held[item.id]
        self.gone.append(message)
        self.ready.append(replace(item, attempts=item.attempts + 1))
        self.ready.sort(key=lambda item: item.place)

    def store(self, body: bytes, headers: Any, priority: int, delay: float) -> int:
        self.last_id += 1
        item = Item(self.last_id, body, headers or {}, priority)
        if delay:
            self.delayed.append((self.clock() + delay, item))
        else:
            self.ready.append(item)
            self.ready.sort(key=lambda item: item.place)
        return self.last_id

    def deliver(self, message: Message) -> None:
        item = self.ready.pop(0)
        assert message == (item.id, item.body, item.headers, item.priority, item.attempts)
        assert message.redelivered == (item.attempts > 1)
        end = self.clock() + self.lease if self.lease else inf
        self.held[item.id] = (end, item, message)

    # What is done to both

    @rule(body=st.binary(max_size=3), headers=HEADERS, priority=st.integers(-2, 2), delay=DELAYS)
    def put(self, body: bytes, headers: Any, priority: int, delay: float) -> None:
        options = {"headers": headers, "priority": priority, "delay": delay}
        if self.room < 1:
            with pytest.raises(Full):
                self.queue.put(body, block=False, **options)
        else:
            number = self.queue.put(body, block=False, **options)
            assert number == self.store(body, headers, priority, delay)

    @rule(body=st.binary(max_size=3))
    def put_nothing_but_a_body(self, body: bytes) -> None:
        if self.room < 1:
            with pytest.raises(Full):
                self.queue.put_nowait(body)
        else:
            assert self.queue.put_nowait(body) == self.store(body, None, 0, 0.0)

    @rule(
        bodies=st.lists(st.binary(max_size=3), min_size=1, max_size=4),
        headers=HEADERS,
        priority=st.integers(-1, 1),
        delay=DELAYS,
    )
    def put_many(self, bodies: list[bytes], headers: Any, priority: int, delay: float) -> None:
        options = {"headers": headers, "priority": priority, "delay": delay}
        if 0 < self.maxsize < len(bodies):
            with pytest.raises(ValueError, match=f"maxsize={self.maxsize}"):
                self.queue.put_many(bodies, block=False, **options)
        elif self.room < len(bodies):
            with pytest.raises(Full):
                self.queue.put_many(bodies, block=False, **options)
        else:
            numbers = self.queue.put_many(bodies, block=False, **options)
            assert numbers == [self.store(body, headers, priority, delay) for body in bodies]

    @rule()
    def get(self) -> None:
        if self.ready:
            self.deliver(self.queue.get(block=False))
        else:
            with pytest.raises(Empty):
                self.queue.get(block=False)

    @rule(most=st.integers(1, 5))
    def get_many(self, most: int) -> None:
        messages = self.queue.get_many(most)
        assert len(messages) == min(most, len(self.ready))
        for message in messages:
            self.deliver(message)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        _, item, message = data.draw(st.sampled_from(list(self.held.values())))
        self.queue.ack(message)
        del self.held[item.id]
        self.gone.append(message)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), requeue=st.booleans())
    def nack(self, data: st.DataObject, requeue: bool) -> None:
        _, item, message = data.draw(st.sampled_from(list(self.held.values())))
        self.queue.nack(message, requeue=requeue)
        if requeue:
            self.give_back(item, message)
        else:
            del self.held[item.id]
            self.gone.append(message)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def ack_or_nack_too_late(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.gone))
        settle = data.draw(st.sampled_from([self.queue.ack, self.queue.nack]))
        with pytest.raises(LeaseLostError, match=str(message.id)):
            settle(message)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), too_late=st.booleans())
    def ack_many(self, data: st.DataObject, too_late: bool) -> None:
        held = [message for _, _, message in self.held.values()]
        chosen = data.draw(st.lists(st.sampled_from(held), unique_by=lambda message: message.id))
        if too_late and self.gone:
            spoiled = [*chosen, data.draw(st.sampled_from(self.gone))]
            with pytest.raises(LeaseLostError):
                self.queue.ack_many(data.draw(st.permutations(spoiled)))
            return
        self.queue.ack_many(chosen)
        for message in chosen:
            del self.held[message.id]
            self.gone.append(message)

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 3.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.settle()

    # What must agree at all times

    @invariant()
    def the_counts_agree(self) -> None:
        if not hasattr(self, "queue"):
            return
        queue, ready, delayed = self.queue, len(self.ready), len(self.delayed)
        assert (queue.qsize(), queue.delayed, queue.unacked) == (ready, delayed, len(self.held))
        assert queue.empty() == (ready == 0)
        assert queue.full() == (self.room <= 0)
        pending = [due for due, _ in self.delayed] + [end for end, _, _ in self.held.values()]
        assert queue.due_in() == min(pending, default=inf) - self.clock()


def test_any_sequence_of_operations_does_what_the_model_does(
    make_queue: Any, clock: Any, request: pytest.FixtureRequest
) -> None:
    # A server is asked several times in each step, which takes a hundred times as long.
    remote = request.node.callspec.params["make_queue"] == "postgres"
    run_state_machine_as_test(
        lambda: QueueModel(make_queue, clock),
        settings=settings(
            settings.default, max_examples=30 if remote else 150, stateful_step_count=40
        ),
    )
