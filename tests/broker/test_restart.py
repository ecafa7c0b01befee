"""What a restart leaves, and what a new broker finds in real queues."""

from __future__ import annotations

from collections.abc import Iterator
from operator import methodcaller
from pathlib import Path
from typing import Any

import pytest

from simlib.broker import Broker, NotFoundError, PreconditionFailedError
from simlib.queues import CorruptQueueError, FileQueue, MemoryQueue, SQLiteQueue
from simlib.queues.crash import kill, lose_power


def _drain(broker: Broker, queue: str) -> list[tuple[bytes, bool]]:
    drained = iter(lambda: broker.get(queue), None)
    return [(delivery.body, delivery.redelivered) for delivery in drained]


@pytest.fixture
def broker(clock: Any) -> Iterator[Broker]:
    with Broker(clock=clock) as broker:
        yield broker


def test_only_what_is_persistent_in_a_durable_queue_stays(broker: Broker) -> None:
    broker.declare_queue("durable", MemoryQueue(), durable=True)
    broker.declare_queue("brief", storage := MemoryQueue())
    for queue in ("durable", "brief"):
        for number in range(3):
            broker.publish("", queue, b"persistent %d" % number, persistent=True)
            broker.publish("", queue, b"transient")
    broker.restart()
    assert _drain(broker, "durable") == [(b"persistent %d" % number, False) for number in range(3)]
    with pytest.raises(NotFoundError):
        broker.get("brief")
    assert storage.qsize() == 0


def test_what_was_held_comes_back_to_its_place(broker: Broker) -> None:
    broker.declare_queue("q", MemoryQueue(), durable=True)
    for number in range(4):
        broker.publish("", "q", b"%d" % number, persistent=number != 1)
    channel, got = broker.channel(), []
    channel.consume("q", got.append, prefetch=1)
    channel.get("q")
    channel.get("q")
    broker.restart()
    assert channel.closed
    assert len(got) == 1
    assert broker.queues["q"].consumers == 0
    assert _drain(broker, "q") == [(b"0", True), (b"2", True), (b"3", False)]


def test_what_comes_back_after_a_restart_keeps_its_place(broker: Broker) -> None:
    broker.declare_queue("q", MemoryQueue(), durable=True)
    broker.publish("", "q", b"transient")
    for number in range(3):
        broker.publish("", "q", b"%d" % number, persistent=True)
    broker.restart()
    channel = broker.channel()
    channel.nack(channel.get("q").delivery_tag)
    broker.publish("", "q", b"3", persistent=True)
    assert [body for body, _ in _drain(broker, "q")] == [b"0", b"1", b"2", b"3"]


def test_exchanges_and_bindings_that_are_not_durable_go(broker: Broker) -> None:
    for name, durable in (("stays", True), ("goes", False)):
        broker.declare_exchange(name, "fanout", durable=durable)
        broker.declare_queue(f"q {name}", MemoryQueue(), durable=durable)
    for exchange in ("stays", "goes"):
        for queue in ("q stays", "q goes"):
            broker.bind(queue, exchange)
    broker.restart()
    assert [(b.source, b.destination) for b in broker.bindings] == [("stays", "q stays")]
    assert set(broker.exchanges) == {*Broker().exchanges, "stays"}


def test_exclusive_queues_go_even_if_durable(broker: Broker) -> None:
    broker.declare_queue("own", durable=True, exclusive=True)
    broker.channel().declare_queue("channel's", durable=True, exclusive=True)
    broker.restart()
    assert broker.queues == {}


def test_a_queue_is_opened_again(broker: Broker) -> None:
    opened: list[MemoryQueue] = []

    def open_queue() -> MemoryQueue:
        opened.append(MemoryQueue())
        return opened[-1]

    broker.declare_queue("q", open_queue, durable=True)
    assert broker.declare_queue("q", open_queue, durable=True) == "q"
    broker.publish("", "q", b"1", persistent=True)
    channel = broker.channel()
    channel.get("q")
    broker.restart()
    assert len(opened) == 2
    assert broker.queues["q"].fates == {"lost": 1}
    broker.publish("", "q", b"2", persistent=True)
    assert _drain(broker, "q") == [(b"2", False)]
    broker.close()
    for queue in opened:
        with pytest.raises(Exception, match="closed"):
            queue.put(b"")


