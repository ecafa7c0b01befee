"""A consumer loses nothing and does nothing twice, whatever happens to its line."""

from __future__ import annotations

import random
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from size import size

from simlib.broker import topic_matches
from simlib.broker.errors import PreconditionFailedError
from simlib.live.rabbit import (
    Consumer,
    GaveUpError,
    Link,
    Outcome,
    Publisher,
    Received,
    Seen,
    Subscription,
    Topic,
    WindowPublisher,
    WorkQueue,
    delete,
)
from simlib.stores import Inbox
from simlib.stores.database import Database

from .conftest import AT_ONCE, Place, run_until, until


def fill(url: str, queue: WorkQueue, count: int) -> list[str]:
    with WindowPublisher(queue, 100, Link(url=url)) as publisher:
        return [publisher.publish(b"%d" % number) for number in range(count)]


def test_each_message_is_worked_on_once_though_the_line_breaks(url: str, place: Place) -> None:
    count, draws = size(300, 5_000), random.Random(2)
    cuts = set(draws.sample(range(count), size(5, 50)))
    fill(url, place.queue, count)
    done: list[bytes] = []

    def work(message: Received) -> None:
        done.append(message.body)
        if len(done) in cuts:
            place.line.cut()
        if len(done) == count:
            consumer.stop()

    with Consumer(place.queue, link=place.link()) as consumer:
        consumer.run(work)
    assert Counter(done) == Counter(b"%d" % number for number in range(count))
    assert consumer.connections > 1
    assert consumer.outcomes[Outcome.DOUBLE] >= 1


def test_a_restarted_consumer_knows_what_was_done_from_its_database(
    url: str, place: Place, tmp_path: Path
) -> None:
    with Publisher(place.queue, Link(url=url)) as publisher:
        for _ in range(2):  # As whoever crashed before the answer came publishes again.
            publisher.publish(b"5", message_id="payment 1")
    with Database(tmp_path / "bank.db") as database:
        database.execute("CREATE TABLE paid (amount INTEGER)")
        inbox = Inbox(database)
        tried: list[str] = []

        def work(message: Received) -> None:
            tried.append(message.message_id)
            database.execute("INSERT INTO paid VALUES (?)", (int(message.body),))
            if len(tried) == 1:
                raise RuntimeError("after the effect, before the commit")

        with Consumer(place.queue, inbox, prefetch=1, link=Link(url=url)) as consumer:
            run_until(consumer, work, lambda: consumer.outcomes.total() == 3)
        assert consumer.outcomes == {Outcome.FAILED: 1, Outcome.DONE: 1, Outcome.DOUBLE: 1}
    with Database(tmp_path / "bank.db") as database:
        assert database.value("SELECT SUM(amount) FROM paid") == 5
        assert Inbox(database).answer("payment 1") == "done"


def test_what_fails_twice_is_a_dead_letter_and_in_nobodys_way(url: str, place: Place) -> None:
    fill(url, place.queue, 10)

    def work(message: Received) -> None:
        if message.body == b"3":
            raise RuntimeError("poison")

    with Consumer(place.queue, link=Link(url=url)) as consumer:
        run_until(consumer, work, lambda: consumer.outcomes.total() == 11)
    assert consumer.outcomes == {Outcome.DONE: 9, Outcome.FAILED: 1, Outcome.DEAD: 1}
    assert place.ready() == 0
    ((properties, body),) = place.taken(place.queue.dead)
    assert body == b"3"
    assert properties.headers["x-death"][0]["reason"] == "rejected"


def test_without_an_id_nobody_knows_a_double(url: str, place: Place) -> None:
    for _ in range(2):
        place.channel.basic_publish("", place.queue.name, b"as the tutorial sends it")
    done: list[str] = []
    with Consumer(place.queue, link=Link(url=url)) as consumer:
        work = lambda message: done.append(message.message_id)  # noqa: E731
        run_until(consumer, work, lambda: len(done) == 2)
    assert done == ["", ""]


def test_a_deleted_queue_is_declared_again(url: str, place: Place) -> None:
    with Consumer(place.queue, link=place.link()) as consumer:
        consumer.wait_until_ready()
        delete(place.channel, place.queue)
        until(lambda: consumer.connections == 2, "another connection")
        fill(url, place.queue, 1)
        consumer.run(lambda _: consumer.stop())
    assert consumer.outcomes[Outcome.DONE] == 1


