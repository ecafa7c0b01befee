"""What queues keep, and what becomes of the rest: on our broker and on RabbitMQ."""

from __future__ import annotations

from typing import Any

import pytest

from simlib.broker import NackedError, NotFoundError, UnroutableError


def _is_gone(server: Any, queue: str) -> bool:
    """Whether a queue is deleted; asking must not count as using it."""
    try:
        server.broker.publish("", queue, b"", mandatory=True)
    except UnroutableError:
        return True
    return False


def test_messages_come_as_they_were_published(server: Any) -> None:
    exchange, queue = server.exchange("x", "topic"), server.queue("q")
    server.broker.bind(queue, exchange, "#")
    options = {
        "headers": {"a": [1, {"b": None}], "c": True, "d": "é"},
        "priority": 3,
        "persistent": True,
        "expiration": 60.0,
        "reply_to": "me",
        "correlation_id": "42",
    }
    server.broker.publish(exchange, "k.l", b"\x00\xff", **options)
    server.broker.publish(exchange, "", b"")
    full, bare = server.drain(queue)
    assert full._asdict().items() >= {**options, "exchange": exchange, "routing_key": "k.l"}.items()
    assert (full.body, full.redelivered, full.attempts) == (b"\x00\xff", False, 1)
    assert bare[1:] == (exchange, "", False, b"", {}, 0, False, None, None, None, 1, "")


def test_a_longest_queue_drops_its_head(server: Any) -> None:
    queue = server.queue("q", max_length=3)
    server.put(queue, *b"0 1 2 3 4".split())
    assert server.bodies(queue) == [b"2", b"3", b"4"]


def test_a_longest_queue_refuses_what_comes(server: Any) -> None:
    queue = server.queue("q", max_length=3, overflow="reject-publish")
    channel = server.channel()
    for body in (b"0", b"1", b"2"):
        channel.publish("", queue, body)
    for body in (b"3", b"4"):
        with pytest.raises(NackedError, match="refused"):
            channel.publish("", queue, body)
    server.put(queue, b"5")
    assert server.bodies(queue) == [b"0", b"1", b"2"]


def test_what_is_delivered_does_not_count_as_length(server: Any) -> None:
    queue = server.queue("q", max_length=1, overflow="reject-publish")
    channel = server.channel()
    channel.publish("", queue, b"0")
    held = channel.get(queue)
    channel.publish("", queue, b"1")
    channel.nack(held.delivery_tag)
    server.until_ready(queue, 2)
    assert server.bodies(queue) == [b"0", b"1"]


def test_what_comes_back_to_a_full_queue_is_dropped_as_its_head(server: Any) -> None:
    queue = server.queue("q", max_length=2)
    server.put(queue, b"0", b"1")
    channel = server.channel()
    held = channel.get(queue)
    server.put(queue, b"2")
    channel.nack(held.delivery_tag)
    server.until_ready(queue, 2)
    assert server.bodies(queue) == [b"1", b"2"]


def test_the_head_is_dropped_before_anybody_gets_it(server: Any) -> None:
    queue = server.queue("q", max_length=1)
    channel, got = server.channel(), []
    channel.consume(queue, got.append, prefetch=1)
    server.put(queue, b"1", b"2")
    server.until(lambda: got)
    channel.nack(got[0].delivery_tag)
    server.until(lambda: len(got) == 2)
    assert [delivery.body for delivery in got] == [b"1", b"2"]
    assert server.broker.message_count(queue) == 0


def test_dead_letters_that_come_together_find_who_waits_before_there_is_no_room(
    server: Any,
) -> None:
    dead = server.queue("dead", max_length=0, overflow="drop-head")
    queue = server.queue("q", dead_letter_exchange="", dead_letter_routing_key=dead)
    got: list[Any] = []
    server.channel().consume(dead, got.append)
    server.put(queue, b"0")
    server.put(queue, b"1", b"2", b"3", expiration=0.01)
    server.wait(0.05)
    server.channel().consume(queue, lambda delivery: None, auto_ack=True)
    server.until(lambda: len(got) == 3)
    assert [delivery.body for delivery in got] == [b"1", b"2", b"3"]


def test_a_queue_of_no_length_delivers_only_to_whoever_waits(server: Any) -> None:
    queue = server.queue("q", max_length=0)
    server.put(queue, b"0")
    assert server.bodies(queue) == []
    channel, got = server.channel(), []
    channel.consume(queue, got.append)
    server.put(queue, b"1")
    server.until(lambda: got)
    assert got[0].body == b"1"


def test_the_larger_priority_goes_first(server: Any) -> None:
    queue = server.queue("q", max_priority=5)
    for priority in (0, 1, 5, 9, 1):
        server.put(queue, str(priority).encode(), priority=priority)
    drained = server.drain(queue)
    assert [delivery.body for delivery in drained] == [b"5", b"9", b"1", b"1", b"0"]
    assert [delivery.priority for delivery in drained] == [5, 9, 1, 1, 0]


