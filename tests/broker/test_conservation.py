"""Whatever is done, every copy that a queue took is somewhere, and one copy only."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simlib.broker import Broker, Channel, Delivery
from simlib.queues import MemoryQueue

NAMES = ["a", "b", "c"]
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "durable": st.booleans(),
        "message_ttl": st.sampled_from([0.0, 1.0, 4.0]),
        "max_length": st.integers(0, 4),
        "overflow": st.sampled_from(["drop-head", "reject-publish"]),
        "max_priority": st.integers(1, 3),
        "dead_letter_exchange": st.sampled_from(["", "topics"]),
        "delivery_limit": st.integers(0, 2),
    },
)


class Conservation(RuleBasedStateMachine):
    """A broker under any sequence of calls, beside a book of every delivery."""

    @initialize(options=st.lists(OPTIONS, min_size=3, max_size=3))
    def open(self, options: list[dict[str, Any]]) -> None:
        self.now = 0.0
        self.published = 0
        self.broker = Broker(clock=lambda: self.now)
        self.broker.declare_exchange("topics", "topic", durable=True)
        self.storage = {name: MemoryQueue() for name in NAMES}
        sources = [self.storage["a"], self.storage["b"], self.reopen]
        for name, source, each in zip(NAMES, sources, options, strict=True):
            self.broker.declare_queue(name, source, **each)
        self.channels: list[Channel] = []
        self.held: dict[tuple[Channel, int], Delivery] = {}

    def reopen(self) -> MemoryQueue:
        """Open the queue c, in which nothing outlives a restart."""
        self.storage["c"] = MemoryQueue()
        return self.storage["c"]

    def note(self, channel: Channel, delivery: Delivery) -> None:
        assert (channel, delivery.delivery_tag) not in self.held
        self.held[channel, delivery.delivery_tag] = delivery

    def copies(self) -> dict[str, int]:
        return {name: state.published for name, state in self.broker.queues.items()}

    def forget_closed(self) -> None:
        self.channels = [channel for channel in self.channels if not channel.closed]
        self.held = {key: value for key, value in self.held.items() if not key[0].closed}

    @rule(
        exchange=st.sampled_from(["", "topics", "amq.fanout"]),
        key=st.sampled_from([*NAMES, "a.b", ""]),
        options=st.fixed_dictionaries(
            {},
            optional={
                "priority": st.integers(0, 4),
                "persistent": st.booleans(),
                "expiration": st.sampled_from([0.0, 0.5, 3.0]),
                "headers": st.just({"h": [1]}),
            },
        ),
    )
    def publish(self, exchange: str, key: str, options: dict[str, Any]) -> None:
        self.published += 1
        before = self.copies()
        reached = self.broker.publish(exchange, key, b"%d" % self.published, **options)
        assert reached == sorted(set(reached))
        # Dead letters may add to it.
        after = self.copies()
        assert all(after[name] > before[name] for name in reached)

    @rule(
        name=st.sampled_from(NAMES),
        exchange=st.sampled_from(["topics", "amq.fanout"]),
        pattern=st.sampled_from(["#", "*", "a.#", "b"]),
        undo=st.booleans(),
    )
    def bind(self, name: str, exchange: str, pattern: str, undo: bool) -> None:
        if name in self.broker.queues:
            (self.broker.unbind if undo else self.broker.bind)(name, exchange, pattern)

    @precondition(lambda self: len(self.channels) < 3)
    @rule()
    def connect(self) -> None:
        self.channels.append(self.broker.channel())

    @precondition(lambda self: self.channels)
    @rule(
        data=st.data(),
        name=st.sampled_from(NAMES),
        prefetch=st.integers(0, 2),
        auto_ack=st.booleans(),
    )
    def consume(self, data: st.DataObject, name: str, prefetch: int, auto_ack: bool) -> None:
        if name not in self.broker.queues:
            return
        channel = data.draw(st.sampled_from(self.channels))

        def got(delivery: Delivery) -> None:
            if not auto_ack:
                self.note(channel, delivery)

        channel.consume(name, got, prefetch=prefetch, auto_ack=auto_ack)

    @precondition(lambda self: self.channels)
    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def get(self, data: st.DataObject, name: str) -> None:
        if name not in self.broker.queues:
            return
        channel = data.draw(st.sampled_from(self.channels))
        delivery = channel.get(name)
        if delivery is not None:
            self.note(channel, delivery)

    @precondition(lambda self: self.held)
    @rule(
        data=st.data(),
        act=st.sampled_from(["ack", "nack", "reject"]),
        multiple=st.booleans(),
        requeue=st.booleans(),
    )
    def answer(self, data: st.DataObject, act: str, multiple: bool, requeue: bool) -> None:
        channel, tag = data.draw(st.sampled_from(list(self.held)))
        done = [tag]
        if multiple and act != "reject":
            done = [other for owner, other in self.held if owner is channel and other <= tag]
        for other in done:
            del self.held[channel, other]
        if act == "ack":
            channel.ack(tag, multiple)
        elif act == "nack":
            channel.nack(tag, multiple, requeue)
        else:
            channel.reject(tag, requeue)

    @precondition(lambda self: self.channels)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.channels)).close()
        self.forget_closed()

    @rule(seconds=st.sampled_from([0.25, 1.0, 2.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.broker.pump()
        assert self.broker.due_in() > 0

    @rule(name=st.sampled_from(NAMES))
    def purge(self, name: str) -> None:
        if name in self.broker.queues:
            ready = self.broker.message_count(name)
            assert self.broker.purge(name) == ready

    @precondition(lambda self: self.published > 5)
    @rule()
    def restart(self) -> None:
        self.broker.restart()
        self.forget_closed()
        assert not self.channels

    @invariant()
    def every_copy_is_somewhere(self) -> None:
        if not hasattr(self, "broker"):
            return
        for name, state in self.broker.queues.items():
            counted = state.ready + state.unacked + state.acked + sum(state.fates.values())
            assert state.published == counted
            stored = self.storage[name]
            assert state.ready + state.unacked == stored.qsize() + stored.unacked
            if state.options.max_length is not None and state.options.overflow == "drop-head":
                assert state.ready <= state.options.max_length
        unacked = sum(state.unacked for state in self.broker.queues.values())
        assert unacked == len(self.held)


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=150, stateful_step_count=40)