@pytest.mark.parametrize("kind", [FileQueue, SQLiteQueue])
@pytest.mark.parametrize("stop", [methodcaller("close"), kill, lose_power])
def test_a_queue_on_disk_keeps_what_is_persistent(
    broker: Broker, clock: Any, tmp_path: Path, kind: Any, stop: Any
) -> None:
    broker.declare_queue("q", lambda: kind(tmp_path / "q", clock=clock), durable=True)
    broker.declare_queue("held", lambda: kind(tmp_path / "held", clock=clock), durable=True)
    for number in range(4):
        broker.publish("", "q", b"%d" % number, persistent=True)
        broker.publish("", "q", b"transient")
        broker.publish("", "held", b"%d" % number, persistent=number % 2 == 0, headers={"a": 1})
    broker.get("q")
    channel = broker.channel()
    channel.consume("held", lambda delivery: None)
    broker.restart(stop)
    assert [body for body, _ in _drain(broker, "q")][-3:] == [b"1", b"2", b"3"]
    # Which deliveries there were, a power cut may take; the messages it may not.
    redelivered = stop is not lose_power
    assert _drain(broker, "held") == [(b"0", redelivered), (b"2", redelivered)]
    for state in broker.queues.values():
        counted = state.ready + state.unacked + state.acked + sum(state.fates.values())
        assert (state.ready, state.published) == (0, counted)
    broker.publish("", "q", b"last", persistent=True)
    broker.close()
    with Broker(clock=clock) as after:
        storage = kind(tmp_path / "q", clock=clock)
        after.declare_queue("q", storage, durable=True)
        assert _drain(after, "q") == [(b"last", False)]
        storage.close()


def test_a_queue_that_is_damaged_can_be_declared_elsewhere(broker: Broker) -> None:
    opened: list[MemoryQueue] = []

    def open_queue() -> MemoryQueue:
        if opened:
            raise CorruptQueueError("damaged", "file", 0)
        opened.append(MemoryQueue())
        return opened[-1]

    broker.declare_queue("q", open_queue, durable=True)
    with pytest.raises(CorruptQueueError):
        broker.restart()
    got: list[Any] = []
    broker.declare_queue("r")
    broker.channel().consume("r", got.append)
    broker.publish("", "r", b"1")
    assert len(got) == 1


def test_callbacks_hear_nothing_of_a_restart(broker: Broker) -> None:
    broker.declare_queue("q", MemoryQueue(), durable=True)
    got: list[Any] = []
    for _ in range(3):
        broker.channel().consume("q", got.append, prefetch=1)
    for number in range(5):
        broker.publish("", "q", b"%d" % number, persistent=True)
    assert len(got) == 3
    broker.restart()
    assert len(got) == 3
    assert len(_drain(broker, "q")) == 5


def test_a_new_broker_takes_up_what_a_real_queue_keeps(clock: Any) -> None:
    storage = MemoryQueue()
    options = {"durable": True, "dead_letter_exchange": "", "dead_letter_routing_key": "dead"}
    with Broker(clock=clock) as before:
        before.declare_queue("q", storage, **options)
        before.publish(
            "",
            "q",
            b"kept",
            headers={"a": 1},
            priority=2,
            persistent=True,
            expiration=5.0,
            reply_to="r",
            correlation_id="c",
        )
    storage.put(b"put by somebody else", headers={"b": 2})
    clock.advance(2.0)
    with Broker(clock=clock) as after:
        after.declare_queue("dead")
        after.declare_queue("q", storage, **options)
        assert after.due_in() == 3.0
        channel = after.channel()
        kept, other = channel.get("q"), channel.get("q")
        assert (
            kept._asdict().items()
            >= {
                "exchange": "",
                "routing_key": "q",
                "body": b"kept",
                "headers": {"a": 1},
                "priority": 2,
                "persistent": True,
                "expiration": 5.0,
                "reply_to": "r",
                "correlation_id": "c",
            }.items()
        )
        assert (other.body, other.headers) == (b"put by somebody else", {"b": 2})
        assert (other.exchange, other.routing_key) == ("", "q")
        channel.nack(kept.delivery_tag)
        clock.advance(3.5)
        after.pump()
        assert after.get("dead").headers["x-death"][0]["reason"] == "expired"


def test_a_queue_cannot_change_what_keeps_it(broker: Broker) -> None:
    storage = MemoryQueue()
    broker.declare_queue("q", storage)
    broker.declare_queue("q", storage)
    broker.declare_queue("q")
    with pytest.raises(PreconditionFailedError, match="keeps its messages elsewhere"):
        broker.declare_queue("q", MemoryQueue())
    with pytest.raises(TypeError, match="queue must be a MessageQueue or open one"):
        broker.declare_queue("r", "file.log")  # type: ignore[arg-type]


def test_an_ended_broker_gives_back_what_was_held() -> None:
    storage = MemoryQueue()
    with Broker() as broker:
        broker.declare_queue("q", storage)
        broker.publish("", "q", b"1")
        broker.channel().get("q")
        broker.get("q")
    broker.close()
    assert (storage.qsize(), storage.unacked) == (1, 0)