def test_without_a_largest_one_priorities_are_ignored(server: Any) -> None:
    queue = server.queue("q")
    for priority in (0, 5, 1):
        server.put(queue, str(priority).encode(), priority=priority)
    assert server.bodies(queue) == [b"0", b"5", b"1"]


def test_messages_die_of_the_shorter_of_two_times(server: Any) -> None:
    dead = server.queue("dead")
    queue = server.queue(
        "q", message_ttl=0.05, dead_letter_exchange="", dead_letter_routing_key=dead
    )
    server.put(queue, b"queue's")
    server.put(queue, b"queue's, too", expiration=60.0)
    server.put(queue, b"own", expiration=0.02)
    server.until_ready(dead, 3)
    assert server.bodies(dead) == [b"queue's", b"queue's, too", b"own"]


def test_a_message_dies_in_an_empty_queue_that_refuses_what_is_too_much(server: Any) -> None:
    queue = server.queue("q", max_length=5, overflow="reject-publish")
    server.put(queue, b"0", expiration=0.1)
    server.until_ready(queue, 0)
    assert server.bodies(queue) == []


def test_a_message_dies_only_at_the_head(server: Any) -> None:
    dead = server.queue("dead")
    queue = server.queue("q", dead_letter_exchange="", dead_letter_routing_key=dead)
    server.put(queue, b"slow", expiration=0.3)
    server.put(queue, b"quick", expiration=0.01)
    server.put(queue, b"immortal")
    server.until_ready(dead, 2)
    assert server.bodies(dead) == [b"slow", b"quick"]
    assert server.bodies(queue) == [b"immortal"]


def test_with_no_time_to_live_a_message_goes_only_to_whoever_waits(server: Any) -> None:
    queue = server.queue("q", message_ttl=0)
    server.put(queue, b"0")
    server.until_ready(queue, 0)
    channel, got = server.channel(), []
    channel.consume(queue, got.append, prefetch=1)
    for body in (b"1", b"2"):
        server.put(queue, body)
    server.until(lambda: got)
    server.until_ready(queue, 0)
    assert [delivery.body for delivery in got] == [b"1"]
    channel.ack(got[0].delivery_tag)
    channel.close()
    server.until_ready(queue, 0)


def test_what_comes_back_to_a_queue_with_times_goes_to_its_old_place(server: Any) -> None:
    queue = server.queue("q", message_ttl=60.0)
    channel = server.channel()
    server.put(queue, *(b"%d" % number for number in range(6)))
    for _ in range(4):
        channel.get(queue)
    server.until_ready(queue, 2)
    channel.nack(4, multiple=True)
    server.until_ready(queue, 6)
    assert server.bodies(queue) == [b"%d" % number for number in range(6)]


def test_one_that_comes_back_keeps_its_time(server: Any) -> None:
    dead = server.queue("dead")
    queue = server.queue("q", dead_letter_exchange="", dead_letter_routing_key=dead)
    server.put(queue, b"0", expiration=0.3)
    server.put(queue, b"1")
    channel = server.channel()
    channel.nack(channel.get(queue).delivery_tag)
    server.until_ready(dead, 1)
    assert server.bodies(dead) == [b"0"]
    assert server.bodies(queue) == [b"1"]


def test_dead_letters_say_why_and_how_often(server: Any) -> None:
    exchange = server.exchange("dead", "fanout")
    dead = server.queue("dead")
    server.broker.bind(dead, exchange)
    queue = server.queue("q", max_length=1, dead_letter_exchange=exchange)
    channel = server.channel()
    server.put(queue, b"0", headers={"a": 1}, expiration=60.0, priority=2, persistent=True)
    channel.reject(channel.get(queue).delivery_tag, requeue=False)
    server.until_ready(dead, 1)
    (rejected,) = server.drain(dead)
    (death,) = rejected.headers.pop("x-death")
    assert death.pop("time") > 1_000
    assert death == {
        "count": 1,
        "reason": "rejected",
        "queue": queue,
        "exchange": "",
        "routing-keys": [queue],
        "original-expiration": "60000",
    }
    assert rejected.headers == {
        "a": 1,
        "x-first-death-reason": "rejected",
        "x-first-death-queue": queue,
        "x-first-death-exchange": "",
    }
    assert (rejected.exchange, rejected.routing_key) == (exchange, queue)
    assert (rejected.redelivered, rejected.expiration) == (False, None)
    assert (rejected.priority, rejected.persistent) == (2, True)

    server.put(queue, b"1", b"2")
    server.until_ready(dead, 1)
    (dropped,) = server.drain(dead)
    assert (dropped.body, dropped.headers["x-death"][0]["reason"]) == (b"1", "maxlen")


