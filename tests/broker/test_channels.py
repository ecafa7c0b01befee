"""Consumers, credit, and what becomes of deliveries: on our broker and on RabbitMQ."""

from __future__ import annotations

from typing import Any

import pytest

from simlib.broker import ChannelClosedError, PreconditionFailedError

TEN = [str(number).encode() for number in range(10)]


def _consumers(server: Any, queue: str, *prefetches: int) -> tuple[list[Any], list[list[Any]]]:
    """Channels with a consumer each, and what these got."""
    channels = [server.channel() for _ in prefetches]
    got: list[list[Any]] = [[] for _ in prefetches]
    for channel, prefetch, mine in zip(channels, prefetches, got, strict=True):
        channel.consume(queue, mine.append, prefetch=prefetch)
    return channels, got


def _bodies(deliveries: list[Any]) -> list[bytes]:
    return [delivery.body for delivery in deliveries]


def test_consumers_take_turns(server: Any) -> None:
    queue = server.queue("q")
    _, got = _consumers(server, queue, 0, 0, 0)
    server.put(queue, *TEN)
    server.until(lambda: sum(map(len, got)) == 10)
    assert [_bodies(mine) for mine in got] == [TEN[0::3], TEN[1::3], TEN[2::3]]


def test_nobody_loses_a_turn_while_there_is_nothing_to_get(server: Any) -> None:
    queue = server.queue("q")
    (one,), (first,) = _consumers(server, queue, 1)
    server.put(queue, b"0")
    server.until(lambda: first)
    _, (second,) = _consumers(server, queue, 1)
    one.ack(first[0].delivery_tag)
    server.until_ready(queue, 0)
    server.put(queue, b"1")
    server.until(lambda: len(first) == 2 or second)
    assert (_bodies(first), _bodies(second)) == ([b"0", b"1"], [])


@pytest.mark.parametrize(
    ("prefetches", "held", "ready"),
    [((1, 1), ["0", "1"], 8), ((3, 1), ["023", "1"], 6), ((0, 2), ["02456789", "13"], 0)],
)
def test_prefetch_bounds_what_a_consumer_holds(
    server: Any, prefetches: tuple[int, int], held: list[str], ready: int
) -> None:
    queue = server.queue("q")
    _, got = _consumers(server, queue, *prefetches)
    server.put(queue, *TEN)
    server.until(lambda: sum(map(len, got)) == 10 - ready)
    server.until_ready(queue, ready)
    assert ["".join(d.body.decode() for d in mine) for mine in got] == held


def test_an_ack_makes_room_for_the_next(server: Any) -> None:
    queue = server.queue("q")
    (channel,), (got,) = _consumers(server, queue, 2)
    server.put(queue, *TEN)
    server.until(lambda: len(got) == 2)
    channel.ack(got[1].delivery_tag)
    server.until(lambda: len(got) == 3)
    channel.ack(got[2].delivery_tag, multiple=True)
    server.until(lambda: len(got) == 5)
    assert _bodies(got) == TEN[:5]
    channel.ack(0, multiple=True)
    server.until(lambda: len(got) == 7)
    server.until_ready(queue, 3)


def test_without_acks_there_is_no_bound(server: Any) -> None:
    queue = server.queue("q")
    channel, got = server.channel(), []
    channel.consume(queue, got.append, prefetch=1, auto_ack=True)
    server.put(queue, *TEN)
    server.until(lambda: len(got) == 10)
    channel.close()
    server.until_ready(queue, 0)


def test_what_is_given_back_goes_to_its_old_place(server: Any) -> None:
    queue = server.queue("q")
    server.put(queue, *TEN[:5])
    channel = server.channel()
    tags = [channel.get(queue).delivery_tag for _ in range(4)]
    channel.reject(tags[2])
    channel.ack(tags[1])
    channel.nack(tags[3], multiple=True)
    server.until_ready(queue, 4)
    drained = server.drain(queue)
    assert [(d.body, d.redelivered, d.attempts) for d in drained] == [
        (b"0", True, 2),
        (b"2", True, 2),
        (b"3", True, 2),
        (b"4", False, 1),
    ]


def test_a_closed_channel_gives_everything_back(server: Any) -> None:
    queue = server.queue("q")
    server.put(queue, *TEN[:6])
    (channel,), (got,) = _consumers(server, queue, 3)
    server.until(lambda: len(got) == 3)
    assert channel.get(queue).body == b"3"
    channel.ack(got[1].delivery_tag)
    server.until(lambda: len(got) == 4)
    channel.close()
    channel.close()
    server.until_ready(queue, 5)
    assert [(d.body, d.redelivered) for d in server.drain(queue)] == [
        (b"0", True),
        (b"2", True),
        (b"3", True),
        (b"4", True),
        (b"5", False),
    ]


