"""Events in a table of PostgreSQL: what is not heard is read, once, and in the order of commits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from simlib.live.events import CLEARED, Event, PostgresEvents, Subscription
from simlib.queues import Full, QueueError

SOON = 60.0


@pytest.fixture
def events(database: str) -> Iterator[PostgresEvents]:
    with PostgresEvents(database, f"t{uuid4().hex[:12]}", most=5) as made:
        yield made
        made.delete()


def test_who_listens_is_woken_and_reads_what_was_published(
    events: PostgresEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    with events.subscribe("billing") as billing:
        events.publish(b"order 1")
        looks = []

        def look() -> list[Event]:
            looks.append(Subscription.read(billing) if looks else [])
            return looks[-1]

        # It finds nothing at first, and only the notification lets it look again so soon.
        monkeypatch.setattr(billing, "read", look)
        assert [each.body for each in billing.wait(SOON)] == [b"order 1"]
        assert (billing.heard, len(looks)) == (1, 2)


def test_what_is_not_heard_is_read_later_and_what_is_done_is_not_read_again(
    events: PostgresEvents,
) -> None:
    events.publish(b"before anybody subscribed")
    with events.subscribe("billing") as billing:
        events.publish(b"1")
        (first,) = billing.wait(SOON)
        billing.done(first)
    for body in (b"2", b"3"):
        events.publish(body)  # Nobody is connected.
    with events.subscribe("billing") as billing, events.subscribe("shipping") as shipping:
        assert [each.body for each in billing.wait(SOON)] == [b"2", b"3"]
        assert [each.body for each in billing.wait(0)] == [b"2", b"3"]  # for it is not done
        billing.done(billing.read()[-1])
        assert billing.wait(0) == []
        assert shipping.read() == []  # It came later.


def test_a_subscriber_that_lags_stops_the_publisher_and_not_the_disk(
    events: PostgresEvents,
) -> None:
    with events.subscribe("billing") as billing:
        for number in range(5):
            events.publish(b"%d" % number)
        for _ in range(3):
            with pytest.raises(Full):
                events.publish(b"one too many")
        billing.done(billing.read()[2])
        for number in range(5, 8):
            events.publish(b"%d" % number)
        assert [each.body for each in billing.read()] == [b"3", b"4", b"5", b"6", b"7"]
    with pytest.raises(Full):
        events.publish(b"still")
    events.unsubscribe("billing")
    events.publish(b"for nobody")


def test_no_event_is_passed_over_when_transactions_commit_in_another_order(
    database: str, events: PostgresEvents
) -> None:
    """Several publish at once, and one reads all the time by the last id that it has seen."""
    with PostgresEvents(database, events.name, most=10_000) as roomy:
        subscription = roomy.subscribe("audit")
    each, publishers = 40, 4

    def publish(name: int) -> None:
        with PostgresEvents(database, events.name, most=10_000) as mine:
            for number in range(each):
                mine.publish(b"%d-%d" % (name, number))

    threads = [threading.Thread(target=publish, args=(name,)) for name in range(publishers)]
    for thread in threads:
        thread.start()
    read: list[bytes] = []
    with subscription:
        while len(read) < each * publishers:
            found = subscription.wait(SOON)
            assert found, "an event was passed over"
            read += [event.body for event in found]
            subscription.done(found[-1])
    for thread in threads:
        thread.join(SOON)
    assert sorted(read) == sorted(
        b"%d-%d" % (name, number) for name in range(publishers) for number in range(each)
    )


def test_what_all_have_done_goes(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simlib.live.events.CLEARED", 10)
    assert CLEARED > 10
    with PostgresEvents(database, f"t{uuid4().hex[:12]}") as events:
        try:
            with events.subscribe("billing") as billing:
                for number in range(9):
                    events.publish(b"%d" % number)
                billing.done(billing.read()[6])
                events.publish(b"the tenth")
                ((kept,),) = events._connection.execute(
                    f"SELECT count(*) FROM {events._events}"
                ).fetchall()
                assert kept == 3
        finally:
            events.delete()


@pytest.mark.parametrize("name", ["", "Shop", "1st", "a-b", 'x"; DROP TABLE y; --', "x" * 41])
def test_a_name_that_is_none_is_refused_before_anything_is_connected(name: str) -> None:
    with pytest.raises(ValueError, match="name must be 1 to 40 lower-case letters"):
        PostgresEvents("host=nowhere.invalid", name)


def test_what_is_wrong_is_said(events: PostgresEvents) -> None:
    with pytest.raises(ValueError, match="most must be a whole number >= 1, got 0"):
        PostgresEvents("", most=0)
    with pytest.raises(TypeError, match="body must be bytes, got str"):
        events.publish("text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="subscriber must have 1 to 100 characters"):
        events.subscribe("")
    with (
        events.subscribe("x") as one,
        pytest.raises(ValueError, match="timeout must be >= 0 s and finite, got inf"),
    ):
        one.wait(float("inf"))
    with pytest.raises(QueueError, match="no PostgreSQL server answers"):
        PostgresEvents("host=127.0.0.1 port=1 connect_timeout=2")