def test_a_death_that_repeats_is_counted_and_comes_first(server: Any) -> None:
    work, wait = server.name("work"), server.name("wait")
    server.queue("work", dead_letter_exchange="", dead_letter_routing_key=wait)
    server.queue("wait", message_ttl=0.01, dead_letter_exchange="", dead_letter_routing_key=work)
    channel, seen = server.channel(), []

    def fail_twice(delivery: Any) -> None:
        seen.append(delivery)
        if len(seen) < 3:
            channel.reject(delivery.delivery_tag, requeue=False)
        else:
            channel.ack(delivery.delivery_tag)

    channel.consume(work, fail_twice)
    server.put(work, b"0")
    server.until(lambda: len(seen) == 3)
    deaths = [
        (death["queue"], death["reason"], death["count"]) for death in seen[-1].headers["x-death"]
    ]
    assert deaths == [(wait, "expired", 2), (work, "rejected", 2)]
    assert seen[-1].headers["x-first-death-reason"] == "rejected"
    assert not seen[-1].redelivered


def test_deaths_of_other_reasons_are_counted_apart(server: Any) -> None:
    exchange, log, work = server.exchange("x", "fanout"), server.queue("log"), server.name("work")
    wait = server.queue(
        "wait", message_ttl=0.02, dead_letter_exchange="", dead_letter_routing_key=work
    )
    server.queue("work", max_length=1, dead_letter_exchange=exchange)
    for queue in (wait, log):
        server.broker.bind(queue, exchange)
    server.put(work, b"0")
    channel = server.channel()
    channel.reject(channel.get(work).delivery_tag, requeue=False)
    server.until(lambda: server.broker.message_count(work) == 1)
    server.put(work, b"1")
    # It may have gone round once more by the time that anybody looks.
    server.until(lambda: server.broker.message_count(log) >= 2)
    deaths = server.drain(log)[1].headers["x-death"]
    causes = [(death["queue"], death["reason"], death["count"]) for death in deaths]
    assert causes[0] == (work, "maxlen", 1)
    # In which order the others are is not the same: see test_differences.py.
    assert sorted(causes[1:]) == [(wait, "expired", 1), (work, "rejected", 1)]


@pytest.mark.parametrize(
    "forged",
    [
        "text",
        3,
        True,
        None,
        {},
        {"queue": "q"},
        [],
        [{}],
        [{"queue": "q"}],
        [{"queue": 1, "reason": 2}],
        [{"queue": "q", "count": "many"}],
    ],
)
def test_a_death_that_somebody_made_up_is_no_hindrance(server: Any, forged: Any) -> None:
    dead = server.queue("dead")
    queue = server.queue("q", dead_letter_exchange="", dead_letter_routing_key=dead)
    server.put(queue, b"0", headers={"x-death": forged})
    channel = server.channel()
    channel.reject(channel.get(queue).delivery_tag, requeue=False)
    server.until_ready(dead, 1)
    headers = server.broker.get(dead).headers
    latest, *rest = headers.pop("x-death")
    assert headers == {}
    assert (latest["queue"], latest["reason"], latest["count"]) == (queue, "rejected", 1)
    assert rest == (forged if isinstance(forged, list) else [])


def test_a_message_that_would_go_round_by_itself_is_dropped(server: Any) -> None:
    first, second, done = server.name("first"), server.name("second"), server.queue("done")
    server.queue("first", message_ttl=0.01, dead_letter_exchange="", dead_letter_routing_key=second)
    exchange = server.exchange("x", "fanout")
    server.queue("second", message_ttl=0.01, dead_letter_exchange=exchange)
    server.broker.bind(first, exchange)
    server.broker.bind(done, exchange)
    server.put(first, b"0")
    server.until_ready(done, 1)
    assert server.broker.message_count(first) == 0
    assert server.broker.message_count(second) == 0


def test_a_dead_letter_keeps_its_key_unless_the_queue_says_otherwise(server: Any) -> None:
    exchange = server.exchange("dead", "direct")
    dead = server.queue("dead")
    server.broker.bind(dead, exchange, "own")
    server.broker.bind(dead, exchange, "other")
    source = server.exchange("x", "fanout")
    channel = server.channel()
    for name, key in (("a", None), ("b", "other"), ("c", "nobody's")):
        queue = server.queue(name, dead_letter_exchange=exchange, dead_letter_routing_key=key)
        server.broker.bind(queue, source)
    server.broker.publish(source, "own", b"0")
    for name in "abc":
        channel.reject(channel.get(server.name(name)).delivery_tag, requeue=False)
    server.until_ready(dead, 2)
    assert sorted(delivery.routing_key for delivery in server.drain(dead)) == ["other", "own"]