def test_what_a_closed_channel_held_goes_to_the_others(server: Any) -> None:
    queue = server.queue("q")
    (one, _), (first, second) = _consumers(server, queue, 2, 0)
    server.put(queue, *TEN[:4])
    server.until(lambda: len(first) == 2 and len(second) == 2)
    one.close()
    server.until(lambda: len(second) == 4)
    assert [(d.body, d.redelivered) for d in second] == [
        (b"1", False),
        (b"3", False),
        (b"0", True),
        (b"2", True),
    ]


def test_a_cancelled_consumer_gets_no_more_but_may_ack(server: Any) -> None:
    queue = server.queue("q")
    channel, got = server.channel(), []
    tag = channel.consume(queue, got.append, prefetch=2, consumer_tag="mine")
    assert tag == "mine"
    server.put(queue, *TEN[:4])
    server.until(lambda: len(got) == 2)
    assert [delivery.consumer_tag for delivery in got] == ["mine", "mine"]
    channel.cancel(tag)
    channel.ack(got[0].delivery_tag)
    server.broker.pump()
    server.until_ready(queue, 2)
    assert len(got) == 2
    channel.close()
    server.until_ready(queue, 3)
    assert server.bodies(queue) == [b"1", b"2", b"3"]


def test_cancelling_nobody_is_allowed(server: Any) -> None:
    server.channel().cancel("nobody")


def test_tags_count_the_deliveries_of_a_channel(server: Any) -> None:
    queue = server.queue("q")
    server.put(queue, *TEN[:4])
    one, two = server.channel(), server.channel()
    tags = [
        one.get(queue).delivery_tag,
        two.get(queue).delivery_tag,
        one.get(queue, auto_ack=True).delivery_tag,
        one.get(queue).delivery_tag,
    ]
    assert tags == [1, 1, 2, 3]
    assert one.get(queue) is None


@pytest.mark.parametrize("act", ["ack", "nack", "reject"])
def test_a_delivery_is_done_once(server: Any, act: str) -> None:
    queue = server.queue("q")
    server.put(queue, b"0", b"1")
    channel = server.channel()
    channel.get(queue)
    tag = channel.get(queue).delivery_tag
    channel.ack(tag)
    server.refused(
        PreconditionFailedError, f"unknown delivery tag {tag}", lambda: getattr(channel, act)(tag)
    )
    assert channel.closed
    server.until_ready(queue, 1)
    with pytest.raises(ChannelClosedError, match="closed"):
        channel.get(queue)


@pytest.mark.parametrize(("tag", "multiple"), [(7, False), (7, True), (0, False)])
def test_an_unknown_delivery_tag_closes_the_channel(server: Any, tag: int, multiple: bool) -> None:
    queue = server.queue("q")
    server.put(queue, b"0")
    channel = server.channel()
    channel.get(queue)
    server.refused(
        PreconditionFailedError,
        f"unknown delivery tag {tag}",
        lambda: channel.ack(tag, multiple=multiple),
    )
    server.until_ready(queue, 1)


def test_acking_all_of_nothing_is_allowed(server: Any) -> None:
    channel = server.channel()
    channel.ack(0, multiple=True)
    server.broker.pump()
    assert not channel.closed


def test_a_tag_belongs_to_its_channel(server: Any) -> None:
    queue = server.queue("q")
    server.put(queue, b"0")
    one, two = server.channel(), server.channel()
    tag = one.get(queue).delivery_tag
    server.refused(PreconditionFailedError, "unknown delivery tag", lambda: two.ack(tag))
    one.ack(tag)
    server.broker.pump()
    assert not one.closed


def test_deliveries_of_a_deleted_queue_may_still_be_acked(server: Any) -> None:
    queue = server.queue("q")
    server.put(queue, *TEN[:5])
    channel, got = server.channel(), []
    channel.consume(queue, got.append)
    server.until(lambda: len(got) == 5)
    server.broker.delete_queue(queue)
    channel.ack(got[0].delivery_tag)
    channel.nack(got[1].delivery_tag)
    channel.reject(got[2].delivery_tag, requeue=False)
    channel.ack(got[4].delivery_tag, multiple=True)
    server.broker.pump()
    assert not channel.closed


def test_a_callback_may_publish_and_ack(server: Any) -> None:
    queue, answers = server.queue("q"), server.queue("answers")
    channel = server.channel()

    def echo(delivery: Any) -> None:
        server.broker.publish(
            "", delivery.reply_to, delivery.body, correlation_id=delivery.correlation_id
        )
        channel.ack(delivery.delivery_tag)

    channel.consume(queue, echo, prefetch=1)
    for number in range(3):
        server.put(queue, b"%d" % number, reply_to=answers, correlation_id=str(number))
    server.until_ready(answers, 3)
    assert [d.correlation_id for d in server.drain(answers)] == ["0", "1", "2"]