def test_stop_ends_it_from_another_thread_and_the_rest_goes_back(url: str, place: Place) -> None:
    fill(url, place.queue, 10)
    with Consumer(place.queue, prefetch=10, link=Link(url=url)) as consumer:
        done: list[bytes] = []

        def work(message: Received) -> None:
            done.append(message.body)
            other = threading.Thread(target=consumer.stop)
            other.start()
            other.join(60)

        consumer.run(work)
    assert done == [b"0"]
    until(lambda: place.ready() == 9, "nine are back")


def test_it_gives_up_after_so_many_attempts(place: Place) -> None:
    with Consumer(place.queue, link=place.link(AT_ONCE)) as consumer:
        consumer.wait_until_ready()
        place.line.close()
        with pytest.raises(GaveUpError, match=r"gave up consuming .* after 3 attempts"):
            consumer.run(print)


def test_a_queue_that_is_declared_otherwise_is_a_defect(url: str, place: Place) -> None:
    other = WorkQueue(place.queue.name, capacity=7, expires=600)
    with (
        Consumer(other, link=Link(url=url)) as consumer,
        pytest.raises(PreconditionFailedError, match="inequivalent arg"),
    ):
        consumer.run(print)


def test_without_a_prefetch_the_server_would_send_all_it_has() -> None:
    with pytest.raises(ValueError, match="prefetch must be >= 1"):
        Consumer(WorkQueue("q"), prefetch=0)


def test_ids_in_memory_are_the_last_ones() -> None:
    seen, done = Seen(most=2), list[int]()

    def effect() -> str:
        done.append(len(done))
        return "done"

    for name in ("a", "b", "a", "c", "b", "a"):
        assert seen.once(name, effect) == "done"
    assert len(done) == 4  # a, b, c, and a again, which was forgotten
    with pytest.raises(ValueError, match="most must be >= 1 message, got 0"):
        Seen(most=0)
    with pytest.raises(ZeroDivisionError):
        seen.once("d", lambda: str(1 / 0))
    assert seen.once("d", effect) == "done"
    assert len(done) == 5


PATTERNS = (("order.*",), ("#",), ("*.created", "order.paid"), ("stock.#",), ("nothing",))
KEYS = ("order", "order.created", "order.paid", "order.paid.twice", "stock", "stock.low", "")


def test_subscribers_of_a_topic_get_what_matches(url: str, place: Place) -> None:
    topic = Topic(place.queue.name)
    got: list[list[str]] = [[] for _ in PATTERNS]
    wanted = [
        [key for key in KEYS if any(topic_matches(pattern, key) for pattern in patterns)]
        for patterns in PATTERNS
    ]
    consumers = [Consumer(Subscription(topic, each), link=Link(url=url)) for each in PATTERNS]
    try:
        for consumer in consumers:
            consumer.wait_until_ready()
        names = [consumer.queue for consumer in consumers]
        assert len(set(names)) == len(PATTERNS)
        assert all(name.startswith("amq.gen") for name in names)
        with Publisher(topic, Link(url=url)) as publisher:
            for key in KEYS:
                publisher.publish(key.encode(), key)
        for consumer, found, keys in zip(consumers, got, wanted, strict=True):
            work = partial(_note, found)
            run_until(consumer, work, lambda: len(found) >= len(keys))  # noqa: B023
            consumer.run(work, idle=0.05)  # And no more.
    finally:
        for consumer in consumers:
            consumer.close()
        delete(place.channel, topic)
    assert got == wanted


def _note(found: list[str], message: Received) -> None:
    found.append(message.routing_key)


def test_a_subscriber_has_another_queue_after_a_lost_connection(place: Place) -> None:
    topic = Topic(place.queue.name)
    with Consumer(Subscription(topic, ("#",)), link=place.link()) as consumer:
        consumer.wait_until_ready()
        first = consumer.queue
        place.line.cut()
        until(lambda: consumer.connections == 2 and consumer.queue != first, "another queue")
        consumer.wait_until_ready()
        with Publisher(topic, place.link()) as publisher:
            publisher.publish(b"after", "a.b")
        got: list[bytes] = []
        consumer.run(lambda message: (got.append(message.body), consumer.stop()))
    delete(place.channel, topic)
    assert got == [b"after"]