def test_a_dead_letter_exchange_need_not_exist(server: Any) -> None:
    queue = server.queue("q", dead_letter_exchange=server.name("nothing"))
    server.put(queue, b"0")
    channel = server.channel()
    channel.reject(channel.get(queue).delivery_tag, requeue=False)
    assert server.bodies(queue) == []


def test_what_is_purged_or_deleted_is_no_dead_letter(server: Any) -> None:
    dead = server.queue("dead")
    options = {"dead_letter_exchange": "", "dead_letter_routing_key": dead}
    queue, other = server.queue("q", **options), server.queue("other", **options)
    server.put(queue, b"0", b"1")
    server.put(other, b"2", b"3", b"4")
    assert server.broker.purge(queue) == 2
    assert server.broker.delete_queue(other) == 3
    assert server.broker.message_count(queue) == server.broker.message_count(dead) == 0


def test_a_delivery_limit_ends_a_poison_message(server: Any) -> None:
    dead = server.queue("dead")
    queue = server.queue(
        "q",
        durable=True,
        delivery_limit=2,
        dead_letter_exchange="",
        dead_letter_routing_key=dead,
    )
    server.put(queue, b"poison", b"good", persistent=True)
    channel, seen = server.channel(), []

    def choke(delivery: Any) -> None:
        seen.append((delivery.body, delivery.attempts, delivery.redelivered))
        if delivery.body == b"poison":
            channel.nack(delivery.delivery_tag)
        else:
            channel.ack(delivery.delivery_tag)

    channel.consume(queue, choke, prefetch=1)
    server.until_ready(dead, 1)
    server.until(lambda: len(seen) == 4)
    assert seen == [
        (b"poison", 1, False),
        (b"poison", 2, True),
        (b"poison", 3, True),
        (b"good", 1, False),
    ]
    (death,) = server.drain(dead)[0].headers["x-death"]
    assert (death["reason"], death["count"]) == ("delivery_limit", 1)


def test_an_unused_queue_expires(server: Any) -> None:
    queue = server.queue("q", expires=0.1)
    server.put(queue, b"0")

    server.until(lambda: _is_gone(server, queue))
    with pytest.raises(NotFoundError):
        server.broker.message_count(queue)


def test_a_queue_with_a_consumer_does_not_expire(server: Any) -> None:
    queue, other = server.queue("q", expires=0.05), server.queue("other", expires=0.1)
    channel = server.channel()
    tag = channel.consume(queue, lambda delivery: None)
    server.until(lambda: _is_gone(server, other))
    assert not _is_gone(server, queue)
    channel.cancel(tag)
    server.until(lambda: _is_gone(server, queue))


def test_a_queue_may_go_with_its_last_consumer(server: Any) -> None:
    queue = server.queue("q", auto_delete=True)
    server.put(queue, b"0")
    assert server.broker.message_count(queue) == 1
    one, two = server.channel(), server.channel()
    tag = one.consume(queue, lambda delivery: None)
    two.consume(queue, lambda delivery: None)
    one.cancel(tag)
    assert server.broker.message_count(queue) == 0
    two.close()
    server.until(lambda: _is_gone(server, queue))


def test_a_queue_that_may_go_is_deleted_under_its_consumers(server: Any) -> None:
    queue, exchange = server.queue("q", auto_delete=True), server.exchange("x", "fanout")
    server.broker.bind(queue, exchange)
    channels = [server.channel(), server.channel()]
    got: list[Any] = []
    for channel in channels:
        channel.consume(queue, got.append, prefetch=1)
    server.put(queue, b"0", b"1", b"2")
    server.until(lambda: len(got) == 2)
    assert server.broker.delete_queue(queue) == 1
    server.until(lambda: _is_gone(server, queue))
    with pytest.raises(UnroutableError):
        server.broker.publish(exchange, "", b"", mandatory=True)
    channels[0].nack(1)
    channels[1].close()
    assert server.broker.declare_queue(queue) == queue
    assert server.broker.message_count(queue) == 0


def test_an_exclusive_queue_goes_with_its_channel(server: Any) -> None:
    channel = server.channel()
    queue = channel.declare_queue(server.name("q"), exclusive=True)
    exchange = server.exchange("x", "fanout")
    channel.bind(queue, exchange)
    server.broker.publish(exchange, "", b"0")
    assert channel.get(queue, auto_ack=True).body == b"0"
    channel.close()
    server.until(lambda: _is_gone(server, queue))


def test_the_server_gives_names(server: Any) -> None:
    names = [server.broker.declare_queue() for _ in range(3)]
    assert len(set(names)) == 3
    assert all(name.startswith("amq.gen-") for name in names)
    server.put(names[0], b"0")
    assert server.bodies(names[0]) == [b"0"]
